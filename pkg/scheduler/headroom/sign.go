package headroom

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// SignPod lets pods be batched as far as the other plugins let them. A batch reuses one pod's ranking of nodes for the next
// pod alike. The plugin has no part in a ranking: a pod that takes headroom is alone with its one node, so its cycle leaves no
// ranking behind; and when such a pod meets the ranking that an earlier one left, Filter rejects every node but the one decided.
// So what the plugin decides by need not be signed, but for what its Filter reads in the place of NodeResourcesFit's.
func (p *Plugin) SignPod(ctx context.Context, pod *corev1.Pod) ([]fwk.SignFragment, *fwk.Status) {
	return p.fit.SignPod(ctx, pod)
}
