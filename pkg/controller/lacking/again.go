package lacking

import corev1 "k8s.io/api/core/v1"

// lookAgain looks once more at a pod that lacks nothing of the Headrooms as they were before it was told: one may have come since. Nothing
// happens to the pod that would have it looked at.
func (h handler) lookAgain(pod *corev1.Pod, initial bool) {
	h.Clock.AfterFunc(freshness, func() {
		h.mu.Lock()
		p := h.waiting[pod.UID]
		unchanged := p != nil && p.version == pod.ResourceVersion
		h.mu.Unlock()
		if unchanged && h.ctx.Err() == nil {
			h.saw(pod, initial)
		}
	})
}
