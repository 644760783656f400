package podwire

import (
	"bytes"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// prefix begins what an API server sends as protobuf. After it comes an envelope, which says of which kind the object is.
var prefix = []byte("k8s\x00")

// Numbers of fields in generated.proto of k8s.io/apimachinery/pkg/runtime.
const (
	envelopeType   protowire.Number = 1
	envelopeObject protowire.Number = 2

	typeVersion protowire.Number = 1
	typeKind    protowire.Number = 2
)

var podKind = corev1.SchemeGroupVersion.WithKind("Pod")

// codecs decode pods to what is kept of them, and all else like the codecs that it embeds.
type codecs struct{ runtime.NegotiatedSerializer }

// DecoderToVersion returns what decodes the objects of one response.
func (c codecs) DecoderToVersion(serializer runtime.Decoder, version runtime.GroupVersioner) runtime.Decoder {
	return decoder{c.NegotiatedSerializer.DecoderToVersion(serializer, version)}
}

type decoder struct{ runtime.Decoder }

// Decode decodes one object. A pod that does not come as protobuf, because a proxy sends JSON, is decoded as a whole first.
func (d decoder) Decode(
	data []byte, defaults *schema.GroupVersionKind, into runtime.Object,
) (runtime.Object, *schema.GroupVersionKind, error) {
	if envelope, ok := bytes.CutPrefix(data, prefix); ok {
		wire, err := podIn(envelope)
		if err != nil {
			return nil, nil, err
		}
		if wire != nil {
			pod, err := Read(wire)
			if err != nil {
				return nil, &podKind, err
			}
			return pod, &podKind, nil
		}
	}
	object, kind, err := d.Decoder.Decode(data, defaults, into)
	if err != nil {
		return nil, kind, err
	}
	if whole, ok := object.(*corev1.Pod); ok {
		pod, err := Of(whole)
		if err != nil {
			return nil, kind, err
		}
		return pod, kind, nil
	}
	return object, kind, nil
}

// podIn returns the pod in an envelope, nil if there is something else in it.
func podIn(envelope []byte) (wire []byte, err error) {
	var isPod bool
	err = each(envelope, func(f field) error {
		switch f.number {
		case envelopeType:
			isPod, err = isKind(f.value, podKind)
			return err
		case envelopeObject:
			wire = f.value
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("opening the envelope of a pod: %w", err)
	}
	if isPod && wire == nil {
		return nil, errors.New("an envelope has no pod in it")
	}
	if !isPod {
		return nil, nil
	}
	return wire, nil
}

// isKind reports whether the type in an envelope is this kind.
func isKind(kindOf []byte, kind schema.GroupVersionKind) (bool, error) {
	var sameVersion, sameKind bool
	err := each(kindOf, func(f field) error {
		switch f.number {
		case typeVersion:
			sameVersion = string(f.value) == kind.GroupVersion().String()
		case typeKind:
			sameKind = string(f.value) == kind.Kind
		}
		return nil
	})
	return sameVersion && sameKind, err
}
