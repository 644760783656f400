// Package history turns what the API server's watches tell of pods and nodes into timelines: when each pod was created,
// refused, bound, running and gone, and when each node came, was ready and went. [Timeline] is pure; [Watch] feeds one
// from a cluster.
package history

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// BurstLabel is put, with any value, on the pods of the burst. Placeholders are known by their Headroom; all other pods are left out.
const BurstLabel = "demo.headroom.dev/burst"

// Change is one change of a pod or of a node.
type Change struct {
	// At is when the watch delivered the change.
	At time.Time
	// Type is Added, Modified or Deleted.
	Type watch.EventType
	// Pod is the pod after the change, and its last state if it was deleted. Nil if the change is of a node.
	Pod *corev1.Pod
	// Node is the node after the change, nil if the change is of a pod.
	Node *corev1.Node
}

// Pod is what happened to one pod. A time that has not come is zero.
type Pod struct {
	// Name of the pod.
	Name string
	// Node it was bound to, empty before.
	Node string
	// Created, Bound, Running and Gone are when it was first seen to be so.
	Created, Bound, Running, Gone time.Time
	// Refused is when it first carried PodScheduled=False, which is what makes an autoscaler add a node for it, and Why is
	// the last message that this came with.
	Refused time.Time
	Why     string
}

// Node is what happened to one node. A time that has not come is zero.
type Node struct {
	// Name of the node.
	Name string
	// Zone is its topology.kubernetes.io/zone.
	Zone string
	// Created, Ready and Gone are when it was first seen to be so.
	Created, Ready, Gone time.Time
}

// Record is what happened to all pods and nodes, in order of creation and then of name.
type Record struct {
	// Burst are the pods with BurstLabel.
	Burst []Pod
	// Placeholders are the pods that hold room for a Headroom.
	Placeholders []Pod
	// Nodes of the cluster.
	Nodes []Node
	// Changed is the time of the last change of whatever object, and Until is when the record ends.
	Changed, Until time.Time
}

// Timeline collects what happens. The zero value is empty and ready.
type Timeline struct {
	burst, placeholders map[types.UID]*Pod
	nodes               map[types.UID]*Node
	changed             time.Time
}

// See takes a change in. Changes of one object must come in their order.
func (t *Timeline) See(c Change) {
	if t.nodes == nil {
		t.burst, t.placeholders, t.nodes = map[types.UID]*Pod{}, map[types.UID]*Pod{}, map[types.UID]*Node{}
	}
	if c.At.After(t.changed) {
		t.changed = c.At
	}
	switch {
	case c.Node != nil:
		t.seeNode(c)
	case c.Pod == nil:
	case c.Pod.Labels[BurstLabel] != "":
		seePod(t.burst, c)
	default:
		if _, ok := placeholder.HeadroomOf(c.Pod, nil); ok {
			seePod(t.placeholders, c)
		}
	}
}

func seePod(pods map[types.UID]*Pod, c Change) {
	p := pods[c.Pod.UID]
	if p == nil {
		p = &Pod{Name: c.Pod.Name, Created: c.At}
		pods[c.Pod.UID] = p
	}
	if condition := refusal(c.Pod); condition != nil {
		first(&p.Refused, c.At)
		p.Why = condition.Message
	}
	if c.Pod.Spec.NodeName != "" {
		p.Node = c.Pod.Spec.NodeName
		first(&p.Bound, c.At)
	}
	if c.Pod.Status.Phase == corev1.PodRunning {
		first(&p.Running, c.At)
	}
	if c.Type == watch.Deleted {
		first(&p.Gone, c.At)
	}
}

// refusal is the condition PodScheduled if it is False, else nil.
func refusal(pod *corev1.Pod) *corev1.PodCondition {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse
	})
	if i < 0 {
		return nil
	}
	return &pod.Status.Conditions[i]
}

func (t *Timeline) seeNode(c Change) {
	n := t.nodes[c.Node.UID]
	if n == nil {
		n = &Node{Name: c.Node.Name, Created: c.At}
		t.nodes[c.Node.UID] = n
	}
	n.Zone = c.Node.Labels[corev1.LabelTopologyZone]
	if usable(c.Node) {
		first(&n.Ready, c.At)
	}
	if c.Type == watch.Deleted {
		first(&n.Gone, c.At)
	}
}

// usable reports whether pods can be bound to the node and run there.
func usable(node *corev1.Node) bool {
	barred := slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return t.Key == corev1.TaintNodeNotReady || t.Effect == corev1.TaintEffectNoExecute
	})
	return !barred && slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// first sets a time that has not come yet.
func first(moment *time.Time, at time.Time) {
	if moment.IsZero() {
		*moment = at
	}
}

// Record returns what happened so far, until now. Later changes do not alter it.
func (t *Timeline) Record(now time.Time) Record {
	ofPod := func(p *Pod) (time.Time, string) { return p.Created, p.Name }
	ofNode := func(n *Node) (time.Time, string) { return n.Created, n.Name }
	return Record{
		Burst: inOrder(t.burst, ofPod), Placeholders: inOrder(t.placeholders, ofPod), Nodes: inOrder(t.nodes, ofNode),
		Changed: t.changed, Until: now,
	}
}

// inOrder returns objects by when they were created, those of one moment by name.
func inOrder[T any](objects map[types.UID]*T, created func(*T) (at time.Time, name string)) []T {
	all := make([]T, 0, len(objects))
	for _, object := range objects {
		all = append(all, *object)
	}
	slices.SortFunc(all, func(a, b T) int {
		atA, nameA := created(&a)
		atB, nameB := created(&b)
		return cmp.Or(atA.Compare(atB), cmp.Compare(nameA, nameB))
	})
	return all
}
