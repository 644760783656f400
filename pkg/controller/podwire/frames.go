package podwire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	restwatch "k8s.io/client-go/rest/watch"
)

// Numbers of fields in generated.proto of k8s.io/apimachinery/pkg/apis/meta/v1 and of k8s.io/apimachinery/pkg/runtime.
const (
	eventType   protowire.Number = 1
	eventObject protowire.Number = 2

	extensionRaw protowire.Number = 1
)

// open returns what opens the events that come. Whether they come as protobuf is seen by the first byte, which is that of a length then.
func open(from *bufio.Reader, body io.ReadCloser) opener {
	if first, err := from.Peek(1); err != nil || first[0] == 0 {
		return &frames{from: from}
	}
	return newObjects(readCloser{from, body})
}

// readCloser reads from a buffer of what it closes.
type readCloser struct {
	io.Reader
	io.Closer
}

// frames opens events that come as protobuf, each after its length.
type frames struct {
	from   *bufio.Reader
	memory memory
	head   [4]byte
	buffer []byte
}

func (f *frames) next() (happened, error) {
	if _, err := io.ReadFull(f.from, f.head[:]); err != nil {
		return happened{}, err
	}
	length := int(binary.BigEndian.Uint32(f.head[:]))
	if length > mostOfOne {
		return happened{}, fmt.Errorf("one event has %d bytes, which is more than %d", length, mostOfOne)
	}
	if cap(f.buffer) < length {
		f.buffer = make([]byte, length)
	}
	if _, err := io.ReadFull(f.from, f.buffer[:length]); err != nil {
		return happened{}, unexpected(err)
	}
	event, err := f.open(f.buffer[:length])
	if err != nil {
		return happened{}, fmt.Errorf("opening an event: %w", err)
	}
	return event, nil
}

// open opens one event. Nothing of it is copied but what is kept of the pod.
func (f *frames) open(wire []byte) (happened, error) {
	var kindOf, object []byte
	err := each(wire, func(of field) error {
		switch of.number {
		case eventType:
			kindOf = of.value
		case eventObject:
			return each(of.value, func(in field) error {
				if in.number == extensionRaw {
					object = in.value
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return happened{}, err
	}
	kind, err := eventKind(kindOf)
	if err != nil {
		return happened{}, err
	}
	envelope, ok := bytes.CutPrefix(object, prefix)
	if !ok {
		return happened{}, errors.New("its object is in no envelope")
	}
	pod, err := podIn(envelope)
	if err != nil {
		return happened{}, err
	}
	if pod == nil || kind == watch.Error {
		return failed(kind, object)
	}
	kept, err := f.memory.read(pod)
	return happened{kind: kind, pod: kept, version: f.memory.version}, err
}

// failed is an event that says why the watch ends.
func failed(kind watch.EventType, object []byte) (happened, error) {
	if kind != watch.Error {
		return happened{}, errNoPod
	}
	failure, err := runtime.Decode(scheme.Codecs.UniversalDeserializer(), object)
	return happened{kind: kind, failure: failure}, err
}

// objects opens events that come as JSON. Their pods are decoded as a whole first.
type objects struct{ watch.Decoder }

func newObjects(body io.ReadCloser) opener {
	info, _ := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeJSON) // which they have
	stream := info.StreamSerializer
	decoder := streaming.NewDecoder(stream.NewFrameReader(body), stream.Serializer)
	return objects{restwatch.NewDecoder(decoder, scheme.Codecs.UniversalDeserializer())}
}

func (o objects) next() (happened, error) {
	kind, object, err := o.Decode()
	if err != nil {
		return happened{}, err
	}
	if kind == watch.Error {
		return happened{kind: kind, failure: object}, nil
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return happened{}, errNoPod
	}
	kept, err := Of(pod)
	return happened{kind: kind, pod: kept, version: []byte(pod.ResourceVersion)}, err
}
