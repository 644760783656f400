package selection

import (
	"context"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// Devices are those of a swap whose consumer gets devices, by dynamic resource allocation, that victims hold.
type Devices struct {
	// State is what the plugin DynamicResources has to find in the cycle, under dryrun.DevicesKey, so that it allocates them.
	State fwk.StateData
	// Claims are those of victims, at least one. The consumer must not get its own until these hold nothing any more.
	Claims []*resourcev1.ResourceClaim
}

// devicesFor returns what asks about the devices of placeholders for a consumer, nil if there is nothing to ask: most pods want none.
func (s *Selector) devicesFor(ctx context.Context, c *Consumer) *dryrun.Devices {
	if len(c.devices) == 0 || s.Devices == nil {
		return nil
	}
	return s.Devices(ctx)
}

// latest returns a pod as the informer has it: while the scheduler is about to bind it, the snapshot does not have what was written
// meanwhile.
func (s *Selector) latest(pod *corev1.Pod) *corev1.Pod {
	current, err := s.Handle.SharedInformerFactory().Core().V1().Pods().Lister().Pods(pod.Namespace).Get(pod.Name)
	if err != nil || current.UID != pod.UID {
		return pod
	}
	return current
}

// addDevices chooses the victims of nodes whose placeholders hold devices that the consumer may need. Which devices suit it, and which are
// free, only DynamicResources knows. So for these nodes the Filter plugins are asked about one set of victims after the other, in the
// order in which evictionorder.PickWhere tries them, and what else is known of them is forgotten.
func (ch *choice) addDevices(ctx context.Context, devices *dryrun.Devices) {
	if devices == nil || !ch.run.Start(ctx) {
		return
	}
	searches := ch.deviceSearches(&layers{run: ch.run, devices: devices})
	indices, searched := make([]int, len(searches)), map[int]bool{}
	for j, search := range searches {
		indices[j], searched[search.index] = j, true
	}
	ch.candidates = slices.DeleteFunc(slices.Clone(ch.candidates), func(i int) bool { return searched[i] })
	found := ch.run.All(ctx, indices, func(ctx context.Context, j int) bool { return searches[j].search(ctx) })
	for j, ok := range found {
		if search := searches[j]; ok && len(search.victims) > 0 {
			ch.setNominated(search.index, search.candidate())
			ch.candidates = append(ch.candidates, search.index)
		}
	}
	slices.Sort(ch.candidates)
}

// deviceSearches returns the nodes on which a search for devices makes sense.
func (ch *choice) deviceSearches(shared *layers) []*deviceSearch {
	for i := range ch.nodes {
		node := &ch.nodes[i]
		if len(node.Placeholders) == 0 || !slices.ContainsFunc(ch.consumer.devices, func(d int) bool { return node.Allocatable.At(d) == 0 }) {
			continue
		}
		search := &deviceSearch{choice: ch, layers: shared, index: i, node: node}
		if search.prepare() {
			shared.searches = append(shared.searches, search)
		}
	}
	return shared.searches
}

// confirmed is best, and makes sure of the devices that the best node was found with. While victims were searched for, devices of other
// nodes were taken to be free as well, which makes a difference only for those that can be reached from several nodes.
func (ch *choice) confirmed(ctx context.Context, devices *dryrun.Devices) (found ranking, ok bool) {
	for {
		found, ok = ch.best(ctx)
		if !ok {
			return found, false
		}
		best := ch.candidate(found.best)
		if best.devices == nil || ch.confirm(ctx, devices, found.best) {
			return found, true
		}
		ch.candidates = slices.DeleteFunc(ch.candidates, func(i int) bool { return i == found.best })
	}
}

// confirm asks about a node with the devices of its victims alone, and keeps what DynamicResources then goes by.
func (ch *choice) confirm(ctx context.Context, devices *dryrun.Devices, node int) bool {
	found := ch.candidate(node)
	state, err := ch.run.FreedFor(ctx, devices, found.devices.Claims)
	if err != nil {
		klog.FromContext(ctx).Error(err, "No devices of placeholders are taken", "pod", klog.KObj(ch.consumer.Pod))
		return false
	}
	found.devices.State = state
	return ch.run.PassesFreed(ctx, ch.nodes[node].Info, podsOf(found.victims, &ch.nodes[node]), state)
}

// deviceSearch looks for victims on one node.
type deviceSearch struct {
	choice *choice
	layers *layers
	index  int
	node   *inventory.Node
	// takeable are the placeholders that the consumer may take, in the order in which they go.
	takeable []evictionorder.Placeholder
	// claims of these, by their place in the node; nil for those that hold no devices, or whose devices another pod gets.
	claims []*resourcev1.ResourceClaim
	// holders are the claims in the order in which their placeholders go.
	holders []*resourcev1.ResourceClaim
	// shortfall is what the consumer lacks but for devices, and lacking is that and all devices that it asks for.
	shortfall, lacking evictionorder.Resources
	// allocatable is what the node has, and of devices as many as the pods on it ask for.
	allocatable evictionorder.Resources

	// answers of the Filter plugins, by the claims of the victims.
	answers map[string]bool
	victims []evictionorder.Placeholder
}

// prepare gathers what the search needs, and reports whether any placeholder that the consumer may take holds devices.
func (d *deviceSearch) prepare() bool {
	s, c, node := d.choice.selector, d.choice.consumer, d.node
	d.takeable = c.takeable(nil, node)
	d.claims = make([]*resourcev1.ResourceClaim, len(node.Placeholders))
	some := false
	for i := range d.takeable {
		if p := &node.Placeholders[d.takeable[i].Index]; !p.Reserved {
			claim := d.layers.devices.ClaimOf(s.latest(p.Pod))
			d.claims[d.takeable[i].Index] = claim
			some = some || claim != nil
		}
	}
	if !some {
		return false
	}
	requested, nominated := d.choice.withNominated(node)
	if !nominated {
		requested = node.Requested
	}
	d.shortfall = c.shortfall(nil, requested, node)
	d.lacking, d.allocatable = slices.Clone(d.shortfall), slices.Clone(node.Allocatable)
	for _, i := range c.devices {
		if node.Allocatable.At(i) > 0 {
			continue
		}
		for len(d.allocatable) <= i {
			d.allocatable = append(d.allocatable, 0)
		}
		d.lacking[i], d.allocatable[i] = c.request.At(i), requested.At(i)
	}
	evictionorder.SetSurplus(d.takeable, d.lacking, d.allocatable)
	slices.SortFunc(d.takeable, evictionorder.Compare)
	d.holders, d.answers = d.claimsOf(d.takeable), map[string]bool{}
	return true
}

// search chooses the victims, and reports whether there are any that make the consumer fit.
func (d *deviceSearch) search(ctx context.Context) (ok bool) {
	enough := func(victims []evictionorder.Placeholder) bool { return d.ask(ctx, victims) }
	// Most often a node that does not do does not do without any placeholder either.
	if !evictionorder.Covers(evictionorder.Evicted(nil, d.takeable), d.shortfall) || !enough(d.takeable) {
		return false
	}
	d.victims, ok = evictionorder.PickWhere(slices.Clone(d.takeable), d.shortfall, enough)
	return ok && ctx.Err() == nil
}

// ask asks the Filter plugins about the node without some victims, which make up for the shortfall. So what they say depends on nothing but
// the victims' claims.
func (d *deviceSearch) ask(ctx context.Context, victims []evictionorder.Placeholder) (passes bool) {
	claims := d.claimsOf(victims)
	key := keyOf(claims)
	if known, ok := d.answers[key]; ok {
		return known
	}
	run, pods := d.choice.run, podsOf(victims, d.node)
	if len(claims) == 0 {
		passes = run.Passes(ctx, d.node.Info, pods)
	} else if state := d.layers.freed(ctx, d, claims); state != nil {
		passes = run.PassesFreed(ctx, d.node.Info, pods, state)
	}
	d.answers[key] = passes
	return passes
}

// claimsOf returns the claims of placeholders that hold devices, in the order of the placeholders.
func (d *deviceSearch) claimsOf(placeholders []evictionorder.Placeholder) []*resourcev1.ResourceClaim {
	var claims []*resourcev1.ResourceClaim
	for i := range placeholders {
		if claim := d.claims[placeholders[i].Index]; claim != nil {
			claims = append(claims, claim)
		}
	}
	return claims
}

func keyOf(claims []*resourcev1.ResourceClaim) string {
	uids := make([]string, 0, len(claims))
	for _, claim := range claims {
		uids = append(uids, string(claim.UID))
	}
	return strings.Join(uids, " ")
}

// candidate returns the node with the victims that were found.
func (d *deviceSearch) candidate() *candidate {
	found := &candidate{victims: d.victims, passes: true}
	if claims := d.claimsOf(d.victims); len(claims) > 0 {
		found.devices = &Devices{Claims: claims}
	}
	found.evidence.Evictions = len(d.victims)
	found.evidence.Waste = evictionorder.Waste(evictionorder.Evicted(nil, d.victims), d.lacking, d.allocatable)
	d.choice.selector.addSpread(&found.evidence, d.node, d.victims)
	return found
}

// layers have DynamicResources look at all devices of the cluster once for many nodes, not for each: the same number of placeholders is
// taken away from every node.
type layers struct {
	run      *dryrun.Run
	devices  *dryrun.Devices
	searches []*deviceSearch

	mu sync.Mutex
	// states by the number of placeholders with devices that are gone from each node.
	states map[int]fwk.StateData
}

// freed returns what DynamicResources goes by without some claims of a node, nil if it cannot say.
func (l *layers) freed(ctx context.Context, d *deviceSearch, claims []*resourcev1.ResourceClaim) fwk.StateData {
	n := len(claims)
	if !slices.Equal(claims, d.holders[:n]) {
		return l.ask(ctx, claims)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	state, known := l.states[n]
	if !known {
		var gone []*resourcev1.ResourceClaim
		for _, search := range l.searches {
			gone = append(gone, search.holders[:min(n, len(search.holders))]...)
		}
		state = l.ask(ctx, gone)
		if l.states == nil {
			l.states = map[int]fwk.StateData{}
		}
		l.states[n] = state
	}
	return state
}

func (l *layers) ask(ctx context.Context, claims []*resourcev1.ResourceClaim) fwk.StateData {
	state, err := l.run.FreedFor(ctx, l.devices, claims)
	if err != nil {
		klog.FromContext(ctx).Error(err, "DynamicResources cannot say which devices placeholders would free")
		return nil
	}
	return state
}
