// Package selection decides which node a consumer goes to and which placeholders make room for it there. It gathers the
// evidence, asks the profile's other plugins through package dryrun, and leaves the order to package evictionorder. It
// changes nothing.
package selection

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
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
	DaemonSets placeholder.OwnerOfDaemonSet
	// Args are the plugin's arguments: order, topology keys and ignored resources.
	Args *config.HeadroomArgs
	// Ignores reports whether a resource is ignored for another reason than Args, nil if there is none.
	Ignores func(corev1.ResourceName) bool
	// Undeletable reports whether the API server refuses to delete the placeholders of a Headroom, so that no pod can have their room. It may
	// be nil.
	Undeletable func(headroom types.NamespacedName) bool
	// Features of the scheduler.
	Features feature.Features
	// Devices returns what asks about the devices of placeholders, nil if the profile cannot take these. It is called when the first consumer
	// comes that asks for devices. It may be nil.
	Devices func(context.Context) *dryrun.Devices
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
	// Devices are set if the consumer gets devices of victims.
	Devices *Devices
}

// Selection is what Select finds out about a consumer.
type Selection struct {
	// Swap is the decision, nil if the consumer needs none or if there is none for it.
	Swap *Swap
	// Candidates is on how many nodes placeholders would make the room, whatever the other Filter plugins say.
	Candidates int
	// Free are the nodes to which the cycle may be narrowed because the consumer fits as it is, see Free; nil otherwise.
	Free sets.Set[string]
}

// Select looks for a swap for a consumer. A system-critical pod gets placeholders to which it is not entitled if others do not do.
func (s *Selector) Select(ctx context.Context, run *dryrun.Run, c *Consumer) Selection {
	var selected Selection
	if c.Entitled {
		var fits bool
		selected, fits = s.choose(ctx, run, c)
		if selected.Swap != nil || fits {
			return selected
		}
	}
	if !SystemCritical(c.Pod) {
		return selected
	}
	if selected, _ = s.choose(ctx, run, s.Unrestricted(c)); selected.Swap != nil {
		selected.Swap.Why += "; a system-critical pod gets the room whatever consumers say"
	}
	return selected
}

// choose looks for a swap among all nodes. It reports whether the consumer fits somewhere as it is, as far as it had to find that out.
func (s *Selector) choose(ctx context.Context, run *dryrun.Run, c *Consumer) (selected Selection, fits bool) {
	nodes := s.Inventory.Nodes()
	cache := s.cacheFor(s.equivalenceClassOf(ctx, run, c), nodes)
	found := s.assess(c, cache)
	ch := &choice{selector: s, run: run, consumer: c, cache: cache, nodes: nodes}
	ch.candidates = ch.addNominatedNodes(found.afterEviction, found.asIs)
	selected.Candidates = found.candidates + len(ch.nominated)
	devices := s.devicesFor(ctx, c)
	if len(ch.candidates) == 0 && devices == nil {
		return selected, false
	}
	if ch.fitsAsItIs(ctx, found.asIs) {
		selected.Free = s.namesOfFew(run, found.asIs)
		return selected, true
	}
	ch.addDevices(ctx, devices)
	ch.addDistances()
	ranking, ok := ch.confirmed(ctx, devices)
	if !ok {
		return selected, false
	}
	node, best := &nodes[ranking.best], ch.candidate(ranking.best)
	selected.Swap = &Swap{
		Node: node.Name, Victims: podsOf(best.victims, node), Why: ch.explain(ranking), Waste: best.evidence.Waste, Devices: best.devices,
	}
	return selected, false
}

// CountCandidates returns on how many nodes placeholders would make the room for a consumer, whatever the other Filter
// plugins say. Select tells that, too.
func (s *Selector) CountCandidates(c *Consumer) int {
	return s.assess(s.asItMayTake(c), s.cacheFor(equivalenceClass{}, s.Inventory.Nodes())).candidates
}

// asItMayTake returns the consumer with all that it may take in one cycle: a system-critical one may take more than it is entitled to.
func (s *Selector) asItMayTake(c *Consumer) *Consumer {
	if SystemCritical(c.Pod) {
		return s.Unrestricted(c)
	}
	return c
}
