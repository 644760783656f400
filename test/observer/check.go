package observer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/component-helpers/resource"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/swapevent"
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
	// Names reports whether the consumers of the Headroom of a placeholder name a pod, which may then take a reserved unit whatever their
	// priorities. Nil: none does.
	Names func(unit, pod *corev1.Pod) bool
	// IgnoreBind reports whether the bind of a pod is not judged, because the test put it there itself. Nil: every bind is judged.
	IgnoreBind func(pod *corev1.Pod) bool
	// Race is for clusters with several schedulers, which do not see what the others are about to do: an overcommit counts as "race" in
	// place of P5 where pods of two schedulers were bound to the node within that time. Zero: it never does.
	Race time.Duration
	// Holes has the binds of placeholders judged by P15: no hole is filled twice. It needs events with times.
	Holes bool
	// Restarted reports whether a scheduler that binds placeholders was killed between two times: it may not know of the room that a
	// preemption made before. Nil: none was.
	Restarted func(from, to time.Time) bool
	// SeenBy tells when, at the latest, a scheduler that binds placeholders saw what happened at a time, or later if its watches were cut or
	// held back then: a nomination that it cannot have seen is not held against it. Nil: it saw everything at once.
	SeenBy func(at time.Time) time.Time
	// Places has preemptions judged by P12: no running pod dies where placeholders would do. It returns the nodes on which a pod has a
	// place among others, those left out that are on the node asked about and for which out reports true. It needs events with times, and
	// reports. Nil: preemptions are not judged.
	Places func(ctx context.Context, pod *corev1.Pod, nodes []*corev1.Node, others []*corev1.Pod, out func(*corev1.Pod) bool) ([]string, error)
	// Stock reports whether pods of a scheduler's name are preempted for as kube-scheduler does it: pods of the lowest priority go first,
	// placeholders or not. By P12 only placeholders of a priority below that of the pod that died should have gone then. Nil: none are.
	Stock func(scheduler string) bool
	// Evicted tells whether a scheduler with the plugin has deleted a placeholder that is gone. It is for Account. Nil: none has.
	Evicted func(pod *corev1.Pod) bool
}

// Check replays the history in the order of revisions and returns what should not have happened, in that order.
func Check(ctx context.Context, history History, rules Rules) []Violation {
	r := NewReplay(rules)
	var last time.Time
	for _, event := range history.sorted() {
		r.Observe(ctx, event)
		if event.At.After(last) {
			last = event.At
		}
	}
	r.Guards(last)
	return r.violations
}

// Replay is the cluster at one point of its history. It judges what happens while it is told of it, in the order of revisions.
type Replay struct {
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
	// boundAt is when the pods of a node were bound to it, nominatedAt when waiting pods were nominated, nodeSince since when nodes are as
	// they are.
	boundAt, nominatedAt map[types.UID]time.Time
	// resizedAt is when running pods asked for more than before.
	resizedAt map[types.UID]time.Time
	// shrunk are pods that asked for less, or had less, than before.
	shrunk       map[types.UID]shrinkage
	nodeSince    map[string]time.Time
	holes        map[string][]hole
	preemptors   map[types.UID]types.UID
	preemptions  []preemption
	gone, waited []departure
	takings      map[types.UID]*taking
}

// NewReplay returns a cluster of which nothing has been told.
func NewReplay(rules Rules) *Replay {
	return &Replay{rules: rules, nodes: map[string]*corev1.Node{}, pods: map[types.UID]*corev1.Pod{}, rejected: map[types.UID]bool{},
		vacated: map[string][]*corev1.Pod{}, boundAt: map[types.UID]time.Time{}, nominatedAt: map[types.UID]time.Time{},
		resizedAt: map[types.UID]time.Time{}, shrunk: map[types.UID]shrinkage{}, nodeSince: map[string]time.Time{}, holes: map[string][]hole{},
		preemptors: map[types.UID]types.UID{}, takings: map[types.UID]*taking{}}
}

// Observe tells of the next event, and returns what should not have happened of what it shows.
func (r *Replay) Observe(ctx context.Context, event Event) []Violation {
	known := len(r.violations)
	r.ctx = ctx
	r.judgePreemptions(event.At)
	switch {
	case event.Node != nil:
		r.node(event)
	case event.Pod != nil && isGuard(event.Pod):
		r.guard(event)
	case event.Pod != nil:
		r.pod(event)
	case event.Report != nil:
		r.told(event)
	}
	for i := known; i < len(r.violations); i++ {
		r.violations[i].At = event.At
	}
	return slices.Clone(r.violations[known:])
}

// Node returns the node of that name, nil if there is none.
func (r *Replay) Node(name string) *corev1.Node { return r.nodes[name] }

// Pods returns the pods that exist, in no order.
func (r *Replay) Pods() []*corev1.Pod { return slices.Collect(maps.Values(r.pods)) }

func (r *Replay) node(event Event) {
	name := event.Node.Name
	if event.Type == watch.Deleted {
		delete(r.nodes, name)
		return
	}
	if before := r.nodes[name]; before == nil || before.Spec.Unschedulable != event.Node.Spec.Unschedulable ||
		len(before.Spec.Taints) != len(event.Node.Spec.Taints) {
		r.nodeSince[name] = event.At
	}
	r.nodes[name] = event.Node
}

func (r *Replay) pod(event Event) {
	pod := event.Pod
	before := r.pods[pod.UID]
	if event.Type == watch.Deleted {
		delete(r.pods, pod.UID)
		delete(r.resizedAt, pod.UID)
		r.checkVanished(event.Revision, pod)
		if holdsRoom(pod) {
			r.gone = append(r.gone, departure{pod: pod, at: event.At})
			r.evicted(event)
			r.letGo(pod)
		} else if pod.Spec.NodeName == "" {
			r.waited = append(r.waited, departure{pod: pod, at: event.At, nominated: r.nominatedAt[pod.UID]})
		}
		delete(r.nominatedAt, pod.UID)
		delete(r.boundAt, pod.UID)
		if holdsRoom(pod) && r.isPlaceholder(pod) && !yielded(pod) && !ask(r.rules.MayVanish, pod) {
			r.vacated[pod.Spec.NodeName] = append(r.vacated[pod.Spec.NodeName], pod)
		}
		return
	}
	r.checkPreempted(event, before)
	if pod.Status.NominatedNodeName != "" && (before == nil || before.Status.NominatedNodeName != pod.Status.NominatedNodeName) {
		r.nominatedAt[pod.UID] = event.At
		r.closeHoles(pod.Status.NominatedNodeName, pod)
	}
	r.checkGrown(event, before)
	r.noteShrunk(event, before)
	if holdsRoom(pod) && (before == nil || before.Spec.NodeName == "") {
		r.boundAt[pod.UID] = event.At
		r.credit(event)
		r.closeHoles(pod.Spec.NodeName, pod)
		if !ask(r.rules.IgnoreBind, pod) {
			r.checkBind(event)
		}
	}
	r.pods[pod.UID] = pod
}

// checkVanished judges a deletion: a pod that still ran on a node is gone.
func (r *Replay) checkVanished(revision uint64, pod *corev1.Pod) {
	if !holdsRoom(pod) || r.isPlaceholder(pod) || preempted(pod) || ask(r.rules.MayVanish, pod) {
		return
	}
	r.report("P1", pod, revision, "pod %s vanished from node %s; it is no placeholder, and nothing but a scheduler can have deleted it",
		name(pod), pod.Spec.NodeName)
}

// checkPreempted judges the mark that kube-scheduler's preemption leaves on its victims.
func (r *Replay) checkPreempted(event Event, before *corev1.Pod) {
	pod, revision := event.Pod, event.Revision
	if !preempted(pod) || (before != nil && preempted(before)) {
		return
	}
	r.openHole(event.At, pod)
	if r.isPlaceholder(pod) {
		r.checkReserved(event)
		return
	}
	r.preemptions = append(r.preemptions, preemption{victim: pod, at: event.At, revision: revision})
	if ask(r.rules.MayBePreempted, pod) {
		return
	}
	r.report("P1", pod, revision, "pod %s on node %s was preempted; it is no placeholder", name(pod), pod.Spec.NodeName)
}

func (r *Replay) checkBind(event Event) {
	pod, revision := event.Pod, event.Revision
	node := r.nodes[pod.Spec.NodeName]
	if node == nil {
		r.report("kubelet", pod, revision, "pod %s was bound to node %s, which does not exist", name(pod), pod.Spec.NodeName)
		return
	}
	others := r.podsOn(node.Name)
	r.checkOvercommit(revision, node, append(others, pod), r.blames(node, append(others, pod)))
	r.checkPriority(revision, pod, others, node)
	r.checkHoles(event, node, others)
	if reason := rejected(r.ctx, pod, others, node); reason != "" {
		r.rejected[pod.UID] = true
		r.report("kubelet", pod, revision, "the kubelet of node %s would reject pod %s: %s", node.Name, name(pod), reason)
	}
}

// checkPriority judges the placeholders that left just before: one whose room the pod needed must have had a lower priority than the pod, or
// have been a reserved unit of a Headroom that names the pod.
func (r *Replay) checkPriority(revision uint64, pod *corev1.Pod, others []*corev1.Pod, node *corev1.Node) {
	for _, victim := range r.vacated[node.Name] {
		if priority(victim) < priority(pod) || r.isReservedFor(victim, pod) || rejected(r.ctx, pod, append(slices.Clone(others), victim), node) == "" {
			continue
		}
		r.report("P1", pod, revision, "pod %s of priority %d took the room of placeholder %s on node %s, whose priority %d is not lower",
			name(pod), priority(pod), name(victim), node.Name, priority(victim))
	}
	delete(r.vacated, node.Name)
}

// yielded reports whether a pod is a reserved unit that went for a pod of a DaemonSet, whatever the priority of that.
func yielded(pod *corev1.Pod) bool {
	return placeholder.IsReserved(pod) && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Reason == swapevent.ReasonYielded
	})
}

// isReservedFor reports whether a placeholder is a reserved unit of a Headroom that names the pod.
func (r *Replay) isReservedFor(unit, pod *corev1.Pod) bool {
	return placeholder.IsReserved(unit) && r.rules.Names != nil && r.rules.Names(unit, pod)
}

// priority is 0 for a pod that names none, as for the scheduler.
func priority(pod *corev1.Pod) int32 { return ptr.Deref(pod.Spec.Priority, 0) }

// checkOvercommit adds up what the pods of a node request. The sum is made here, of Kubernetes' own arithmetic for one pod, so that
// it does not depend on what the scheduler or the kubelet count.
func (r *Replay) checkOvercommit(revision uint64, node *corev1.Node, pods []*corev1.Pod, property string) {
	sum := requestsOf(pods)
	newest := pods[len(pods)-1]
	for resourceName, total := range sum {
		allocatable := node.Status.Allocatable[resourceName]
		wanted := resource.PodRequests(newest, resource.PodResourcesOptions{})[resourceName]
		if total.Cmp(allocatable) > 0 && !wanted.IsZero() {
			r.report(property, newest, revision, "with pod %s bound to node %s, its pods request %s of %s, it has %s: %s",
				name(newest), node.Name, total.String(), resourceName, allocatable.String(), names(pods))
		}
	}
	if limit := node.Status.Allocatable[corev1.ResourcePods]; int64(len(pods)) > limit.Value() {
		r.report(property, newest, revision, "with pod %s bound to node %s, it has %d pods, it may have %s: %s",
			name(newest), node.Name, len(pods), limit.String(), names(pods))
	}
}

// blames returns what an overcommit by the last of the pods of a node, just bound, counts as.
func (r *Replay) blames(node *corev1.Node, pods []*corev1.Pod) string {
	switch {
	case r.isStolen(node, pods[len(pods)-1]):
		return "reserved"
	case r.isRace(pods):
		return "race"
	default:
		return "P5"
	}
}

// isRace reports whether the last of the pods of a node, just bound, met a pod that another scheduler bound to the node shortly before, or one
// that somebody resized there: its own scheduler may not have seen that.
func (r *Replay) isRace(pods []*corev1.Pod) bool {
	newest := pods[len(pods)-1]
	return slices.ContainsFunc(pods, func(other *corev1.Pod) bool {
		resized, ever := r.resizedAt[other.UID]
		return other.Spec.SchedulerName != newest.Spec.SchedulerName && r.unseen(r.boundAt[other.UID], r.boundAt[newest.UID]) ||
			ever && r.unseen(resized, r.boundAt[newest.UID])
	})
}

// unseen reports whether what happened at a time was perhaps not seen yet at another one.
func (r *Replay) unseen(at, now time.Time) bool { return now.Sub(r.seenBy(at)) < r.rules.Race }

// podsOn returns the pods that hold room on the node, by name, each asking for what the kubelet has allocated to it.
func (r *Replay) podsOn(node string) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, pod := range r.pods {
		if pod.Spec.NodeName == node && holdsRoom(pod) && !r.rejected[pod.UID] {
			pods = append(pods, asAllocated(pod))
		}
	}
	slices.SortFunc(pods, byName)
	return pods
}

func (r *Replay) isPlaceholder(pod *corev1.Pod) bool {
	_, ok := placeholder.HeadroomOf(pod, r.rules.DaemonSets)
	return ok
}

func (r *Replay) report(property string, pod *corev1.Pod, revision uint64, format string, args ...any) {
	r.violations = append(r.violations, Violation{
		Property: property, Revision: revision, Message: fmt.Sprintf(format, args...), Pod: pod, Node: pod.Spec.NodeName,
	})
}

// holdsRoom reports whether the pod is bound and has not ended. A pod that is being deleted holds its room until it is gone.
func holdsRoom(pod *corev1.Pod) bool {
	return pod.Spec.NodeName != "" && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

func preempted(pod *corev1.Pod) bool {
	return markOf(pod).Type != ""
}

func ask(question func(*corev1.Pod) bool, pod *corev1.Pod) bool {
	return question != nil && question(pod)
}
