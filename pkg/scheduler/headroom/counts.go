package headroom

import (
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
)

// counting are kube-scheduler's plugins whose PreFilter may count the pods of the whole cluster. That is most of what a cycle of a pod
// with a spread constraint costs, so a trial takes over what they counted for the cycle rather than have them count again.
var counting = []string{podtopologyspread.Name, interpodaffinity.Name}

// countsOf is where a counting plugin keeps what its PreFilter counted, as kube-scheduler's plugins name their keys.
func countsOf(plugin string) fwk.StateKey {
	return fwk.StateKey("PreFilter" + plugin)
}

// uncounted returns a pod for which the counting plugins count no other pods for what the pod itself asks for: without affinity to pods,
// and with a spread constraint that need not be met, which also keeps default constraints away.
func uncounted(pod *corev1.Pod) *corev1.Pod {
	stripped := *pod
	stripped.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{WhenUnsatisfiable: corev1.ScheduleAnyway}}
	if hasPodAffinity(pod) {
		stripped.Spec.Affinity = &corev1.Affinity{NodeAffinity: pod.Spec.Affinity.NodeAffinity}
	}
	return &stripped
}

// takeOverCounts puts what the counting plugins found out for the cycle in place of what they found out for an uncounted pod. A
// plugin that has left nothing in the cycle has asked to be skipped.
func takeOverCounts(from fwk.CycleState, to *framework.CycleState) {
	skipped := to.GetSkipFilterPlugins()
	for _, plugin := range counting {
		counts, err := from.Read(countsOf(plugin))
		if err != nil {
			to.Delete(countsOf(plugin))
			skipped.Insert(plugin)
			continue
		}
		to.Write(countsOf(plugin), counts.Clone())
		skipped.Delete(plugin)
	}
}
