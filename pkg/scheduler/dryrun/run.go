// Package dryrun asks the Filter and Score plugins of a profile about nodes before the scheduling cycle itself does,
// with some pods counted out of a node. It decides nothing: it knows neither Headrooms nor placeholders.
package dryrun

import (
	"context"
	"errors"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Run is the dry run of one scheduling cycle of one pod. It has a cycle state of its own, which is exactly as that of
// the cycle will be once all PreFilter plugins have run, the skips included. It belongs to the goroutine of the cycle;
// only the functions that Any and All call may run concurrently.
type Run struct {
	profile *Profile
	// cycle is the state of the scheduling cycle itself.
	cycle fwk.CycleState
	pod   *corev1.Pod
	// extenders are those that have a say about the pod.
	extenders []fwk.Extender

	// apart says that the pod is not that of the cycle, so that nothing of the cycle's state holds for it.
	apart bool

	state *framework.CycleState
	// nodeLocal is that state for the Filter plugins that read nothing but the node.
	nodeLocal fwk.CycleState
	crossNode crossNode
	rejected  bool
	// names are the only nodes that the PreFilter plugins allow, nil for all.
	names sets.Set[string]
	// placement restricts the nodes further while a group of pods is scheduled.
	placement placement
}

// placement is the part of the scheduler's snapshot that knows to which nodes a group of pods is confined just now.
type placement interface {
	GetNodeInPlacement(name string) (fwk.NodeInfo, error)
}

// NewRun returns a dry run for a pod in a scheduling cycle whose PreFilter plugins are running.
func (p *Profile) NewRun(cycle fwk.CycleState, pod *corev1.Pod) *Run {
	return &Run{profile: p, cycle: cycle, pod: pod, extenders: p.extendersFor(pod)}
}

// NewRunApart returns a dry run for a pod that is not being scheduled just now.
func (p *Profile) NewRunApart(pod *corev1.Pod) *Run {
	return &Run{profile: p, cycle: framework.NewCycleState(), pod: pod, extenders: p.extendersFor(pod), apart: true}
}

// InGroup reports whether the pod is scheduled as one of a group.
func (r *Run) InGroup() bool {
	return r.cycle.IsPodGroupSchedulingCycle()
}

// Start runs the PreFilter plugins, unless that was done. It returns false if they reject the pod: the cycle will find that out
// by itself. Everything below that asks plugins needs it.
func (r *Run) Start(ctx context.Context) bool {
	if r.state != nil {
		return !r.rejected
	}
	r.state = framework.NewCycleState()
	r.state.SetPodGroupSchedulingCycle(r.cycle.GetPodGroupSchedulingCycle())
	r.state.SetPlacementCycleState(r.cycle.GetPlacementCycleState())
	r.state.Write(withoutKey, &without{})
	result, status := r.preFilter(ctx)
	if !status.IsSuccess() {
		r.rejected = true
		return false
	}
	if !result.AllNodes() {
		r.names = result.NodeNames
	}
	r.splitFilters()
	if r.InGroup() {
		r.placement, _ = r.profile.handle.SnapshotSharedLister().(placement)
	}
	return true
}

// preFilter brings the state to where the PreFilter plugins will have brought the cycle's.
func (r *Run) preFilter(ctx context.Context) (*fwk.PreFilterResult, *fwk.Status) {
	pod, reusable := r.pod, !r.apart && r.profile.PreFilterReusable()
	if reusable {
		pod = withoutConstraints(pod)
	}
	result, status, _ := r.profile.handle.RunPreFilterPlugins(ctx, r.state, pod)
	if reusable && status.IsSuccess() {
		copyPreFilterState(r.cycle, r.state)
	}
	return result, status
}

// allows reports whether the node is one of those that the cycle is about.
func (r *Run) allows(node fwk.NodeInfo) bool {
	if r.names != nil && !r.names.Has(node.Node().Name) {
		return false
	}
	if r.placement != nil {
		if _, err := r.placement.GetNodeInPlacement(node.Node().Name); err != nil {
			return false
		}
	}
	return true
}

// Passes reports whether the pod passes every Filter plugin on a node without some of its pods, other pods' nominations included.
func (r *Run) Passes(ctx context.Context, node fwk.NodeInfo, without []*corev1.Pod) bool {
	return r.allows(node) &&
		r.profile.handle.RunFilterPluginsWithNominatedPods(ctx, leavingOut(r.state, without), r.pod, node).IsSuccess()
}

// Reasons returns why the pod does not pass the Filter plugins on a node without some of its pods, in the words of the first plugin that
// rejects it; nil if it passes, or if the cycle is not about the node.
func (r *Run) Reasons(ctx context.Context, node fwk.NodeInfo, without []*corev1.Pod) []string {
	if !r.allows(node) {
		return nil
	}
	status := r.profile.handle.RunFilterPluginsWithNominatedPods(ctx, leavingOut(r.state, without), r.pod, node)
	if status.IsSuccess() {
		return nil
	}
	return status.Reasons()
}

// PassesNodeLocal reports whether the pod passes the Filter plugins that read nothing but the node, to which no other pods may be
// nominated, without some of its pods.
func (r *Run) PassesNodeLocal(ctx context.Context, node fwk.NodeInfo, without []*corev1.Pod) bool {
	return r.allows(node) && r.profile.handle.RunFilterPlugins(ctx, leavingOut(r.nodeLocal, without), r.pod, node).IsSuccess()
}

// Sequential is up to how many nodes are asked about one by one: for few, goroutines cost more than they save.
const Sequential = 16

// Any reports whether the answer is yes for any of some nodes, which are indices of the caller's. It stops at the first.
func (r *Run) Any(ctx context.Context, nodes []int, ask func(ctx context.Context, node int) bool) bool {
	head := nodes[:min(Sequential, len(nodes))]
	for _, i := range head {
		if ask(ctx, i) {
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
	r.forEach(ctx, len(rest), func(j int) {
		if ask(ctx, rest[j]) {
			found.Store(true)
			cancel(errFound)
		}
	})
	return found.Load()
}

var errFound = errors.New("a node was found")

// All gives the answer for each of some nodes, which are indices of the caller's.
func (r *Run) All(ctx context.Context, nodes []int, ask func(ctx context.Context, node int) bool) []bool {
	answers := make([]bool, len(nodes))
	each := func(j int) { answers[j] = ask(ctx, nodes[j]) }
	if len(nodes) <= Sequential {
		for j := range nodes {
			each(j)
		}
		return answers
	}
	r.forEach(ctx, len(nodes), each)
	return answers
}

func (r *Run) forEach(ctx context.Context, n int, do func(j int)) {
	r.profile.handle.Parallelizer().Until(ctx, n, do, r.profile.plugin)
}
