package holes

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

// world is nodes whose time a test moves.
type world struct {
	*Nodes
	clock    *clocktesting.FakePassiveClock
	released []string
}

func newWorld() *world {
	w := &world{clock: clocktesting.NewFakePassiveClock(builders.Epoch())}
	w.Nodes = New(Options{
		Clock: w.clock, Own: func(scheduler string) bool { return scheduler == "own" },
		IsPlaceholder: func(pod *corev1.Pod) bool { return pod.Labels["unit"] != "" },
		Released:      func(node string) { w.released = append(w.released, node) },
	})
	return w
}

func (w *world) after(d time.Duration) { w.clock.SetTime(w.clock.Now().Add(d)) }

// kept lists for whom room is kept on node n from a placeholder, or from another pod of that priority.
func (w *world) kept(placeholder bool, priority int32, present ...types.UID) []string {
	kept := w.Kept(Query{Node: "n", Placeholder: placeholder, Priority: priority, Present: func(uid types.UID) bool { return slices.Contains(present, uid) }})
	var names []string
	for _, info := range kept.Pods {
		names = append(names, info.GetPod().Name)
	}
	return names
}

func pod(name, scheduler string, priority int32) *st.PodWrapper {
	return st.MakePod().Name(name).UID(name).SchedulerName(scheduler).Priority(priority).Req(builders.Resources{"cpu": "1"})
}

// victim is a unit on node n that a scheduler has marked.
func victim(name, scheduler string) *corev1.Pod {
	unit := pod(name, "own", -5).Label("unit", "yes").Node("n").Obj()
	unit.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: corev1.PodReasonPreemptionByScheduler,
		Message: scheduler + ": preempting to accommodate a higher priority pod",
	}}
	return unit
}

func version(p *corev1.Pod, v string) *corev1.Pod {
	p = p.DeepCopy()
	p.ResourceVersion = v
	return p
}

func TestAHoleIsKeptFromTheMarkUntilThePreemptorIsBound(t *testing.T) {
	w := newWorld()
	preemptor := pod("preemptor", "stock", 0)
	w.PodChanged(nil, preemptor.Obj())
	w.Observe(victim("unit", "stock"))
	require.Equal(t, []string{"unit"}, w.kept(true, 0))
	require.Empty(t, w.kept(true, 0, "unit"), "it is still there, so its room is not free anyway")
	w.PodChanged(victim("unit", "stock"), nil)
	require.Equal(t, []string{"unit"}, w.kept(true, 0))

	nominated := preemptor.NominatedNodeName("n").Obj()
	w.PodChanged(nil, nominated)
	require.Equal(t, []string{"preemptor"}, w.kept(true, 0))
	bound := nominated.DeepCopy()
	bound.Spec.NodeName = "n"
	w.PodChanged(nominated, bound)
	require.Empty(t, w.kept(true, 0))
	w.after(HoleLasts + sweepEvery)
	w.PodChanged(nil, pod("any", "own", 0).Obj())
	require.False(t, w.Known(true), "nothing is left behind")
}

func TestAHoleWithoutAPreemptorIsKeptForALimitedTime(t *testing.T) {
	w := newWorld()
	w.Observe(victim("unit", "stock"))
	w.after(HoleLasts - time.Millisecond)
	require.Equal(t, []string{"unit"}, w.kept(true, 0))
	w.after(time.Millisecond)
	require.Empty(t, w.kept(true, 0))
	w.Observe(victim("unit", "stock"))
	require.Empty(t, w.kept(true, 0), "the same victim makes no other hole, however long it takes to go")
}

// TestRoomThatIsLeftUnseenIsAHole: a pod that went between two lists of pods may have been marked and deleted for another one.
func TestRoomThatIsLeftUnseenIsAHole(t *testing.T) {
	gone := pod("gone", "own", 0).Node("n").Obj()
	open := func() *world {
		w := newWorld()
		w.PodChanged(nil, gone)
		w.Vanished(gone)
		w.PodChanged(gone, nil)
		require.Equal(t, []string{"gone"}, w.kept(true, 0))
		require.Empty(t, w.kept(false, 0), "other pods take what is free")
		return w
	}
	w := open()
	w.after(HoleLasts)
	require.Empty(t, w.kept(true, 0), "not for ever")

	w = open()
	unit := pod("unit", "own", 0).Label("unit", "yes").Obj()
	onNode := unit.DeepCopy()
	onNode.Spec.NodeName = "n"
	w.PodChanged(unit, onNode)
	require.Equal(t, []string{"gone"}, w.kept(true, 0), "nobody is preempted for a placeholder")
	require.Empty(t, w.released)

	w = open()
	waits := pod("another", "own", 0).Obj()
	bound := waits.DeepCopy()
	bound.Spec.NodeName = "n"
	w.PodChanged(waits, bound)
	require.Empty(t, w.kept(true, 0), "the room is taken, by a pod of whatever priority")
	require.Equal(t, []string{"n"}, w.released)

	w = newWorld()
	w.Vanished(pod("waited", "own", 0).Obj())
	require.False(t, w.Known(true), "a pod without a node leaves no room")

	w = newWorld()
	w.Observe(victim("unit", "stock"))
	w.Vanished(victim("unit", "stock"))
	w.PodChanged(victim("unit", "stock"), nil)
	require.Equal(t, []string{"unit"}, w.kept(true, 0), "a victim that was seen makes one hole")
}

// TestAPodThatIsBoundHasNobodyElsePreempted: it was nominated and has taken its room before the next victim is marked on the node.
func TestAPodThatIsBoundHasNobodyElsePreempted(t *testing.T) {
	w := newWorld()
	large := st.MakePod().Name("large").UID("large").SchedulerName("stock").Priority(10).Req(builders.Resources{"cpu": "2"})
	w.Observe(victim("first", "stock"))
	nominated := large.NominatedNodeName("n").Obj()
	w.PodChanged(nil, nominated)
	w.PodChanged(victim("first", "stock"), nil)
	bound := nominated.DeepCopy()
	bound.Spec.NodeName = "n"
	w.after(time.Second)
	w.PodChanged(nominated, bound)
	require.Empty(t, w.kept(true, 0))
	w.after(time.Second)
	w.Observe(victim("second", "stock"))
	require.Equal(t, []string{"second"}, w.kept(true, 0))
}

func TestOnlyTheMarkOfAPreemptionMakesAHole(t *testing.T) {
	ready := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue}
	for name, tc := range map[string]struct {
		change func(unit *corev1.Pod)
		want   []string
	}{
		"the mark": {change: func(*corev1.Pod) {}, want: []string{"unit"}},
		"the mark behind another condition": {
			change: func(unit *corev1.Pod) {
				unit.Status.Conditions = append([]corev1.PodCondition{ready}, unit.Status.Conditions...)
			},
			want: []string{"unit"},
		},
		"another condition with its reason": {change: func(unit *corev1.Pod) { unit.Status.Conditions[0].Type = "example.com/Preempted" }},
		"it with another reason":            {change: func(unit *corev1.Pod) { unit.Status.Conditions[0].Reason = "EvictionByEvictionAPI" }},
		"it taken back":                     {change: func(unit *corev1.Pod) { unit.Status.Conditions[0].Status = corev1.ConditionFalse }},
		"it on a pod that has no node":      {change: func(unit *corev1.Pod) { unit.Spec.NodeName = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			w, unit := newWorld(), victim("unit", "stock")
			tc.change(unit)
			w.Observe(unit)
			require.Equal(t, tc.want, w.kept(true, 0))
			require.Equal(t, tc.want != nil, w.Known(true), "on no other node either")
		})
	}
}

func TestOtherPodsHeedWhatIsForForeignPodsOfAtLeastTheirPriority(t *testing.T) {
	w := newWorld()
	w.PodChanged(nil, pod("nominated", "stock", 10).NominatedNodeName("n").Obj())
	require.Equal(t, []string{"nominated"}, w.kept(false, 10))
	require.Empty(t, w.kept(false, 11))
	require.Equal(t, []string{"nominated"}, w.kept(true, 11), "placeholders heed every priority")

	w.Observe(victim("unit", "stock"))
	require.Equal(t, []string{"nominated"}, w.kept(false, 10), "the nomination covers the hole")
	w.Observe(victim("another", "stock"))
	require.Equal(t, []string{"nominated", "another"}, w.kept(false, 10))
	require.Empty(t, w.kept(false, 11), "no pod that waits has as high a priority")

	for _, own := range []*corev1.Pod{pod("mine", "own", 10).NominatedNodeName("n").Obj(), victim("evicted", "own")} {
		w.PodChanged(nil, own)
	}
	require.Equal(t, []string{"nominated", "another"}, w.kept(false, 10), "kube-scheduler knows its own")
	require.Equal(t, []string{"nominated", "mine", "another"}, w.kept(true, 10), "mine covers evicted")
}

func TestAHoleIsKeptFromOtherPodsOnlyWhileAPodOfItsSchedulerWaits(t *testing.T) {
	w := newWorld()
	w.Observe(victim("unit", "stock"))
	require.Empty(t, w.kept(false, 0))
	waits := pod("waits", "stock", 5).Obj()
	w.PodChanged(nil, waits)
	require.Equal(t, []string{"unit"}, w.kept(false, 5))
	kept := w.Kept(Query{Node: "n", Present: func(types.UID) bool { return false }})
	require.EqualValues(t, 5, corev1helpers.PodPriority(kept.Pods[0].GetPod()), "the victim stands in for what may come")
	w.PodChanged(waits, nil)
	require.Empty(t, w.kept(false, 0))
}

// TestThatRoomIsKeptForForeignPodsIsKnownAsLongAsThereIsAny, whatever else happens on the nodes meanwhile: what is not known is not heeded.
func TestThatRoomIsKeptForForeignPodsIsKnownAsLongAsThereIsAny(t *testing.T) {
	w := newWorld()
	w.PodChanged(nil, pod("waits", "stock", 0).Obj())
	for i := range 10 {
		w.PodChanged(pod(fmt.Sprint("gone-", i), "own", 0).Node("n").Obj(), nil)
		w.PodChanged(nil, pod(fmt.Sprint("mine-", i), "own", 0).NominatedNodeName("m").Obj())
	}
	require.False(t, w.Known(false))
	nominated := pod("nominated", "stock", 0).NominatedNodeName("n").Obj()
	w.PodChanged(nil, nominated)
	require.True(t, w.Known(false))
	for i := range 10 {
		w.PodChanged(pod(fmt.Sprint("too-", i), "own", 0).Node("n").Obj(), nil)
	}
	w.PodChanged(nominated, nil)
	require.False(t, w.Known(false))
}

func TestStaleNominationsKeepNothing(t *testing.T) {
	nominated := pod("p", "stock", 0).NominatedNodeName("n").Obj()
	for name, change := range map[string]func(w *world){
		"the pod is gone": func(w *world) { w.PodChanged(nominated, nil) },
		"it is being deleted": func(w *world) {
			w.PodChanged(nominated, pod("p", "stock", 0).NominatedNodeName("n").Terminating().Obj())
		},
		"it is nominated no more": func(w *world) { w.PodChanged(nominated, pod("p", "stock", 0).Obj()) },
		"it is bound elsewhere":   func(w *world) { w.PodChanged(nominated, pod("p", "stock", 0).NominatedNodeName("n").Node("m").Obj()) },
		"another node is its":     func(w *world) { w.PodChanged(nominated, pod("p", "stock", 0).NominatedNodeName("m").Obj()) },
		"it has not changed":      func(w *world) { w.after(NominationLasts) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.PodChanged(nil, nominated)
			require.Equal(t, []string{"p"}, w.kept(true, 0))
			change(w)
			require.Empty(t, w.kept(true, 0))
			if name != "it has not changed" {
				require.Equal(t, []string{"n"}, w.released)
			}
		})
	}
}

func TestAChangeOfTheNominatedPodRenewsItsNomination(t *testing.T) {
	w := newWorld()
	nominated := version(pod("p", "stock", 0).NominatedNodeName("n").Obj(), "1")
	w.PodChanged(nil, nominated)
	w.after(NominationLasts - time.Second)
	w.Observe(nominated)
	w.PodChanged(nominated, version(nominated, "2"))
	w.after(NominationLasts - time.Second)
	require.Equal(t, []string{"p"}, w.kept(true, 0))
	w.Observe(version(nominated, "2"))
	w.after(time.Second)
	require.Empty(t, w.kept(true, 0), "to hear of the same state again is no change")
}

func TestRoomIsYoungOnlyBesideOtherSchedulersAndOnlyForPlaceholders(t *testing.T) {
	w := newWorld()
	young := func(placeholder bool) bool {
		return w.Kept(Query{Node: "n", Placeholder: placeholder, Present: func(types.UID) bool { return false }}).Young != nil
	}
	w.PodChanged(pod("a", "own", 0).Node("n").Obj(), nil)
	require.False(t, young(true), "there is no other scheduler")
	w.PodChanged(nil, pod("mirror", "stock", 0).Node("n").Obj())
	require.False(t, w.BesideOthers(), "a pod that has its node from birth needs no scheduler")
	w.PodChanged(nil, pod("waits", "stock", 0).Obj())
	require.True(t, w.BesideOthers())
	w.PodChanged(pod("b", "own", 0).Node("n").Obj(), nil)
	require.True(t, young(true))
	require.False(t, young(false))
	w.PodChanged(nil, pod("foreign", "stock", 0).NominatedNodeName("n").Obj())
	require.False(t, young(false), "nor where they heed something else")
	w.after(FreeFor)
	require.True(t, young(true))
	w.after(time.Millisecond)
	require.False(t, young(true))
}

func TestPlaceholdersYieldToAPodWhereItWasNominatedBefore(t *testing.T) {
	w := newWorld()
	waits := pod("waits", "own", 0).Obj()
	nominated := pod("waits", "own", 0).NominatedNodeName("n").Obj()
	info, err := framework.NewPodInfo(waits)
	require.NoError(t, err)
	w.PodChanged(nil, nominated)
	w.PodChanged(nominated, waits)
	require.Empty(t, w.kept(true, 0))
	w.Yield("n", info, w.clock.Now().Add(time.Minute))
	require.Equal(t, []string{"waits"}, w.kept(true, 0), "its nomination is over, and counts no more")
}

func TestAPlaceholderThatInsistsHeedsAllButThePodsToWhichPlaceholdersYield(t *testing.T) {
	w := newWorld()
	w.PodChanged(nil, pod("nominated", "own", 0).NominatedNodeName("n").Obj())
	info, ok := infoOf(pod("waits", "own", 0).Obj())
	require.True(t, ok)
	w.Yield("n", info, w.clock.Now().Add(time.Minute))
	nobody := func(types.UID) bool { return false }
	kept := w.Kept(Query{Node: "n", Placeholder: true, Present: nobody})
	require.Len(t, kept.Pods, 2)
	require.True(t, kept.Yielded)
	kept = w.Kept(Query{Node: "n", Placeholder: true, Insists: true, Present: nobody})
	require.Len(t, kept.Pods, 1)
	require.Equal(t, "nominated", kept.Pods[0].GetPod().Name)
	require.False(t, kept.Yielded)
}

func TestPlaceholdersYieldToAPodOnOneNodeAtATime(t *testing.T) {
	w := newWorld()
	info, err := framework.NewPodInfo(pod("waits", "own", 0).Obj())
	require.NoError(t, err)
	until := w.clock.Now().Add(time.Minute)
	w.Yield("n", info, until)
	w.Yield("n", info, until)
	require.Equal(t, []string{"waits"}, w.kept(true, 0), "it takes its room once")
	w.Yield("m", info, until)
	require.Empty(t, w.kept(true, 0), "it can be bound to one node only")
	w.Yield("n", info, until)
	require.Equal(t, []string{"waits"}, w.kept(true, 0))
	w.after(time.Minute)
	require.Empty(t, w.kept(true, 0))
}

func TestAPodThatIsNominatedToItsNodeTakesTheRoomThatIsYieldedToItOnce(t *testing.T) {
	w := newWorld()
	nominated := pod("waits", "own", 0).NominatedNodeName("n").Obj()
	info, err := framework.NewPodInfo(nominated)
	require.NoError(t, err)
	w.Yield("n", info, w.clock.Now().Add(time.Minute))
	w.PodChanged(nil, nominated)
	require.Equal(t, []string{"waits"}, w.kept(true, 0))
	w.PodChanged(nominated, pod("waits", "own", 0).NominatedNodeName("m").Obj())
	require.Equal(t, []string{"waits"}, w.kept(true, 0), "it may find no room on the other node")
}

func TestNothingIsLeftOfWhatWasYieldedToAPod(t *testing.T) {
	waits := pod("waits", "own", 0).Obj()
	for name, end := range map[string]func(w *world){
		"the time is up": func(w *world) {
			w.after(time.Minute + sweepEvery)
			w.PodChanged(nil, pod("any", "own", 0).Obj())
		},
		"the pod is gone":  func(w *world) { w.PodChanged(waits, nil) },
		"the pod is bound": func(w *world) { w.PodChanged(waits, pod("waits", "own", 0).Node("m").Obj()) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			info, err := framework.NewPodInfo(waits)
			require.NoError(t, err)
			w.Yield("n", info, w.clock.Now().Add(time.Minute))
			require.True(t, w.Known(true))
			end(w)
			require.False(t, w.Known(true))
			require.Empty(t, w.yieldedOn)
		})
	}
}

func TestAPodWaitsWithThePriorityThatItHasNow(t *testing.T) {
	w := newWorld()
	w.Observe(victim("unit", "stock"))
	before, after := pod("waits", "stock", 5).Obj(), pod("waits", "stock", 3).Obj()
	w.PodChanged(nil, before)
	w.PodChanged(before, after)
	require.Equal(t, []string{"unit"}, w.kept(false, 3))
	require.Empty(t, w.kept(false, 5))
	w.PodChanged(after, nil)
	require.Empty(t, w.kept(false, 3))
}

// TestAfterAStartAllRoomIsYoung: what went from the nodes just before nobody can know.
func TestAfterAStartAllRoomIsYoung(t *testing.T) {
	w := newWorld()
	unsure := func() bool {
		_, is := w.Unsure()
		return is
	}
	require.False(t, unsure(), "nothing is known of other schedulers")
	w.PodChanged(nil, pod("a", "own", 0).Node("n").Obj())
	w.after(FreeFor - time.Millisecond)
	require.False(t, unsure(), "there is no other scheduler")
	w.PodChanged(nil, pod("waits", "stock", 0).Obj())
	require.True(t, unsure())
	w.after(time.Millisecond)
	require.False(t, unsure(), "pods have been followed for long enough")
	w.after(time.Hour)
	w.PodChanged(nil, pod("waits too", "stock", 0).Obj())
	require.False(t, unsure())
}
