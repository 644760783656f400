package chaos

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/chaos/plan"
)

// sayingCounts is how long what a Headroom said may still be what a scheduler goes by, after it says something else.
const sayingCounts = 30 * time.Second

// saying is what a Headroom said from a time on.
type saying struct {
	at time.Time
	plan.Headroom
}

// said notes what a Headroom says from now on.
func (r *run) said(h plan.Headroom) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := types.NamespacedName{Namespace: h.Namespace, Name: h.Name}
	r.sayings[key] = append(r.sayings[key], saying{time.Now(), h})
}

// noteApp notes what the label app of a pod is.
func (r *run) noteApp(pod *corev1.Pod) {
	if app := pod.Labels["app"]; app != "" && !slices.Contains(r.apps[pod.UID], app) {
		r.apps[pod.UID] = append(r.apps[pod.UID], app)
	}
}

// named reports whether the Headroom of a reserved unit names the pod, or did a short time ago, by any label app that the pod has had: both
// may have changed since the scheduler decided.
func (r *run) named(unit, pod *corev1.Pod) bool {
	key, ok := placeholder.HeadroomOf(unit, r.observer.HeadroomOfDaemonSet)
	if !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	sayings := r.sayings[key]
	for i, s := range sayings {
		if i+1 < len(sayings) && time.Since(sayings[i+1].at) > sayingCounts {
			continue
		}
		if s.App != "" && (s.AllNamespaces || s.Namespace == pod.Namespace) && slices.Contains(r.apps[pod.UID], s.App) {
			return true
		}
	}
	return false
}

// guardsRest is how long a guard may be there in a cluster at rest: the scheduler looks for leftovers when it begins to lead.
const guardsRest = 30 * time.Second

// guarding are the guards that are there although nobody takes a unit.
func guarding(s *scene) []doubt {
	var doubts []doubt
	for _, pod := range s.pods {
		if pod.Labels[v1alpha1.LabelGuard] != "" {
			doubts = append(doubts, doubt{
				property: Guard, patience: guardsRest, about: []string{pod.Name, pod.Spec.NodeName},
				message: fmt.Sprintf("guard %s keeps other schedulers off node %s, and nobody takes a unit there", pod.Name, pod.Spec.NodeName),
			})
		}
	}
	return doubts
}
