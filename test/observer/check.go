package observer

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/component-helpers/resource"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// Rules say what a test knows about its own cluster.
type Rules struct {
	// DaemonSets tells which Headroom controls a DaemonSet, as placeholder.HeadroomOf asks it. Nil: none does.
	DaemonSets placeholder.HeadroomOfDaemonSet
	// MayVanish reports whether a pod that is no placeholder may be deleted from its node while it runs: the test itself, a drain or a
	// workload's controller does that. A placeholder for which it says so may leave whatever its priority. Nil: none may.
	MayVanish func(pod *corev1.Pod) bool
	// MayBePreempted reports whether a pod that is no placeholder may be preempted, because the test has kube-scheduler's own
	// preemption do so. Nil: none may.
	MayBePreempted func(pod *corev1.Pod) bool
	// IgnoreBind reports whether the bind of a pod is not judged, because the test put it there itself. Nil: every bind is judged.
	IgnoreBind func(pod *corev1.Pod) bool
}

// Check replays the history in the order of revisions and returns what should not have happened, in that order.
func Check(ctx context.Context, history History, rules Rules) []Violation {
	r := &replay{ctx: ctx, rules: rules, nodes: map[string]*corev1.Node{}, pods: map[types.UID]*corev1.Pod{},
		rejected: map[types.UID]bool{}, vacated: map[string][]*corev1.Pod{}}
	for _, event := range history.sorted() {
		switch {
		case event.Node != nil:
			r.node(event)
		case event.Pod != nil:
			r.pod(event)
		}
	}
	return r.violations
}

// replay is the cluster at one point of its history.
type replay struct {
	ctx   context.Context
	rules Rules
	nodes map[string]*corev1.Node
	// rejected pods hold no room: the kubelet fails them. Where no kubelet runs they stay, and without this every later pod of the node
	// would be blamed for them.
	rejected map[types.UID]bool
	// vacated are the placeholders that have left a node since the last pod was bound to it.
	vacated    map[string][]*corev1.Pod
	pods       map[types.UID]*corev1.Pod
	violations []Violation
}

func (r *replay) node(event Event) {
	if event.Type == watch.Deleted {
		delete(r.nodes, event.Node.Name)
		return
	}
	r.nodes[event.Node.Name] = event.Node
}

func (r *replay) pod(event Event) {
	pod := event.Pod
	before := r.pods[pod.UID]
	if event.Type == watch.Deleted {
		delete(r.pods, pod.UID)
		r.checkVanished(event.Revision, pod)
		if holdsRoom(pod) && r.isPlaceholder(pod) && !ask(r.rules.MayVanish, pod) {
			r.vacated[pod.Spec.NodeName] = append(r.vacated[pod.Spec.NodeName], pod)
		}
		return
	}
	r.checkPreempted(event.Revision, before, pod)
	if holdsRoom(pod) && (before == nil || before.Spec.NodeName == "") && !ask(r.rules.IgnoreBind, pod) {
		r.checkBind(event.Revision, pod)
	}
	r.pods[pod.UID] = pod
}

// checkVanished judges a deletion: a pod that still ran on a node is gone.
func (r *replay) checkVanished(revision uint64, pod *corev1.Pod) {
	if !holdsRoom(pod) || r.isPlaceholder(pod) || preempted(pod) || ask(r.rules.MayVanish, pod) {
		return
	}
	r.report("P1", revision, "pod %s vanished from node %s; it is no placeholder, and nothing but a scheduler can have deleted it",
		name(pod), pod.Spec.NodeName)
}

// checkPreempted judges the mark that kube-scheduler's preemption leaves on its victims.
func (r *replay) checkPreempted(revision uint64, before, pod *corev1.Pod) {
	if !preempted(pod) || (before != nil && preempted(before)) || r.isPlaceholder(pod) || ask(r.rules.MayBePreempted, pod) {
		return
	}
	r.report("P1", revision, "pod %s on node %s was preempted; it is no placeholder", name(pod), pod.Spec.NodeName)
}

func (r *replay) checkBind(revision uint64, pod *corev1.Pod) {
	node := r.nodes[pod.Spec.NodeName]
	if node == nil {
		r.report("kubelet", revision, "pod %s was bound to node %s, which does not exist", name(pod), pod.Spec.NodeName)
		return
	}
	others := r.podsOn(node.Name)
	r.checkOvercommit(revision, node, append(others, pod))
	r.checkPriority(revision, pod, others, node)
	if reason := rejected(r.ctx, pod, others, node); reason != "" {
		r.rejected[pod.UID] = true
		r.report("kubelet", revision, "the kubelet of node %s would reject pod %s: %s", node.Name, name(pod), reason)
	}
}

// checkPriority judges the placeholders that left just before: one whose room the pod needed must have had a lower priority than the pod.
func (r *replay) checkPriority(revision uint64, pod *corev1.Pod, others []*corev1.Pod, node *corev1.Node) {
	for _, victim := range r.vacated[node.Name] {
		if priority(victim) < priority(pod) || rejected(r.ctx, pod, append(slices.Clone(others), victim), node) == "" {
			continue
		}
		r.report("P1", revision, "pod %s of priority %d took the room of placeholder %s on node %s, whose priority %d is not lower",
			name(pod), priority(pod), name(victim), node.Name, priority(victim))
	}
	delete(r.vacated, node.Name)
}

// priority is 0 for a pod that names none, as for the scheduler.
func priority(pod *corev1.Pod) int32 { return ptr.Deref(pod.Spec.Priority, 0) }

// checkOvercommit adds up what the pods of a node request. The sum is made here, of Kubernetes' own arithmetic for one pod, so that
// it does not depend on what the scheduler or the kubelet count.
func (r *replay) checkOvercommit(revision uint64, node *corev1.Node, pods []*corev1.Pod) {
	sum := corev1.ResourceList{}
	for _, pod := range pods {
		for resourceName, quantity := range resource.PodRequests(pod, resource.PodResourcesOptions{}) {
			total := sum[resourceName]
			total.Add(quantity)
			sum[resourceName] = total
		}
	}
	newest := pods[len(pods)-1]
	for resourceName, total := range sum {
		allocatable := node.Status.Allocatable[resourceName]
		wanted := resource.PodRequests(newest, resource.PodResourcesOptions{})[resourceName]
		if total.Cmp(allocatable) > 0 && !wanted.IsZero() {
			r.report("P5", revision, "with pod %s bound to node %s, its pods request %s of %s, it has %s: %s",
				name(newest), node.Name, total.String(), resourceName, allocatable.String(), names(pods))
		}
	}
	if limit := node.Status.Allocatable[corev1.ResourcePods]; int64(len(pods)) > limit.Value() {
		r.report("P5", revision, "with pod %s bound to node %s, it has %d pods, it may have %s: %s",
			name(newest), node.Name, len(pods), limit.String(), names(pods))
	}
}

// podsOn returns the pods that hold room on the node, by name.
func (r *replay) podsOn(node string) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, pod := range r.pods {
		if pod.Spec.NodeName == node && holdsRoom(pod) && !r.rejected[pod.UID] {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, byName)
	return pods
}

func (r *replay) isPlaceholder(pod *corev1.Pod) bool {
	_, ok := placeholder.HeadroomOf(pod, r.rules.DaemonSets)
	return ok
}

func (r *replay) report(property string, revision uint64, format string, args ...any) {
	r.violations = append(r.violations, Violation{Property: property, Revision: revision, Message: fmt.Sprintf(format, args...)})
}

// holdsRoom reports whether the pod is bound and has not ended. A pod that is being deleted holds its room until it is gone.
func holdsRoom(pod *corev1.Pod) bool {
	return pod.Spec.NodeName != "" && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

func preempted(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason == corev1.PodReasonPreemptionByScheduler
	})
}

func ask(question func(*corev1.Pod) bool, pod *corev1.Pod) bool {
	return question != nil && question(pod)
}
