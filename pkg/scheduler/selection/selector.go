// Package selection decides which node a consumer goes to and which placeholders make room for it there. It gathers the
// evidence, asks the profile's other plugins through package dryrun, and leaves the order to package evictionorder. It
// changes nothing.
package selection

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// Options are what a Selector is made of.
type Options struct {
	// Handle is the framework of the profile.
	Handle framework.Framework
	// Profile is what dry runs know of it.
	Profile *dryrun.Profile
	// Inventory of the snapshot. The caller refreshes it before each call.
	Inventory *inventory.Inventory
	// Catalog of the Headrooms.
	Catalog *catalog.Catalog
	// DaemonSets resolves the DaemonSets of PerNode Headrooms.
	DaemonSets placeholder.HeadroomOfDaemonSet
	// Args are the plugin's arguments: order, topology keys and ignored resources.
	Args *config.HeadroomArgs
	// Features of the scheduler.
	Features feature.Features
	// Clock tells how old cached results are.
	Clock clock.PassiveClock
}

// Selector selects nodes and placeholders for the consumers of one profile. It owns its caches and belongs to the
// scheduling goroutine: none of its methods may be called concurrently with another.
type Selector struct {
	Options
	order evictionorder.Order
	// rulesBeforeScore and scoreAndLater are the two parts of the order.
	rulesBeforeScore, scoreAndLater evictionorder.Order

	scratch   scratch
	caches    []*nodeCache
	cacheUses uint64
	// lastFree is the index of the node on which room was found last.
	lastFree int
}

// scratch is memory that is used again from cycle to cycle. No argument or result travels in it from one function to another.
type scratch struct {
	cache      nodeCache
	assessment assessment
	shortfall  evictionorder.Resources
	evicted    evictionorder.Resources
	takeable   []evictionorder.Placeholder
	units      []int
	remaining  []int
	ties       []int
	raw        []fwk.PluginScore
}

// New returns a Selector without anything in its caches.
func New(options Options) *Selector {
	s := &Selector{Options: options, order: options.Args.Order()}
	s.rulesBeforeScore, s.scoreAndLater = splitAtScore(s.order)
	return s
}

// splitAtScore splits the order into what can be told without running Score plugins, and the rest.
func splitAtScore(order evictionorder.Order) (before, rest evictionorder.Order) {
	split := slices.IndexFunc(order.Tiers, func(tier evictionorder.Tier) bool {
		return slices.ContainsFunc(tier, func(w evictionorder.Weighted) bool { return w.Rule == evictionorder.NodeScore })
	})
	if split < 0 {
		split = len(order.Tiers)
	}
	before, rest = order, order
	before.Tiers, rest.Tiers = order.Tiers[:split], order.Tiers[split:]
	return before, rest
}

// Swap is a decision: the node, and the placeholders on it that make room for the consumer.
type Swap struct {
	// Node is the name of the node.
	Node string
	// Victims are the placeholders on it that have to go; at least one.
	Victims []*corev1.Pod
	// Why is the rule that put the node before the next best one, in words.
	Why string
	// Waste is what the victims hold beyond what the consumer lacks, in millionths of the node, see evictionorder.Waste.
	Waste int64
}

// Select returns the swap for a consumer, nil if it needs none or if there is none for it, and on how many nodes
// placeholders would make the room, whatever the other Filter plugins say. A system-critical pod gets placeholders to which it is
// not entitled if others do not do.
func (s *Selector) Select(ctx context.Context, run *dryrun.Run, c *Consumer) (swap *Swap, candidates int) {
	if c.Entitled {
		var fits bool
		swap, candidates, fits = s.choose(ctx, run, c)
		if swap != nil || fits {
			return swap, candidates
		}
	}
	if !SystemCritical(c.Pod) {
		return nil, candidates
	}
	if swap, candidates, _ = s.choose(ctx, run, s.Unrestricted(c)); swap != nil {
		swap.Why += "; a system-critical pod gets the room whatever consumers say"
	}
	return swap, candidates
}

// choose looks for a swap among all nodes. It reports whether the consumer fits somewhere as it is, as far as it had to find that out.
func (s *Selector) choose(ctx context.Context, run *dryrun.Run, c *Consumer) (swap *Swap, candidates int, fits bool) {
	nodes := s.Inventory.Nodes()
	cache := s.cacheFor(s.equivalenceClassOf(ctx, run, c), nodes)
	found := s.assess(c, cache)
	ch := &choice{selector: s, run: run, consumer: c, cache: cache, nodes: nodes}
	ch.candidates = ch.addNominatedNodes(found.afterEviction, found.asIs)
	candidates = found.candidates + len(ch.nominated)
	if len(ch.candidates) == 0 {
		return nil, candidates, false
	}
	if ch.fitsAsItIs(ctx, found.asIs) {
		return nil, candidates, true
	}
	ch.addDistances()
	ranking, ok := ch.best(ctx)
	if !ok {
		return nil, candidates, false
	}
	node, best := &nodes[ranking.best], ch.candidate(ranking.best)
	return &Swap{
		Node: node.Name, Victims: podsOf(best.victims, node), Why: ch.explain(ranking), Waste: best.evidence.Waste,
	}, candidates, false
}

// CountCandidates returns on how many nodes placeholders would make the room for a consumer, whatever the other Filter
// plugins say. Select tells that, too.
func (s *Selector) CountCandidates(c *Consumer) int {
	if SystemCritical(c.Pod) {
		c = s.Unrestricted(c)
	}
	return s.assess(c, s.cacheFor(equivalenceClass{}, s.Inventory.Nodes())).candidates
}

const (
	// nearby is at how many nodes a pod is looked for room that needs no look at all of them.
	nearby = 64
	// tries is how many of them are put to the Filter plugins.
	tries = 3
)

// FitsNearby reports whether the pod fits as it is where room was found last. If most pods need no headroom, this
// spares them the look at all nodes. It does not need the inventory.
func (s *Selector) FitsNearby(ctx context.Context, run *dryrun.Run, pod *corev1.Pod, nodes []fwk.NodeInfo) bool {
	if run.HasExtenders() {
		return false
	}
	requests := s.requests(pod)
	tried := 0
	for n := range min(nearby, len(nodes)) {
		i := (s.lastFree + n) % len(nodes)
		if !mayFit(requests, nodes[i]) {
			continue
		}
		if !run.Start(ctx) {
			return false
		}
		if run.Passes(ctx, nodes[i], nil) {
			s.lastFree = i
			return true
		}
		if tried++; tried == tries {
			break
		}
	}
	return false
}

// mayFit is a first look at a node, before the Filter plugins are asked.
func mayFit(requests *framework.Resource, node fwk.NodeInfo) bool {
	requested, allocatable := node.GetRequested(), node.GetAllocatable()
	return requests.MilliCPU <= max(0, allocatable.GetMilliCPU()-requested.GetMilliCPU()) &&
		requests.Memory <= max(0, allocatable.GetMemory()-requested.GetMemory()) &&
		len(node.GetPods()) < allocatable.GetAllowedPodNumber()
}
