package gang

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// Planner places the members of groups in the scheduler's snapshot. It belongs to the scheduling goroutine.
type Planner struct {
	// Profile asks the profile's plugins.
	Profile *dryrun.Profile
	// Selector selects nodes and placeholders.
	Selector *selection.Selector
	// Refresh brings the inventory up to date with the snapshot as it is now.
	Refresh func() bool
	// HeadroomOf returns the Headroom of a placeholder.
	HeadroomOf func(*corev1.Pod) (types.NamespacedName, bool)
}

// Plan is where the members of a group would go.
type Plan struct {
	// Places are those of the members that have one, in the order in which they got it.
	Places []*Place
	// Unplaced are the members for which there is none.
	Unplaced []*corev1.Pod
	// Units are the placeholders that would have to go, by the names of their nodes.
	Units map[string][]*corev1.Pod
	// Headrooms are those that the units are of.
	Headrooms []types.NamespacedName
}

// Plan places members one after another until as many as are needed have a place: where a member fits as it is, else where placeholders
// make room for it, by the published order. Each sees where those before it are and what they take. withheld reports whether nothing may be
// taken of a Headroom. The snapshot is as before when Plan returns.
func (p *Planner) Plan(
	ctx context.Context, members []*corev1.Pod, needed int, withheld func(headroom types.NamespacedName) bool,
) (*Plan, error) {
	defer p.Refresh()
	plan, headrooms := &Plan{Units: map[string][]*corev1.Pod{}}, sets.New[types.NamespacedName]()
	err := p.Profile.OnChangedSnapshot(func(snapshot fwk.MutableSnapshotSharedLister) error {
		for _, member := range members {
			if len(plan.Places) == needed {
				return nil
			}
			if plan.isHopeless(member, len(members), needed) {
				plan.Unplaced = append(plan.Unplaced, member)
				continue
			}
			place, units, err := p.place(ctx, snapshot, member, withheld)
			if err != nil {
				return fmt.Errorf("looking for a node for pod %s/%s of a group: %w", member.Namespace, member.Name, err)
			}
			if place == nil {
				plan.Unplaced = append(plan.Unplaced, member)
				continue
			}
			plan.Places = append(plan.Places, place)
			plan.Units[place.Node] = append(plan.Units[place.Node], units...)
			for _, unit := range units {
				if name, ok := p.HeadroomOf(unit); ok {
					headrooms.Insert(name)
				}
			}
			if err := change(ctx, snapshot, place, units); err != nil {
				return err
			}
		}
		return nil
	})
	plan.Headrooms = headrooms.UnsortedList()
	return plan, err
}

// isHopeless reports whether the group cannot be placed any more and a member like this one has found no place: it is not worth a look.
func (plan *Plan) isHopeless(member *corev1.Pod, members, needed int) bool {
	if members-len(plan.Unplaced) >= needed {
		return false
	}
	controller := metav1.GetControllerOfNoCopy(member)
	for _, other := range plan.Unplaced {
		if same := metav1.GetControllerOfNoCopy(other); controller != nil && same != nil && same.UID == controller.UID {
			return true
		}
	}
	return false
}

// place returns the place of one member, nil if there is none, and the placeholders that have to go for it beside those that went already.
func (p *Planner) place(
	ctx context.Context, snapshot fwk.MutableSnapshotSharedLister, member *corev1.Pod, withheld func(types.NamespacedName) bool,
) (place *Place, units []*corev1.Pod, err error) {
	p.Refresh()
	run := p.Profile.NewRunApart(member)
	nodes, err := snapshot.NodeInfos().List()
	if err != nil || !run.Start(ctx) {
		return nil, nil, err
	}
	node, err := run.Best(ctx, nodes)
	if err != nil {
		return nil, nil, err
	}
	if node != "" {
		return &Place{Pod: member, Node: node}, nil, nil
	}
	consumer := p.Selector.Consumer(member)
	if consumer == nil || run.BinderExtender() != "" {
		return nil, nil, nil
	}
	// Devices of placeholders are not taken: on paper nothing would tell the next member that they are taken.
	swap := p.Selector.Select(ctx, run, p.Selector.Withhold(consumer, withheld)).Swap
	if swap == nil || swap.Devices != nil {
		return nil, nil, nil
	}
	return &Place{Pod: member, Node: swap.Node, Why: swap.Why, Waste: swap.Waste}, swap.Victims, nil
}

// change puts a member where it goes on paper, and takes away what has to go for it.
func change(ctx context.Context, snapshot fwk.MutableSnapshotSharedLister, place *Place, units []*corev1.Pod) error {
	if err := dryrun.RemovePods(ctx, snapshot, units); err != nil {
		return err
	}
	return dryrun.AddPod(snapshot, place.Pod, place.Node)
}

// Fit reports whether as many members as are needed fit as they are, one after another, anywhere. That is less work than Plan, which looks
// for the best node of each.
func (p *Planner) Fit(ctx context.Context, members []*corev1.Pod, needed int) (fit bool, err error) {
	defer p.Refresh()
	placed, next := 0, 0
	err = p.Profile.OnChangedSnapshot(func(snapshot fwk.MutableSnapshotSharedLister) error {
		nodes, err := snapshot.NodeInfos().List()
		if err != nil {
			return err
		}
		for i, member := range members {
			if placed == needed || placed+len(members)-i < needed {
				return nil
			}
			run := p.Profile.NewRunApart(member)
			if !run.Start(ctx) {
				continue
			}
			found := firstThatPasses(ctx, run, requestOf(member), nodes, next)
			if found < 0 {
				continue
			}
			placed, next = placed+1, found
			if err := dryrun.AddPod(snapshot, member, nodes[found].Node().Name); err != nil {
				return err
			}
		}
		return nil
	})
	return placed == needed, err
}

// firstThatPasses returns the index of a node on which a pod passes every Filter plugin, -1 if there is none. It begins with a node that
// served the pod before.
func firstThatPasses(ctx context.Context, run *dryrun.Run, request evictionorder.Resources, nodes []fwk.NodeInfo, begin int) int {
	for n := range nodes {
		i := (begin + n) % len(nodes)
		requested, allocatable := nodes[i].GetRequested(), nodes[i].GetAllocatable()
		if request.At(evictionorder.MilliCPU) > max(0, allocatable.GetMilliCPU()-requested.GetMilliCPU()) ||
			request.At(evictionorder.Memory) > max(0, allocatable.GetMemory()-requested.GetMemory()) {
			continue
		}
		if run.Passes(ctx, nodes[i], nil) {
			return i
		}
	}
	return -1
}
