// Package eviction takes placeholders away: it keeps which of them are the victims of a swap that was decided but is not done,
// and deletes them.
package eviction

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Claims are the placeholders that pods have been promised. Several pods may share one: its room, less what the first needs,
// may be enough for a second. Methods may be called concurrently.
type Claims struct {
	mu      sync.Mutex
	byUID   map[types.UID]*claim
	onNode  map[string]int
	stayed  map[types.UID]struct{}
	changed func(node string)
}

// claim is one placeholder that is promised, or that is deleted and not yet seen to be gone by the scheduler's cache.
type claim struct {
	node     string
	claimers map[types.UID]struct{}
	// turn is held by the one that deletes the placeholder or waits for it to be gone.
	turn chan struct{}
	// deleted says that the API server has deleted the placeholder.
	deleted bool
	// missing says that the scheduler's cache does not have the placeholder on its node, or not even the node.
	missing bool
	// gone is closed when the API server no longer has the placeholder.
	gone     chan struct{}
	goneOnce sync.Once
}

// NewClaims returns no claims. changed is called with the name of a node on which a placeholder became, or stopped to be,
// claimed, or stayed.
func NewClaims(changed func(node string)) *Claims {
	return &Claims{byUID: map[types.UID]*claim{}, onNode: map[string]int{}, stayed: map[types.UID]struct{}{}, changed: changed}
}

// Claimed reports whether a placeholder is promised to a pod, or deleted.
func (c *Claims) Claimed(uid types.UID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.byUID[uid]
	return ok
}

// Stays reports whether a placeholder was waited for in vain, and is there still. It makes no room that anybody could count on.
func (c *Claims) Stays(uid types.UID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.stayed[uid]
	return ok
}

// noteStayed remembers that a placeholder was waited for in vain, until it is gone. Otherwise one that never goes would be chosen
// again and again, as one that is being deleted anyhow goes first.
func (c *Claims) noteStayed(uid types.UID, promised *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-promised.gone:
	default:
		c.stayed[uid] = struct{}{}
		c.changed(promised.node)
	}
}

// Claim promises the victims to a consumer.
func (c *Claims) Claim(consumer types.UID, victims []*corev1.Pod) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, victim := range victims {
		promised := c.byUID[victim.UID]
		if promised == nil {
			promised = &claim{
				node: victim.Spec.NodeName, claimers: map[types.UID]struct{}{}, turn: make(chan struct{}, 1), gone: make(chan struct{}),
			}
			c.byUID[victim.UID] = promised
			c.onNode[promised.node]++
			c.changed(promised.node)
		}
		promised.claimers[consumer] = struct{}{}
	}
}

// Release takes back what was promised to a consumer, after it was bound or when it will not be. A victim that was deleted
// remains claimed until it is missing.
func (c *Claims) Release(consumer types.UID, victims []*corev1.Pod) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, victim := range victims {
		promised := c.byUID[victim.UID]
		if promised == nil {
			continue
		}
		delete(promised.claimers, consumer)
		if len(promised.claimers) == 0 && (!promised.deleted || promised.missing) {
			c.drop(victim.UID, promised)
			c.changed(promised.node)
		}
	}
}

// Missing drops the claims on deleted placeholders of a node that the scheduler's cache no longer has there. Those that pods still
// rely on go when these are done, as nobody may ask about a node that left.
func (c *Claims) Missing(node string, present func(uid types.UID) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.onNode[node] == 0 {
		return
	}
	for uid, promised := range c.byUID {
		if promised.node != node {
			continue
		}
		promised.missing = !present(uid)
		if promised.missing && promised.deleted && len(promised.claimers) == 0 {
			c.drop(uid, promised)
		}
	}
}

func (c *Claims) drop(uid types.UID, promised *claim) {
	delete(c.byUID, uid)
	if c.onNode[promised.node]--; c.onNode[promised.node] == 0 {
		delete(c.onNode, promised.node)
	}
}

// Gone notes that the API server no longer has a pod.
func (c *Claims) Gone(uid types.UID) {
	if promised := c.get(uid); promised != nil {
		promised.goneOnce.Do(func() { close(promised.gone) })
		c.markDeleted(promised)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.stayed, uid)
}

func (c *Claims) get(uid types.UID) *claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byUID[uid]
}

func (c *Claims) markDeleted(promised *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	promised.deleted = true
}

func (c *Claims) isDeleted(promised *claim) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return promised.deleted
}
