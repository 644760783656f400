package dryrun

import (
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
)

// countingPlugins are kube-scheduler's plugins whose PreFilter may count the pods of the whole cluster. That is most of
// what a cycle of a pod with a spread constraint costs, so a dry run copies what they counted for the cycle rather than
// have them count again.
var countingPlugins = []string{podtopologyspread.Name, interpodaffinity.Name}

// preFilterKey is where a counting plugin keeps what its PreFilter counted, as kube-scheduler's plugins name their keys.
func preFilterKey(plugin string) fwk.StateKey {
	return fwk.StateKey("PreFilter" + plugin)
}

// withoutConstraints returns a pod for which the counting plugins count no other pods for what the pod itself asks for:
// without affinity to pods, and with a spread constraint that need not be met, which also keeps default constraints
// away.
func withoutConstraints(pod *corev1.Pod) *corev1.Pod {
	stripped := *pod
	stripped.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{WhenUnsatisfiable: corev1.ScheduleAnyway}}
	if HasPodAffinity(pod) {
		stripped.Spec.Affinity = &corev1.Affinity{NodeAffinity: pod.Spec.Affinity.NodeAffinity}
	}
	return &stripped
}

// copyPreFilterState puts what the counting plugins found out for the cycle in place of what they found out for a pod
// without constraints. A plugin that has left nothing in the cycle has asked to be skipped.
func copyPreFilterState(from fwk.CycleState, to *framework.CycleState) {
	skipped := to.GetSkipFilterPlugins()
	for _, plugin := range countingPlugins {
		counts, err := from.Read(preFilterKey(plugin))
		if err != nil {
			to.Delete(preFilterKey(plugin))
			skipped.Insert(plugin)
			continue
		}
		to.Write(preFilterKey(plugin), counts.Clone())
		skipped.Delete(plugin)
	}
}
