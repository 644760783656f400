package selection

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// choice picks one of the nodes on which a consumer would fit if placeholders went.
type choice struct {
	selector *Selector
	run      *dryrun.Run
	consumer *Consumer
	cache    *nodeCache
	anchors  *nearness.Anchors
	nodes    []inventory.Node
	// candidates are the nodes in question, by index.
	candidates []int
	// nominated are the candidates that are good for this cycle only: of nodes that other pods are nominated to, or whose placeholders hold
	// devices.
	nominated map[int]*candidate
}

// ranking is the outcome of a choice. Nodes are indices.
type ranking struct {
	best int
	// runnerUp is the node that comes after the best, -1 if there is none among those that tie with it by the rules before the score.
	runnerUp int
	// rejected are the nodes of which the Filter plugins or extenders said that the pod does not fit.
	rejected sets.Set[int]
}

// reject notes which of some nodes are not among those that fit.
func (r *ranking) reject(nodes, fitting []int) {
	if r.rejected == nil {
		r.rejected = sets.New[int]()
	}
	r.rejected.Insert(nodes...).Delete(fitting...)
}

// candidate returns the candidate of a node.
func (ch *choice) candidate(node int) *candidate {
	if c := ch.nominated[node]; c != nil {
		return c
	}
	return &ch.cache.nodes[node].candidate
}

// without returns the placeholders to leave out of a node when it is asked about as it is, none, or after eviction.
func (ch *choice) without(node int, as fit) []*corev1.Pod {
	if as == asIs {
		return nil
	}
	return podsOf(ch.candidate(node).victims, &ch.nodes[node])
}

// fitsAsItIs reports whether the consumer passes every Filter plugin, and every extender, on one of the nodes that have
// room for it.
func (ch *choice) fitsAsItIs(ctx context.Context, free []int) bool {
	asItIs := func(ctx context.Context, node int) bool { return ch.passes(ctx, node, asIs) }
	if ch.run.HasExtenders() {
		if len(free) == 0 || !ch.run.Start(ctx) {
			return false
		}
		var fitting []int
		for j, fits := range ch.run.All(ctx, free, asItIs) {
			if fits {
				fitting = append(fitting, free[j])
			}
		}
		return len(ch.passExtenders(ctx, fitting)) > 0
	}
	for _, i := range free {
		if !ch.cache.crossNode && ch.cache.nodes[i].filtered == passed && !ch.nominatedTo(i) {
			return true
		}
	}
	return len(free) > 0 && ch.run.Start(ctx) && ch.run.Any(ctx, free, asItIs)
}

// nominatedTo reports whether any pods are nominated to a node.
func (ch *choice) nominatedTo(node int) bool {
	return len(ch.selector.Handle.NominatedPodsForNode(ch.nodes[node].Name)) > 0
}

// passes reports whether the pod passes every Filter plugin on a node as it is or after eviction, and remembers what
// those say that read nothing but the node, unless that may be due to pods that are nominated to it.
func (ch *choice) passes(ctx context.Context, node int, as fit) bool {
	info, known := ch.nodes[node].Info, &ch.cache.nodes[node]
	if as == afterEviction && ch.candidate(node).passes {
		return true
	}
	if ch.nominated[node] != nil || ch.nominatedTo(node) {
		return ch.run.Passes(ctx, info, ch.without(node, as))
	}
	if known.filtered == notRun {
		passes := ch.run.PassesNodeLocal(ctx, info, ch.without(node, as))
		if ctx.Err() != nil {
			return false
		}
		known.filtered = rejected
		if passes {
			known.filtered = passed
		}
	}
	return known.filtered == passed && ch.run.PassesCrossNode(ctx, info)
}

// best returns the node that the order puts first of those that pass every Filter plugin. Nodes that are not among the best by
// the rules before the score are never asked about, and Score plugins run only where those rules leave a tie.
func (ch *choice) best(ctx context.Context) (found ranking, ok bool) {
	s := &ch.selector.scratch
	s.remaining = append(s.remaining[:0], ch.candidates...)
	remaining := s.remaining
	for sorted := false; len(remaining) > 0; {
		ties := ch.smallest(remaining)
		if sorted {
			ties = ch.leading(remaining)
		}
		if ch.makeRoomForNominated(ties) {
			remaining = slices.DeleteFunc(remaining, func(i int) bool { return len(ch.candidate(i).victims) == 0 })
			sorted = false
			continue
		}
		fitting, asked := ch.fittingSample(ctx, ties)
		if len(fitting) < len(asked) {
			found.reject(asked, fitting)
		}
		if len(fitting) > 0 {
			found.best, found.runnerUp = ch.firstTwoByAllRules(ctx, fitting)
			return found, true
		}
		if sorted {
			remaining = remaining[len(ties):]
			continue
		}
		// The best do not suit for other reasons. Sort the others once, rather than search for the next best again and again.
		first := ties[0]
		remaining = slices.DeleteFunc(remaining, func(i int) bool { return ch.compare(i, first) == 0 })
		slices.SortStableFunc(remaining, ch.compare)
		sorted = true
	}
	return found, false
}

// compare puts nodes in order by the rules before the score.
func (ch *choice) compare(a, b int) int {
	x, y := &ch.candidate(a).evidence, &ch.candidate(b).evidence
	if x.Ties(y) {
		return 0
	}
	return ch.selector.rulesBeforeScore.Compare(*x, *y)
}

// smallest returns all nodes that no other goes before. The result is valid until the next call.
func (ch *choice) smallest(nodes []int) []int {
	ties := append(ch.selector.scratch.ties[:0], nodes[0])
	for _, i := range nodes[1:] {
		switch order := ch.compare(i, ties[0]); {
		case order < 0:
			ties = append(ties[:0], i)
		case order == 0:
			ties = append(ties, i)
		}
	}
	ch.selector.scratch.ties = ties
	return ties
}

// leading returns the first of sorted nodes and those equal to it.
func (ch *choice) leading(nodes []int) []int {
	n := 1
	for n < len(nodes) && ch.compare(nodes[n], nodes[0]) == 0 {
		n++
	}
	return nodes[:n]
}

// fitting returns those nodes on which the pod passes every Filter plugin once the victims are gone.
func (ch *choice) fitting(ctx context.Context, nodes []int) []int {
	var unknown []int
	for _, i := range nodes {
		if ch.nominated[i] != nil || ch.cache.crossNode || ch.cache.nodes[i].filtered == notRun {
			unknown = append(unknown, i)
		}
	}
	answers := map[int]bool{}
	if len(unknown) > 0 {
		if !ch.run.Start(ctx) {
			return nil
		}
		ask := func(ctx context.Context, node int) bool { return ch.passes(ctx, node, afterEviction) }
		for j, fits := range ch.run.All(ctx, unknown, ask) {
			answers[unknown[j]] = fits
		}
	}
	return slices.DeleteFunc(slices.Clone(nodes), func(i int) bool {
		if fits, asked := answers[i]; asked {
			return !fits
		}
		return ch.cache.nodes[i].filtered != passed
	})
}

// passExtenders returns those of some nodes that no extender rejects.
func (ch *choice) passExtenders(ctx context.Context, nodes []int) []int {
	if !ch.run.HasExtenders() || len(nodes) == 0 {
		return nodes
	}
	indices := make(map[string]int, len(nodes))
	for _, i := range nodes {
		indices[ch.nodes[i].Name] = i
	}
	var passing []int
	for _, name := range ch.run.PassExtenders(ctx, ch.infos(nodes)) {
		passing = append(passing, indices[name])
	}
	slices.Sort(passing)
	return passing
}

func (ch *choice) infos(nodes []int) []fwk.NodeInfo {
	infos := make([]fwk.NodeInfo, len(nodes))
	for j, i := range nodes {
		infos[j] = ch.nodes[i].Info
	}
	return infos
}

// firstTwoByAllRules breaks the tie between nodes by the rest of the order: score and name.
func (ch *choice) firstTwoByAllRules(ctx context.Context, ties []int) (first, second int) {
	if len(ties) > 1 && len(ch.selector.scoreAndLater.Tiers) > 0 {
		if err := ch.score(ctx, ties); err != nil {
			klog.FromContext(ctx).Error(err, "Nodes with headroom cannot be scored; names decide", "pod", klog.KObj(ch.consumer.Pod))
		}
	}
	return ch.firstTwo(ties)
}

// firstTwo returns which of some nodes that are equal by the rules before the score go first and second, -1 if there are not that
// many.
func (ch *choice) firstTwo(nodes []int) (first, second int) {
	first, second = -1, -1
	for _, i := range nodes {
		switch {
		case first < 0 || ch.less(i, first):
			first, second = i, first
		case second < 0 || ch.less(i, second):
			second = i
		}
	}
	return first, second
}

// less reports whether one node goes before another that is equal to it by the rules before the score. Names are compared by their
// ranks: in a burst this is asked of thousands of nodes for each pod.
func (ch *choice) less(a, b int) bool {
	x, y := &ch.candidate(a).evidence, &ch.candidate(b).evidence
	if x.Score != y.Score || !x.Ties(y) {
		if order := ch.selector.scoreAndLater.Compare(*x, *y); order != 0 {
			return order < 0
		}
	}
	return ch.nodes[a].Rank < ch.nodes[b].Rank
}

// explain says why the best node goes before the next best one, as far as it is known which nodes suit the pod.
func (ch *choice) explain(r ranking) string {
	next := r.runnerUp
	if next < 0 {
		rest := slices.DeleteFunc(slices.Clone(ch.candidates), func(i int) bool {
			return i == r.best || r.rejected.Has(i) || len(ch.candidate(i).victims) == 0
		})
		if len(rest) > 0 {
			next, _ = ch.firstTwo(ch.smallest(rest))
		}
	}
	if next < 0 {
		return "the only node with headroom that suits the pod"
	}
	return ch.selector.order.Explain(ch.namedEvidence(r.best), ch.namedEvidence(next)).String()
}

// namedEvidence returns the evidence about a node with all that people read.
func (ch *choice) namedEvidence(node int) evictionorder.Node {
	found := ch.candidate(node)
	evidence := found.evidence
	evidence.Name = ch.nodes[node].Name
	evidence.Domains = ch.selector.domainsOf(&ch.nodes[node], found.victims)
	return evidence
}
