package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestRoomThatIsFreeButForANominatedPodIsMadeByPlaceholders(t *testing.T) {
	open := hr("open", "1")
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("3")).Obj()},
		pods:  []*corev1.Pod{unit(open, 0, "a").Obj(), on("a", "x", "1")},
	})
	// One of the three CPUs is free, and nominated away; one is held.
	other, err := framework.NewPodInfo(wants("1").Name("other").UID("other").NominatedNodeName("a").Obj())
	require.NoError(t, err)
	f.nominated["a"] = append(f.nominated["a"], other)
	c, _ := f.decided(t, wants("1").Obj())
	require.NotNil(t, c.swap)
	require.Equal(t, []string{"open-headroom-0"}, names(c.swap.Victims))

	c, _ = f.decided(t, wants("2").Obj())
	require.Nil(t, c.swap, "what is nominated away is not free, whatever goes")
}

func TestAPlaceholderThatStayedIsNotChosenAgain(t *testing.T) {
	open := hr("open", "2")
	stuck := unit(open, 0, "a").Terminating().Obj()
	stuck.Finalizers = []string{"example.com/hold"}
	f := newFixture(t, cluster{
		nodes:  []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("1")).Obj()},
		pods:   []*corev1.Pod{stuck, unit(open, 1, "b").Obj()},
		change: func(args *config.HeadroomArgs) { args.VictimWaitSeconds = 0 },
	})
	pod := wants("1").Obj()
	require.NoError(t, f.handle.SharedInformerFactory().Core().V1().Pods().Informer().GetStore().Add(pod))
	c, state := f.decided(t, pod)
	require.NotNil(t, c.swap)
	require.Equal(t, "a", c.swap.Node, "one that is being deleted anyhow goes first")
	require.True(t, f.Reserve(t.Context(), state, pod, "a").IsSuccess())
	require.False(t, f.Bind(t.Context(), state, pod, "a").IsSuccess())
	f.Unreserve(t.Context(), state, pod, "a")

	c, _ = f.decided(t, pod)
	require.NotNil(t, c.swap)
	require.Equal(t, "b", c.swap.Node)
}
