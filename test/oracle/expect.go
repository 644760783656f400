package oracle

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// Judge says what belongs to Kubernetes and not to the rules of eviction.
type Judge interface {
	// Accepts reports whether all Filter plugins but the one for resources accept the node as it is.
	Accepts(node string) bool
	// AcceptsWithout tells the same of the node without some of its pods, by name.
	AcceptsWithout(node string, gone []string) bool
	// Scores returns the weighted sum of the other Score plugins for each node, when these are the feasible ones.
	Scores(nodes []string) map[string]int64
}

// Expectation is what has to happen with the consumer in its first attempt.
type Expectation struct {
	// Free are the nodes that stock kube-scheduler may choose, because it fits there as it is and none scores higher, by name. If there
	// are any, no placeholder may be evicted.
	Free []string
	// Node and Victims are the swap to make when no node is free. Node is empty if no swap is possible.
	Node    string
	Victims []string
	// Sampled says that only some of the nodes that tie before the score are looked at.
	Sampled bool
	// Why lists the evidence about each node on which a swap is possible, best first.
	Why []string
	// RunningGo says, where no node is free and no swap possible, that kube-scheduler's own preemption would take running pods, or that the
	// pod is system-critical: it may have running pods and everybody's placeholders together.
	RunningGo bool
	// Leaving are, where no running pods would go, the nodes where running pods that are being deleted anyway make the room together with
	// placeholders to which the consumer is entitled: kube-scheduler's own preemption may take these there.
	Leaving []string
	// InsteadNode and Instead are the node and the placeholders on it to preempt in place of running pods. InsteadNode is empty if placeholders
	// alone do not do.
	InsteadNode string
	Instead     []string
}

// Swaps reports whether the consumer is to take placeholders.
func (e Expectation) Swaps() bool { return len(e.Free) == 0 && e.Node != "" }

// String says what is expected, with the evidence.
func (e Expectation) String() string {
	switch {
	case len(e.Free) > 0:
		return "bound to one of " + strings.Join(e.Free, ", ") + ", nothing evicted"
	case e.Node != "":
		return fmt.Sprintf("bound to %s, evicted %s\n  %s", e.Node, strings.Join(e.Victims, ", "), strings.Join(e.Why, "\n  "))
	case e.InsteadNode != "":
		return fmt.Sprintf("not bound by the first attempt; preempted on %s: %s", e.InsteadNode, strings.Join(e.Instead, ", "))
	case e.RunningGo:
		return "not bound by the first attempt; running pods may be preempted"
	case len(e.Leaving) > 0:
		return "not bound by the first attempt; own placeholders may be preempted beside pods that leave on " + strings.Join(e.Leaving, ", ")
	default:
		return "not bound by the first attempt"
	}
}

// evidence is what the node rules compare.
type evidence struct {
	node     Node
	victims  []Pod
	distance int
	left     []int
	waste    int64
	score    int64
}

// Expect looks at every node.
func (c *Cluster) Expect(judge Judge) Expectation {
	free, candidates := c.survey(judge, ownOnly)
	if len(free) > 0 {
		return Expectation{Free: best(free, judge.Scores(free))}
	}
	if len(candidates) > 0 {
		return c.expectSwap(candidates, judge)
	}
	_, candidates = c.survey(judge, everybodys)
	if c.neverWaits() && len(candidates) > 0 {
		return c.expectSwap(candidates, judge)
	}
	runningGo, leaving := c.runningGo(judge)
	later := Expectation{RunningGo: c.neverWaits() || runningGo}
	if !later.RunningGo {
		later.Leaving = leaving
	}
	if _, candidates = c.survey(judge, preemptible); later.RunningGo && len(candidates) > 0 {
		// No Score plugin has a say in a preemption.
		first := slices.MinFunc(candidates, compareEvidence)
		later.InsteadNode, later.Instead = first.node.Name, namesOf(first.victims)
	}
	return later
}

// survey says which nodes are free, and gathers the evidence about those that would be if placeholders within reach went.
func (c *Cluster) survey(judge Judge, within reach) (free []string, candidates []evidence) {
	for _, node := range c.Nodes {
		victims, fits := c.victims(node, within)
		if !fits || !judge.Accepts(node.Name) {
			continue
		}
		if len(victims) == 0 {
			free = append(free, node.Name)
			continue
		}
		candidates = append(candidates, evidence{
			node: node, victims: victims, distance: c.distance(node), left: c.left(node, victims),
			waste: c.shortfall(node).waste(victims, node),
		})
	}
	return free, candidates
}

// runningGo reports whether on some node the consumer would have a place if everything of lower priority went but the placeholders of Headrooms
// that do not entitle it, and something ran among that. It also returns the nodes where that is so, but all that ran is being deleted anyway.
func (c *Cluster) runningGo(judge Judge) (some bool, leaving []string) {
	if c.Consumer.Never {
		return false, nil
	}
	for _, node := range c.Nodes {
		rest, running, leaves := *c, false, false
		rest.Pods = nil
		var gone []string
		for _, p := range c.Pods {
			runs := p.Headroom < 0 || p.Stray
			if p.Node != node.Name || p.Priority >= c.Consumer.Priority || !runs && !c.entitles(c.Headrooms[p.Headroom]) {
				rest.Pods = append(rest.Pods, p)
				continue
			}
			gone = append(gone, p.Name)
			running = running || runs && !p.Terminating
			leaves = leaves || runs && p.Terminating
		}
		switch {
		case !running && !leaves, !rest.shortfall(node).coveredBy(nil), !judge.AcceptsWithout(node.Name, gone):
		case running:
			return true, nil
		default:
			leaving = append(leaving, node.Name)
		}
	}
	return false, leaving
}

// namesOf returns those of the pods, sorted.
func namesOf(pods []Pod) []string {
	all := []string{}
	for _, p := range pods {
		all = append(all, p.Name)
	}
	slices.Sort(all)
	return all
}

func (c *Cluster) expectSwap(candidates []evidence, judge Judge) Expectation {
	// The score is a matter among those that all rules before it find equal.
	slices.SortFunc(candidates, compareBeforeScore)
	var ties []string
	for _, e := range candidates {
		if compareBeforeScore(e, candidates[0]) == 0 {
			ties = append(ties, e.node.Name)
		}
	}
	sample := c.sample(ties)
	scores := judge.Scores(sample)
	candidates = slices.DeleteFunc(candidates, func(e evidence) bool {
		return slices.Contains(ties, e.node.Name) && !slices.Contains(sample, e.node.Name)
	})
	for i := range candidates {
		candidates[i].score = scores[candidates[i].node.Name]
	}
	slices.SortFunc(candidates, compareEvidence)
	expected := Expectation{
		Node: candidates[0].node.Name, Victims: namesOf(candidates[0].victims), Sampled: len(sample) < len(ties),
	}
	for _, e := range candidates {
		expected.Why = append(expected.Why, e.String())
	}
	return expected
}

// sample returns those of some tied nodes that are looked at for the score: as many as kube-scheduler would score, of more the ones whose
// hash with the consumer is lowest.
func (c *Cluster) sample(ties []string) []string {
	size := max(c.MinScored, len(c.Nodes)*max(5, 50-len(c.Nodes)/125)/100)
	if len(ties) <= size {
		return ties
	}
	hash := func(node string) uint64 {
		one, other := fnv.New64a(), fnv.New64a()
		one.Write([]byte(c.Consumer.UID))
		other.Write([]byte(node))
		mixed := one.Sum64() ^ other.Sum64()
		mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9
		mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb
		return mixed ^ (mixed >> 31)
	}
	sorted := slices.Clone(ties)
	slices.SortFunc(sorted, func(a, b string) int { return cmp.Or(cmp.Compare(hash(a), hash(b)), cmp.Compare(a, b)) })
	return sorted[:size]
}

// best returns the nodes with the highest score.
func best(nodes []string, scores map[string]int64) []string {
	highest := scores[slices.MaxFunc(nodes, func(a, b string) int { return cmp.Compare(scores[a], scores[b]) })]
	return slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return scores[n] < highest })
}

// compareEvidence is the published order among nodes that need evictions.
func compareEvidence(a, b evidence) int {
	return cmp.Or(compareBeforeScore(a, b), cmp.Compare(b.score, a.score), cmp.Compare(a.node.Name, b.node.Name))
}

// compareBeforeScore is the published order as far as no Score plugin has a say.
func compareBeforeScore(a, b evidence) int {
	return cmp.Or(
		cmp.Compare(a.distance, b.distance),
		compareLeft(a.left, b.left),
		cmp.Compare(a.waste, b.waste),
		cmp.Compare(len(a.victims), len(b.victims)),
	)
}

// compareLeft puts the one that leaves more first; what is missing counts as more than any number.
func compareLeft(a, b []int) int {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return -1
		case i >= len(b):
			return 1
		case a[i] != b[i]:
			return cmp.Compare(b[i], a[i])
		}
	}
	return 0
}

// String is the evidence on one line.
func (e evidence) String() string {
	var victims []string
	for _, v := range e.victims {
		victims = append(victims, v.Name)
	}
	return fmt.Sprintf("%s: distance %d, left %v, waste %d, evictions %d (%s), score %d",
		e.node.Name, e.distance, e.left, e.waste, len(e.victims), strings.Join(victims, " "), e.score)
}
