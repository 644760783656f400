package headroom

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// rollouts is how many replacements of each Headroom have the old pod deleted and the new one not created, see
// topup.Desired.PendingReplacements. It is safe for concurrent use: reconciles of several Headrooms write to it.
type rollouts struct {
	mu      sync.Mutex
	pending map[types.NamespacedName]int
}

func newRollouts() *rollouts {
	return &rollouts{pending: map[types.NamespacedName]int{}}
}

// rolloutStep notes half of a replacement: 1 when the old pod was deleted, -1 when a new one was created.
func (r *rollouts) rolloutStep(headroom types.NamespacedName, step int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending[headroom] = max(0, r.pending[headroom]+step)
}

// pendingReplacements is the number of replacements that were begun and not ended.
func (r *rollouts) pendingReplacements(headroom types.NamespacedName) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pending[headroom]
}

func (r *rollouts) forget(headroom types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, headroom)
}
