package waiting

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/test/builders"
)

func failed(pod *st.PodWrapper, reason string) *corev1.Pod {
	p := pod.Obj().DeepCopy()
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason}}
	return p
}

func TestPlaceholdersMayYieldToPodsForWhichNoNodeWasFound(t *testing.T) {
	u, now := NewUnscheduled(), builders.Epoch()
	matching := func() []string {
		var names []string
		for _, info := range u.Matching(now, func(info *framework.PodInfo) bool { return info.Pod.Name != "large" }) {
			names = append(names, info.Pod.Name)
		}
		return names
	}
	pod := func(name string) *st.PodWrapper { return builders.Consumer(name, nil).UID(name) }
	u.Observe(pod("new").Obj())
	u.Observe(failed(pod("gated"), corev1.PodReasonSchedulingGated))
	u.Observe(failed(pod("bound").Node("n"), corev1.PodReasonUnschedulable))
	u.Observe(failed(pod("leaves").Terminating(), corev1.PodReasonUnschedulable))
	u.Observe(failed(pod("large"), corev1.PodReasonUnschedulable))
	require.Empty(t, matching())

	u.Observe(failed(pod("low"), corev1.PodReasonUnschedulable))
	u.Observe(failed(pod("error"), corev1.PodReasonSchedulerError))
	u.Observe(failed(pod("high").Priority(10), corev1.PodReasonUnschedulable))
	require.Equal(t, []string{"high", "error", "low"}, matching())

	require.Equal(t, now.Add(YieldsFor), u.Yield("high", now))
	now = now.Add(YieldsFor - time.Second)
	require.Equal(t, now.Add(time.Second), u.Yield("high", now), "it counts from the first time on")
	u.Observe(failed(pod("high").Priority(10), corev1.PodReasonUnschedulable))
	require.Equal(t, []string{"high", "error", "low"}, matching())
	now = now.Add(time.Second)
	require.Equal(t, []string{"error", "low"}, matching(), "once, for a minute")

	u.Observe(pod("error").Node("n").Obj())
	u.Forget("low")
	require.Empty(t, matching())
	require.Equal(t, now, u.Yield("low", now), "it is gone")
}

func TestAPlaceholderInsistsAfterItWaitedForAMinuteForPodsOfWhichNoneWasBound(t *testing.T) {
	u, now := NewUnscheduled(), builders.Epoch()
	insists := func(after time.Duration) bool { return u.Insists("unit", now.Add(after)) }
	for _, name := range []string{"a", "b", "c"} {
		u.Observe(failed(builders.Consumer(name, nil).UID(name), corev1.PodReasonUnschedulable))
	}
	require.False(t, insists(0), "it has not waited")
	u.Yield("a", now)
	require.Equal(t, now.Add(YieldsFor), u.Delay("unit", now, "a"))
	u.Yield("b", now.Add(time.Second))
	require.Equal(t, now.Add(YieldsFor), u.Delay("unit", now.Add(time.Second), "b"), "it counts from the first of them on")
	require.False(t, insists(YieldsFor-1))
	require.True(t, insists(YieldsFor))
	require.True(t, insists(2*YieldsFor-1))
	require.False(t, insists(2*YieldsFor), "then it yields again")

	u.Forget("a")
	require.True(t, insists(YieldsFor), "one that went has not taken the room")
	u.Bound("c")
	require.True(t, insists(YieldsFor), "nor has one for which it did not wait")
	u.Bound("b")
	require.False(t, insists(YieldsFor))
	require.Equal(t, now.Add(2*YieldsFor), u.Delay("unit", now.Add(YieldsFor)))
	u.Bound("unit")
	require.False(t, insists(2*YieldsFor))
	require.Empty(t, u.delays, "nothing is kept")

	u.Delay("unit", now)
	u.Forget("unit")
	require.Empty(t, u.delays)
	u.Delay("unit", now)
	require.Equal(t, now.Add(3*YieldsFor), u.Delay("unit", now.Add(2*YieldsFor)), "it waits anew")
}

// TestTheMostImportantPodComesFirstAndOfEqualsTheOldest: room is left to them in this order.
func TestTheMostImportantPodComesFirstAndOfEqualsTheOldest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := NewUnscheduled()
		for i := range rapid.IntRange(0, 6).Draw(t, "pods") {
			uid := fmt.Sprint("pod-", i)
			created := builders.Epoch().Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "age")) * time.Second)
			u.Observe(failed(builders.Consumer(uid, nil).UID(uid).Priority(rapid.Int32Range(-1, 1).Draw(t, "priority")).
				CreationTimestamp(metav1.NewTime(created)), corev1.PodReasonUnschedulable))
		}
		waits := u.Matching(builders.Epoch(), func(*framework.PodInfo) bool { return true })
		for i := 1; i < len(waits); i++ {
			before, after := waits[i-1].Pod, waits[i].Pod
			require.GreaterOrEqual(t, *before.Spec.Priority, *after.Spec.Priority)
			if *before.Spec.Priority == *after.Spec.Priority {
				require.False(t, after.CreationTimestamp.Before(&before.CreationTimestamp))
				if after.CreationTimestamp.Equal(&before.CreationTimestamp) {
					require.Less(t, before.UID, after.UID, "the order is always the same")
				}
			}
		}
	})
}

// TestEachPlaceholderWaitsForPodsOfItsOwn: one that waited in vain insists, whatever others waited for.
func TestEachPlaceholderWaitsForPodsOfItsOwn(t *testing.T) {
	u, now := NewUnscheduled(), builders.Epoch()
	pods := []types.UID{"a", "b", "c", "unasked"}
	for _, uid := range pods {
		u.Observe(failed(builders.Consumer(string(uid), nil).UID(string(uid)), corev1.PodReasonUnschedulable))
	}
	for _, uid := range pods[:3] {
		u.Yield(uid, now)
	}
	insisting := func() []types.UID {
		insist := []types.UID{}
		for _, unit := range []types.UID{"all", "one", "none"} {
			if u.Insists(unit, now.Add(YieldsFor)) {
				insist = append(insist, unit)
			}
		}
		return insist
	}
	u.Delay("all", now, "a", "b", "unasked")
	u.Delay("one", now, "c")
	u.Delay("none", now)
	require.Equal(t, []types.UID{"all", "one", "none"}, insisting())
	u.Bound("unasked")
	require.Equal(t, []types.UID{"all", "one", "none"}, insisting(), "no placeholder yielded to it")
	u.Bound("b")
	require.Equal(t, []types.UID{"one", "none"}, insisting(), "one of several is enough")
	u.Bound("c")
	require.Equal(t, []types.UID{"none"}, insisting())
}

// TestAPodIsKnownAsItIsNow: placeholders must not yield to what it was.
func TestAPodIsKnownAsItIsNow(t *testing.T) {
	u, now := NewUnscheduled(), builders.Epoch()
	observe := func(cpu, node string) *framework.PodInfo {
		u.Observe(failed(builders.Consumer("web", builders.Resources{"cpu": cpu}).UID("web").NodeSelector(map[string]string{"on": node}), corev1.PodReasonUnschedulable))
		waits := u.Matching(now, func(*framework.PodInfo) bool { return true })
		require.Len(t, waits, 1)
		require.Equal(t, kindOf(waits[0].Pod), waits[0].Kind)
		return waits[0].PodInfo
	}
	before := observe("1", "a")
	require.Equal(t, now.Add(YieldsFor), u.Yield("web", now))
	after := observe("2", "b")
	require.Equal(t, map[string]string{"on": "b"}, after.Pod.Spec.NodeSelector)
	require.Greater(t, after.CalculateResource().Resource.GetMilliCPU(), before.CalculateResource().Resource.GetMilliCPU())
	require.Equal(t, now.Add(YieldsFor), u.Yield("web", now.Add(time.Second)), "it is yielded to no longer for that")
}
