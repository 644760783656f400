package eviction

import (
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// CreditLifetime is how long an eviction waits for its consumer to be bound, from the moment in which the placeholder is gone. It is
// shorter than the minute that headroom-controller waits for a consumer from then on (account.Patience), so that the two agree on which
// evictions were abandoned, and longer than anything that a swap waits for after its evictions.
const CreditLifetime = 50 * time.Second

// Credits are the evictions that were made by the decision of a consumer that is not bound yet. They outlive a failed attempt: the next one
// may find the room free, and still it was made for this consumer. Methods may be called concurrently.
type Credits struct {
	clock clock.PassiveClock

	mu        sync.Mutex
	evictions map[types.UID]eviction // by placeholder
}

// eviction is one deletion.
type eviction struct {
	consumer    types.UID
	placeholder *corev1.Pod
	at          time.Time
	// unanswered says that the answer to the deletion was lost: it counts if the placeholder turns out to be gone.
	unanswered bool
}

// NewCredits returns no credits.
func NewCredits(clock clock.PassiveClock) *Credits {
	return &Credits{clock: clock, evictions: map[types.UID]eviction{}}
}

// evicted notes that the API server deleted a placeholder at a consumer's request, or, if unanswered, that it may have.
func (c *Credits) evicted(consumer types.UID, placeholder *corev1.Pod, unanswered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evictions[placeholder.UID] = eviction{consumer: consumer, placeholder: placeholder, at: c.clock.Now(), unanswered: unanswered}
}

// Gone notes that a placeholder is gone, which finalizers may have kept for long.
func (c *Credits) Gone(placeholder types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, known := c.evictions[placeholder]; known {
		e.at = c.clock.Now()
		c.evictions[placeholder] = e
	}
}

// Of returns the placeholders on a node that were evicted by the consumer's decision within CreditLifetime. gone reports whether the API
// server no longer has a placeholder.
func (c *Credits) Of(consumer types.UID, node string, gone func(*corev1.Pod) bool) []*corev1.Pod {
	c.mu.Lock()
	defer c.mu.Unlock()
	var own []*corev1.Pod
	for _, e := range c.evictions {
		if e.consumer == consumer && e.placeholder.Spec.NodeName == node && c.clock.Since(e.at) <= CreditLifetime &&
			(!e.unanswered || gone(e.placeholder)) {
			own = append(own, e.placeholder)
		}
	}
	return own
}

// To returns the consumer by whose decision a placeholder was evicted, and whether that is known: until the consumer is settled.
func (c *Credits) To(placeholder types.UID) (consumer types.UID, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, known := c.evictions[placeholder]
	return e.consumer, known
}

// Settle drops the credits of a consumer that is bound or gone.
func (c *Credits) Settle(consumer types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.evictions, func(_ types.UID, e eviction) bool { return e.consumer == consumer })
}
