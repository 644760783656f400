package headroom

import (
	"context"
	"errors"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// trial asks the Filter and Score plugins of the profile about nodes before the cycle itself does. It has a cycle state of its
// own, on which all PreFilter plugins have run, the skips included, exactly as they will have when the cycle asks.
type trial struct {
	plugin *Plugin
	state  *framework.CycleState
	cycle  *cycle
	pod    *corev1.Pod
	// names are the only nodes that the PreFilter plugins allow, nil for all.
	names sets.Set[string]
	// placement restricts the nodes further while a group of pods is scheduled.
	placement placement
}

// placement is the part of the scheduler's snapshot that knows to which nodes a group of pods is confined just now.
type placement interface {
	GetNodeInPlacement(name string) (fwk.NodeInfo, error)
}

// newTrial returns nil if the PreFilter plugins reject the pod: the cycle will find that out by itself.
func (p *Plugin) newTrial(ctx context.Context, state fwk.CycleState, pod *corev1.Pod) *trial {
	t := &trial{plugin: p, state: framework.NewCycleState(), cycle: &cycle{}, pod: pod}
	t.state.SetPodGroupSchedulingCycle(state.GetPodGroupSchedulingCycle())
	t.state.SetPlacementCycleState(state.GetPlacementCycleState())
	t.state.Write(cycleKey, t.cycle)
	result, status, _ := p.handle.RunPreFilterPlugins(ctx, t.state, pod)
	if !status.IsSuccess() {
		return nil
	}
	if !result.AllNodes() {
		t.names = result.NodeNames
	}
	if state.IsPodGroupSchedulingCycle() {
		t.placement, _ = p.handle.SnapshotSharedLister().(placement)
	}
	return t
}

// fits says whether the pod passes every Filter plugin on a node, other pods' nominations included.
func (t *trial) fits(ctx context.Context, node *inventory.Node) bool {
	if t.names != nil && !t.names.Has(node.Name) {
		return false
	}
	if t.placement != nil {
		if _, err := t.placement.GetNodeInPlacement(node.Name); err != nil {
			return false
		}
	}
	return t.plugin.handle.RunFilterPluginsWithNominatedPods(ctx, t.state, t.pod, node.Info).IsSuccess()
}

// sequentially is up to how many nodes are asked about one by one: for few, goroutines cost more than they save.
const sequentially = 16

// any returns the first found of some nodes on which the pod fits, -1 if there is none. It stops early.
func (t *trial) any(ctx context.Context, nodes []inventory.Node, indices []int) int {
	head := indices[:min(sequentially, len(indices))]
	for _, i := range head {
		if t.fits(ctx, &nodes[i]) {
			return i
		}
	}
	rest := indices[len(head):]
	if len(rest) == 0 {
		return -1
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errFound)
	found := atomic.Int64{}
	found.Store(-1)
	t.plugin.handle.Parallelizer().Until(ctx, len(rest), func(i int) {
		if t.fits(ctx, &nodes[rest[i]]) {
			found.Store(int64(rest[i]))
			cancel(errFound)
		}
	}, Name)
	return int(found.Load())
}

var errFound = errors.New("a node was found")

// all says of each of some nodes whether the pod fits on it.
func (t *trial) all(ctx context.Context, nodes []inventory.Node, indices []int) []bool {
	fits := make([]bool, len(indices))
	if len(indices) <= sequentially {
		for i, node := range indices {
			fits[i] = t.fits(ctx, &nodes[node])
		}
		return fits
	}
	t.plugin.handle.Parallelizer().Until(ctx, len(indices), func(i int) {
		fits[i] = t.fits(ctx, &nodes[indices[i]])
	}, Name)
	return fits
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
