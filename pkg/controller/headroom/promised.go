package headroom

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/promised"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

const (
	// mostAsked is of how many nodes one reconcile reads the pods at most, so that very many nominations do not keep it.
	mostAsked = 50
	// fieldNodeName selects the pods of a node.
	fieldNodeName = "spec.nodeName"
)

// nodeWake says that the Headrooms with units on a node are to be looked at after a while.
type nodeWake struct {
	node  string
	after time.Duration
}

// Nominations is what the Reconciler has to be told of pods that wait for a node.
func (r *Reconciler) Nominations() *promised.Nominations { return r.nominations }

// promisedUnits returns the units that are promised to pods which wait for one of these nodes, and when to look again because a nomination
// is still too young to count; zero: no need. The wake-up that a nomination causes is not enough for that: the queue merges it with an
// earlier one of the same Headroom. The pods of a node are read only if some pod has been nominated to it for a while.
func (r *Reconciler) promisedUnits(
	ctx context.Context, nodes map[string]*corev1.Node,
) (all sets.Set[types.UID], recheck time.Duration, err error) {
	all = sets.New[types.UID]()
	asked := 0
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		waiting, next := r.nominations.On(name)
		recheck = soonest(recheck, next)
		if nodes[name] == nil || len(waiting) == 0 || asked == mostAsked {
			continue
		}
		asked++
		units, err := r.promisedOn(ctx, name, waiting)
		if err != nil {
			return nil, 0, err
		}
		all = all.Union(units)
	}
	return all, recheck, nil
}

// promisedOn returns the units on a node that are promised to these pods. A controller that is restricted to some namespaces sees the pods
// of these only, and may then find too few.
func (r *Reconciler) promisedOn(ctx context.Context, name string, waiting []promised.Pod) (sets.Set[types.UID], error) {
	node := &corev1.Node{}
	if err := r.Live.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading node %s: %w", name, err)
	}
	found := promised.Node{Allocatable: node.Status.Allocatable, Waiting: r.withNamespaces(ctx, waiting)}
	namespaces := r.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, namespace := range namespaces {
		list := &corev1.PodList{}
		if err := r.Live.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{fieldNodeName: name}); err != nil {
			return nil, fmt.Errorf("listing the pods of node %s: %w", name, err)
		}
		for i := range list.Items {
			if pod := &list.Items[i]; !r.isLeaving(pod) {
				found.Bound = append(found.Bound, r.promisable(ctx, pod))
			}
		}
	}
	return promised.Units(&found), nil
}

// isLeaving reports whether the room of a bound pod is about to be free, or is.
func (r *Reconciler) isLeaving(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp != nil || r.expectations.isDeleting(pod.UID) ||
		pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

// withNamespaces adds to pods which labels their namespaces have.
func (r *Reconciler) withNamespaces(ctx context.Context, pods []promised.Pod) []promised.Pod {
	if r.NamespaceLabels != nil {
		for i := range pods {
			pods[i].Asks.NamespaceLabels = r.NamespaceLabels(ctx, pods[i].Asks.Namespace)
		}
	}
	return pods
}

func (r *Reconciler) promisable(ctx context.Context, pod *corev1.Pod) promised.Pod {
	p := promised.PodOf(pod)
	var owner types.NamespacedName
	if owner, p.Unit = placeholder.HeadroomOf(pod, r.daemonSets(ctx)); p.Unit && placeholder.IsReserved(pod) {
		p.Consumers = r.consumers(ctx, owner)
	}
	return p
}

// consumers returns whom a Headroom is for, as far as it is known.
func (r *Reconciler) consumers(ctx context.Context, name types.NamespacedName) *entitlement.Rule {
	headroom := &v1alpha1.Headroom{}
	if r.Client.Get(ctx, name, headroom) != nil {
		return nil
	}
	// A rule that does not compile entitles nobody, which is right here.
	rule, _ := entitlement.Compile(name, headroom.Spec.Consumers)
	return rule
}

// promise notes that a unit is promised to a pod that waits, if nothing else keeps it from being taken.
func (u *unit) promise() {
	u.unavailable = cmp.Or(u.unavailable, fmt.Sprintf("one on node %s is promised to a pod that waits", u.pod.Spec.NodeName))
	u.Unavailable, u.Promised = true, true
}
