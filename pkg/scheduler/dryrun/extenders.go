package dryrun

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

// extendersFor returns the scheduler's extenders that have a say about a pod: none, most often.
func (p *Profile) extendersFor(pod *corev1.Pod) []fwk.Extender {
	return slices.DeleteFunc(slices.Clone(p.handle.Extenders()), func(e fwk.Extender) bool { return !e.IsInterested(pod) })
}

// HasExtenders reports whether extenders have a say about the pod.
func (r *Run) HasExtenders() bool {
	return len(r.extenders) > 0
}

// BinderExtender returns the name of the extender that will bind the pod, empty if there is none. Where there is one,
// no Bind plugin runs.
func (r *Run) BinderExtender() string {
	i := slices.IndexFunc(r.extenders, fwk.Extender.IsBinder)
	if i < 0 {
		return ""
	}
	return r.extenders[i].Name()
}

// PassExtenders returns the names of those of some nodes that no extender rejects, one call of each extender for all of
// them. If one fails that must not, none passes: the cycle asks it again, and reports the error.
func (r *Run) PassExtenders(ctx context.Context, nodes []fwk.NodeInfo) []string {
	for _, extender := range r.extenders {
		passed, _, _, err := extender.Filter(r.pod, nodes)
		switch {
		case err == nil:
			nodes = passed
		case !extender.IsIgnorable():
			klog.FromContext(ctx).V(2).Info("An extender failed, so no node passes the dry run", "extender", extender.Name(),
				"pod", klog.KObj(r.pod), "err", err)
			return nil
		}
	}
	names := make([]string, 0, len(nodes))
	for _, info := range nodes {
		names = append(names, info.Node().Name)
	}
	return names
}
