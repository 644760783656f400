package headroom

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// choice picks one of the nodes on which a consumer would fit if placeholders went.
type choice struct {
	plugin   *Plugin
	trial    *trial
	consumer *consumer
	memo     *memo
	anchors  *nearness.Anchors
	nodes    []inventory.Node
	// held are the nodes in question, by index.
	held []int
	// nominated are the candidates of nodes that other pods are nominated to; they are good for this cycle only.
	nominated map[int]*candidate
	// rejected are the nodes that were asked about in vain.
	rejected sets.Set[int]
	// next is the node that comes after the best, -1 if there is none among those that tie with it by the rules before the score.
	next int
}

// candidate returns the candidate of a node.
func (ch *choice) candidate(node int) *candidate {
	if c := ch.nominated[node]; c != nil {
		return c
	}
	return &ch.memo.nodes[node].candidate
}

// fitsAsItIs reports whether the consumer passes every Filter plugin on one of the nodes that have room for it.
func (ch *choice) fitsAsItIs(ctx context.Context, free []int) bool {
	if len(ch.trial.extenders) > 0 {
		return ch.fitsWithExtenders(ctx, free)
	}
	for _, i := range free {
		if !ch.memo.reaches && ch.memo.nodes[i].verdict == suits && len(ch.plugin.handle.NominatedPodsForNode(ch.nodes[i].Name)) == 0 {
			return true
		}
	}
	if len(free) == 0 || !ch.trial.start(ctx) {
		return false
	}
	ch.trial.cycle.trial = nil
	return ch.trial.any(ctx, free, ch.fits)
}

// fits reports whether the pod passes every Filter plugin on a node, and remembers what those say that do not reach beyond it, unless
// that may be due to pods that are nominated to it.
func (ch *choice) fits(ctx context.Context, node int) bool {
	info, k := ch.nodes[node].Info, &ch.memo.nodes[node]
	if ch.nominated[node] != nil || len(ch.plugin.handle.NominatedPodsForNode(ch.nodes[node].Name)) > 0 {
		return ch.trial.fits(ctx, info)
	}
	if k.verdict == unasked {
		fits := ch.trial.fitsLocally(ctx, info)
		if ctx.Err() != nil {
			return false
		}
		k.verdict = unsuitable
		if fits {
			k.verdict = suits
		}
	}
	return k.verdict == suits && ch.trial.fitsBeyond(ctx, info)
}

// best returns the node that the order puts first of those that pass every Filter plugin. Nodes that are not among the best by
// the rules before the score are never asked about, and Score plugins run only where those rules leave a tie.
func (ch *choice) best(ctx context.Context) (node int, ok bool) {
	s := &ch.plugin.scratch
	s.remaining = append(s.remaining[:0], ch.held...)
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
		fitting := ch.passingExtenders(ctx, ch.fitting(ctx, ties))
		ch.reject(ties, fitting)
		if len(fitting) > 0 {
			return ch.firstOf(ctx, fitting), true
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
	return 0, false
}

// reject notes which of some nodes are not among those that fit.
func (ch *choice) reject(nodes, fitting []int) {
	if len(fitting) == len(nodes) {
		return
	}
	if ch.rejected == nil {
		ch.rejected = sets.New[int]()
	}
	ch.rejected.Insert(nodes...).Delete(fitting...)
}

// compare puts nodes in order by the rules before the score.
func (ch *choice) compare(a, b int) int {
	x, y := &ch.candidate(a).evidence, &ch.candidate(b).evidence
	if x.Ties(y) {
		return 0
	}
	return ch.plugin.before.Compare(*x, *y)
}

// smallest returns all nodes that no other goes before. The result is valid until the next call.
func (ch *choice) smallest(nodes []int) []int {
	ties := append(ch.plugin.scratch.ties[:0], nodes[0])
	for _, i := range nodes[1:] {
		switch order := ch.compare(i, ties[0]); {
		case order < 0:
			ties = append(ties[:0], i)
		case order == 0:
			ties = append(ties, i)
		}
	}
	ch.plugin.scratch.ties = ties
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
		if ch.nominated[i] != nil || ch.memo.reaches || ch.memo.nodes[i].verdict == unasked {
			unknown = append(unknown, i)
		}
	}
	verdicts := map[int]bool{}
	if len(unknown) > 0 {
		if !ch.trial.start(ctx) {
			return nil
		}
		of := make(map[string]int, len(unknown))
		for _, i := range unknown {
			of[ch.nodes[i].Name] = i
		}
		ch.trial.cycle.trial = func(name string) []*corev1.Pod {
			i, ok := of[name]
			if !ok {
				return nil
			}
			return ch.candidate(i).pods(&ch.nodes[i])
		}
		for j, fits := range ch.trial.all(ctx, unknown, ch.fits) {
			verdicts[unknown[j]] = fits
		}
	}
	return slices.DeleteFunc(slices.Clone(nodes), func(i int) bool {
		if fits, asked := verdicts[i]; asked {
			return !fits
		}
		return ch.memo.nodes[i].verdict != suits
	})
}

// firstOf breaks the tie between nodes by the rest of the order: score and name.
func (ch *choice) firstOf(ctx context.Context, ties []int) int {
	if len(ties) > 1 && len(ch.plugin.before.Tiers) < len(ch.plugin.order.Tiers) {
		if err := ch.score(ctx, ties); err != nil {
			klog.FromContext(ctx).Error(err, "Nodes with headroom cannot be scored; names decide", "pod", klog.KObj(ch.consumer.pod))
		}
	}
	best, next := ch.firstTwo(ties)
	ch.next = next
	return best
}

// firstTwo returns which of some nodes that are equal by the rules before the score go first and second, -1 if there are not that
// many.
func (ch *choice) firstTwo(nodes []int) (first, second int) {
	first, second = -1, -1
	for _, i := range nodes {
		switch {
		case first < 0 || ch.before(i, first):
			first, second = i, first
		case second < 0 || ch.before(i, second):
			second = i
		}
	}
	return first, second
}

// before reports whether one node goes before another that is equal to it by the rules before the score. Names are compared by their
// ranks: in a burst this is asked of thousands of nodes for each pod.
func (ch *choice) before(a, b int) bool {
	x, y := &ch.candidate(a).evidence, &ch.candidate(b).evidence
	if x.Score != y.Score || !x.Ties(y) {
		if order := ch.plugin.after.Compare(*x, *y); order != 0 {
			return order < 0
		}
	}
	return ch.nodes[a].Rank < ch.nodes[b].Rank
}

// evidence returns the evidence about a node, with its name.
func (ch *choice) evidence(node int) evictionorder.Node {
	evidence := ch.candidate(node).evidence
	evidence.Name = ch.nodes[node].Name
	return evidence
}

// explain says why the best node goes before the next best one, as far as it is known which nodes suit the pod.
func (ch *choice) explain(best int) string {
	next := ch.next
	if next < 0 {
		rest := slices.DeleteFunc(slices.Clone(ch.held), func(i int) bool {
			return i == best || ch.rejected.Has(i) || len(ch.candidate(i).victims) == 0
		})
		if len(rest) > 0 {
			next, _ = ch.firstTwo(ch.smallest(rest))
		}
	}
	if next < 0 {
		return "the only node with headroom that suits the pod"
	}
	a, b := ch.evidence(best), ch.evidence(next)
	a.Domains, b.Domains = ch.domains(best), ch.domains(next)
	return ch.plugin.order.Explain(a, b).String()
}

// domains names what the entries of a node's Left are about.
func (ch *choice) domains(node int) []evictionorder.Domain {
	inv := ch.plugin.shared.inventory
	losers := evictionorder.Losers(ch.candidate(node).victims, func(headroom int) []int {
		return inv.Units(nil, &ch.nodes[node], headroom)
	})
	domains := make([]evictionorder.Domain, len(losers))
	for i, headroom := range losers {
		domains[i] = inv.Domains(&ch.nodes[node], headroom)[i]
	}
	return domains
}
