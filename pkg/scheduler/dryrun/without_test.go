package dryrun

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/test/builders"
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

func TestANodeWithMoreOnItHasTheirNumberAndTheirRequests(t *testing.T) {
	info := framework.NewNodeInfo(on("a", "there", "1"))
	comes, err := framework.NewPodInfo(on("a", "comes", "2"))
	require.NoError(t, err)

	more := NodeWith(info, []fwk.PodInfo{comes}, &framework.Resource{MilliCPU: 500, AllowedPodNumber: 3})

	require.Len(t, more.GetPods(), 5, "one that comes, and room for three")
	require.Equal(t, int64(3500), more.GetRequested().GetMilliCPU())
	require.Len(t, NodeWith(info, nil, nil).GetPods(), 1)
	require.Len(t, info.GetPods(), 1, "the node itself is unchanged")
	require.Equal(t, int64(1000), info.GetRequested().GetMilliCPU())
}

// TestWhatIsWrittenToACloneIsNotReadInTheStateItself also where pods are left out and devices are free.
func TestWhatIsWrittenToACloneIsNotReadInTheStateItself(t *testing.T) {
	inner := framework.NewCycleState()
	for name, state := range map[string]fwk.CycleState{
		"pods are left out": leavingOut(inner, []*corev1.Pod{on("a", "victim", "1")}),
		"devices are free":  &devicesState{CycleState: inner, devices: &counted{"devices"}},
	} {
		t.Run(name, func(t *testing.T) {
			inner.Write("kept", &counted{"before"})
			clone := state.Clone()
			clone.Write("kept", &counted{"after"})
			found, err := state.Read("kept")
			require.NoError(t, err)
			require.Equal(t, &counted{"before"}, found)
			found, err = clone.Read("kept")
			require.NoError(t, err)
			require.Equal(t, &counted{"after"}, found)
		})
	}
}

func TestANodeWithoutSeveralPodsHasNoneOfThem(t *testing.T) {
	stays, first, last := on("a", "stays", "1"), on("a", "first", "2"), on("a", "last", "4")
	left := NodeWithout(framework.NewNodeInfo(first, stays, last), []*corev1.Pod{last, first})
	require.Equal(t, int64(1000), left.GetRequested().GetMilliCPU())
	require.Len(t, left.GetPods(), 1)
	require.Same(t, stays, left.GetPods()[0].GetPod())
}

func TestAPodThatIsBeingDeletedIsOnItsNodeUntilItIsGone(t *testing.T) {
	leaving, goes := on("a", "leaving", "1"), on("a", "goes", "2")
	leaving.DeletionTimestamp = &metav1.Time{}
	left := NodeWithout(framework.NewNodeInfo(leaving, goes), []*corev1.Pod{goes})
	require.Len(t, left.GetPods(), 1)
	require.Same(t, leaving, left.GetPods()[0].GetPod())
}

func TestANodeWithMoreOnItHasMoreOfEachResource(t *testing.T) {
	all := builders.Resources{"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi", "example.com/gpu": "1"}
	pod := func(name string) *corev1.Pod {
		return builders.Consumer(name, all).Namespace("default").UID(name).Node("a").Obj()
	}
	var comes []fwk.PodInfo
	for _, name := range []string{"second", "third"} {
		info, err := framework.NewPodInfo(pod(name))
		require.NoError(t, err)
		comes = append(comes, info)
	}
	want := framework.NewNodeInfo(pod("first"), pod("second"), pod("third"), pod("fourth")).GetRequested()
	more := framework.NewNodeInfo(pod("fourth")).GetRequested().(*framework.Resource)

	got := NodeWith(framework.NewNodeInfo(pod("first")), comes, more).GetRequested()

	require.Equal(t, want.GetMilliCPU(), got.GetMilliCPU())
	require.Equal(t, want.GetMemory(), got.GetMemory())
	require.Equal(t, want.GetEphemeralStorage(), got.GetEphemeralStorage())
	require.Equal(t, want.GetScalarResources(), got.GetScalarResources())
}
