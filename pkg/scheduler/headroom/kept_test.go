package headroom

import (
	"cmp"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/pkg/scheduler/holes"
	"github.com/headroom-dev/headroom/test/builders"
)

// foreign is a pod of one CPU that another scheduler schedules.
func foreign(name string, priority int32) *st.PodWrapper {
	return wants("1").Name(name).UID(name).SchedulerName("stock").Priority(priority)
}

// preemptedBy marks a pod as the victim of a scheduler's preemption.
func preemptedBy(scheduler string, pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: corev1.PodReasonPreemptionByScheduler,
		Message: scheduler + ": preempting to accommodate a higher priority pod",
	}}
	return pod
}

// pending is a placeholder that waits.
func pending(ordinal int) *corev1.Pod {
	pod := unit(hr("open", "1"), ordinal, "").Obj()
	pod.Spec.NodeName = ""
	return pod
}

// filtered runs a cycle of the pod until its Filter plugins have said what they say of the fixture's first node, and PostFilter if they reject it.
func (f *fixture) filtered(t *testing.T, pod *corev1.Pod) (*fwk.Status, *framework.CycleState) {
	t.Helper()
	state := framework.NewCycleState()
	_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, pod)
	require.True(t, status.IsSuccess(), status.Message())
	status = f.framework.RunFilterPluginsWithNominatedPods(t.Context(), state, pod, f.nodes[0])
	if status.IsRejected() {
		f.PostFilter(t.Context(), state, pod, framework.NewDefaultNodeToStatus())
	}
	return status, state
}

func TestPodsNominatedByOwnAndByOtherSchedulersCountTogether(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
	own, err := framework.NewPodInfo(wants("1").Name("own").UID("own").Obj())
	require.NoError(t, err)
	f.nominated["a"] = []fwk.PodInfo{own}
	nominated := func() (names []string) {
		for _, info := range (&withForeign{Framework: f.framework, shared: f.shared}).NominatedPodsForNode("a") {
			names = append(names, info.GetPod().Name)
		}
		return names
	}
	require.Equal(t, []string{"own"}, nominated())
	f.shared.podChanged(nil, foreign("stock", 0).NominatedNodeName("a").Obj())
	require.Equal(t, []string{"own", "stock"}, nominated())
	require.Len(t, f.nominated["a"], 1, "the scheduler's own list is as before")
}

func TestP15APlaceholderLeavesRoomAloneThatIsKeptForAnotherPod(t *testing.T) {
	victim := unit(hr("open", "1"), 7, "a").Obj()
	for name, happens := range map[string]func(f *fixture){
		"that is nominated by another scheduler": func(f *fixture) { f.shared.podChanged(nil, foreign("p", 0).NominatedNodeName("a").Obj()) },
		"of whatever priority":                   func(f *fixture) { f.shared.podChanged(nil, foreign("p", -1000).NominatedNodeName("a").Obj()) },
		"that nobody knows yet": func(f *fixture) {
			f.shared.podChanged(nil, foreign("p", 0).Obj())
			f.shared.podChanged(nil, preemptedBy("stock", victim))
			f.shared.podChanged(preemptedBy("stock", victim), nil)
		},
		"also if the end of the victim was missed, as another pod got its name": func(f *fixture) {
			successor := victim.DeepCopy()
			successor.UID, successor.Spec.NodeName = "successor", ""
			f.shared.podChanged(nil, foreign("p", 0).Obj())
			f.shared.podChanged(nil, preemptedBy("stock", victim))
			f.shared.podChanged(preemptedBy("stock", victim), successor)
		},
		"or may be, as its victim went while nothing was heard of pods": func(f *fixture) { f.shared.vanished(victim) },
		"or may be, as it was free for a moment only": func(f *fixture) {
			f.shared.podChanged(nil, foreign("p", 0).Obj())
			f.shared.podChanged(victim, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, headrooms: nil})
			status, _ := f.filtered(t, pending(0))
			require.True(t, status.IsSuccess(), status.Message())
			happens(f)
			status, _ = f.filtered(t, pending(0))
			require.Equal(t, fwk.Unschedulable, status.Code(), "another attempt may succeed")
			require.Contains(t, []string{reasonKept, reasonYoung}, status.Message())
			require.Equal(t, 1, f.shared.postponed.Len(), "it is tried again when the time has come")
			f.shared.podChanged(pending(0), nil)
			require.Zero(t, f.shared.postponed.Len())
		})
	}
}

func TestP15APlaceholderLooksTwice(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(f *fixture)
		want    string
		alone   bool
		node    string // how much the node has, one core if empty
	}{
		"and is bound beside those that room is kept for": {node: "2", happens: func(f *fixture) {
			f.shared.podChanged(nil, foreign("p", 0).NominatedNodeName("a").Obj())
		}},
		"and is not bound into a hole that was missed, where no other scheduler is, too": {want: reasonNotFree, alone: true, happens: func(f *fixture) {
			f.shared.vanished(unit(hr("open", "1"), 7, "a").Obj())
		}},
		"and not before it is told of a hole that the scheduler's cache may have been told of": {want: reasonNotFree, alone: true, happens: func(f *fixture) {
			victim := unit(hr("open", "1"), 7, "a").Obj()
			f.shared.podChanged(nil, victim)
			f.shared.pods = &slowlyTold{Indexer: f.shared.pods, tell: func() { f.shared.vanished(victim) }}
		}},
		"and is not bound into a new hole": {want: reasonNotFree, happens: func(f *fixture) {
			f.shared.podChanged(nil, foreign("p", 0).NominatedNodeName("a").Obj())
		}},
		"nor where another scheduler has bound a pod": {want: reasonNotFree, happens: func(f *fixture) {
			f.shared.podChanged(foreign("p", 0).Obj(), foreign("p", 0).Node("a").Obj())
		}},
		"but what happens on other nodes does not matter": {happens: func(f *fixture) {
			f.shared.podChanged(nil, foreign("p", 0).NominatedNodeName("b").Obj())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res(cmp.Or(tc.node, "1"))).Obj()}})
			if !tc.alone {
				f.shared.podChanged(nil, foreign("waits", 0).Obj())
			}
			status, state := f.filtered(t, pending(0))
			require.True(t, status.IsSuccess(), status.Message())
			require.True(t, f.Reserve(context.Background(), state, pending(0), "a").IsSuccess())
			assumed, err := framework.NewPodInfo(unit(hr("open", "1"), 0, "a").Obj())
			require.NoError(t, err)
			require.NoError(t, f.snapshot.AssumePod(assumed), "the next cycle sees the placeholder where it goes")
			tc.happens(f)
			status = f.Bind(t.Context(), state, pending(0), "a")
			if tc.want == "" {
				require.True(t, status.IsSkip(), "DefaultBinder binds it")
				return
			}
			require.Equal(t, tc.want, status.Message())
		})
	}
}

// slowlyTold is a store whose listener is told of what changed after somebody else has looked.
type slowlyTold struct {
	cache.Indexer
	tell func()
}

func (s *slowlyTold) ByIndex(name, value string) ([]any, error) {
	defer s.tell()
	return s.Indexer.ByIndex(name, value)
}

func TestP15ConsumersHeedForeignPodsOfAtLeastTheirPriority(t *testing.T) {
	open := hr("open", "1")
	for name, tc := range map[string]struct {
		priority int32
		want     []string
	}{
		"and take placeholders instead":     {priority: 0, want: []string{"open-headroom-0"}},
		"but no more than for those before": {priority: -1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("3")).Obj()},
				pods:  []*corev1.Pod{unit(open, 0, "a").Obj(), on("a", "x", "1")},
			})
			f.shared.podChanged(nil, foreign("other", tc.priority).NominatedNodeName("a").Obj())
			c, _ := f.decided(t, wants("1").Obj())
			if tc.want == nil {
				require.Nil(t, c.swap)
				return
			}
			require.NotNil(t, c.swap)
			require.Equal(t, tc.want, names(c.swap.Victims))
		})
	}
}

func TestP15RoomIsKeptFromAConsumerForPodsThatAreAsImportant(t *testing.T) {
	none := wants("1").Obj()
	none.Spec.Priority = nil
	important := wants("1").Priority(10).Obj()
	for name, tc := range map[string]struct {
		consumer *corev1.Pod
		kept     int32 // the priority of the pod that it is kept for
		want     string
	}{
		"not for a less important one":                     {consumer: important, kept: 9},
		"for one as important":                             {consumer: important, kept: 10, want: reasonKept},
		"for a more important one":                         {consumer: important, kept: 11, want: reasonKept},
		"for any from one whose importance nobody decided": {consumer: none, kept: -1000, want: reasonKept},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
			f.shared.podChanged(nil, foreign("p", tc.kept).NominatedNodeName("a").Obj())
			status, _ := f.filtered(t, tc.consumer)
			require.Equal(t, tc.want, status.Message())
		})
	}
}

// TestRoomIsNotKeptForAPodThatHasItAlready: the scheduler's view of a node may show a pod before its nomination is known to be over.
func TestRoomIsNotKeptForAPodThatHasItAlready(t *testing.T) {
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}, pods: []*corev1.Pod{foreign("p", 0).Node("a").Obj()},
	})
	f.shared.podChanged(nil, foreign("p", 0).NominatedNodeName("a").Obj())
	status, _ := f.filtered(t, pending(0))
	require.True(t, status.IsSuccess(), status.Message())
	f.shared.podChanged(nil, foreign("q", 0).NominatedNodeName("a").Obj())
	status, _ = f.filtered(t, pending(0))
	require.Equal(t, reasonKept, status.Message(), "for another one it is")
}

func TestANodeWithoutRoomIsFullWhoeverItsRoomIsKeptFor(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{on("a", "x", "1")}})
	f.shared.podChanged(nil, foreign("p", 0).NominatedNodeName("a").Obj())
	status, _ := f.filtered(t, pending(0))
	require.Equal(t, "Insufficient cpu", status.Message())
	require.Zero(t, f.shared.postponed.Len(), "nothing is about to be released that would help")
}

// TestP15APlaceholderWaitsAfterTheStart: what another scheduler was about to do then is not known.
func TestP15APlaceholderWaitsAfterTheStart(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}})
	now := testingclock.NewFakePassiveClock(builders.Epoch())
	known := f.shared.holes.Options
	known.Clock = now
	f.shared.holes = holes.New(known)
	f.shared.podChanged(nil, foreign("waits", 0).Obj())
	status, _ := f.filtered(t, pending(0))
	require.Equal(t, reasonUnsure, status.Message())
	require.Equal(t, 1, f.shared.postponed.Len(), "it is tried again once that is over")
	status, _ = f.filtered(t, wants("1").Obj())
	require.True(t, status.IsSuccess(), "no other pod waits")
	now.SetTime(now.Now().Add(holes.FreeFor))
	status, _ = f.filtered(t, pending(0))
	require.True(t, status.IsSuccess(), status.Message())
}

func TestAPodIsTriedAgainWhenTheFirstRoomMayBeReleased(t *testing.T) {
	kept, now := &keptFrom{}, builders.Epoch()
	kept.note("a", now.Add(5*time.Second), false)
	kept.note("b", now.Add(3*time.Second), true)
	kept.note("c", now.Add(9*time.Second), false)
	require.Equal(t, now.Add(3*time.Second), kept.until)
	require.Equal(t, []string{"a", "b", "c"}, kept.nodes)
	require.True(t, kept.yielded, "some of it is for pods to which placeholders yield")
}

func TestWhoIsTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		now  *corev1.Pod
		want activations
	}{
		"a pod that waits still":            {now: wants("1").Obj(), want: activations{"consumer"}},
		"not one that is bound":             {now: wants("1").Node("a").Obj()},
		"nor another one that has its name": {now: wants("1").UID("another").Obj()},
		"nor one that is gone":              {now: wants("1").Name("another").Obj()},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{pending: []*corev1.Pod{tc.now}})
			tryAgain(t.Context(), f.handle, map[types.UID]types.NamespacedName{"consumer": {Namespace: "default", Name: "consumer"}})
			require.Equal(t, tc.want, f.activated)
		})
	}
}

// TestPodsOfOneNameInTwoNamespacesAreTriedAgainBoth: what is tried again is one list for the scheduler.
func TestPodsOfOneNameInTwoNamespacesAreTriedAgainBoth(t *testing.T) {
	one, two := wants("1").Obj(), wants("1").Namespace("other").UID("other").Obj()
	f := newFixture(t, cluster{pending: []*corev1.Pod{one, two}})
	tryAgain(t.Context(), f.handle, map[types.UID]types.NamespacedName{
		one.UID: {Namespace: "default", Name: "consumer"}, two.UID: {Namespace: "other", Name: "consumer"},
	})
	require.Equal(t, activations{"consumer", "consumer"}, f.activated)
}

// TestAPodIsTriedAgainOnceTheRoomThatWasKeptFromItIsReleased, which may be long before that would be kept no longer.
func TestAPodIsTriedAgainOnceTheRoomThatWasKeptFromItIsReleased(t *testing.T) {
	for name, tc := range map[string]struct {
		node string
		want activations
	}{"that of its node": {node: "a", want: activations{"open-headroom-0"}}, "that of another one": {node: "b"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pending: []*corev1.Pod{pending(0)}})
				keeps, others := foreign("p", 0).NominatedNodeName("a").Obj(), foreign("q", 0).NominatedNodeName("b").Obj()
				f.shared.podChanged(nil, keeps)
				f.shared.podChanged(nil, others)
				status, _ := f.filtered(t, pending(0))
				require.Equal(t, reasonKept, status.Message())
				gone := keeps
				if tc.node == "b" {
					gone = others
				}
				f.shared.podChanged(gone, nil)
				time.Sleep(time.Second) //nolint:forbidigo // the clock is synctest's
				synctest.Wait()
				require.Equal(t, tc.want, f.activated)
			})
		})
	}
}

func TestNothingIsKeptOfAPodWhoseNameIsAnotherPods(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
	first := unscheduled(wants("1").Name("web").UID("first"))
	second := unscheduled(wants("2").Name("web").UID("second"))
	f.shared.podChanged(nil, first)
	f.shared.postponed.Add(first, time.Now().Add(time.Hour), nil)
	f.shared.podChanged(first, second) // the deletion of the first was missed
	require.Zero(t, f.shared.postponed.Len())
	waiting := f.shared.unscheduled.Matching(time.Now(), func(*framework.PodInfo) bool { return true })
	require.Len(t, waiting, 1)
	require.Equal(t, second.UID, waiting[0].Pod.UID, "no placeholder yields to a pod that is gone")
}
