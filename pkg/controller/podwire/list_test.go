package podwire

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	"pgregory.net/rapid"
)

func TestListsAreReadAsTheyCome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "9", Continue: "more"}}
		for range rapid.IntRange(0, 4).Draw(t, "pods") {
			list.Items = append(list.Items, *anyPod(t))
		}
		streamed := &bytes.Buffer{}
		list.SetGroupVersionKind(listKind)
		streaming := protobuf.NewSerializerWithOptions(scheme.Scheme, scheme.Scheme, protobuf.SerializerOptions{StreamingCollectionsEncoding: true})
		require.NoError(t, streaming.Encode(list, streamed))
		data := streamed.Bytes()
		require.Equal(t, data, encoded(t, runtime.ContentTypeProtobuf, list))
		kept, err := readList(bytes.NewReader(data))
		require.NoError(t, err)
		require.Equal(t, list.ListMeta, kept.ListMeta)
		require.Len(t, kept.Items, len(list.Items))
		for i := range list.Items {
			requireSame(t, &list.Items[i], kept.Items[i])
		}
		n := rapid.IntRange(0, len(data)-1).Draw(t, "cut")
		if cut, err := readList(bytes.NewReader(data[:n])); err == nil {
			require.Equal(t, kept, cut, "after %d of %d bytes", n, len(data))
		}
	})
}

// TestNoBeginningOfAListPassesForTheWhole cuts a list after each of its bytes, the last of a pod among them.
func TestNoBeginningOfAListPassesForTheWhole(t *testing.T) {
	list := &corev1.PodList{Items: make([]corev1.Pod, 3)}
	list.SetGroupVersionKind(listKind)
	data := encoded(t, runtime.ContentTypeProtobuf, list)
	whole := 0
	for n := range data {
		if kept, err := readList(bytes.NewReader(data[:n])); err == nil {
			require.Len(t, kept.Items, len(list.Items), "after %d of %d bytes", n, len(data))
			whole++
		}
	}
	require.Less(t, whole, 10, "what comes after the list is short")
}

func TestAListThatIsNoneIsAnError(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
	for name, data := range map[string][]byte{
		"nothing":              nil,
		"the beginning alone":  prefix,
		"less than that":       prefix[:2],
		"a pod":                encoded(t, runtime.ContentTypeProtobuf, pod),
		"a pod in JSON":        encoded(t, runtime.ContentTypeJSON, pod),
		"a page of a proxy":    []byte("<html>no upstream</html>"),
		"a length without end": append(append([]byte{}, prefix...), 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		"a pod of a gigabyte":  append(append([]byte{}, prefix...), 0x12, 0x80, 0x80, 0x80, 0x80, 0x08, 0x12, 0x80, 0x80, 0x80, 0x80, 0x04),
		"a group":              append(append([]byte{}, prefix...), 0x0b),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readList(bytes.NewReader(data))
			require.ErrorContains(t, err, "reading a list of pods")
		})
	}
}

func FuzzReadList(f *testing.F) {
	list := &corev1.PodList{Items: []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}}
	data := encoded(f, runtime.ContentTypeProtobuf, list)
	for n := range data {
		f.Add(data[:n])
		damaged := append([]byte{}, data...)
		damaged[n] ^= 0x81
		f.Add(damaged)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if kept, err := readList(bytes.NewReader(data)); err == nil {
			require.NotNil(t, kept)
		}
	})
}
