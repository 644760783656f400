package podwire

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
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
