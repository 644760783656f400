package headroom

import (
	"context"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
)

// beyond is for the Filter plugins that reach beyond a node. What they say is good for one cycle only.
type beyond struct {
	// state is that of the trial for these plugins alone, nil if there are none.
	state fwk.CycleState
	// keys are the labels of a node that decide all that these plugins say of it, nil if more does.
	keys []string

	mu sync.Mutex
	// said is what they said, by the values of these labels.
	said map[string]bool
}

// partly is a cycle state in which more Filter or Score plugins are to be skipped. The others find there what PreFilter and PreScore left.
type partly struct {
	fwk.CycleState
	skipped sets.Set[string]
}

// GetSkipFilterPlugins returns the names of the plugins that are to be skipped.
func (p *partly) GetSkipFilterPlugins() sets.Set[string] {
	return p.skipped
}

// GetSkipScorePlugins returns the names of the plugins that are to be skipped.
func (p *partly) GetSkipScorePlugins() sets.Set[string] {
	return p.skipped
}

// split divides the Filter plugins into those that do not reach beyond a node and those that do.
func (t *trial) split() {
	skipped := t.state.GetSkipFilterPlugins()
	reaching := sets.New[string]()
	if !skipped.Has(podtopologyspread.Name) {
		reaching.Insert(podtopologyspread.Name)
		t.beyond.keys = spreadKeys(t.pod)
	}
	// The affinity of others is one of the crossNodeVersion, see world.
	if !skipped.Has(interpodaffinity.Name) && hasPodAffinity(t.pod) {
		reaching.Insert(interpodaffinity.Name)
		t.beyond.keys = nil
	}
	if reaching.Len() == 0 {
		t.local = t.state
		return
	}
	t.local = &partly{CycleState: t.state, skipped: skipped.Union(reaching)}
	t.beyond.state = &partly{CycleState: t.state, skipped: skipped.Union(t.plugin.learn().filters.Difference(reaching))}
	t.beyond.said = map[string]bool{}
}

// splitScores divides the Score plugins, whose PreScore has run, for a pod without affinity of its own: into those that do not reach
// beyond a node, and PodTopologySpread. Beyond is nil if that has nothing to say.
func (t *trial) splitScores() (local, beyond fwk.CycleState) {
	skipped, scorers := t.state.GetSkipScorePlugins(), t.plugin.learn().scorers
	if skipped.Has(podtopologyspread.Name) || !scorers.Has(podtopologyspread.Name) {
		return t.state, nil
	}
	reaching := sets.New(podtopologyspread.Name)
	local = &partly{CycleState: t.state, skipped: skipped.Union(reaching)}
	beyond = &partly{CycleState: t.state, skipped: scorers.Difference(reaching)}
	return local, beyond
}

// spreadKeys returns the topology keys of the pod's own spread constraints that must be met; PodTopologySpread reads nothing else of a
// node. It returns nil if there are none, or if each node is a domain of its own.
func spreadKeys(pod *corev1.Pod) []string {
	var keys []string
	for _, constraint := range pod.Spec.TopologySpreadConstraints {
		if mayBeUnmet(constraint) {
			continue
		}
		if constraint.TopologyKey == corev1.LabelHostname {
			return nil
		}
		keys = append(keys, constraint.TopologyKey)
	}
	return keys
}

// fitsBeyond reports whether the pod passes the Filter plugins that reach beyond a node, to which no other pods may be nominated. Of nodes
// in the same topology domains one is asked about.
func (t *trial) fitsBeyond(ctx context.Context, node fwk.NodeInfo) bool {
	b := &t.beyond
	if b.state == nil {
		return true
	}
	domain, ok := b.domain(node.Node())
	if !ok {
		return t.plugin.handle.RunFilterPlugins(ctx, b.state, t.pod, node).IsSuccess()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	fits, asked := b.said[domain]
	if !asked {
		fits = t.plugin.handle.RunFilterPlugins(ctx, b.state, t.pod, node).IsSuccess()
		if ctx.Err() == nil {
			b.said[domain] = fits
		}
	}
	return fits
}

// domain returns what nodes have in common of which these plugins say the same, false if each node has to be asked about.
func (b *beyond) domain(node *corev1.Node) (domain string, ok bool) {
	if len(b.keys) == 1 { // most often, and then without an allocation
		domain, ok = node.Labels[b.keys[0]]
		return domain, ok
	}
	values := make([]string, len(b.keys))
	for i, key := range b.keys {
		if values[i], ok = node.Labels[key]; !ok {
			return "", false
		}
	}
	return strings.Join(values, "\x00"), len(values) > 0
}
