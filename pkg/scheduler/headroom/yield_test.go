package headroom

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/pkg/scheduler/waiting"
	"github.com/headroom-dev/headroom/test/builders"
)

// unscheduled is a pod for which no node was found.
func unscheduled(pod *st.PodWrapper) *corev1.Pod {
	waits := pod.Obj().DeepCopy()
	waits.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	return waits
}

func TestP16APlaceholderYieldsToAPodThatWaits(t *testing.T) {
	waits := func() *st.PodWrapper { return wants("1").Name("waits").UID("waits") }
	for name, tc := range map[string]struct {
		node  string
		waits *corev1.Pod
		since time.Duration
		want  bool
	}{
		"that would have the room":            {node: "1", waits: unscheduled(waits()), want: true},
		"whatever its priority":               {node: "1", waits: unscheduled(waits().Priority(-1000)), want: true},
		"and its scheduler":                   {node: "1", waits: unscheduled(waits().SchedulerName("stock")), want: true},
		"for a while":                         {node: "1", waits: unscheduled(waits()), since: waiting.YieldsFor - time.Second, want: true},
		"but not for ever":                    {node: "1", waits: unscheduled(waits()), since: waiting.YieldsFor},
		"nor if there is room for both":       {node: "2", waits: unscheduled(waits())},
		"nor to one that no node fits":        {node: "1", waits: unscheduled(waits().NodeSelector(map[string]string{"no": "such"}))},
		"nor to one that is too large":        {node: "1", waits: unscheduled(wants("2").Name("waits").UID("waits"))},
		"nor to one that has not been tried":  {node: "1", waits: waits().Obj()},
		"nor to another placeholder":          {node: "1", waits: unscheduled(unit(hr("open", "1"), 3, "").Node(""))},
		"nor to one that is bound by another": {node: "1", waits: unscheduled(waits().Node("b"))},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res(tc.node)).Obj()}})
			f.shared.podChanged(nil, tc.waits)
			if tc.since > 0 {
				f.shared.unscheduled.Yield("waits", time.Now().Add(-tc.since))
			}
			status, state := f.filtered(t, pending(0))
			require.True(t, status.IsSuccess(), status.Message())
			status = f.Reserve(t.Context(), state, pending(0), "a")
			if !tc.want {
				require.True(t, status.IsSuccess(), status.Message())
				return
			}
			require.Equal(t, reasonYields, status.Message())
			require.Equal(t, []string{"waits"}, []string(f.activated), "the pod is tried at once")
			require.Equal(t, 1, f.shared.postponed.Len(), "and the placeholder later")

			status, _ = f.filtered(t, pending(0))
			require.Equal(t, reasonKept, status.Message(), "meanwhile the room is kept from placeholders")
			status, _ = f.filtered(t, wants("1").Obj())
			require.True(t, status.IsSuccess(), "and from nobody else")
			bound := tc.waits.DeepCopy()
			bound.Spec.NodeName = "elsewhere"
			f.shared.podChanged(tc.waits, bound)
			status, state = f.filtered(t, pending(0))
			require.True(t, status.IsSuccess(), status.Message())
			require.True(t, f.Reserve(t.Context(), state, pending(0), "a").IsSuccess())
		})
	}
}

func TestP16PodsThatCanNeverRunDelayNoPlaceholder(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
	for i := range 100 {
		name := fmt.Sprintf("never-%d", i)
		f.shared.podChanged(nil, unscheduled(wants("1").Name(name).UID(name).NodeSelector(map[string]string{"no": "such"})))
	}
	status, state := f.filtered(t, pending(0))
	require.True(t, status.IsSuccess(), status.Message())
	require.True(t, f.Reserve(t.Context(), state, pending(0), "a").IsSuccess())
	require.Empty(t, f.activated)
}

// TestP16APlaceholderYieldsToPodsThatFillTheRoomTogether has room for the placeholder beside any one of the pods that wait.
func TestP16APlaceholderYieldsToPodsThatFillTheRoomTogether(t *testing.T) {
	for name, tc := range map[string]struct {
		node string
		// waits are the sizes of the pods that wait, nominated that of one which has its room on the node.
		waits     []string
		nominated string
		want      []string
	}{
		"one of which it would keep from the room":  {node: "2", waits: []string{"1", "1"}, want: []string{"waits-0", "waits-1"}},
		"not if there is room for all":              {node: "3", waits: []string{"1", "1"}},
		"nor to one that has no room beside others": {node: "3", waits: []string{"2", "1500m"}},
		"but to one alone that needs all the room":  {node: "3", waits: []string{"2", "3"}, want: []string{"waits-1"}},
		"beside what is kept for others":            {node: "2", waits: []string{"1"}, nominated: "1", want: []string{"waits-0"}},
		"unless there is room for these as well":    {node: "3", waits: []string{"1"}, nominated: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res(tc.node)).Obj()}})
			priority := int32(0)
			for i, size := range tc.waits {
				name := fmt.Sprintf("waits-%d", i)
				f.shared.podChanged(nil, unscheduled(wants(size).Name(name).UID(name).Priority(priority)))
				priority--
			}
			if tc.nominated != "" {
				f.shared.podChanged(nil, unscheduled(wants(tc.nominated).Name("nominated").UID("nominated").NominatedNodeName("a")))
			}
			status, state := f.filtered(t, pending(0))
			require.True(t, status.IsSuccess(), status.Message())
			status = f.Reserve(t.Context(), state, pending(0), "a")
			if len(tc.want) == 0 {
				require.True(t, status.IsSuccess(), status.Message())
				return
			}
			require.Equal(t, reasonYields, status.Message())
			require.ElementsMatch(t, tc.want, []string(f.activated))
		})
	}
}

// bindsAfter tries a placeholder each second until it has its room, and returns how long that took.
func (f *fixture) bindsAfter(t *testing.T, now *testingclock.FakePassiveClock, unit *corev1.Pod, atMost time.Duration) time.Duration {
	t.Helper()
	for began := now.Now(); ; now.SetTime(now.Now().Add(time.Second)) {
		if status, state := f.filtered(t, unit); status.IsSuccess() && f.Reserve(t.Context(), state, unit, "a").IsSuccess() {
			return now.Since(began)
		}
		require.Less(t, now.Since(began), atMost, "the placeholder still waits")
	}
}

// fakeTime has the fixture go by a clock that the test moves.
func (f *fixture) fakeTime() *testingclock.FakePassiveClock {
	now := testingclock.NewFakePassiveClock(f.shared.holes.Clock.Now())
	f.clock, f.shared.holes.Clock = now, now
	return now
}

// TestP16ManyPodsThatAreNeverBoundDelayAPlaceholderForAMinute: they pass every Filter plugin, as members of a group do that is not complete.
func TestP16ManyPodsThatAreNeverBoundDelayAPlaceholderForAMinute(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
	now := f.fakeTime()
	for i := range 10 {
		name := fmt.Sprintf("never-%d", i)
		f.shared.podChanged(nil, unscheduled(wants("1").Name(name).UID(name)))
	}
	require.Equal(t, waiting.YieldsFor, f.bindsAfter(t, now, pending(0), 5*waiting.YieldsFor))
}

func TestP16APlaceholderThatFindsTheRoomKeptByAnotherOneWaitsForAMinuteAtMost(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
	now := f.fakeTime()
	f.shared.podChanged(nil, unscheduled(wants("1").Name("never").UID("never")))
	status, state := f.filtered(t, pending(1))
	require.True(t, status.IsSuccess(), status.Message())
	require.Equal(t, reasonYields, f.Reserve(t.Context(), state, pending(1), "a").Message())
	now.SetTime(now.Now().Add(waiting.YieldsFor / 2))
	status, _ = f.filtered(t, pending(0))
	require.Equal(t, reasonKept, status.Message())
	f.shared.podChanged(nil, unscheduled(wants("1").Name("later").UID("later")))
	require.Equal(t, waiting.YieldsFor, f.bindsAfter(t, now, pending(0), 5*waiting.YieldsFor))
}

// TestP16APlaceholderIsTriedAgainOnceItHasWaitedLongEnough also where the room that it found is kept for longer: for a pod that came later.
func TestP16APlaceholderIsTriedAgainOnceItHasWaitedLongEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pending: []*corev1.Pod{pending(0)}})
		yieldsTo := func(waits *corev1.Pod) {
			f.shared.podChanged(nil, waits)
			status, state := f.filtered(t, pending(1))
			require.True(t, status.IsSuccess(), status.Message())
			require.Equal(t, reasonYields, f.Reserve(t.Context(), state, pending(1), "a").Message())
			status, _ = f.filtered(t, pending(0))
			require.Equal(t, reasonKept, status.Message())
			synctest.Wait()
			f.activated = nil
		}
		first := unscheduled(wants("1").Name("first").UID("first"))
		yieldsTo(first)
		time.Sleep(waiting.YieldsFor / 2) //nolint:forbidigo // the clock is synctest's
		bound := first.DeepCopy()
		bound.Spec.NodeName = "elsewhere"
		f.shared.podChanged(first, bound)
		time.Sleep(time.Second) //nolint:forbidigo // the clock is synctest's
		yieldsTo(unscheduled(wants("1").Name("later").UID("later")))
		time.Sleep(waiting.YieldsFor/2 - time.Second - time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.Empty(t, f.activated)
		time.Sleep(time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.Equal(t, activations{"open-headroom-0"}, f.activated)
	})
}

// TestP16APlaceholderThatRoomOfOthersIsKeptFromHasYieldedNothing: however long a pod of another scheduler had the room nominated, the
// placeholder yields to the next one that waits.
func TestP16APlaceholderThatRoomOfOthersIsKeptFromHasYieldedNothing(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
	now, other := f.fakeTime(), foreign("other", 0).NominatedNodeName("a").Obj()
	f.shared.podChanged(nil, other)
	status, _ := f.filtered(t, pending(0))
	require.Equal(t, reasonKept, status.Message())
	now.SetTime(now.Now().Add(waiting.YieldsFor))
	f.shared.podChanged(other, nil)
	f.shared.podChanged(nil, unscheduled(wants("1").Name("waits").UID("waits")))
	status, state := f.filtered(t, pending(0))
	require.True(t, status.IsSuccess(), status.Message())
	require.Equal(t, reasonYields, f.Reserve(t.Context(), state, pending(0), "a").Message())
}

func TestP16APlaceholderYieldsOnAsLongAsPodsGetTheRoom(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
	now := f.fakeTime()
	for i := range 5 {
		name := fmt.Sprintf("waits-%d", i)
		waits := unscheduled(wants("1").Name(name).UID(name))
		f.shared.podChanged(nil, waits)
		status, state := f.filtered(t, pending(0))
		require.True(t, status.IsSuccess(), status.Message())
		require.Equal(t, reasonYields, f.Reserve(t.Context(), state, pending(0), "a").Message())
		now.SetTime(now.Now().Add(waiting.YieldsFor / 2))
		bound := waits.DeepCopy()
		bound.Spec.NodeName = "elsewhere"
		f.shared.podChanged(waits, bound)
	}
}

// TestP16PodsThatCanNeverRunHideNoneThatCan: plugins are asked once for a hundred pods of one kind, so that the one that comes after them is
// not passed by.
func TestP16PodsThatCanNeverRunHideNoneThatCan(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
	for i := range 100 {
		name := fmt.Sprintf("never-%d", i)
		f.shared.podChanged(nil, unscheduled(wants("1").Name(name).UID(name).Priority(1000).NodeSelector(map[string]string{"no": "such"})))
	}
	f.shared.podChanged(nil, unscheduled(wants("1").Name("waits").UID("waits")))
	status, state := f.filtered(t, pending(0))
	require.True(t, status.IsSuccess(), status.Message())
	require.Equal(t, reasonYields, f.Reserve(t.Context(), state, pending(0), "a").Message())
	require.Equal(t, []string{"waits"}, []string(f.activated))
}

// BenchmarkReserveOfAPlaceholder has a placeholder come where there is room for it, beside pods that wait for the same room and can never
// have it: none, a hundred of one kind, or a hundred kinds.
func BenchmarkReserveOfAPlaceholder(b *testing.B) {
	for _, bench := range []struct {
		name    string
		waiting int
		kind    func(i int) string
	}{
		{"nobody-waits", 0, nil},
		{"a-hundred-of-one-kind-wait", 100, func(int) string { return "such" }},
		{"a-hundred-kinds-wait", 100, func(i int) string { return fmt.Sprint(i) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c := fullCluster(benchNodes)
			c.nodes = append(c.nodes, builders.Node("free", "r-0", builders.Resources{"cpu": "4", "memory": "8Gi"}).Obj())
			c.pods = append(c.pods, apps("free")...) // which leave room for one unit
			f := newFixture(b, c)
			for i := range bench.waiting {
				name := fmt.Sprintf("never-%d", i)
				f.shared.podChanged(nil, unscheduled(wants("1").Name(name).UID(name).NodeSelector(map[string]string{"no": bench.kind(i)})))
			}
			unit := builders.Placeholder(c.headrooms[0], benchNodes).UID("unit").Obj()
			_, state := f.decided(b, unit)
			b.ReportAllocs()
			for b.Loop() {
				if status := f.Reserve(b.Context(), state, unit, "free"); !status.IsSuccess() {
					b.Fatal(status.Message())
				}
			}
		})
	}
}
