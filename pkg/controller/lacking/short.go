package lacking

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// young is how old a pod is at most that others let have room first.
const young = 10 * time.Minute

// look notes whether a pod lacks resources.
func (p *waiting) look(pod *corev1.Pod) {
	told, said := told(pod)
	p.created, p.nodeSelector, p.short = pod.CreationTimestamp.Time, pod.Spec.NodeSelector, !told.IsZero() && wantsRoom(said)
}

// Short reports whether a pod that may go to nodes with these labels, and was created less than ten minutes ago, was told that there are
// not enough resources.
func (w *Watcher) Short(now time.Time, nodeSelector map[string]string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.waiting {
		if p.short && now.Sub(p.created) < young && compatible(p.nodeSelector, nodeSelector) {
			return true
		}
	}
	return false
}
