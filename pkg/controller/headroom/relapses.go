package headroom

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// relapses says how many outdated units of each Headroom may be replaced now. As many as were outdated when a spec was first seen are
// replaced as fast as a rollout goes. If there are more, units get outdated again although they were replaced: somebody else makes or
// changes them, and each further round waits for longer. It is safe for concurrent use.
type relapses struct {
	clock   clock.PassiveClock
	mu      sync.Mutex
	entries map[types.NamespacedName]relapse
}

type relapse struct {
	template  string
	budget    int
	wait      time.Duration
	notBefore time.Time
}

func newRelapses(clock clock.PassiveClock) *relapses {
	return &relapses{clock: clock, entries: map[types.NamespacedName]relapse{}}
}

// allow returns how many units that are not of the template may be replaced now, if so many are outdated, or how long to wait.
func (r *relapses) allow(headroom types.NamespacedName, template string, outdated int) (n int, wait time.Duration) {
	if outdated == 0 {
		return 0, 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	entry, ok := r.entries[headroom]
	if !ok || entry.template != template || entry.wait > 0 && now.Sub(entry.notBefore) > retryMemory {
		r.entries[headroom] = relapse{template: template, budget: outdated}
		return outdated, 0
	}
	switch {
	case entry.budget > 0:
		return entry.budget, 0
	case now.Before(entry.notBefore):
		return 0, entry.notBefore.Sub(now)
	default:
		return outdated, 0
	}
}

// replaced notes that so many were replaced, and so few that allow let it.
func (r *relapses) replaced(headroom types.NamespacedName, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry := r.entries[headroom]
	if entry.budget > 0 {
		entry.budget = max(0, entry.budget-n)
	} else {
		entry.wait = min(max(2*entry.wait, firstRetry), lastRetry)
		entry.notBefore = r.clock.Now().Add(entry.wait)
	}
	r.entries[headroom] = entry
}

func (r *relapses) forget(headroom types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.entries, headroom)
}
