package headroom

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
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
	anchors := p.anchors(c.pod, nodes)
	seen := p.survey(c, anchors)
	if cy.candidates = len(seen.candidates); cy.candidates == 0 {
		return nil
	}
	t := p.newTrial(ctx, state, c.pod)
	if t == nil {
		return nil
	}
	if i := t.any(ctx, nodes, seen.free); i >= 0 {
		return nil
	}
	choice := p.newChoice(t, c, nodes, seen.candidates)
	choice.anchors = anchors
	best := choice.best(ctx)
	if best == nil {
		return nil
	}
	return &swap{
		node:    nodes[best.node].Name,
		victims: best.pods(nodes),
		why:     choice.explain(best),
		waste:   best.evidence.Waste,
		decided: p.clock.Now(),
	}
}

// choice picks one of the candidates.
type choice struct {
	plugin     *Plugin
	trial      *trial
	consumer   *consumer
	anchors    *nearness.Anchors
	nodes      []inventory.Node
	candidates []candidate
	// of maps a node, by its index, to its candidate.
	of map[string]*candidate
}

func (p *Plugin) newChoice(t *trial, c *consumer, nodes []inventory.Node, candidates []candidate) *choice {
	ch := &choice{plugin: p, trial: t, consumer: c, nodes: nodes, candidates: candidates, of: map[string]*candidate{}}
	t.cycle.trial = func(node string) []*corev1.Pod {
		if found := ch.of[node]; found != nil {
			return found.pods(nodes)
		}
		return nil
	}
	return ch
}

// best returns the candidate that the order puts first of those that pass every Filter plugin, nil if none does. Nodes that
// are not among the best by the rules before the score are never asked about, and Score plugins run only where those
// rules leave a tie.
func (ch *choice) best(ctx context.Context) *candidate {
	remaining := make([]*candidate, len(ch.candidates))
	for i := range ch.candidates {
		remaining[i] = &ch.candidates[i]
	}
	for sorted := false; len(remaining) > 0; {
		var ties []*candidate
		if sorted {
			ties = ch.leading(remaining)
		} else {
			ties = ch.smallest(remaining)
		}
		if ch.makeRoomForNominated(ties) {
			remaining, sorted = slices.DeleteFunc(remaining, (*candidate).impossible), false
			continue
		}
		if fitting := ch.fitting(ctx, ties); len(fitting) > 0 {
			return ch.firstOf(ctx, fitting)
		}
		if sorted {
			remaining = remaining[len(ties):]
			continue
		}
		// The best do not fit for other reasons. Sort the others once, rather than search for the next best again and again.
		remaining = slices.DeleteFunc(remaining, func(c *candidate) bool { return ch.compare(c, ties[0]) == 0 })
		slices.SortStableFunc(remaining, ch.compare)
		sorted = true
	}
	return nil
}

// compare puts candidates in order by the rules before the score.
func (ch *choice) compare(a, b *candidate) int {
	return ch.plugin.before.Compare(a.evidence, b.evidence)
}

// smallest returns all candidates that no other goes before.
func (ch *choice) smallest(candidates []*candidate) []*candidate {
	ties := candidates[:1:1]
	for _, c := range candidates[1:] {
		switch order := ch.compare(c, ties[0]); {
		case order < 0:
			ties = append(ties[:0:0], c)
		case order == 0:
			ties = append(ties, c)
		}
	}
	return ties
}

// leading returns the first of sorted candidates and those equal to it.
func (ch *choice) leading(candidates []*candidate) []*candidate {
	n := 1
	for n < len(candidates) && ch.compare(candidates[n], candidates[0]) == 0 {
		n++
	}
	return candidates[:n]
}

// fitting returns those candidates on whose nodes the pod passes every Filter plugin once the victims are gone.
func (ch *choice) fitting(ctx context.Context, candidates []*candidate) []*candidate {
	indices := make([]int, len(candidates))
	for i, c := range candidates {
		indices[i] = c.node
		ch.of[ch.nodes[c.node].Name] = c
	}
	fits := ch.trial.all(ctx, ch.nodes, indices)
	fitting := make([]*candidate, 0, len(candidates))
	for i, c := range candidates {
		if fits[i] {
			fitting = append(fitting, c)
		}
	}
	return fitting
}

// firstOf breaks the tie between candidates by the rest of the order: score and name.
func (ch *choice) firstOf(ctx context.Context, ties []*candidate) *candidate {
	if len(ties) > 1 && len(ch.plugin.before.Tiers) < len(ch.plugin.order.Tiers) {
		infos := make([]fwk.NodeInfo, len(ties))
		for i, c := range ties {
			infos[i] = ch.nodes[c.node].Info
		}
		scores, err := ch.trial.score(ctx, infos)
		if err != nil {
			klog.FromContext(ctx).Error(err, "Nodes with headroom cannot be scored; names decide", "pod", klog.KObj(ch.consumer.pod))
		}
		for i, score := range scores {
			ties[i].evidence.Score = score
		}
	}
	best := ties[0]
	for _, c := range ties[1:] {
		if ch.plugin.order.Compare(ch.named(c), ch.named(best)) < 0 {
			best = c
		}
	}
	return best
}

// named returns the evidence about a candidate with its name.
func (ch *choice) named(c *candidate) evictionorder.Node {
	evidence := c.evidence
	evidence.Name = ch.nodes[c.node].Name
	return evidence
}

// explain says why the best candidate goes before the next best one.
func (ch *choice) explain(best *candidate) string {
	var next *candidate
	for i := range ch.candidates {
		if c := &ch.candidates[i]; c != best && (next == nil || ch.plugin.order.Compare(ch.named(c), ch.named(next)) < 0) {
			next = c
		}
	}
	if next == nil {
		return "the only node with enough headroom"
	}
	a, b := ch.named(best), ch.named(next)
	if ch.plugin.order.Compare(a, b) > 0 {
		return "the better nodes with headroom do not suit the pod"
	}
	a.Domains, b.Domains = ch.domains(best), ch.domains(next)
	return ch.plugin.order.Explain(a, b).String()
}

// domains names what the entries of a candidate's Left are about, if that is one Headroom.
func (ch *choice) domains(c *candidate) []evictionorder.Domain {
	node := &ch.nodes[c.node]
	return ch.plugin.shared.inventory.Domains(node, node.Held[c.victims[0]].Evidence.Headroom)
}
