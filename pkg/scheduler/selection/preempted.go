package selection

import (
	"context"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// Victims are placeholders that a consumer may take.
type Victims struct {
	// Evidence about each, by UID.
	Evidence map[types.UID]evictionorder.Placeholder
	// Pods are the placeholders themselves, in the order of the nodes.
	Pods []*corev1.Pod
	// Nodes are the names of the nodes that they are on.
	Nodes sets.Set[string]
}

// PossibleVictims returns all placeholders that kube-scheduler's preemption may take for the consumer: those that it may take, that are of
// lower priority, and that are not reserved for another. Those of nodes that have too little room for the consumer even without them are
// left out.
func (s *Selector) PossibleVictims(c *Consumer) Victims {
	possible := Victims{Evidence: map[types.UID]evictionorder.Placeholder{}, Nodes: sets.New[string]()}
	var takeable []evictionorder.Placeholder
	nodes := s.Inventory.Nodes()
	for i := range nodes {
		node := &nodes[i]
		if len(node.Placeholders) == 0 {
			continue
		}
		takeable = slices.DeleteFunc(c.takeable(takeable, node), func(e evictionorder.Placeholder) bool { return e.Priority >= c.priority })
		if _, enough := evictionorder.Pick(takeable, c.shortfall(nil, node.Requested, node), node.Allocatable); !enough {
			continue
		}
		for _, evidence := range takeable {
			victim := node.Placeholders[evidence.Index].Pod
			if evidence.Leaving && victim.DeletionTimestamp == nil {
				continue
			}
			possible.Evidence[victim.UID] = evidence
			possible.Pods = append(possible.Pods, victim)
			possible.Nodes.Insert(node.Name)
		}
	}
	return possible
}

// Withheld reports whether the consumer may have any placeholders by its priority that are of Headrooms that do not entitle it.
func (s *Selector) Withheld(c *Consumer) bool {
	nodes := s.Inventory.Nodes()
	for i := range nodes {
		for j := range nodes[i].Placeholders {
			if p := &nodes[i].Placeholders[j]; c.entitlements.To(p) == NotEntitled && ByPriority.lets(c.priority, p) {
				return true
			}
		}
	}
	return false
}

// RunningPodsWouldGo reports whether kube-scheduler's own preemption would find running pods to take for a consumer that is not served
// otherwise: whether there is one of some nodes that it passes without the pods of lower priority, of which at least one is no placeholder,
// and with the placeholders to which it is not entitled. That costs nothing where no other pods have a lower priority. A node whose only
// such pods are being deleted does not count: nothing would go there that does not go anyway.
func (s *Selector) RunningPodsWouldGo(ctx context.Context, run *dryrun.Run, c *Consumer, nodes []fwk.NodeInfo) bool {
	var occupied []*inventory.Node
	var indices []int
	for _, info := range nodes {
		if node := s.Inventory.Node(info.Node().Name); node != nil && node.LowestPriority < c.priority {
			indices, occupied = append(indices, len(occupied)), append(occupied, node)
		}
	}
	return run.Any(ctx, indices, func(ctx context.Context, i int) bool {
		return run.PassesAfterRemoval(ctx, occupied[i].Info, func(pod *corev1.Pod) bool {
			if corev1helpers.PodPriority(pod) >= c.priority {
				return false
			}
			p := placeholderIn(occupied[i], pod)
			return p == nil || c.entitlements.To(p).takes()
		})
	})
}

// Preemptor is a pod for which kube-scheduler's own preemption looks for victims, after no placeholders alone would do.
type Preemptor struct {
	// Pod is the pod itself.
	Pod *corev1.Pod
	// Entitlements of the pod.
	Entitlements Entitlements
	// ByPriority says that the pod may take placeholders to which it is not entitled beside running pods that have to go for it, so that as
	// few of these as possible do.
	ByPriority bool
}

// Preemptable returns the pods that kube-scheduler's own preemption may take for a group of pods, which have one priority: all of lower
// priority, but placeholders that none of the group may have. It reports whether any of them is a running pod that is not being deleted.
func (s *Selector) Preemptable(group []*Preemptor) (pods []*corev1.Pod, running bool) {
	priority := corev1helpers.PodPriority(group[0].Pod)
	nodes := s.Inventory.Nodes()
	for i := range nodes {
		node := &nodes[i]
		running = running || node.LowestPriority < priority
		for _, info := range node.Info.GetPods() {
			pod := info.GetPod()
			held := placeholderIn(node, pod)
			mayTake := func(p *Preemptor) bool { return p.Entitlements.To(held).takes() }
			if corev1helpers.PodPriority(pod) < priority && (held == nil || slices.ContainsFunc(group, mayTake)) {
				pods = append(pods, pod)
			}
		}
	}
	return pods, running
}

// Denied returns the placeholders that a dry run took away from a node, as it is now in the dry run, and that the preemptor may not have.
func (p *Preemptor) Denied(node *inventory.Node, now fwk.NodeInfo) []fwk.PodInfo {
	var denied []fwk.PodInfo
	beside := p.ByPriority && p.running(node.Info, node) > p.running(now, node)
	priority := corev1helpers.PodPriority(p.Pod)
	for i := range node.Placeholders {
		held := &node.Placeholders[i]
		entitlement := p.Entitlements.To(held)
		switch {
		case entitlement.takes(), isOn(now, held.Pod), beside && entitlement == NotEntitled && ByPriority.lets(priority, held):
		default:
			denied = append(denied, held.Info)
		}
	}
	return denied
}

// to is what the Headroom of a placeholder lets the preemptor do.
func (p *Preemptor) to(held *inventory.Placeholder) Entitlement {
	if entitlement := p.Entitlements.To(held); entitlement != NotEntitled || !p.ByPriority {
		return entitlement
	}
	return ByPriority
}

// Outlives reports whether a placeholder that the preemptor may take is on a node, as it is now in a dry run, from which a running pod of
// no higher priority is gone. kube-scheduler tries to keep pods of higher priority before it tries those of lower.
func (p *Preemptor) Outlives(node *inventory.Node, now fwk.NodeInfo) bool {
	priority, highest, some := corev1helpers.PodPriority(p.Pod), int32(math.MinInt32), false
	for i := range node.Placeholders {
		held := &node.Placeholders[i]
		if held.Evidence.Priority < priority && p.to(held).lets(priority, held) && isOn(now, held.Pod) {
			highest, some = max(highest, held.Evidence.Priority), true
		}
	}
	return some && node.LowestPriority <= highest && slices.ContainsFunc(node.Info.GetPods(), func(info fwk.PodInfo) bool {
		pod := info.GetPod()
		return corev1helpers.PodPriority(pod) <= highest && pod.DeletionTimestamp == nil && placeholderIn(node, pod) == nil && !isOn(now, pod)
	})
}

// ReasonOutOfReach is why a pod gets no reserved units that it may take, where OutOfReach says so.
const ReasonOutOfReach = "reserved units are in the way of this pod, which may take them, by something else than the room that they " +
	"hold, such as a host port or an anti-affinity: a swap cannot serve it, and preemption takes no pods of higher priority"

// OutOfReach reports whether there is a node on which the consumer would pass every Filter plugin without the reserved units there that it
// may take, although these are of no lower priority: no swap takes them, because they stand in its way by something else than what it
// lacks, and kube-scheduler's preemption takes only pods of lower priority.
func (s *Selector) OutOfReach(ctx context.Context, run *dryrun.Run, c *Consumer) bool {
	beyond := func(p *inventory.Placeholder) bool {
		return p.ReservedUnit && p.Evidence.Priority >= c.priority && c.mayTake(p)
	}
	var indices []int
	nodes, anchors := s.Inventory.Nodes(), s.Anchors(c)
	for i := range nodes {
		if !slices.ContainsFunc(nodes[i].Placeholders, func(p inventory.Placeholder) bool { return beyond(&p) }) {
			continue
		}
		if _, fits := s.Option(c, &nodes[i], anchors); fits {
			indices = append(indices, i)
		}
	}
	return run.Any(ctx, indices, func(ctx context.Context, i int) bool {
		return run.PassesAfterRemoval(ctx, nodes[i].Info, func(pod *corev1.Pod) bool {
			p := placeholderIn(&nodes[i], pod)
			return p != nil && beyond(p)
		})
	})
}

// running counts the pods of lower priority that are no placeholders.
func (p *Preemptor) running(info fwk.NodeInfo, node *inventory.Node) int {
	count, priority := 0, corev1helpers.PodPriority(p.Pod)
	for _, podInfo := range info.GetPods() {
		if pod := podInfo.GetPod(); corev1helpers.PodPriority(pod) < priority && placeholderIn(node, pod) == nil {
			count++
		}
	}
	return count
}

// placeholderIn returns the placeholder of a node that a pod is, nil if it is none.
func placeholderIn(node *inventory.Node, pod *corev1.Pod) *inventory.Placeholder {
	if pod.Labels[v1alpha1.LabelHeadroom] == "" {
		return nil
	}
	i := slices.IndexFunc(node.Placeholders, func(p inventory.Placeholder) bool { return p.Pod.UID == pod.UID })
	if i < 0 {
		return nil
	}
	return &node.Placeholders[i]
}

func isOn(node fwk.NodeInfo, pod *corev1.Pod) bool {
	return slices.ContainsFunc(node.GetPods(), func(other fwk.PodInfo) bool { return other.GetPod().UID == pod.UID })
}
