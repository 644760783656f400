package headroom

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
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

// countedBefore says whether all counting plugins of the profile have run when the plugin's own PreFilter runs, and all plugins that
// could look at what a pod must be stripped of for its pods not to be counted are known.
func (p *Plugin) countedBefore() bool {
	p.checkCounts.Do(func() {
		p.takesOverCounts = p.knowsAllPlugins() && runsAfter(p.handle.ListPlugins().PreFilter.Enabled, Name, counting)
	})
	return p.takesOverCounts
}

// runsAfter says whether a plugin comes after all of some others that are enabled.
func runsAfter(enabled []schedulerconfig.Plugin, name string, others []string) bool {
	own := slices.IndexFunc(enabled, func(p schedulerconfig.Plugin) bool { return p.Name == name })
	return own >= 0 && !slices.ContainsFunc(enabled[own:], func(p schedulerconfig.Plugin) bool { return slices.Contains(others, p.Name) })
}

// uncounted returns the pod without what the counting plugins would count other pods for.
func uncounted(pod *corev1.Pod) *corev1.Pod {
	if !reachesBeyondNode(pod) {
		return pod
	}
	stripped := *pod
	stripped.Spec.TopologySpreadConstraints = nil
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
