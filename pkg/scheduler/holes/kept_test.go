package holes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/test/builders"
)

// asks is what a placeholder, which no pod of the node is known to, is told.
func (w *world) asks() Kept {
	return w.Kept(Query{Node: "n", Placeholder: true, Present: func(types.UID) bool { return false }})
}

func TestItIsWorthAskingAgainWhenTheFirstOfAllThatIsKeptIsOver(t *testing.T) {
	w := newWorld()
	until := func() time.Duration {
		kept := w.asks()
		require.False(t, kept.Nothing())
		return kept.Until.Sub(w.clock.Now())
	}
	kept := w.asks()
	require.True(t, kept.Nothing())
	require.Zero(t, kept.Until)
	w.PodChanged(nil, pod("nominated", "stock", 0).NominatedNodeName("n").Obj())
	require.Equal(t, NominationLasts, until())
	w.PodChanged(nil, pod("later", "stock", 0).NominatedNodeName("n").Obj())
	w.after(time.Second)
	require.Equal(t, NominationLasts-time.Second, until())
	w.Observe(victim("unit", "own"))
	w.after(time.Second)
	require.Equal(t, HoleLasts-time.Second, until())
	info, ok := infoOf(pod("waits", "own", 0).Obj())
	require.True(t, ok)
	w.Yield("n", info, w.clock.Now().Add(10*time.Second))
	require.Equal(t, 10*time.Second, until())
	w.PodChanged(pod("a", "own", 0).Node("n").Obj(), nil)
	w.after(time.Second)
	require.Equal(t, FreeFor-time.Second, until())
	w.PodChanged(pod("b", "own", 0).Node("n").Obj(), nil)
	require.Equal(t, FreeFor, until(), "all of it is old enough when the last of it is")
	w.after(FreeFor + time.Millisecond)
	require.Equal(t, 10*time.Second-time.Second-FreeFor-time.Millisecond, until())
	w.after(10 * time.Second)
	require.Less(t, until(), HoleLasts)
	w.after(HoleLasts)
	require.Greater(t, until(), 4*time.Minute)
	w.after(NominationLasts)
	kept = w.asks()
	require.True(t, kept.Nothing())
}

func TestYoungRoomIsNotToBeHadEither(t *testing.T) {
	w := newWorld()
	w.PodChanged(nil, pod("waits", "stock", 0).Obj())
	w.PodChanged(pod("a", "own", 0).Node("n").Obj(), nil)
	kept := w.asks()
	require.Empty(t, kept.Pods)
	require.False(t, kept.Nothing())
	require.Equal(t, int64(1000), kept.Young.MilliCPU)
	require.Equal(t, 1, kept.Young.AllowedPodNumber)
}

func TestNothingIsKeptFromAPodForItself(t *testing.T) {
	w := newWorld()
	w.PodChanged(nil, pod("nominated", "stock", 5).NominatedNodeName("n").Obj())
	kept := func(uid types.UID) int {
		return len(w.Kept(Query{Node: "n", Pod: uid, Present: func(types.UID) bool { return false }}).Pods)
	}
	require.Equal(t, 1, kept("another"))
	require.Zero(t, kept("nominated"))
}

// TestTheStandInForAVictimIsAPodThatWaits: it takes as much, and is marked, bound and ended by nobody.
func TestTheStandInForAVictimIsAPodThatWaits(t *testing.T) {
	w, unit := newWorld(), victim("unit", "stock")
	w.PodChanged(nil, pod("waits", "stock", 7).Obj())
	w.Observe(unit)
	kept := w.asks()
	require.Len(t, kept.Pods, 1)
	standIn := kept.Pods[0].GetPod()
	require.Equal(t, int32(7), *standIn.Spec.Priority)
	require.Equal(t, corev1.PodStatus{}, standIn.Status)
	require.Equal(t, unit.Spec.Containers, standIn.Spec.Containers)
	require.Equal(t, int32(-5), *unit.Spec.Priority, "the victim itself is as it was")
	require.NotEmpty(t, unit.Status.Conditions)
}

func TestRoomIsYieldedToEachPodUntilThatOneIsBound(t *testing.T) {
	w := newWorld()
	for _, name := range []string{"a", "b"} {
		info, ok := infoOf(pod(name, "own", 0).Obj())
		require.True(t, ok)
		w.Yield("n", info, builders.Epoch().Add(time.Minute))
	}
	require.Equal(t, []string{"a", "b"}, w.kept(true, 0))
	require.Equal(t, []string{"b"}, w.kept(true, 0, "a"), "it is there")
	w.PodChanged(pod("a", "own", 0).Obj(), pod("a", "own", 0).Node("n").Obj())
	require.Equal(t, []string{"b"}, w.kept(true, 0))
	require.Equal(t, []string{"n"}, w.released, "once")
	w.PodChanged(pod("b", "own", 0).Obj(), nil)
	require.Empty(t, w.kept(true, 0))
	require.Equal(t, []string{"n", "n"}, w.released)
}
