package headroom

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// refillClock measures how long units are missing: from the moment in which the controller sees one go until one is bound in
// its place. Which one replaces which does not matter: the unit that is missing for longest is served first. It is safe for
// concurrent use.
type refillClock struct {
	mu   sync.Mutex
	lost map[types.NamespacedName][]time.Time // in order of time
}

func newRefillClock() *refillClock {
	return &refillClock{lost: map[types.NamespacedName][]time.Time{}}
}

// loss notes that a bound unit went.
func (c *refillClock) loss(headroom types.NamespacedName, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost[headroom] = append(c.lost[headroom], now)
}

// bound notes that a unit was bound, and returns how long one was missing, if one was.
func (c *refillClock) bound(headroom types.NamespacedName, now time.Time) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := c.lost[headroom]
	if len(lost) == 0 {
		return 0, false
	}
	c.lost[headroom] = lost[1:]
	return now.Sub(lost[0]), true
}

// limit drops the oldest losses that nobody waits for any more: at the time of the observation only so many units were
// missing. Losses after it are not touched.
func (c *refillClock) limit(headroom types.NamespacedName, missing int, observed time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := 0
	for _, lost := range c.lost[headroom] {
		if !lost.After(observed) {
			known++
		}
	}
	if surplus := known - max(0, missing); surplus > 0 {
		c.lost[headroom] = c.lost[headroom][surplus:]
	}
	if len(c.lost[headroom]) == 0 {
		delete(c.lost, headroom)
	}
}

func (c *refillClock) forget(headroom types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.lost, headroom)
}
