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
	outer  fwk.CycleState
	pod    *corev1.Pod
	// extenders are those that have a say about the pod.
	extenders []fwk.Extender

	state    *framework.CycleState
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
	result, status, _ := t.plugin.handle.RunPreFilterPlugins(ctx, t.state, t.pod)
	if !status.IsSuccess() {
		t.rejected = true
		return false
	}
	if !result.AllNodes() {
		t.names = result.NodeNames
	}
	if t.outer.IsPodGroupSchedulingCycle() {
		t.placement, _ = t.plugin.handle.SnapshotSharedLister().(placement)
	}
	return true
}

// fits says whether the pod passes every Filter plugin on a node, other pods' nominations included.
func (t *trial) fits(ctx context.Context, node fwk.NodeInfo) bool {
	if t.names != nil && !t.names.Has(node.Node().Name) {
		return false
	}
	if t.placement != nil {
		if _, err := t.placement.GetNodeInPlacement(node.Node().Name); err != nil {
			return false
		}
	}
	return t.plugin.handle.RunFilterPluginsWithNominatedPods(ctx, t.state, t.pod, node).IsSuccess()
}

// sequentially is up to how many nodes are asked about one by one: for few, goroutines cost more than they save.
const sequentially = 16

// any says whether the pod fits on any of some nodes. It stops at the first, and notes all that it asked about.
func (t *trial) any(ctx context.Context, nodes []inventory.Node, indices []int, note func(node int, fits bool)) bool {
	head := indices[:min(sequentially, len(indices))]
	for _, i := range head {
		fits := t.fits(ctx, nodes[i].Info)
		note(i, fits)
		if fits {
			return true
		}
	}
	rest := indices[len(head):]
	if len(rest) == 0 {
		return false
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errFound)
	found := atomic.Bool{}
	t.plugin.handle.Parallelizer().Until(ctx, len(rest), func(j int) {
		fits := t.fits(ctx, nodes[rest[j]].Info)
		if ctx.Err() == nil {
			note(rest[j], fits)
		}
		if fits {
			found.Store(true)
			cancel(errFound)
		}
	}, Name)
	return found.Load()
}

var errFound = errors.New("a node was found")

// all says of each of some nodes whether the pod fits on it.
func (t *trial) all(ctx context.Context, nodes []inventory.Node, indices []int) []bool {
	fits := make([]bool, len(indices))
	if len(indices) <= sequentially {
		for i, node := range indices {
			fits[i] = t.fits(ctx, nodes[node].Info)
		}
		return fits
	}
	t.plugin.handle.Parallelizer().Until(ctx, len(indices), func(i int) {
		fits[i] = t.fits(ctx, nodes[indices[i]].Info)
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
