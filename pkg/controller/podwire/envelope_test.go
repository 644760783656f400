package podwire

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// part is a field that has a length, in the wire format.
func part(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

// typed is the type in an envelope.
func typed(version, kind string) []byte {
	return part(envelopeType, append(part(typeVersion, []byte(version)), part(typeKind, []byte(kind))...))
}

func TestOnlyAPodIsTakenOutOfAnEnvelope(t *testing.T) {
	for name, tc := range map[string]struct {
		envelope []byte
		want     string // empty: nothing
		err      string
	}{
		"a pod":                       {envelope: append(typed("v1", "Pod"), part(envelopeObject, []byte("pod"))...), want: "pod"},
		"a pod before its type":       {envelope: append(part(envelopeObject, []byte("pod")), typed("v1", "Pod")...), want: "pod"},
		"another kind":                {envelope: append(typed("v1", "Status"), part(envelopeObject, []byte("status"))...)},
		"the kind of another group":   {envelope: append(typed("example.com/v1", "Pod"), part(envelopeObject, []byte("pod"))...)},
		"the kind of another version": {envelope: append(typed("v2", "Pod"), part(envelopeObject, []byte("pod"))...)},
		"no type":                     {envelope: part(envelopeObject, []byte("pod"))},
		"nothing":                     {},
		"a pod that is missing":       {envelope: typed("v1", "Pod"), err: "an envelope has no pod in it"},
		"a type that is broken": {
			envelope: append(part(envelopeType, []byte{0xff}), part(envelopeObject, []byte("pod"))...), err: "opening the envelope of a pod",
		},
		"an envelope that is broken": {envelope: append(typed("v1", "Pod"), 0xff), err: "opening the envelope of a pod"},
	} {
		t.Run(name, func(t *testing.T) {
			wire, err := podIn(tc.envelope)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, string(wire))
		})
	}
}

// listOf is a list of pods as it comes, with these fields in it.
func listOf(fields ...[]byte) []byte {
	return joined(prefix, typed("v1", "PodList"), part(envelopeObject, bytes.Join(fields, nil)))
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// unknown are fields that nobody knows yet, of each kind that there is.
func unknown() [][]byte {
	return [][]byte{
		protowire.AppendVarint(protowire.AppendTag(nil, 101, protowire.VarintType), 300),
		protowire.AppendFixed32(protowire.AppendTag(nil, 102, protowire.Fixed32Type), 7),
		protowire.AppendFixed64(protowire.AppendTag(nil, 103, protowire.Fixed64Type), 7),
		part(104, []byte("new")),
		part(105, nil),
	}
}

func TestFieldsOfAListThatNobodyKnowsArePassedOver(t *testing.T) {
	pod, err := bound("a", "7", nil).Marshal()
	require.NoError(t, err)
	for i, field := range unknown() {
		data := joined(prefix, field, typed("v1", "PodList"), field,
			part(envelopeObject, joined(field, part(listItems, pod), field, part(listItems, pod))), field)
		list, err := readList(bytes.NewReader(data))
		require.NoError(t, err, i)
		require.Len(t, list.Items, 2, i)
		require.Equal(t, "a", list.Items[1].Name, i)
		for n := len(data) - len(field) + 1; n < len(data); n++ {
			_, err := readList(bytes.NewReader(data[:n]))
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut within a field, %d of %d bytes", n, len(data))
		}
	}
}

func TestAListOfSomethingElseIsNoListOfPods(t *testing.T) {
	pod, err := bound("a", "7", nil).Marshal()
	require.NoError(t, err)
	items := part(envelopeObject, part(listItems, pod))
	negative := protowire.AppendVarint(protowire.AppendTag(nil, envelopeObject, protowire.BytesType), math.MaxUint64)
	for name, data := range map[string][]byte{
		"nodes":                   encoded(t, runtime.ContentTypeProtobuf, &corev1.NodeList{Items: make([]corev1.Node, 1)}),
		"nodes in JSON":           encoded(t, runtime.ContentTypeJSON, &corev1.NodeList{Items: make([]corev1.Node, 1)}),
		"of another group":        joined(prefix, typed("example.com/v1", "PodList"), items),
		"of no type":              joined(prefix, items),
		"a type and nothing else": joined(prefix, typed("v1", "PodList")),
		"a type that is broken":   joined(prefix, part(envelopeType, []byte{0xff}), items),
		"a negative length":       joined(prefix, typed("v1", "PodList"), negative),
		"a negative length after": joined(prefix, typed("v1", "PodList"), items, negative),
		"a pod that is broken":    listOf(part(listItems, pod), part(listItems, []byte{0xff})),
		"metadata that is broken": listOf(part(listMetadata, []byte{0xff}), part(listItems, pod)),
		"more than it says":       joined(prefix, typed("v1", "PodList"), items, []byte{0x80}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readList(bytes.NewReader(data))
			require.ErrorContains(t, err, "reading a list of pods")
		})
	}
}

func TestAPodWhoseNodeNameIsMissingIsNotHeld(t *testing.T) {
	pod, err := Read(part(podMetadata, part(metadataName, []byte("a"))))
	require.NoError(t, err)
	require.Equal(t, &Pod{Name: "a"}, pod)
}

func TestWhatOfAPodIsBrokenIsFoundOutWhenItIsRead(t *testing.T) {
	node := part(specNodeName, []byte("n1"))
	_, err := Read(part(podSpec, joined(node, part(specContainers, []byte{0xff}))))
	require.ErrorContains(t, err, "reading a pod", "a container")
	_, err = Read(part(podSpec, joined(node, part(specInitContainers, []byte{0xff}))))
	require.ErrorContains(t, err, "reading a pod", "an init container")

	pod, err := Read(joined(part(podMetadata, part(metadataLabels, []byte{0xff})), part(podSpec, node)))
	require.NoError(t, err)
	_, err = pod.Class.Pod()
	require.ErrorContains(t, err, "decoding labels and requests of a pod", "labels are looked at by whoever wants them")
}

// TestTheLargestPodsAreRead: those with as much in annotations as an API server takes, and what else etcd stores.
func TestTheLargestPodsAreRead(t *testing.T) {
	pod := bound("a", "7", map[string]string{"app": "web"})
	pod.Annotations = map[string]string{"large": string(bytes.Repeat([]byte("x"), 3<<20))}
	list, err := readList(bytes.NewReader(encoded(t, runtime.ContentTypeProtobuf, &corev1.PodList{Items: []corev1.Pod{*pod, *pod}})))
	require.NoError(t, err)
	require.Len(t, list.Items, 2)
	requireSame(t, pod, list.Items[1])

	event := sent(t, runtime.ContentTypeProtobuf, "ADDED", pod)
	got, err := (&frames{from: bufio.NewReader(bytes.NewReader(event))}).next()
	require.NoError(t, err)
	requireSame(t, pod, got.pod)
}

func TestCopiesShareNothing(t *testing.T) {
	made := func() []*Pod {
		return []*Pod{{Namespace: "shop", Name: "a", Held: true}, {Namespace: "shop", Name: "b"}}
	}
	list := &Pods{Items: made()}
	list.Kind, list.ResourceVersion, list.Continue = "PodList", "7", "more"
	copied, ok := list.DeepCopyObject().(*Pods)
	require.True(t, ok)
	require.Equal(t, list, copied)
	copied.Items[0].Name, copied.Items[1], copied.ResourceVersion = "x", &Pod{}, "8"
	require.Equal(t, made(), list.Items)
	require.Equal(t, "7", list.ResourceVersion)

	changes := &Changes{Pods: made(), ResourceVersion: "7"}
	others, ok := changes.DeepCopyObject().(*Changes)
	require.True(t, ok)
	require.Equal(t, changes, others)
	others.Pods[0].Name, others.Pods[1], others.ResourceVersion = "x", &Pod{}, "8"
	require.Equal(t, &Changes{Pods: made(), ResourceVersion: "7"}, changes)

	pod := made()[0]
	one, ok := pod.DeepCopyObject().(*Pod)
	require.True(t, ok)
	require.Equal(t, pod, one)
	one.Name = "x"
	require.Equal(t, made()[0], pod)
}
