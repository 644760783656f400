package holes

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestAPodThatWentIsMissedUntilItIsHeardOf(t *testing.T) {
	var heard Heard
	a, b := pod("a", "own", 0).Node("n").Obj(), pod("b", "own", 0).Node("n").Obj()
	waits := pod("a", "own", 0).Obj()
	require.True(t, heard.All("n", nil), "there was no pod")
	heard.PodChanged(nil, waits)
	require.True(t, heard.All("n", nil), "it has no node")
	heard.PodChanged(waits, a)
	heard.PodChanged(a, a)
	heard.PodChanged(nil, b)
	require.True(t, heard.All("n", []*corev1.Pod{b, a}))
	require.True(t, heard.All("n", []*corev1.Pod{a, b, pod("c", "own", 0).Node("n").Obj()}), "one that came and is not heard of is none that went")
	require.False(t, heard.All("n", []*corev1.Pod{b}))
	require.False(t, heard.All("n", []*corev1.Pod{b, pod("a", "own", 0).UID("another").Node("n").Obj()}), "another one has its name now")
	require.True(t, heard.All("m", nil), "that is another node")
	other := pod("other", "own", 0).Node("m").Obj()
	heard.PodChanged(nil, other)
	require.True(t, heard.All("m", []*corev1.Pod{other}))
	require.False(t, heard.All("m", nil), "each node has its own")
	heard.PodChanged(other, nil)
	heard.PodChanged(a, nil)
	require.True(t, heard.All("n", []*corev1.Pod{b}))
	heard.PodChanged(b, nil)
	heard.PodChanged(b, nil)
	heard.PodChanged(waits, nil)
	require.Empty(t, heard.pods, "nodes without pods are not remembered")
}
