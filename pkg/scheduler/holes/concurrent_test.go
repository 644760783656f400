package holes

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

// TestMethodsMayBeCalledConcurrently has each of several goroutines follow pods of its own on a node of its own. Without a lock the runtime notices
// that maps are written at the same time, or something is left at the end.
func TestMethodsMayBeCalledConcurrently(t *testing.T) {
	const goroutines, rounds = 8, 50
	clock := testingclock.NewFakePassiveClock(builders.Epoch())
	n := New(Options{
		Clock: clock, Own: func(scheduler string) bool { return scheduler == "own" },
		IsPlaceholder: isUnit, Released: func(string) {},
	})
	var heard Heard
	until := builders.Epoch().Add(time.Minute)
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			node := fmt.Sprint("n-", i)
			for j := range rounds {
				name := fmt.Sprint(i, "-", j)
				waits, nominated := pod(name, "stock", 1).Obj(), pod(name, "stock", 1).NominatedNodeName(node).Obj()
				bound := pod(name, "stock", 1).Node(node).Obj()
				unit := victim("unit-"+name, "stock")
				unit.Spec.NodeName = node
				info, ok := infoOf(waits)
				require.True(t, ok)
				n.PodChanged(nil, waits)
				n.Observe(unit)
				n.Yield(node, info, until)
				n.PodChanged(waits, nominated)
				kept := n.Kept(Query{Node: node, Placeholder: true, Present: func(types.UID) bool { return false }})
				require.False(t, kept.Nothing())
				n.Known(true)
				n.Unsure()
				n.PodChanged(nominated, bound)
				n.Vanished(bound)
				n.PodChanged(unit, nil)
				n.PodChanged(bound, nil)
				heard.PodChanged(nil, bound)
				require.True(t, heard.All("another", nil))
				heard.All(node, []*corev1.Pod{bound})
				heard.PodChanged(bound, nil)
			}
		})
	}
	all.Wait()
	require.Empty(t, heard.pods)
	require.Empty(t, n.nominatedTo)
	require.Empty(t, n.yieldedOn)
	require.Empty(t, n.waits)
	require.Empty(t, n.marked)
	require.Empty(t, n.waiting["stock"])
	clock.SetTime(until)
	n.PodChanged(nil, pod("any", "own", 0).Obj())
	require.False(t, n.Known(true), "nothing is kept for ever")
	require.False(t, n.Known(false))
}
