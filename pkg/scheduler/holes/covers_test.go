package holes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

// onN is the pod bound to node n.
func onN(p *st.PodWrapper) *corev1.Pod {
	bound := p.Obj().DeepCopy()
	bound.Spec.NodeName = "n"
	return bound
}

// TestAPodCoversWhatItNeedsOnce: it is nominated and then bound, and the second victim went for a pod that is not known yet.
func TestAPodCoversWhatItNeedsOnce(t *testing.T) {
	w := newWorld()
	preemptor := pod("preemptor", "stock", 0)
	w.Observe(victim("first", "stock"))
	nominated := preemptor.NominatedNodeName("n").Obj()
	w.PodChanged(nil, nominated)
	w.Observe(victim("second", "stock"))
	require.Equal(t, []string{"preemptor", "second"}, w.kept(true, 0))
	w.PodChanged(nominated, onN(preemptor))
	require.Equal(t, []string{"second"}, w.kept(true, 0))
}

// TestAPodThatWaitsStillHasVictimsWhoeverElseIsBound: the large pod has had one of its two victims marked when another pod is bound.
func TestAPodThatWaitsStillHasVictimsWhoeverElseIsBound(t *testing.T) {
	w := newWorld()
	large := st.MakePod().Name("large").UID("large").SchedulerName("stock").Priority(10).Req(builders.Resources{"cpu": "2"})
	w.Observe(victim("first", "stock"))
	w.PodChanged(nil, large.NominatedNodeName("n").Obj())
	other := pod("other", "own", 0)
	w.PodChanged(other.Obj(), onN(other))
	w.after(time.Second)
	w.Observe(victim("second", "stock"))
	require.Equal(t, []string{"large"}, w.kept(true, 0), "the room of the second is for it as well")
}

// TestAVictimThatIsHeardOfInTheMomentOfTheBindIsCovered: nothing else is known of the node by then.
func TestAVictimThatIsHeardOfInTheMomentOfTheBindIsCovered(t *testing.T) {
	w := newWorld()
	preemptor := pod("preemptor", "stock", 0)
	nominated := preemptor.NominatedNodeName("n").Obj()
	w.PodChanged(nil, nominated)
	w.PodChanged(nominated, onN(preemptor))
	w.Observe(victim("unit", "stock"))
	require.Empty(t, w.kept(true, 0))
	w.after(time.Millisecond)
	w.Observe(victim("later", "stock"))
	require.Equal(t, []string{"later"}, w.kept(true, 0))
}

// TestANodeIsReleasedOnceHoweverMuchOfItIsKeptNoLonger: whoever waits for it is woken for nothing otherwise.
func TestANodeIsReleasedOnceHoweverMuchOfItIsKeptNoLonger(t *testing.T) {
	waits := pod("waits", "stock", 0)
	for name, begin := range map[string]func(w *world) (before *corev1.Pod){
		"a nomination": func(w *world) *corev1.Pod {
			nominated := pod("waits", "stock", 0).NominatedNodeName("n").Obj()
			w.PodChanged(nil, nominated)
			return nominated
		},
		"room that placeholders yield": func(w *world) *corev1.Pod {
			info, ok := infoOf(waits.Obj())
			require.True(t, ok)
			w.Yield("n", info, w.clock.Now().Add(time.Minute))
			return waits.Obj()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.Observe(victim("unit", "stock"))
			before := begin(w)
			w.released = nil
			w.PodChanged(before, onN(waits))
			require.Empty(t, w.kept(true, 0))
			require.Equal(t, []string{"n"}, w.released)
		})
	}
}

func TestNothingIsKeptForAPlaceholderThatIsNominated(t *testing.T) {
	w := newWorld()
	unit := pod("unit", "own", -5).Label("unit", "yes").NominatedNodeName("n").Obj()
	w.PodChanged(nil, unit)
	w.Observe(unit)
	require.Empty(t, w.kept(true, 0))
	require.False(t, w.Known(true))
}

// TestWhatTheSchedulerShowsOnANodeIsNotKeptForAgain: a pod that it has assumed there is nominated as far as anybody has heard.
func TestWhatTheSchedulerShowsOnANodeIsNotKeptForAgain(t *testing.T) {
	w := newWorld()
	w.PodChanged(nil, pod("assumed", "stock", 5).NominatedNodeName("n").Obj())
	w.PodChanged(nil, pod("waits", "stock", 5).NominatedNodeName("n").Obj())
	for _, placeholder := range []bool{true, false} {
		require.Equal(t, []string{"assumed", "waits"}, w.kept(placeholder, 0))
		require.Equal(t, []string{"waits"}, w.kept(placeholder, 0, "assumed"))
	}
}
