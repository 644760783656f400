package headroom

import (
	"slices"
	"time"

	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

const (
	// memoAge bounds how long answers of kube-scheduler's own plugins are reused. What they say of pods that have a likeness depends
	// on nothing but what the likeness contains and what the inventory follows, so this is for what has not been thought of.
	memoAge = time.Minute
	// foreignMemoAge bounds how long answers of other plugins are reused, which may depend on anything. kube-scheduler's own
	// batching uses half of that.
	foreignMemoAge = time.Second
	// mostMemos is for how many kinds of pods answers are kept.
	mostMemos = 8
)

// memo keeps, for pods that are alike, what was found out about each node, until that node changes. In a burst of pods alike,
// a cycle then only looks anew at the few nodes that changed since the cycle before.
//
// Alike means: Filter and Score plugins treat the pods alike on an unchanged node, and they are entitled to the same
// placeholders, see likeness.
type memo struct {
	likeness
	born  time.Time
	used  uint64
	world world
	nodes []known
	// anchors of pods alike, nil if they have to be found anew: what their affinity terms match depends on more than the nodes.
	anchors *nearness.Anchors
	// raws are the scores that some node got, before they are normalized. Most nodes share them with others.
	raws [][]fwk.PluginScore
}

// world is what a memo relies on beside the nodes themselves.
type world struct {
	// catalog is the version of the Headrooms.
	catalog uint64
	// crossNodeVersion are those of the inventory, or its nodeListVersion alone.
	crossNodeVersion uint64
}

// known is what is known about one node.
type known struct {
	revision  uint64
	standing  standing
	verdict   verdict
	candidate candidate
	// raw is one more than the index of the node's scores in memo.raws, 0 if Score plugins were not asked.
	raw       int
	proximity proximity
}

// standing says what the resources of a node mean for the pod.
type standing int8

const (
	// short: the pod does not fit, whatever placeholders go.
	short standing = iota
	// free: the pod fits as it is.
	free
	// held: the pod fits if placeholders go.
	held
)

// verdict is what the Filter plugins say that do not reach beyond the node, victims counted out.
type verdict int8

const (
	unasked verdict = iota
	suits
	unsuitable
)

// memoFor returns the memo for a consumer: an old one if it is still good, or a new one, which is kept only if the consumer has
// a key.
func (p *Plugin) memoFor(like likeness, nodes []inventory.Node) *memo {
	now := p.clock.Now()
	if like.key == "" {
		p.scratch.memo.reset(like, now, world{}, len(nodes))
		return &p.scratch.memo
	}
	age := foreignMemoAge
	if p.learn().known {
		age = memoAge
	}
	current := p.world(like)
	p.memoUses++
	var chosen *memo
	for _, m := range p.memos {
		if m.key == like.key {
			chosen = m
			break
		}
		if chosen == nil || m.used < chosen.used {
			chosen = m
		}
	}
	if chosen == nil || chosen.key != like.key && len(p.memos) < mostMemos {
		chosen = &memo{}
		p.memos = append(p.memos, chosen)
	}
	if chosen.key != like.key || chosen.world != current || now.Sub(chosen.born) > age || len(chosen.nodes) != len(nodes) {
		chosen.reset(like, now, current, len(nodes))
	}
	chosen.used, chosen.likeness = p.memoUses, like
	return chosen
}

func (m *memo) reset(like likeness, now time.Time, current world, nodes int) {
	m.likeness, m.born, m.world, m.raws, m.anchors = like, now, current, nil, nil
	if cap(m.nodes) < nodes {
		m.nodes = make([]known, nodes)
		return
	}
	m.nodes = m.nodes[:nodes]
	for i := range m.nodes {
		m.nodes[i].revision, m.nodes[i].proximity.revision = 0, 0
	}
}

// world returns what memos made now rely on. Pods with an affinity of their own change the crossNodeVersion wherever one is bound, and rely on
// nothing of that: InterPodAffinity is asked anew for each, and their scores are not kept.
func (p *Plugin) world(like likeness) world {
	crossNodeVersion := p.shared.inventory.CrossNodeVersion()
	if like.affine {
		crossNodeVersion = p.shared.inventory.NodeListVersion()
	}
	return world{catalog: p.shared.catalog.Version(), crossNodeVersion: crossNodeVersion}
}

// raw returns the scores of a node before they are normalized.
func (m *memo) raw(node int) []fwk.PluginScore {
	return m.raws[m.nodes[node].raw-1]
}

// mostRaws is among how many of the latest scores equal ones are looked for.
const mostRaws = 32

// setRaw remembers the scores of a node.
func (m *memo) setRaw(node int, scores []fwk.PluginScore) {
	for i := len(m.raws) - 1; i >= max(0, len(m.raws)-mostRaws); i-- {
		if slices.Equal(m.raws[i], scores) {
			m.nodes[node].raw = i + 1
			return
		}
	}
	m.raws = append(m.raws, scores)
	m.nodes[node].raw = len(m.raws)
}
