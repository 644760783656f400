package dryrun

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

func TestWhatIsLeftOutIsReadFromTheStateAndItsClones(t *testing.T) {
	state := framework.NewCycleState()
	_, dry := Without(state)
	require.False(t, dry, "the state of a cycle")

	state.Write(withoutKey, &without{})
	left, dry := Without(state)
	require.True(t, dry)
	require.Empty(t, left)

	victims := []*corev1.Pod{on("a", "victim", "1")}
	with := leavingOut(state, victims)
	left, dry = Without(with.Clone())
	require.True(t, dry)
	require.Equal(t, victims, left)
	left, _ = Without(state)
	require.Empty(t, left, "of the state beside it nothing is left out")
	require.Same(t, state, leavingOut(state, nil))
}

func TestANodeWithoutAPodHasTheRestOfItsRequests(t *testing.T) {
	stays, goes := on("a", "stays", "1"), on("a", "goes", "2")
	info := framework.NewNodeInfo(stays, goes)

	left := NodeWithout(info, []*corev1.Pod{goes, on("b", "elsewhere", "4")})

	require.Equal(t, int64(1000), left.GetRequested().GetMilliCPU())
	require.Len(t, left.GetPods(), 1)
	require.Equal(t, int64(3000), info.GetRequested().GetMilliCPU(), "the node itself is unchanged")
}
