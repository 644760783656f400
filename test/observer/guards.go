package observer

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// guardLabel marks the pods by which headroom-scheduler keeps other schedulers off a node for the moment of a swap.
	guardLabel = "headroom.dev/guard"
	// guardLasts is how long one may be there: until the scheduler that made it, or the next one to lead, is done with it.
	guardLasts = time.Minute
)

func isGuard(pod *corev1.Pod) bool { return pod.Labels[guardLabel] == "true" }

// guard takes note of a guard. It counts as a pod of its node, may hold nothing, and must not stay. What it keeps away it keeps away for a
// moment: it is remembered without, so that it changes no answer about where other pods have a place.
func (r *Replay) guard(event Event) {
	pod := event.Pod
	_, known := r.pods[pod.UID]
	if event.Type == watch.Deleted || !holdsRoom(pod) {
		r.checkGuard(event.At, event.Revision, pod)
		delete(r.pods, pod.UID)
		delete(r.boundAt, pod.UID)
		return
	}
	bare := pod.DeepCopy()
	bare.Spec.Affinity = nil
	r.pods[pod.UID] = bare
	if known {
		return
	}
	r.boundAt[pod.UID] = event.At
	for resource, quantity := range requestsOf([]*corev1.Pod{pod}) {
		if !quantity.IsZero() {
			r.report("guard", pod, event.Revision, "guard %s requests %s of %s", name(pod), quantity.String(), resource)
		}
	}
	if node := r.nodes[pod.Spec.NodeName]; node != nil {
		pods := append(r.podsOnBut(node.Name, pod), bare)
		r.checkOvercommit(event.Revision, node, pods, r.blames(node, pods))
	}
}

// podsOnBut is podsOn without one pod.
func (r *Replay) podsOnBut(node string, but *corev1.Pod) []*corev1.Pod {
	var others []*corev1.Pod
	for _, pod := range r.podsOn(node) {
		if pod.UID != but.UID {
			others = append(others, pod)
		}
	}
	return others
}

// checkGuard judges for how long a guard has been there.
func (r *Replay) checkGuard(now time.Time, revision uint64, pod *corev1.Pod) {
	if since, there := r.boundAt[pod.UID]; there && now.Sub(since) > guardLasts {
		r.report("guard", pod, revision, "guard %s kept other schedulers off node %s for %s", name(pod), pod.Spec.NodeName, now.Sub(since))
	}
}

// Guards judges at the end those that are still there, and returns what it finds.
func (r *Replay) Guards(now time.Time) []Violation {
	known := len(r.violations)
	for _, pod := range r.pods {
		if isGuard(pod) {
			r.checkGuard(now, 0, pod)
		}
	}
	return r.violations[known:]
}
