package headroom

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

const (
	// memoAge bounds how long answers are reused, for what might change them without a trace in the nodes. kube-scheduler's own
	// batching uses half of that.
	memoAge = time.Second
	// mostMemos is for how many kinds of pods answers are kept.
	mostMemos = 8
)

// memo keeps, for pods that are alike, what was found out about each node, until that node changes. In a burst of pods alike,
// a cycle then only looks anew at the few nodes that changed since the cycle before.
//
// Alike means: of equal signature, which says that Filter and Score plugins treat the pods alike on an unchanged node, and
// entitled to the same placeholders.
type memo struct {
	key   string
	born  time.Time
	used  uint64
	world world
	nodes []known
}

// world is what a memo relies on beside the nodes themselves.
type world struct {
	// catalogue is the version of the Headrooms.
	catalogue uint64
	// surroundings are those of the inventory.
	surroundings uint64
}

// known is what is known about one node.
type known struct {
	revision  uint64
	standing  standing
	verdict   verdict
	candidate candidate
	// raw are the scores of the Score plugins before they are normalized, nil if they were not asked.
	raw []fwk.PluginScore
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

// verdict is what the Filter plugins say, victims counted out.
type verdict int8

const (
	unasked verdict = iota
	suits
	unsuitable
)

// memoFor returns the memo for a consumer: an old one if it is still good, or a new one, which is kept only if the consumer has
// a key.
func (p *Plugin) memoFor(key string, nodes []inventory.Node) *memo {
	now := p.clock.Now()
	if key == "" {
		p.scratch.memo.reset("", now, world{}, len(nodes))
		return &p.scratch.memo
	}
	current := p.world()
	p.memoUses++
	var chosen *memo
	for _, m := range p.memos {
		if m.key == key {
			chosen = m
			break
		}
		if chosen == nil || m.used < chosen.used {
			chosen = m
		}
	}
	if chosen == nil || chosen.key != key && len(p.memos) < mostMemos {
		chosen = &memo{}
		p.memos = append(p.memos, chosen)
	}
	if chosen.key != key || chosen.world != current || now.Sub(chosen.born) > memoAge || len(chosen.nodes) != len(nodes) {
		chosen.reset(key, now, current, len(nodes))
	}
	chosen.used = p.memoUses
	return chosen
}

func (m *memo) reset(key string, now time.Time, current world, nodes int) {
	m.key, m.born, m.world = key, now, current
	if cap(m.nodes) < nodes {
		m.nodes = make([]known, nodes)
		return
	}
	m.nodes = m.nodes[:nodes]
	for i := range m.nodes {
		m.nodes[i].revision = 0
	}
}

// keyOf returns what makes pods alike, empty if the pod is like no other or if what holds for it depends on more than nodes.
func (p *Plugin) keyOf(c *consumer, signature fwk.PodSignature, group bool) string {
	if signature == nil || group || hasClaims(c.pod) {
		return ""
	}
	return fmt.Sprintf("%s\x00%d\x00%v", signature, c.priority, c.admitted)
}

// hasClaims says whether the pod has volumes that depend on more than the node.
func hasClaims(pod *corev1.Pod) bool {
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].PersistentVolumeClaim != nil || pod.Spec.Volumes[i].Ephemeral != nil {
			return true
		}
	}
	return len(pod.Spec.ResourceClaims) > 0
}

// world returns what memos made now rely on.
func (p *Plugin) world() world {
	return world{catalogue: p.shared.catalogue.Version(), surroundings: p.shared.inventory.Surroundings()}
}
