package headroom

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
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
func (p *Plugin) decide(ctx context.Context, t *trial, cy *cycle) *swap {
	c := cy.consumer
	nodes := p.shared.inventory.Nodes()
	m := p.memoFor(p.likeness(ctx, t.outer, c), nodes)
	seen := p.survey(c, m)
	ch := &choice{
		plugin: p, consumer: c, memo: m, nodes: nodes, held: seen.held, trial: t,
	}
	ch.contest(seen.free)
	cy.candidates, cy.surveyed = seen.candidates+len(ch.nominated), true
	if len(ch.held) == 0 {
		return nil
	}
	if ch.fitsAsItIs(ctx, seen.free) {
		return nil
	}
	ch.measure()
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

const (
	// nearby is at how many nodes a pod is looked for room that needs no survey.
	nearby = 64
	// tries is how many of them are put to the Filter plugins.
	tries = 3
)

// fitsNearby looks where room was found last. If most pods need no headroom, this spares them the look at all nodes.
func (p *Plugin) fitsNearby(ctx context.Context, t *trial, nodes []fwk.NodeInfo) bool {
	if len(t.extenders) > 0 {
		return false
	}
	requests := p.requests(t.pod)
	tried := 0
	for n := range min(nearby, len(nodes)) {
		i := (p.lastFree + n) % len(nodes)
		if !mayFit(requests, nodes[i]) {
			continue
		}
		if !t.start(ctx) {
			return false
		}
		if t.fits(ctx, nodes[i]) {
			p.lastFree = i
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
