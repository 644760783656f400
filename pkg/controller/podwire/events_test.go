package podwire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"pgregory.net/rapid"
)

// encoded is an object as an API server sends it.
func encoded(t require.TestingT, mediaType string, object runtime.Object) []byte {
	info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), mediaType)
	require.True(t, ok)
	data, err := runtime.Encode(scheme.Codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion), object)
	require.NoError(t, err)
	return data
}

// sent is an event as an API server sends it.
func sent(t require.TestingT, mediaType string, kind watch.EventType, object runtime.Object) []byte {
	data := encoded(t, mediaType, object)
	if mediaType == runtime.ContentTypeJSON {
		return fmt.Appendf(nil, `{"type":%q,"object":%s}`, kind, data)
	}
	event := &metav1.WatchEvent{Type: string(kind), Object: runtime.RawExtension{Raw: data}}
	wire, err := event.Marshal()
	require.NoError(t, err)
	return framed(wire)
}

func framed(wire []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(wire))), wire...) //nolint:gosec // a few kilobytes
}

// bound is a pod that is bound to a node.
func bound(name, version string, labels map[string]string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, ResourceVersion: version, Labels: labels}}
	pod.Spec.NodeName = "n1"
	return pod
}

// told is all that is told of what a watch is sent, until it ends or fails.
func told(t require.TestingT, within testing.TB, data []byte) (Changes, runtime.Object) {
	var all Changes
	events := follow(within.Context(), io.NopCloser(bytes.NewReader(data)))
	defer events.Stop()
	for event := range events.ResultChan() {
		if event.Type == watch.Error {
			return all, event.Object
		}
		require.Equal(t, watch.Modified, event.Type)
		changes, ok := event.Object.(*Changes)
		require.True(t, ok, "got a %T", event.Object)
		all.Pods, all.ResourceVersion = append(all.Pods, changes.Pods...), changes.GetObjectMeta().GetResourceVersion()
	}
	return all, nil
}

func TestPodsOfEventsAreKeptAndErrorsAreLeftAsTheyAre(t *testing.T) {
	first, second := bound("a", "7", map[string]string{"app": "web"}), bound("a", "8", map[string]string{"app": "api"})
	expired := &metav1.Status{Status: metav1.StatusFailure, Code: 410, Reason: metav1.StatusReasonExpired}
	for _, mediaType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		t.Run(mediaType, func(t *testing.T) {
			var data []byte
			for _, event := range []struct {
				kind   watch.EventType
				object runtime.Object
			}{
				{watch.Added, first}, {watch.Modified, second}, {watch.Deleted, bound("b", "9", nil)},
				{watch.Bookmark, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "12"}}}, {watch.Error, expired},
			} {
				data = append(data, sent(t, mediaType, event.kind, event.object)...)
			}
			changes, failure := told(t, t, data)
			require.Equal(t, "12", changes.ResourceVersion)
			require.Len(t, changes.Pods, 3)
			requireSame(t, first, changes.Pods[0])
			requireSame(t, second, changes.Pods[1])
			require.Equal(t, &Pod{Namespace: "shop", Name: "b"}, changes.Pods[2], "which is gone")
			status, ok := failure.(*metav1.Status)
			require.True(t, ok, "got a %T", failure)
			require.Equal(t, expired.Reason, status.Reason)
		})
	}
}

// Of any pods, in any order, the same is told as was sent.
func TestWhatIsToldIsWhatWasSent(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		var all []*corev1.Pod
		var data []byte
		for range rapid.IntRange(1, 4).Draw(t, "pods") {
			pod := anyPod(t)
			all, data = append(all, pod), append(data, sent(t, runtime.ContentTypeProtobuf, watch.Modified, pod)...)
		}
		changes, failure := told(t, outer, data)
		require.Nil(t, failure)
		require.Len(t, changes.Pods, len(all))
		for i, pod := range all {
			requireSame(t, pod, changes.Pods[i])
		}
		require.Equal(t, all[len(all)-1].ResourceVersion, changes.ResourceVersion)
	})
}

func TestAWatchThatBreaksOffEndsAfterWhatCame(t *testing.T) {
	first, second := sent(t, runtime.ContentTypeProtobuf, watch.Added, bound("a", "1", nil)), sent(t, runtime.ContentTypeProtobuf, watch.Added, bound("b", "2", nil))
	for n := range second {
		changes, failure := told(t, t, append(bytes.Clone(first), second[:n]...))
		require.Nil(t, failure, "after %d bytes", n)
		require.Len(t, changes.Pods, 1)
		require.Equal(t, "1", changes.ResourceVersion)
	}
}

// Where it breaks off within an event client-go logs that it does; a watch that is over says nothing.
func TestAnEventThatBreaksOffIsNoOrdinaryEnd(t *testing.T) {
	event := sent(t, runtime.ContentTypeProtobuf, watch.Added, bound("a", "1", nil))
	for n := range event {
		f := &frames{from: bufio.NewReader(bytes.NewReader(event[:n]))}
		_, err := f.next()
		if n == 0 {
			require.Equal(t, io.EOF, err)
			continue
		}
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "after %d bytes", n)
	}
}

func TestAWatchThatBreaksBeforeItsFirstEventSaysWhy(t *testing.T) {
	broken := errors.New("broken")
	from := io.NopCloser(iotest.ErrReader(broken))
	_, err := open(bufio.NewReader(from), from).next()
	require.Equal(t, broken, err)
}

func TestAnEventThatCannotBeReadIsAnError(t *testing.T) {
	event := func(kind string, raw []byte) []byte {
		wire, err := (&metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: raw}}).Marshal()
		require.NoError(t, err)
		return framed(wire)
	}
	pod := encoded(t, runtime.ContentTypeProtobuf, bound("a", "1", nil))
	for name, data := range map[string][]byte{
		"one of a gigabyte":         {0x40, 0, 0, 0, 0},
		"one after another of that": append(event("ADDED", pod), 0x40, 0, 0, 0, 0),
		"a type that nobody knows":  event("RENAMED", pod),
		"no envelope":               event("ADDED", pod[1:]),
		"a pod that is cut":         event("ADDED", pod[:len(pod)/2]),
		"another object":            event("ADDED", encoded(t, runtime.ContentTypeProtobuf, &corev1.Node{})),
		"another object in JSON":    sent(t, runtime.ContentTypeJSON, watch.Added, &corev1.Node{}),
		"no event":                  framed([]byte{0xff}),
		"a page of a proxy":         []byte("<html>no upstream</html>"),
	} {
		t.Run(name, func(t *testing.T) {
			_, failure := told(t, t, data)
			status, ok := failure.(*metav1.Status)
			require.True(t, ok, "got a %T", failure)
			require.Contains(t, status.Message, "unable to decode an event from the watch stream")
		})
	}
}

func TestChangesOfAMomentAreToldTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := io.Pipe()
		events := follow(t.Context(), from)
		for _, names := range []string{"abc", "d"} {
			begin := time.Now()
			for _, name := range strings.Split(names, "") {
				_, err := to.Write(sent(t, runtime.ContentTypeProtobuf, watch.Added, bound(name, "1", nil)))
				require.NoError(t, err)
			}
			changes, ok := (<-events.ResultChan()).Object.(*Changes)
			require.True(t, ok)
			require.Len(t, changes.Pods, len(names))
			require.Equal(t, collect, time.Since(begin))
		}
		events.Stop()
		_, ok := <-events.ResultChan()
		require.False(t, ok)
		_, err := to.Write([]byte{0})
		require.ErrorIs(t, err, io.ErrClosedPipe, "nobody reads it any more")
	})
}

func TestNoMoreIsReadThanCanBeTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const more = 5
		one := sent(t, runtime.ContentTypeProtobuf, watch.Added, bound("a", "1", nil))
		e := newEvents(io.NopCloser(bytes.NewReader(bytes.Repeat(one, mostCollected+more))))
		go e.read()
		for _, want := range []int{mostCollected, more} {
			synctest.Wait()
			_, object, err := e.Decode()
			require.NoError(t, err)
			changes, ok := object.(*Changes)
			require.True(t, ok)
			require.Len(t, changes.Pods, want)
		}
		_, _, err := e.Decode()
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestAFailureIsToldOnce(t *testing.T) {
	e := newEvents(io.NopCloser(bytes.NewReader(nil)))
	e.end(&metav1.Status{Reason: metav1.StatusReasonExpired}, nil)
	close(e.over)
	kind, object, err := e.Decode()
	require.NoError(t, err)
	require.Equal(t, watch.Error, kind)
	require.Equal(t, &metav1.Status{Reason: metav1.StatusReasonExpired}, object)
	for range 2 {
		_, object, err = e.Decode()
		require.Nil(t, object)
		require.ErrorIs(t, err, io.EOF)
	}
}

// What a damaged event says is not defined, but it is opened without panic.
func FuzzOpen(f *testing.F) {
	data := sent(f, runtime.ContentTypeProtobuf, watch.Added, bound("a", "1", map[string]string{"app": "web"}))[4:]
	for n := range data {
		f.Add(data[:n])
		damaged := bytes.Clone(data)
		damaged[n] ^= 0x81
		f.Add(damaged)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		if event, err := (&frames{}).open(wire); err == nil {
			require.NotEqual(t, event.pod == nil, event.failure == nil)
		}
	})
}
