package headroom

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// swap is a decision: the node, the placeholders on it that go, and why these.
type swap struct {
	node    string
	victims []*corev1.Pod
	// why is the rule that put the node before the next best one.
	why string
	// waste in millionths of the node, see evictionorder.Waste.
	waste   int64
	decided time.Time
	// outcome is how far the swap got.
	outcome outcome
}

// decide returns the swap for a consumer, nil if it needs none or if there is none for it.
func (p *Plugin) decide(ctx context.Context, state fwk.CycleState, cy *cycle) *swap {
	c := cy.consumer
	nodes := p.shared.inventory.Nodes()
	m := p.memoFor(p.likeness(ctx, state, c), nodes)
	anchors := p.anchors(c.pod, nodes)
	seen := p.survey(c, m, anchors)
	if cy.candidates = seen.candidates; len(seen.held) == 0 {
		return nil
	}
	ch := &choice{
		plugin: p, consumer: c, memo: m, anchors: anchors, nodes: nodes, held: seen.held,
		trial: &trial{plugin: p, outer: state, pod: c.pod},
	}
	if ch.fitsAsItIs(ctx, seen.free) {
		return nil
	}
	best, ok := ch.best(ctx)
	if !ok {
		return nil
	}
	found := ch.candidate(best)
	return &swap{
		node:    nodes[best].Name,
		victims: found.pods(&nodes[best]),
		why:     ch.explain(best),
		waste:   found.evidence.Waste,
		decided: p.clock.Now(),
	}
}
