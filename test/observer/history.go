package observer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Event is one change of a pod or of a node.
type Event struct {
	// Revision is the resourceVersion that the change made. Pods and nodes count in one sequence.
	Revision uint64
	// At is when the observer heard of it; zero where nobody took the time.
	At time.Time
	// Type is Added, Modified or Deleted.
	Type watch.EventType
	// Pod is the pod after the change, and its last state if it was deleted. Nil if the change is of a node.
	Pod *corev1.Pod
	// Node is the node after the change, nil if the change is of a pod.
	Node *corev1.Node
	// Report is an event that a component has written, nil if the change is of a pod or a node. Only WatchReports collects them.
	Report *eventsv1.Event
}

// History is what happened to the pods and nodes of a cluster, in any order.
type History []Event

// sorted returns the history in the order in which it happened.
func (h History) sorted() History {
	sorted := slices.Clone(h)
	slices.SortStableFunc(sorted, func(a, b Event) int { return cmp.Compare(a.Revision, b.Revision) })
	return sorted
}

// revision reads a resourceVersion, which Kubernetes defines as a decimal number that can be compared.
func revision(resourceVersion string) (uint64, error) {
	n, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading resourceVersion %q: %w", resourceVersion, err)
	}
	return n, nil
}

// Violation is one thing that should not have happened.
type Violation struct {
	// Property is what it violates: "P1", "P5", "guard", "kubelet"; and, where the rules ask for it, "race", "reserved", "P12", "P13", "P15".
	Property string
	// Revision is when it happened.
	Revision uint64
	// At is when the observer heard of it; zero where nobody took the time.
	At time.Time
	// Message says what happened to which pod on which node.
	Message string
	// Pod is the pod that it happened to, or that it was done for, and Node its node.
	Pod  *corev1.Pod
	Node string
}

// String is the violation on one line.
func (v Violation) String() string {
	return fmt.Sprintf("%s at resourceVersion %d: %s", v.Property, v.Revision, v.Message)
}
