package headroom

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

// extendersFor returns the scheduler's extenders that have a say about a pod: none, most often.
func (p *Plugin) extendersFor(pod *corev1.Pod) []fwk.Extender {
	return slices.DeleteFunc(slices.Clone(p.handle.Extenders()), func(e fwk.Extender) bool { return !e.IsInterested(pod) })
}

// boundByExtender reports whether one of the extenders that have a say about a pod binds it: then no Bind plugin runs, and nothing would
// evict the victims of a swap. PostFilter serves such pods.
func (p *Plugin) boundByExtender(ctx context.Context, extenders []fwk.Extender) bool {
	i := slices.IndexFunc(extenders, fwk.Extender.IsBinder)
	if i < 0 {
		return false
	}
	p.tellOfBinder.Do(func() {
		klog.FromContext(ctx).Info("No swaps for the pods that an extender binds; they preempt placeholders and are bound by another attempt",
			"extender", extenders[i].Name(), "profile", p.handle.ProfileName())
	})
	return true
}

// fitsWithExtenders reports whether one of the nodes that have room for the consumer passes every Filter plugin and every extender.
func (ch *choice) fitsWithExtenders(ctx context.Context, free []int) bool {
	if len(free) == 0 || !ch.trial.start(ctx) {
		return false
	}
	ch.trial.cycle.trial = nil
	var fitting []int
	for j, fits := range ch.trial.all(ctx, free, ch.fits) {
		if fits {
			fitting = append(fitting, free[j])
		}
	}
	return len(ch.passingExtenders(ctx, fitting)) > 0
}

// passingExtenders returns those of some nodes that no extender rejects, one call of each extender for all of them. If one fails
// that must not, none passes: the cycle asks it again, and reports the error.
func (ch *choice) passingExtenders(ctx context.Context, nodes []int) []int {
	if len(ch.trial.extenders) == 0 || len(nodes) == 0 {
		return nodes
	}
	infos, indices := make([]fwk.NodeInfo, 0, len(nodes)), make(map[string]int, len(nodes))
	for _, i := range nodes {
		infos = append(infos, ch.nodes[i].Info)
		indices[ch.nodes[i].Name] = i
	}
	for _, extender := range ch.trial.extenders {
		passed, _, _, err := extender.Filter(ch.consumer.pod, infos)
		switch {
		case err == nil:
			infos = passed
		case !extender.IsIgnorable():
			klog.FromContext(ctx).V(2).Info("No headroom is taken, as an extender failed", "extender", extender.Name(),
				"pod", klog.KObj(ch.consumer.pod), "err", err)
			return nil
		}
	}
	passing := make([]int, 0, len(infos))
	for _, info := range infos {
		passing = append(passing, indices[info.Node().Name])
	}
	slices.Sort(passing)
	return passing
}
