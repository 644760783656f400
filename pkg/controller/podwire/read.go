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

// mostClasses is how many classes are remembered while one response is read.
const mostClasses = 512

// Read keeps what counts of a pod in the wire format. A class whose labels or requests are broken is known only by decoding it.
func Read(wire []byte) (*Pod, error) { return (&memory{}).read(wire) }

// memory is what is remembered while one response is read, so that what many pods have in common is made once. One goroutine may use it
// at a time.
type memory struct {
	namespace string
	classes   map[string]Class
	// class and version are what the last pod has: its class as it is in the wire format, and its resource version.
	class, version []byte
}

// read does what Read does, and notes the resource version.
func (m *memory) read(wire []byte) (*Pod, error) {
	m.class, m.version = m.class[:0], m.version[:0]
	r := reader{memory: m, pod: &Pod{}}
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
		r.pod.Class = m.known()
	}
	return r.pod, nil
}

// known is the class of the last pod. To find one that is remembered takes no memory.
func (m *memory) known() Class {
	if class, ok := m.classes[string(m.class)]; ok {
		return class
	}
	if m.classes == nil || len(m.classes) >= mostClasses {
		m.classes = map[string]Class{}
	}
	class := Class{unique.Make(string(m.class))}
	m.classes[class.wire.Value()] = class
	return class
}

// reader reads one pod. What it puts into the class are fields in the wire format, one by one, each in a metadata or spec of its own:
// who decodes it puts them together.
type reader struct {
	*memory
	pod           *Pod
	bound, leaves bool
}

func (r *reader) metadata(f field) error {
	switch f.number {
	case metadataName:
		r.pod.Name = string(f.value)
	case metadataNamespace:
		if r.namespace != string(f.value) {
			r.namespace = string(f.value)
		}
		r.pod.Namespace = r.namespace
	case metadataResourceVersion:
		r.version = append(r.version[:0], f.value...)
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
		if kind != protowire.BytesType {
			n := protowire.ConsumeFieldValue(number, kind, message[tag:])
			if n < 0 {
				return protowire.ParseError(n)
			}
			message = message[tag+n:]
			continue
		}
		value, n := protowire.ConsumeBytes(message[tag:])
		if n < 0 {
			return protowire.ParseError(n)
		}
		f := field{number: number, value: value, raw: message[:tag+n]}
		message = message[tag+n:]
		if err := do(f); err != nil {
			return err
		}
	}
	return nil
}
