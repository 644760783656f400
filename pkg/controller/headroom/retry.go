package headroom

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

const (
	// firstRetry and lastRetry bound the wait after something was refused. It doubles each time.
	firstRetry = time.Second
	lastRetry  = time.Minute
	// repeatedly is how many times in a row something has to go wrong to be told.
	repeatedly = 3
	// retryMemory is after how long without trouble the wait starts anew.
	retryMemory = 2 * lastRetry
)

// retries says when to try again what went wrong, for each Headroom. It is safe for concurrent use.
type retries struct {
	clock   clock.PassiveClock
	mu      sync.Mutex
	entries map[types.NamespacedName]retryEntry
}

type retryEntry struct {
	generation int64
	wait       time.Duration
	notBefore  time.Time
	problem    *problem
	times      int // in a row
}

func newRetries(clock clock.PassiveClock) *retries {
	return &retries{clock: clock, entries: map[types.NamespacedName]retryEntry{}}
}

// due returns zero if the Headroom may try now, else how long it has to wait and what went wrong. A changed spec may always
// try.
func (r *retries) due(headroom types.NamespacedName, generation int64) (wait time.Duration, last *problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry, ok := r.entries[headroom]
	if !ok || entry.generation != generation {
		return 0, nil
	}
	return max(0, entry.notBefore.Sub(r.clock.Now())), entry.problem
}

// failed notes that something went wrong and returns when to try again.
func (r *retries) failed(headroom types.NamespacedName, generation int64, what *problem) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	entry, ok := r.entries[headroom]
	next := retryEntry{generation: generation, wait: firstRetry, problem: what, times: 1}
	if ok && entry.generation == generation && now.Sub(entry.notBefore) < retryMemory {
		next.wait, next.times = min(2*entry.wait, lastRetry), entry.times+1
	}
	next.notBefore = now.Add(next.wait)
	r.entries[headroom] = next
	return next.wait
}

// repeated returns what goes wrong again and again, and for how long to remember that if it does not go wrong once more; nil if
// nothing does.
func (r *retries) repeated(headroom types.NamespacedName, generation int64) (what *problem, remaining time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry, ok := r.entries[headroom]
	if !ok || entry.generation != generation || entry.times < repeatedly {
		return nil, 0
	}
	remaining = entry.notBefore.Add(retryMemory).Sub(r.clock.Now())
	if remaining <= 0 {
		return nil, 0
	}
	return entry.problem, remaining
}

// succeeded forgets what went wrong.
func (r *retries) succeeded(headroom types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.entries, headroom)
}
