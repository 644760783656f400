package headroom

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestTheFirstPodGoesByTheHeadroomsThatBecameKnownWhileItWaited.
func TestTheFirstPodGoesByTheHeadroomsThatBecameKnownWhileItWaited(t *testing.T) {
	server := listing{open: make(chan struct{})}
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "2"), 0, "a").Obj()},
		unknown: true, config: &rest.Config{Host: "http://server", Transport: server},
	})
	time.AfterFunc(10*glance, func() { close(server.open) })
	c, _ := f.decided(t, wants("2").Obj())
	require.NotNil(t, c.swap)
	require.Equal(t, []string{"open-headroom-0"}, names(c.swap.Victims))
}

func TestNoPodIsWaitedForOnceTheSchedulerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, began := newFixture(t, cluster{}), time.Now()
		f.shared.catalog = catalog.New()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		require.False(t, f.await(ctx))
		require.Equal(t, time.Second, time.Since(began))
	})
}

// TestASchedulerThatDecidesAboutAPodLeads, which nobody else tells the plugin.
func TestASchedulerThatDecidesAboutAPodLeads(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
	require.False(t, f.shared.leadership.Leads())
	f.decided(t, wants("1").Obj())
	require.True(t, f.shared.leadership.Leads())
}

// TestAPodThatHasItsNodeTakesNoHeadroomInACycle: it is there to grow where it is, which has a way of its own.
func TestAPodThatHasItsNodeTakesNoHeadroomInACycle(t *testing.T) {
	for name, tc := range map[string]struct {
		node string
		want bool
	}{"it does not": {node: "a"}, "one that waits does": {want: true}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj()},
			})
			c, _ := f.decided(t, wants("1").Node(tc.node).Obj())
			require.Equal(t, tc.want, c.swap != nil)
		})
	}
}

// TestTheCycleOfAGroupSeesWhatOthersChangeInTheSnapshot, where a node's generation stays the same.
func TestTheCycleOfAGroupSeesWhatOthersChangeInTheSnapshot(t *testing.T) {
	open := hr("open", "1")
	held := []*corev1.Pod{unit(open, 0, "a").Obj(), unit(open, 1, "a").Obj(), unit(open, 2, "a").Obj()}
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("3")).Obj()}, pods: held})
	f.shared.refresh(f.nodes, false)
	require.NoError(t, f.snapshot.StartMutations())
	require.NoError(t, f.snapshot.RemovePod(klog.Background(), held[0], "a"))
	state := framework.NewCycleState()
	state.SetPodGroupSchedulingCycle(framework.NewCycleState())
	_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, wants("2").Obj())
	require.True(t, status.IsSuccess(), status.Message())
	require.NotNil(t, cycleOf(state).swap)
	require.Equal(t, []string{"open-headroom-1"}, names(cycleOf(state).swap.Victims))
	require.NoError(t, f.snapshot.EndMutations())
}
