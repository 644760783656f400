package selection

import (
	"slices"
	"time"

	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

const (
	// maxAge bounds how long results of kube-scheduler's own plugins are reused. What they say of pods of one equivalence
	// class depends on nothing but what its key contains and what the inventory follows, so this is for what has not been
	// thought of.
	maxAge = time.Minute
	// maxForeignAge bounds how long results of other plugins are reused, which may depend on anything. kube-scheduler's own
	// batching uses half of that.
	maxForeignAge = time.Second
	// maxCaches is for how many equivalence classes results are kept.
	maxCaches = 8
)

// nodeCache keeps, for the pods of one equivalence class, what was found out about each node, until that node changes.
// In a burst of equivalent pods, a cycle then only looks anew at the few nodes that changed since the cycle before.
type nodeCache struct {
	equivalenceClass
	created      time.Time
	used         uint64
	dependencies dependencies
	nodes        []nodeResult
	// anchors of pods of the class, nil if they have to be found anew: what their affinity terms match depends on more
	// than the nodes.
	anchors *nearness.Anchors
	// raws are the scores that some node got, before they are normalized. Most nodes share them with others.
	raws [][]fwk.PluginScore
}

// dependencies are what a nodeCache relies on beside the nodes themselves.
type dependencies struct {
	// catalog is the version of the Headrooms.
	catalog uint64
	// nodes is the inventory's CrossNodeVersion, or its NodeListVersion alone.
	nodes uint64
}

// nodeResult is what is known about one node.
type nodeResult struct {
	// revision of the node for which the rest holds.
	revision  uint64
	fit       fit
	filtered  filterResult
	candidate candidate
	// raw is one more than the index of the node's scores in nodeCache.raws, 0 if Score plugins were not asked.
	raw       int
	proximity proximity
}

// fit says what the resources of a node mean for the pod.
type fit int8

const (
	// never: the pod does not fit, whatever placeholders go.
	never fit = iota
	// asIs: the pod fits as the node is.
	asIs
	// afterEviction: the pod fits if placeholders go.
	afterEviction
)

// filterResult is what the Filter plugins say that read nothing but the node, victims left out.
type filterResult int8

const (
	notRun filterResult = iota
	passed
	rejected
)

// cacheFor returns the cache of an equivalence class: an old one if it is still good, or a new one, which is kept only
// if the class has a key.
func (s *Selector) cacheFor(class equivalenceClass, nodes []inventory.Node) *nodeCache {
	now := s.Clock.Now()
	if class.key == "" {
		s.scratch.cache.reset(class, now, dependencies{}, len(nodes))
		return &s.scratch.cache
	}
	age := maxForeignAge
	if s.Profile.InTreeOnly() {
		age = maxAge
	}
	current := s.dependenciesOf(class)
	s.cacheUses++
	var chosen *nodeCache
	for _, c := range s.caches {
		if c.key == class.key {
			chosen = c
			break
		}
		if chosen == nil || c.used < chosen.used {
			chosen = c
		}
	}
	if chosen == nil || chosen.key != class.key && len(s.caches) < maxCaches {
		chosen = &nodeCache{}
		s.caches = append(s.caches, chosen)
	}
	if chosen.key != class.key || chosen.dependencies != current || now.Sub(chosen.created) > age || len(chosen.nodes) != len(nodes) {
		chosen.reset(class, now, current, len(nodes))
	}
	chosen.used, chosen.equivalenceClass = s.cacheUses, class
	return chosen
}

func (c *nodeCache) reset(class equivalenceClass, now time.Time, current dependencies, nodes int) {
	c.equivalenceClass, c.created, c.dependencies, c.raws, c.anchors = class, now, current, nil, nil
	if cap(c.nodes) < nodes {
		c.nodes = make([]nodeResult, nodes)
		return
	}
	c.nodes = c.nodes[:nodes]
	for i := range c.nodes {
		c.nodes[i].revision, c.nodes[i].proximity.revision = 0, 0
	}
}

// dependenciesOf returns what caches made now rely on. Pods with an affinity of their own change the CrossNodeVersion
// wherever one is bound, and rely on nothing of that: InterPodAffinity is asked anew for each, and their scores are not
// kept.
func (s *Selector) dependenciesOf(class equivalenceClass) dependencies {
	nodes := s.Inventory.CrossNodeVersion()
	if class.podAffinity {
		nodes = s.Inventory.NodeListVersion()
	}
	return dependencies{catalog: s.Catalog.Version(), nodes: nodes}
}

// raw returns the scores of a node before they are normalized.
func (c *nodeCache) raw(node int) []fwk.PluginScore {
	return c.raws[c.nodes[node].raw-1]
}

// recentRaws is among how many of the latest scores equal ones are looked for.
const recentRaws = 32

// setRaw remembers the scores of a node.
func (c *nodeCache) setRaw(node int, scores []fwk.PluginScore) {
	for i := len(c.raws) - 1; i >= max(0, len(c.raws)-recentRaws); i-- {
		if slices.Equal(c.raws[i], scores) {
			c.nodes[node].raw = i + 1
			return
		}
	}
	c.raws = append(c.raws, scores)
	c.nodes[node].raw = len(c.raws)
}
