package holes

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// Heard are the pods of nodes, as Nodes were told of them by a listener. A listener is told after the informer's store has changed, and
// sooner or later than the scheduler's own: a pod that is here and no longer in the store went, and Nodes do not know yet. The zero value
// has none. Methods may be called concurrently.
type Heard struct {
	mu   sync.Mutex
	pods map[string]sets.Set[types.UID]
}

// PodChanged takes note of a change of a pod that Nodes have been told of: after is nil for a pod that is gone.
func (h *Heard) PodChanged(before, after *corev1.Pod) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case after == nil:
		if on := h.pods[before.Spec.NodeName]; on != nil {
			on.Delete(before.UID)
			if len(on) == 0 {
				delete(h.pods, before.Spec.NodeName)
			}
		}
	case after.Spec.NodeName != "":
		on := h.pods[after.Spec.NodeName]
		if on == nil {
			if h.pods == nil {
				h.pods = map[string]sets.Set[types.UID]{}
			}
			on = sets.New[types.UID]()
			h.pods[after.Spec.NodeName] = on
		}
		on.Insert(after.UID)
	}
}

// All reports whether Nodes were told of every pod that went from a node. stored are the pods of the node that the store has.
func (h *Heard) All(node string, stored []*corev1.Pod) bool {
	there := sets.New[types.UID]()
	for _, pod := range stored {
		there.Insert(pod.UID)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return there.IsSuperset(h.pods[node])
}
