package holes

import corev1 "k8s.io/api/core/v1"

// Vanished takes note of a pod that went while nothing was heard of pods, as it was seen last. It may have been the victim of a preemption,
// marked and deleted meanwhile, so the room that it leaves counts as a hole, for whatever pod is nominated or bound to the node first.
// PodChanged has to be told as well, afterwards.
func (n *Nodes) Vanished(pod *corev1.Pod) {
	if pod.Spec.NodeName == "" {
		return
	}
	now := n.Clock.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.openHole(pod, mark{unseen: true}, now)
}
