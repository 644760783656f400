package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
	"github.com/headroom-dev/headroom/test/builders"
)

// known is what DynamicResources would keep in a cycle.
type known struct{ text string }

func (k *known) Clone() fwk.StateData { return k }

func TestAPodThatTakesDevicesGoesToNoOtherNode(t *testing.T) {
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("1")).Obj()},
		pods:  []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj(), unit(hr("open", "1"), 1, "b").Obj()},
	})
	pod := wants("1").Obj()
	c, state := f.decided(t, pod)
	require.Equal(t, "a", c.swap.Node)
	empty := framework.NewNodeInfo()
	empty.SetNode(builders.Node("c", "z-1", res("1")).Obj())
	require.True(t, f.Filter(t.Context(), state, pod, empty).IsSuccess(), "an ordinary swap exposes nothing")

	c.swap.Devices = &selection.Devices{}

	for _, node := range f.nodes { // in the snapshot's own order
		require.Equal(t, node.Node().Name == "a", f.Filter(t.Context(), state, pod, node).IsSuccess(), node.Node().Name)
	}
	require.False(t, f.Filter(t.Context(), state, pod, empty).IsSuccess())
}

func TestDevicesAreExposedUntilTheSwapComesToNothing(t *testing.T) {
	before, exposed := &known{"before"}, &known{"exposed"}
	state, c := framework.NewCycleState(), &cycle{swap: &swap{Swap: &selection.Swap{}}}
	state.Write(dryrun.DevicesKey, before)
	read := func() fwk.StateData {
		data, err := state.Read(dryrun.DevicesKey)
		require.NoError(t, err)
		return data
	}

	c.exposeDevices(state)
	require.Equal(t, before, read(), "an ordinary swap exposes nothing")
	c.swap.Devices = &selection.Devices{State: exposed}
	c.exposeDevices(state)
	require.Equal(t, exposed, read())
	c.hideDevices(state)
	require.Equal(t, before, read())
}

func TestDryRunsOfPreemptionDoNotCountDevicesOfASwapThatCameToNothing(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	c, before := cycleOf(state), &known{"before"}
	state.Write(dryrun.DevicesKey, before)
	c.swap.Devices = &selection.Devices{State: &known{"exposed"}}
	c.exposeDevices(state)
	f.PostFilter(t.Context(), state, pod, framework.NewDefaultNodeToStatus())
	data, err := state.Read(dryrun.DevicesKey)
	require.NoError(t, err)
	require.Equal(t, before, data)
	require.Empty(t, c.victimsOn("a"), "nor its victims as gone")
}

func TestPreBindIsForSwapsOfDevicesOnly(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	flight := func(node string) (*fwk.PreBindPreFlightResult, *fwk.Status) {
		return f.PreBindPreFlight(t.Context(), state, pod, node)
	}
	result, status := flight("a")
	require.True(t, status.IsSkip())
	require.True(t, result.AllowParallel, "it keeps no other plugin from running in parallel")
	require.True(t, f.PreBind(t.Context(), state, pod, "a").IsSuccess())
	require.Empty(t, f.client.Actions(), "nothing is evicted before the binding")

	cycleOf(state).swap.Devices = &selection.Devices{}
	result, status = flight("a")
	require.True(t, status.IsSuccess())
	require.False(t, result.AllowParallel, "DynamicResources has to wait for the eviction")
	require.True(t, f.PreBind(t.Context(), state, pod, "a").IsSuccess())
	require.Equal(t, []string{"delete"}, verbsOf(f))
	_, status = flight("b")
	require.True(t, status.IsSkip())
}

// verbsOf are the requests about pods.
func verbsOf(f *fixture) (verbs []string) {
	for _, action := range f.client.Actions() {
		if action.GetResource().Resource == "pods" {
			verbs = append(verbs, action.GetVerb())
		}
	}
	return verbs
}
