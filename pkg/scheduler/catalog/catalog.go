// Package catalog keeps what the scheduler has to know of every Headroom: which pods it entitles and over which topology it
// is spread. It follows the API server live.
package catalog

import (
	"slices"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// Entry is one Headroom as the scheduler sees it. It is never changed; a change of the Headroom makes a new one.
type Entry struct {
	// UID of the Headroom.
	UID types.UID
	// Rule says which pods the Headroom entitles.
	Rule *entitlement.Rule
	// SpreadKeys are the topology keys that the Headroom is spread over.
	SpreadKeys []string
}

// Catalog holds the Headrooms by name. Its methods may be called concurrently.
type Catalog struct {
	mu        sync.RWMutex
	entries   map[types.NamespacedName]*Entry
	version   atomic.Uint64
	crdAbsent bool
	ready     chan struct{}
	isReady   bool
}

// New returns an empty catalog that is not ready.
func New() *Catalog {
	return &Catalog{entries: map[types.NamespacedName]*Entry{}, ready: make(chan struct{})}
}

// Ready is closed once the catalog is complete, or is known to have nothing to hold because the cluster has no Headrooms.
func (c *Catalog) Ready() <-chan struct{} {
	return c.ready
}

// Version changes whenever an answer of Get or Of may have changed.
func (c *Catalog) Version() uint64 {
	return c.version.Load()
}

// Get returns what is known of the Headroom that has a name now, nil if nothing is: no pod may take from it then. For a placeholder's
// Headroom ask Of.
func (c *Catalog) Get(name types.NamespacedName) *Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[name]
}

// Of returns what is known of the Headroom of a placeholder, nil if nothing is. Of the next Headroom of its name nothing holds for it: that
// one's consumers say nothing of what is left of the one before, or of units of one that the catalog has not heard of yet. A Headroom
// without a UID comes from no API server, but from a file that is to be explained: it goes by its name.
func (c *Catalog) Of(owner placeholder.Owner) *Entry {
	if entry := c.Get(owner.NamespacedName); entry != nil && (entry.UID == "" || entry.UID == owner.UID) {
		return entry
	}
	return nil
}

// Names returns the Headrooms that are known, as NAMESPACE/NAME, in the order of their names.
func (c *Catalog) Names() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	names := make([]string, 0, len(c.entries))
	for name := range c.entries {
		names = append(names, name.String())
	}
	slices.Sort(names)
	return names
}

// Gains reports whether some Headroom entitles a pod as it is after a change, and did not before.
func (c *Catalog) Gains(before, after *entitlement.Consumer) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, entry := range c.entries {
		if entry.Rule.Entitles(after) && !entry.Rule.Entitles(before) {
			return true
		}
	}
	return false
}

// CRDAbsent reports whether the cluster lacks the CustomResourceDefinition of Headroom, so that there can be no Headrooms.
func (c *Catalog) CRDAbsent() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.crdAbsent
}

// Set adds or replaces a Headroom. It fails on selectors that do not parse; such a Headroom entitles no pod.
func (c *Catalog) Set(headroom *v1alpha1.Headroom) error {
	name := types.NamespacedName{Namespace: headroom.Namespace, Name: headroom.Name}
	rule, err := entitlement.Compile(name, headroom.Spec.Consumers)
	entry := &Entry{UID: headroom.UID, Rule: rule, SpreadKeys: spreadKeys(headroom)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[name] = entry
	c.version.Add(1)
	return err
}

// spreadKeys are those of the Headroom's own spec or, with spec.shapeFrom, of the shape that its units have.
func spreadKeys(headroom *v1alpha1.Headroom) []string {
	return headroom.Shaped(headroom.Status.Shape).Spec.SpreadKeys()
}

// Delete removes a Headroom.
func (c *Catalog) Delete(name types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, name)
	c.version.Add(1)
}

// setCRDAbsent notes whether the cluster has the CustomResourceDefinition. Its Headrooms went with it.
func (c *Catalog) setCRDAbsent(missing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.crdAbsent = missing
	if missing {
		clear(c.entries)
	}
	c.version.Add(1)
}

// forgetAll drops all Headrooms: the CustomResourceDefinition went, and if it is made anew at once, it has none of them.
func (c *Catalog) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	c.version.Add(1)
}

// setReady notes that there is nothing left to wait for.
func (c *Catalog) setReady() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version.Add(1)
	if !c.isReady {
		c.isReady = true
		close(c.ready)
	}
}
