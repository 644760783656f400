package holes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/test/builders"
)

// TestAHoleIsForTheMostImportantPodThatStillWaits: its scheduler may have made it for any of them.
func TestAHoleIsForTheMostImportantPodThatStillWaits(t *testing.T) {
	w := newWorld()
	w.Observe(victim("unit", "stock"))
	highest := func() int32 {
		for priority := int32(10); priority >= 0; priority-- {
			if len(w.kept(false, priority)) > 0 {
				return priority
			}
		}
		return -1
	}
	waits := map[string]*corev1.Pod{}
	for name, priority := range map[string]int32{"low": 3, "high": 7, "as high": 7, "middle": 5} {
		waits[name] = pod(name, "stock", priority).Obj()
		w.PodChanged(nil, waits[name])
	}
	w.PodChanged(nil, pod("elsewhere", "other", 9).Obj())
	w.PodChanged(nil, pod("unit-2", "stock", 9).Label("unit", "yes").Obj())
	w.PodChanged(nil, pod("runs", "stock", 9).Node("m").Obj())
	require.Equal(t, int32(7), highest())
	w.PodChanged(waits["high"], nil)
	require.Equal(t, int32(7), highest(), "there is another one of its priority")
	bound := waits["as high"].DeepCopy()
	bound.Spec.NodeName = "m"
	w.PodChanged(waits["as high"], bound)
	require.Equal(t, int32(5), highest())
	w.PodChanged(bound, nil)
	w.PodChanged(waits["low"], nil)
	require.Equal(t, int32(5), highest())
	w.PodChanged(waits["middle"], nil)
	require.Equal(t, int32(-1), highest())
}

// TestNothingIsRememberedOfPodsThatAreGone, whatever they were while they were there.
func TestNothingIsRememberedOfPodsThatAreGone(t *testing.T) {
	w := newWorld()
	nominated := pod("nominated", "stock", 1).NominatedNodeName("n").Obj()
	bound := nominated.DeepCopy()
	bound.Spec.NodeName = "n"
	w.PodChanged(nil, nominated)
	w.PodChanged(nil, victim("unit", "stock"))
	w.PodChanged(nil, pod("stays nominated", "stock", 1).NominatedNodeName("m").Obj())
	w.PodChanged(nominated, bound)
	w.PodChanged(bound, nil)
	w.PodChanged(victim("unit", "stock"), nil)
	require.Empty(t, w.marked)
	require.NotContains(t, w.waits, types.UID("nominated"))
	require.NotContains(t, w.nominatedTo, types.UID("nominated"))
	w.after(NominationLasts)
	w.PodChanged(nil, pod("any", "own", 0).Obj())
	require.Empty(t, w.nominatedTo, "nor of a nomination that is out of date")
	require.Empty(t, w.nodes)
}

// TestAPodCoversAHoleForAsLongAsThatIsKept, also if it was nominated before the hole was made.
func TestAPodCoversAHoleForAsLongAsThatIsKept(t *testing.T) {
	w := newWorld()
	w.PodChanged(nil, pod("preemptor", "stock", 0).NominatedNodeName("n").Obj())
	w.after(nominatedBefore)
	w.Observe(victim("unit", "stock"))
	for range 7 {
		w.after((HoleLasts - time.Second) / 7)
		w.PodChanged(nil, pod("any", "own", 0).NominatedNodeName("m").Obj())
		w.PodChanged(pod("a", "own", 0).Node("n").Obj(), nil)
		require.Equal(t, []string{"preemptor"}, w.kept(true, 0))
	}
}

// TestAMarkThatNamesNoSchedulerMayBeOfAny of them.
func TestAMarkThatNamesNoSchedulerMayBeOfAny(t *testing.T) {
	for message, want := range map[string][]string{
		"preempting to accommodate a higher priority pod": {"preemptor"},
		"": {"preemptor"},
		"own: preempting to accommodate a higher priority pod":   {"preemptor"},
		"stock: preempting to accommodate a higher priority pod": {"preemptor", "unit"},
	} {
		w, unit := newWorld(), victim("unit", "")
		unit.Status.Conditions[0].Message = message
		w.Observe(unit)
		w.PodChanged(nil, pod("preemptor", "own", 0).NominatedNodeName("n").Obj())
		require.Equal(t, want, w.kept(true, 0), message)
	}
}

// TestRoomThatAnotherSchedulerTookIsYoungUntilTheViewOfTheNodeShowsIt: the view may be behind by more than room has to be free.
func TestRoomThatAnotherSchedulerTookIsYoungUntilTheViewOfTheNodeShowsIt(t *testing.T) {
	w := newWorld()
	youngCPU := func() int64 {
		if kept := w.asks(); kept.Young != nil {
			return kept.Young.MilliCPU
		}
		return 0
	}
	waits := pod("waits", "stock", 0).Obj()
	bound := waits.DeepCopy()
	bound.Spec.NodeName = "n"
	w.PodChanged(nil, waits)
	w.PodChanged(nil, pod("runs", "stock", 0).Node("n").Obj())
	require.Zero(t, youngCPU(), "one that had its node when it was heard of first did not come")
	w.PodChanged(waits, bound)
	require.Equal(t, int64(1000), youngCPU())
	w.after(changesLast - time.Second)
	w.PodChanged(pod("goes", "own", 0).Node("n").Obj(), nil)
	require.Equal(t, int64(2000), youngCPU())
	w.after(time.Second)
	w.PodChanged(pod("goes too", "own", 0).Node("n").Obj(), nil)
	require.Equal(t, int64(2000), youngCPU(), "the view shows it by now")
}

// TestUntilWhenRoomMayBeYoungIsKnown from the first pod on that was heard of.
func TestUntilWhenRoomMayBeYoungIsKnown(t *testing.T) {
	w := newWorld()
	w.after(time.Hour)
	w.PodChanged(nil, pod("waits", "stock", 0).Obj())
	w.after(time.Second)
	w.PodChanged(nil, pod("waits too", "stock", 0).Obj())
	until, is := w.Unsure()
	require.True(t, is)
	require.Equal(t, builders.Epoch().Add(time.Hour+FreeFor), until)
}
