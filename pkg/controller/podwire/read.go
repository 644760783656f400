package podwire

import (
	"fmt"
	"unique"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of fields in generated.proto of k8s.io/api/core/v1 and of k8s.io/apimachinery/pkg/apis/meta/v1. They never change.
const (
	podMetadata protowire.Number = 1
	podSpec     protowire.Number = 2

	metadataName              protowire.Number = 1
	metadataNamespace         protowire.Number = 3
	metadataResourceVersion   protowire.Number = 6
	metadataDeletionTimestamp protowire.Number = 9
	metadataLabels            protowire.Number = 11

	specContainers     protowire.Number = 2
	specNodeName       protowire.Number = 10
	specInitContainers protowire.Number = 20
	specResources      protowire.Number = 40

	containerResources     protowire.Number = 8
	containerRestartPolicy protowire.Number = 24
)

// Read keeps what counts of a pod in the wire format. A class whose labels or requests are broken is known only by decoding it.
func Read(wire []byte) (*Pod, error) {
	var room [512]byte // enough for most classes
	r := reader{pod: &Pod{}, class: room[:0]}
	err := each(wire, func(f field) error {
		switch f.number {
		case podMetadata:
			return each(f.value, r.metadata)
		case podSpec:
			return each(f.value, r.spec)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading a pod: %w", err)
	}
	if r.pod.Held = r.bound && !r.leaves; r.pod.Held {
		r.pod.Class = Class{unique.Make(string(r.class))}
	}
	return r.pod, nil
}

// reader reads one pod.
type reader struct {
	pod           *Pod
	bound, leaves bool
	// class is a pod in the wire format. The fields that are kept come one by one, each in a metadata or spec of its own: who
	// decodes it puts them together.
	class []byte
}

func (r *reader) metadata(f field) error {
	switch f.number {
	case metadataName:
		r.pod.Name = string(f.value)
	case metadataNamespace:
		r.pod.Namespace = unique.Make(string(f.value)).Value() // of many pods, one text
	case metadataResourceVersion:
		r.pod.ResourceVersion = string(f.value)
	case metadataDeletionTimestamp:
		r.leaves = true
	case metadataLabels:
		r.keep(podMetadata, f)
	}
	return nil
}

func (r *reader) spec(f field) error {
	switch f.number {
	case specNodeName:
		r.bound = len(f.value) > 0
	case specContainers, specInitContainers:
		return r.container(f)
	case specResources:
		r.keep(podSpec, f)
	}
	return nil
}

// keep keeps a field as it is.
func (r *reader) keep(in protowire.Number, f field) {
	r.class = protowire.AppendTag(r.class, in, protowire.BytesType)
	r.class = protowire.AppendBytes(r.class, f.raw)
}

// container keeps of a container what its requests follow from.
func (r *reader) container(f field) error {
	var resources, restartPolicy []byte
	err := each(f.value, func(of field) error {
		switch of.number {
		case containerResources:
			resources = of.raw
		case containerRestartPolicy:
			restartPolicy = of.raw
		}
		return nil
	})
	size := len(resources) + len(restartPolicy)
	r.class = protowire.AppendTag(r.class, podSpec, protowire.BytesType)
	r.class = protowire.AppendVarint(r.class, uint64(protowire.SizeTag(f.number)+protowire.SizeBytes(size)))
	r.class = protowire.AppendTag(r.class, f.number, protowire.BytesType)
	r.class = protowire.AppendVarint(r.class, uint64(size))
	r.class = append(append(r.class, resources...), restartPolicy...)
	return err
}

// field is a field of a message, of those that have a length.
type field struct {
	number protowire.Number
	// value is what it holds, and raw the same with number and length before it.
	value, raw []byte
}

// each calls do for the fields of a message that have a length. Fields without one are passed over: none of them counts.
func each(message []byte, do func(field) error) error {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return protowire.ParseError(tag)
		}
		n := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if n < 0 {
			return protowire.ParseError(n)
		}
		f := field{number: number, raw: message[:tag+n]}
		message = message[tag+n:]
		if kind != protowire.BytesType {
			continue
		}
		f.value, _ = protowire.ConsumeBytes(f.raw[tag:])
		if err := do(f); err != nil {
			return err
		}
	}
	return nil
}
