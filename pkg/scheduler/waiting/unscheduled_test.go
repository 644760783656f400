package waiting

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

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
