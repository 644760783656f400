package headroom

import (
	"context"
	"errors"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// trial asks the Filter and Score plugins of the profile about nodes before the cycle itself does. It has a cycle state of its
// own, which is exactly as that of the cycle will be once all PreFilter plugins have run, the skips included.
type trial struct {
	plugin *Plugin
	outer  fwk.CycleState
	pod    *corev1.Pod
	// extenders are those that have a say about the pod.
	extenders []fwk.Extender

	state *framework.CycleState
	// local is that state for the Filter plugins that do not reach beyond a node.
	local    fwk.CycleState
	beyond   beyond
	cycle    *cycle
	rejected bool
	// names are the only nodes that the PreFilter plugins allow, nil for all.
	names sets.Set[string]
	// placement restricts the nodes further while a group of pods is scheduled.
	placement placement
}

// placement is the part of the scheduler's snapshot that knows to which nodes a group of pods is confined just now.
type placement interface {
	GetNodeInPlacement(name string) (fwk.NodeInfo, error)
}

// start runs the PreFilter plugins, unless that was done. It returns false if they reject the pod: the cycle will find that out
// by itself.
func (t *trial) start(ctx context.Context) bool {
	if t.state != nil {
		return !t.rejected
	}
	t.state, t.cycle = framework.NewCycleState(), &cycle{}
	t.state.SetPodGroupSchedulingCycle(t.outer.GetPodGroupSchedulingCycle())
	t.state.SetPlacementCycleState(t.outer.GetPlacementCycleState())
	t.state.Write(cycleKey, t.cycle)
	result, status := t.preFilter(ctx)
	if !status.IsSuccess() {
		t.rejected = true
		return false
	}
	if !result.AllNodes() {
		t.names = result.NodeNames
	}
	t.split()
	if t.outer.IsPodGroupSchedulingCycle() {
		t.placement, _ = t.plugin.handle.SnapshotSharedLister().(placement)
	}
	return true
}

// preFilter brings the state to where the PreFilter plugins will have brought the cycle's.
func (t *trial) preFilter(ctx context.Context) (*fwk.PreFilterResult, *fwk.Status) {
	pod, counted := t.pod, t.plugin.learn().counted
	if counted {
		pod = uncounted(pod)
	}
	result, status, _ := t.plugin.handle.RunPreFilterPlugins(ctx, t.state, pod)
	if counted && status.IsSuccess() {
		takeOverCounts(t.outer, t.state)
	}
	return result, status
}

// allows reports whether the node is one of those that the cycle is about.
func (t *trial) allows(node fwk.NodeInfo) bool {
	if t.names != nil && !t.names.Has(node.Node().Name) {
		return false
	}
	if t.placement != nil {
		if _, err := t.placement.GetNodeInPlacement(node.Node().Name); err != nil {
			return false
		}
	}
	return true
}

// fits reports whether the pod passes every Filter plugin on a node, other pods' nominations included.
func (t *trial) fits(ctx context.Context, node fwk.NodeInfo) bool {
	return t.allows(node) && t.plugin.handle.RunFilterPluginsWithNominatedPods(ctx, t.state, t.pod, node).IsSuccess()
}

// fitsLocally reports whether the pod passes the Filter plugins that do not reach beyond a node, to which no other pods may be nominated.
func (t *trial) fitsLocally(ctx context.Context, node fwk.NodeInfo) bool {
	return t.allows(node) && t.plugin.handle.RunFilterPlugins(ctx, t.local, t.pod, node).IsSuccess()
}

// sequentially is up to how many nodes are asked about one by one: for few, goroutines cost more than they save.
const sequentially = 16

// asking asks about one node, by its index.
type asking func(ctx context.Context, node int) bool

// any reports whether the answer is yes for any of some nodes. It stops at the first.
func (t *trial) any(ctx context.Context, nodes []int, fits asking) bool {
	head := nodes[:min(sequentially, len(nodes))]
	for _, i := range head {
		if fits(ctx, i) {
			return true
		}
	}
	rest := nodes[len(head):]
	if len(rest) == 0 {
		return false
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errFound)
	found := atomic.Bool{}
	t.plugin.handle.Parallelizer().Until(ctx, len(rest), func(j int) {
		if fits(ctx, rest[j]) {
			found.Store(true)
			cancel(errFound)
		}
	}, Name)
	return found.Load()
}

var errFound = errors.New("a node was found")

// all gives the answer for each of some nodes.
func (t *trial) all(ctx context.Context, nodes []int, fits asking) []bool {
	answers := make([]bool, len(nodes))
	if len(nodes) <= sequentially {
		for j, i := range nodes {
			answers[j] = fits(ctx, i)
		}
		return answers
	}
	t.plugin.handle.Parallelizer().Until(ctx, len(nodes), func(j int) {
		answers[j] = fits(ctx, nodes[j])
	}, Name)
	return answers
}

// score returns the weighted sum of the profile's Score plugins for each node, over just these nodes.
func (t *trial) score(ctx context.Context, infos []fwk.NodeInfo) ([]int64, error) {
	if status := t.plugin.handle.RunPreScorePlugins(ctx, t.state, t.pod, infos); !status.IsSuccess() {
		return nil, status.AsError()
	}
	scored, status := t.plugin.handle.RunScorePlugins(ctx, t.state, t.pod, infos)
	if !status.IsSuccess() {
		return nil, status.AsError()
	}
	scores := make([]int64, len(infos))
	for i := range scored {
		scores[i] = scored[i].TotalScore
	}
	return scores, nil
}
