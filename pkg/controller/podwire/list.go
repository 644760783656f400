package podwire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

const (
	// listMetadata and listItems are numbers of fields in generated.proto of k8s.io/api/core/v1.
	listMetadata protowire.Number = 1
	listItems    protowire.Number = 2

	// atOnce is how many bytes of a list are read at once.
	atOnce = 64 << 10
	// mostOfOne is how many bytes one pod has at most. What etcd stores is a tenth of that.
	mostOfOne = 16 << 20
)

var listKind = corev1.SchemeGroupVersion.WithKind("PodList")

// Pods is a list of pods.
type Pods struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []*Pod
}

var _ runtime.Object = &Pods{}

// DeepCopyObject copies it.
func (p *Pods) DeepCopyObject() runtime.Object {
	return &Pods{TypeMeta: p.TypeMeta, ListMeta: *p.DeepCopy(), Items: copies(p.Items)}
}

// readList reads a list of pods as it comes, so that the whole of it is never kept. What does not come as protobuf is decoded as a whole.
func readList(body io.Reader) (*Pods, error) {
	from := bufio.NewReaderSize(body, atOnce)
	head, err := from.Peek(len(prefix))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading a list of pods: %w", err)
	}
	l := listReader{pods: &Pods{}}
	if bytes.Equal(head, prefix) {
		_, _ = from.Discard(len(prefix)) // it is there
		err = l.envelope(from)
	} else {
		err = l.whole(from)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a list of pods: %w", err)
	}
	return l.pods, nil
}

// listReader reads one list.
type listReader struct {
	pods   *Pods
	memory memory
	// buffer has room for what is read as one: a pod, or the metadata of the list.
	buffer []byte
}

// whole reads what is not protobuf.
func (l *listReader) whole(from io.Reader) error {
	data, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	object, err := runtime.Decode(scheme.Codecs.UniversalDeserializer(), data)
	if err != nil {
		return err
	}
	list, ok := object.(*corev1.PodList)
	if !ok {
		return fmt.Errorf("got a %T", object)
	}
	l.pods.ListMeta = list.ListMeta
	for i := range list.Items {
		pod, err := Of(&list.Items[i])
		if err != nil {
			return err
		}
		l.pods.Items = append(l.pods.Items, pod)
	}
	return nil
}

// envelope reads an envelope with a list in it.
func (l *listReader) envelope(from *bufio.Reader) error {
	var isList, found bool
	err := eachFrom(from, func(number protowire.Number, length int64) error {
		switch number {
		case envelopeType:
			value, err := l.read(from, length)
			if err == nil {
				isList, err = isKind(value, listKind)
			}
			return err
		case envelopeObject:
			found = true
			return l.list(from, length)
		default:
			return skip(from, length)
		}
	})
	if err == nil && (!isList || !found) {
		err = errors.New("the response is none")
	}
	return err
}

// list reads a list of this length.
func (l *listReader) list(from *bufio.Reader, length int64) error {
	limited := &io.LimitedReader{R: from, N: length}
	inner := bufio.NewReaderSize(limited, atOnce)
	err := eachFrom(inner, func(number protowire.Number, length int64) error {
		if number != listMetadata && number != listItems {
			return skip(inner, length)
		}
		value, err := l.read(inner, length)
		if err != nil {
			return err
		}
		if number == listMetadata {
			return l.pods.ListMeta.Unmarshal(value)
		}
		pod, err := l.memory.read(value)
		l.pods.Items = append(l.pods.Items, pod)
		return err
	})
	if err == nil && limited.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// read returns the next bytes, which are there until it reads again.
func (l *listReader) read(from io.Reader, length int64) ([]byte, error) {
	if length > mostOfOne {
		return nil, fmt.Errorf("one object has %d bytes, which is more than %d", length, mostOfOne)
	}
	if int64(cap(l.buffer)) < length {
		l.buffer = make([]byte, length)
	}
	value := l.buffer[:length]
	_, err := io.ReadFull(from, value)
	return value, unexpected(err)
}

// eachFrom calls do for each field of a message that has a length, up to the end of what there is to read. It has to read what the
// field holds, no less and no more.
func eachFrom(from *bufio.Reader, do func(number protowire.Number, length int64) error) error {
	for {
		tag, err := binary.ReadUvarint(from)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		number, kind := protowire.DecodeTag(tag)
		switch kind {
		case protowire.VarintType:
			_, err = binary.ReadUvarint(from)
		case protowire.Fixed32Type:
			err = skip(from, 4)
		case protowire.Fixed64Type:
			err = skip(from, 8)
		case protowire.BytesType:
			var length uint64
			if length, err = binary.ReadUvarint(from); err == nil && length > math.MaxInt64 {
				err = errors.New("a length is negative")
			}
			if err == nil {
				err = do(number, int64(length))
			}
		default:
			err = fmt.Errorf("field %d is of type %d, which is not in use", number, kind)
		}
		if err != nil {
			return unexpected(err)
		}
	}
}

func skip(from io.Reader, length int64) error {
	_, err := io.CopyN(io.Discard, from, length)
	return unexpected(err)
}

// unexpected is the error of an end that comes too early.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
