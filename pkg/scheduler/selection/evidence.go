package selection

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// candidate is a node on which the consumer would fit if placeholders went. Its evidence has no name, so that nodes that are
// equal by the rules compare as equal.
type candidate struct {
	evidence evictionorder.Node
	// victims are the placeholders that go; Index is one into the node's Placeholders.
	victims []evictionorder.Placeholder
	// devices are set if the consumer gets devices of victims.
	devices *Devices
	// passes says that all Filter plugins were asked about the node without exactly these victims, and pass it.
	passes bool
}

// podsOf returns the pods of some of a node's placeholders.
func podsOf(victims []evictionorder.Placeholder, node *inventory.Node) []*corev1.Pod {
	pods := make([]*corev1.Pod, 0, len(victims))
	for i := range victims {
		pods = append(pods, node.Placeholders[victims[i].Index].Pod)
	}
	return pods
}

// pickVictims picks the victims on a node for what the consumer lacks there, and gathers the evidence that depends on
// them and the node alone. It returns false if no placeholders make the room.
func (s *Selector) pickVictims(dst *candidate, c *Consumer, node *inventory.Node, shortfall evictionorder.Resources) bool {
	s.scratch.takeable = c.takeable(s.scratch.takeable, node)
	victims, ok := evictionorder.Pick(s.scratch.takeable, shortfall, node.Allocatable)
	if !ok || len(victims) == 0 {
		return false
	}
	dst.victims = append(dst.victims[:0], victims...)
	s.addNode(&dst.evidence, node, victims, shortfall)
	return true
}

// Evidence gathers all evidence about a node for some victims on it, but for the score.
func (s *Selector) Evidence(
	c *Consumer, node *inventory.Node, victims []evictionorder.Placeholder, anchors *nearness.Anchors,
) evictionorder.Node {
	evidence := evictionorder.Node{Name: node.Name}
	s.addNode(&evidence, node, victims, c.shortfall(nil, node.Requested, node))
	s.addSpread(&evidence, node, victims)
	evidence.Distance = anchors.Distance(node.Info.Node().Labels)
	return evidence
}

// addNode adds what depends on the victims and the node alone, and holds as long as the node does not change.
func (s *Selector) addNode(
	dst *evictionorder.Node, node *inventory.Node, victims []evictionorder.Placeholder, shortfall evictionorder.Resources,
) {
	s.scratch.evicted = evictionorder.Evicted(s.scratch.evicted, victims)
	dst.Evictions = len(victims)
	dst.Waste = evictionorder.Waste(s.scratch.evicted, shortfall, node.Allocatable)
}

// addSpread adds what depends on the rest of the cluster, but for the distance to anchors.
func (s *Selector) addSpread(dst *evictionorder.Node, node *inventory.Node, victims []evictionorder.Placeholder) {
	dst.Left = evictionorder.Left(dst.Left, victims, func(headroom int) []int {
		s.scratch.units = s.Inventory.Units(s.scratch.units, node, headroom)
		return s.scratch.units
	})
}

// domainsOf names what the entries of a node's Left are about.
func (s *Selector) domainsOf(node *inventory.Node, victims []evictionorder.Placeholder) []evictionorder.Domain {
	losers := evictionorder.Losers(victims, func(headroom int) []int { return s.Inventory.Units(nil, node, headroom) })
	domains := make([]evictionorder.Domain, len(losers))
	for i, headroom := range losers {
		domains[i] = s.Inventory.Domains(node, headroom)[i]
	}
	return domains
}

// Option is what it takes for a consumer to fit on a node, as far as resources and the number of pods go.
type Option struct {
	// Evidence about the node, all but the score.
	Evidence evictionorder.Node
	// Victims are the placeholders that have to go; none if the pod fits as it is.
	Victims []evictionorder.Placeholder
	// Others are the placeholders that the consumer may take and that stay, in the order in which they would go.
	Others []evictionorder.Placeholder
}

// AsConsumer returns any pod as a consumer, to explain what nodes mean for it: also one that may take nothing, or where there is nothing to
// take. The inventory must be fresh.
func (s *Selector) AsConsumer(pod *corev1.Pod) *Consumer {
	c := &Consumer{Pod: pod, priority: corev1helpers.PodPriority(pod), identity: s.identityOf(pod)}
	if !IsBound(pod) && !s.isPlaceholder(pod) {
		c.entitlements, c.Entitled = s.entitlementsOf(&c.identity)
	}
	s.addRequest(c)
	return c
}

// Option returns what it takes for the consumer to fit on a node, false if it does not fit there whatever it may take. What Filter plugins
// say is left out.
func (s *Selector) Option(c *Consumer, node *inventory.Node, anchors *nearness.Anchors) (option Option, fits bool) {
	takeable := c.takeable(nil, node)
	victims, ok := evictionorder.Pick(takeable, c.shortfall(nil, node.Requested, node), node.Allocatable)
	if !ok {
		return Option{}, false
	}
	evidence := s.Evidence(c, node, victims, anchors)
	evidence.Domains = s.domainsOf(node, victims)
	return Option{Evidence: evidence, Victims: victims, Others: takeable[len(victims):]}, true
}

// Refusal says in one clause why the consumer may not take a placeholder; it is empty if it may.
func (s *Selector) Refusal(c *Consumer, p *inventory.Placeholder) string {
	h := s.Inventory.Headrooms()[p.Evidence.Headroom]
	switch {
	case s.isPlaceholder(c.Pod):
		return "the pod is a placeholder itself"
	case c.entitlements.To(p) == Undeletable:
		return refusedFor(h.Name)
	case p.Evidence.Priority >= c.priority && !p.ReservedUnit:
		return "the consumer's priority is not above that of " + p.Evidence.Name
	case c.identity.NonPreempting && (h.Entry == nil || !h.Entry.Rule.AllowsNonPreempting()):
		return "the consumer's preemptionPolicy is Never"
	case c.entitlements.To(p).lets(c.priority, p):
		return ""
	case h.Entry == nil:
		return fmt.Sprintf("nothing is known of %s", h.Name)
	case h.Entry.Rule.Entitles(&c.identity):
		return fmt.Sprintf("consumers of %s name nobody, and %s is a reserved unit", h.Name, p.Evidence.Name)
	default:
		return h.Entry.Rule.WhyNot(&c.identity)
	}
}
