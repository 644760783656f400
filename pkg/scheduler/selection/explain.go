package selection

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

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
	case p.Evidence.Priority >= c.priority:
		return "the consumer's priority is not above that of " + p.Evidence.Name
	case c.identity.NonPreempting && (h.Entry == nil || !h.Entry.Rule.AllowsNonPreempting()):
		return "the consumer's preemptionPolicy is Never"
	case c.entitlements.To(p) == ByPriority:
		return ""
	case h.Entry == nil:
		return fmt.Sprintf("nothing is known of %s", h.Name)
	default:
		return h.Entry.Rule.WhyNot(&c.identity)
	}
}
