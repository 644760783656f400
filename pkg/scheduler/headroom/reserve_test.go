package headroom

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/pkg/scheduler/guard"
	"github.com/headroom-dev/headroom/pkg/scheduler/waiting"
	"github.com/headroom-dev/headroom/test/builders"
)

// waiter is a pod that may wait beside others.
func waiter(name, cpu string) *st.PodWrapper { return wants(cpu).Name(name).UID(name) }

// reserves has a placeholder come to the node a, and returns why it leaves the room to others, empty if it has it.
func (f *fixture) reserves(t *testing.T, unit *corev1.Pod) string {
	t.Helper()
	status, state := f.filtered(t, unit)
	require.True(t, status.IsSuccess(), status.Message())
	return f.Reserve(t.Context(), state, unit, "a").Message()
}

// TestP16PluginsAreAskedForSoManyKindsOfPodsThatWait, the most important first, so that no placeholder takes long: what comes after them is
// passed by. Here none of the first can ever run.
func TestP16PluginsAreAskedForSoManyKindsOfPodsThatWait(t *testing.T) {
	for name, tc := range map[string]struct {
		before int
		want   string
	}{
		"it yields to one of the last kind": {before: maxYieldKinds - 1, want: reasonYields},
		"to one of a kind beyond it cannot": {before: maxYieldKinds},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
			for i := range tc.before {
				never := waiter(fmt.Sprintf("never-%d", i), "1").Priority(1000).NodeSelector(map[string]string{"no": fmt.Sprint(i)})
				f.shared.podChanged(nil, unscheduled(never))
			}
			f.shared.podChanged(nil, unscheduled(waiter("waits", "1")))
			require.Equal(t, tc.want, f.reserves(t, pending(0)))
		})
	}
}

func TestP16AllPodsThatAPlaceholderYieldsToAreTriedAgainAlsoThoseOfOneName(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}})
	f.shared.podChanged(nil, unscheduled(waiter("waits", "1")))
	f.shared.podChanged(nil, unscheduled(waiter("waits", "1").Namespace("other").UID("other")))
	require.Equal(t, reasonYields, f.reserves(t, pending(0)))
	require.Equal(t, activations{"waits", "waits"}, f.activated)
}

// TestP16APlaceholderHasNotYieldedInVainIfAnyOfThePodsIsBound: it yields to the next one for as long as to these.
func TestP16APlaceholderHasNotYieldedInVainIfAnyOfThePodsIsBound(t *testing.T) {
	for name, tc := range map[string]struct {
		bound string
		want  string
	}{
		"the first one is": {bound: "first", want: reasonYields},
		"the last one is":  {bound: "last", want: reasonYields},
		"none is":          {},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}})
			now := f.fakeTime()
			pods := map[string]*corev1.Pod{"first": unscheduled(waiter("first", "1").Priority(10)), "last": unscheduled(waiter("last", "1"))}
			for _, pod := range pods {
				f.shared.podChanged(nil, pod)
			}
			require.Equal(t, reasonYields, f.reserves(t, pending(0)))
			if pod := pods[tc.bound]; pod != nil {
				bound := pod.DeepCopy()
				bound.Spec.NodeName = "elsewhere"
				f.shared.podChanged(pod, bound)
			}
			now.SetTime(now.Now().Add(waiting.YieldsFor))
			f.shared.podChanged(nil, unscheduled(waiter("next", "2")))
			require.Equal(t, tc.want, f.reserves(t, pending(0)))
		})
	}
}

// TestP16TheTimeForWhichPlaceholdersYieldBeginsForEachPodThatHasTheRoom: a placeholder that comes after it yields to none of them.
func TestP16TheTimeForWhichPlaceholdersYieldBeginsForEachPodThatHasTheRoom(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}})
	now := f.fakeTime()
	f.shared.podChanged(nil, unscheduled(waiter("first", "1").Priority(10)))
	f.shared.podChanged(nil, unscheduled(waiter("last", "1")))
	require.Equal(t, reasonYields, f.reserves(t, pending(0)))
	now.SetTime(now.Now().Add(waiting.YieldsFor))
	large := unit(hr("large", "2"), 0, "").Obj()
	require.Empty(t, f.reserves(t, large))
}

// TestASwapReservesAllUnitsThatItTakesAndGivesAllBack.
func TestASwapReservesAllUnitsThatItTakesAndGivesAllBack(t *testing.T) {
	c := cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()},
		pods:  []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj(), unit(hr("open", "1"), 1, "a").Obj()},
	}
	f, pod := newFixture(t, c), wants("2").Obj()
	decided, state := f.decided(t, pod)
	require.Len(t, decided.swap.Victims, 2)
	require.True(t, f.Reserve(t.Context(), state, pod, "a").IsSuccess())
	require.Equal(t, 2, f.reservedUnits(&c))
	f.Unreserve(t.Context(), state, pod, "a")
	require.Zero(t, f.reservedUnits(&c))
}

// TestASwapRemembersTheNodeAsItIsBeforeTheEvictions, by which it is told whether a guard can be there.
func TestASwapRemembersTheNodeAsItIsBeforeTheEvictions(t *testing.T) {
	w, s := newGuardWorld(t, true, true, func(args *config.HeadroomArgs) { args.GuardHoles = config.GuardReserved })
	require.Equal(t, guard.NodeOf(w.nodes[0]), s.place)
	require.Equal(t, "a", s.place.Name)
}

// TestAUnitIsReservedForEachMemberThatHasItsPlaceThere, also for one that fits beside those
// before it: whoever is bound first evicts it.
func TestAUnitIsReservedForEachMemberThatHasItsPlaceThere(t *testing.T) {
	c := withGangs(0, map[string]int{"web": 2})
	c.nodes = []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}
	c.pods = []*corev1.Pod{unit(hr("open", "2"), 0, "a").Obj()}
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	_, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	reserved := f.shared.state().Reserved
	require.Len(t, reserved, 1)
	require.Equal(t, []types.UID{"web-0", "web-1"}, reserved[0].Consumers)
}

// TestWhatIsLeftOfAGroupThatIsGivenUp: members that run are not tried again, and those in Permit are kube-scheduler's to turn away.
func TestWhatIsLeftOfAGroupThatIsGivenUp(t *testing.T) {
	c := withGangs(2, map[string]int{"web": 3})
	c.pending[2].Spec.NodeName = "elsewhere"
	f := newFixture(t, c)
	handle := noting{f.handle, map[string]string{}}
	f.handle = handle
	f.shared.gangs.Set(podGroup("web", 3))
	_, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	f.shared.giveUp(t.Context(), f.shared.attempts.Of(podGroup("web", 3).Name), "of the test")
	require.Equal(t, 2, f.shared.postponed.Len())
	require.Contains(t, handle.nominated, "web-0")
	require.NotContains(t, handle.nominated, "web-1")
}

// TestAMemberIsAboutToBeBoundFromReserveOn until it turns out not to be, but never in the cycle of a group, which only looks.
func TestAMemberIsAboutToBeBoundFromReserveOn(t *testing.T) {
	for name, tc := range map[string]struct{ grouped, want bool }{"in a cycle of its own": {want: true}, "on paper": {grouped: true}} {
		t.Run(name, func(t *testing.T) {
			c := withGangs(1, map[string]int{"web": 1})
			f, pod := newFixture(t, c), c.pending[0]
			_, state := f.decided(t, pod)
			if tc.grouped {
				state.SetPodGroupSchedulingCycle(group{})
			}
			require.True(t, f.Reserve(t.Context(), state, pod, "n0").IsSuccess())
			require.Equal(t, tc.want, f.shared.attempts.Assumed(pod.UID))
			f.Unreserve(t.Context(), state, pod, "n0")
			require.False(t, f.shared.attempts.Assumed(pod.UID))
		})
	}
}
