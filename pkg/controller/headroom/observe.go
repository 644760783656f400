package headroom

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/quota"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// observation is everything that a reconcile decides on.
type observation struct {
	// at is when it was made.
	at time.Time
	// classes are the PriorityClasses that the Headroom's units may have, as far as there are any of these names.
	classes classes
	// units are the placeholders made directly, foreign ones included; perNode those that the DaemonSet made. By name.
	units, perNode []unit
	// promised are the units on their nodes, those of other Headrooms included, that are promised to pods that wait.
	promised sets.Set[types.UID]
	// maturing is when a nomination begins to count that may promise more of them; zero: there is none.
	maturing time.Duration
	// domains are the topology domains of the nodes of the units, by node; see v1alpha1.HeadroomSpec.DomainKey.
	domains map[string]string
	// daemonSet is the DaemonSet under the Headroom's name, nil if there is none.
	daemonSet *appsv1.DaemonSet
	// failing is how units fail again and again, nil if they do not; remember is for how long that is told if they stay.
	failing  *problem
	remember time.Duration
	// short is a quota that counts the units and leaves less than one more; nil if there is none.
	short *quota.Shortage
	// pendingReplacements and coolingDown are what topup.Desired has to know beside the spec.
	pendingReplacements int
	coolingDown         []int
	// recalling is for how long it may still be unknown which names cool down; zero: it is known.
	recalling time.Duration
	surge     topup.Surge
	measured
	// refill is what spec.refill comes to, nil if there is none.
	refill *refilling
}

// observe reads what there is, from the cache where that does no harm.
func (r *Reconciler) observe(ctx context.Context, headroom *v1alpha1.Headroom, m measured) (*observation, error) {
	key := client.ObjectKeyFromObject(headroom)
	seen := &observation{
		at: r.Clock.Now(), measured: m, domains: map[string]string{}, pendingReplacements: r.rollouts.pendingReplacements(key),
	}
	seen.failing, seen.remember = r.losses.repeated(key, headroom.Generation)
	quotas := &corev1.ResourceQuotaList{}
	if err := r.Client.List(ctx, quotas, client.InNamespace(headroom.Namespace)); err != nil {
		return nil, fmt.Errorf("listing ResourceQuotas: %w", err)
	}
	seen.short = r.shortage(headroom, quotas.Items)
	var err error
	if seen.classes, err = r.classesOf(ctx, headroom); err != nil {
		return nil, err
	}
	if seen.daemonSet, err = r.daemonSetOf(ctx, headroom); err != nil {
		return nil, err
	}
	pods, err := r.podsOf(ctx, headroom)
	if err != nil {
		return nil, err
	}
	nodes, err := r.nodesOf(ctx, pods)
	if err != nil {
		return nil, err
	}
	seen.promised, seen.maturing, err = r.promisedUnits(ctx, nodes)
	if err != nil {
		return nil, err
	}
	for _, pod := range pods {
		if seen.daemonSet != nil && metav1.IsControlledBy(pod, seen.daemonSet) {
			seen.perNode = append(seen.perNode, r.look(headroom, seen, pod, nodes, true))
		} else {
			seen.units = append(seen.units, r.look(headroom, seen, pod, nodes, metav1.IsControlledBy(pod, headroom)))
		}
	}
	seen.recalling = r.names.recalling(key, headroom.Status.ObservedGeneration > 0)
	seen.coolingDown = r.names.coolingDown(key, seen.units)
	seen.refill = r.refill(headroom, seen)
	seen.surge = r.surges.next(headroom, seen)
	return seen, r.park(ctx, headroom, seen)
}

// look makes a unit of a pod and of its node.
func (r *Reconciler) look(
	headroom *v1alpha1.Headroom, seen *observation, pod *corev1.Pod, nodes map[string]*corev1.Node, controlled bool,
) unit {
	node := nodes[pod.Spec.NodeName]
	gone := pod.Spec.NodeName != "" && node == nil
	mine := controlled && hasPriorityOfAPlaceholder(pod, headroom, r.Limits)
	state := stateOf(pod, mine, r.expectations.isDeleting(pod.UID), gone)
	var labels map[string]string
	if node != nil {
		labels = node.Labels
		seen.domains[node.Name] = labels[headroom.Spec.DomainKey()]
	}
	u := unitOf(headroom, pod, state, labels)
	if state == topup.Bound {
		u.unavailable = placeholder.Unavailable(node, headroom.Spec.Tolerations)
		u.Unavailable, u.NodeLeaving = u.unavailable != "", placeholder.NodeLeaving(node)
		if seen.promised.Has(pod.UID) {
			u.promise()
		}
		if r.Prices.Any() {
			u.cost.Add(requestsOf(pod), node, r.Prices)
		}
	}
	u.Step, u.domain = seen.classes.stepOf(pod), domainOf(pod, labels, headroom.Spec.DomainKey())
	u.deviation = seen.classes.deviation(headroom, pod)
	u.Nonconforming = u.deviation != ""
	return u
}

// daemonSetOf returns the DaemonSet under the name that the Headroom's has, also if it belongs to somebody else.
func (r *Reconciler) daemonSetOf(ctx context.Context, headroom *v1alpha1.Headroom) (*appsv1.DaemonSet, error) {
	daemonSet := &appsv1.DaemonSet{}
	key := client.ObjectKey{Namespace: headroom.Namespace, Name: placeholder.DaemonSetName(headroom.Name)}
	if err := r.Client.Get(ctx, key, daemonSet); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading DaemonSet %s: %w", key.Name, err)
	}
	return daemonSet, nil
}

// podsOf returns the pods that carry the Headroom's label, and those that were created and are not in the cache yet, by name.
// They belong to the cache: nobody may change them.
func (r *Reconciler) podsOf(ctx context.Context, headroom *v1alpha1.Headroom) ([]*corev1.Pod, error) {
	// First what is under way, then the cache: the other way round, a pod that the cache gets in between would be in neither.
	key := client.ObjectKeyFromObject(headroom)
	pods := append(r.expectations.pods(key), r.names.pods(key)...)
	list := &corev1.PodList{}
	err := r.Client.List(ctx, list, client.InNamespace(headroom.Namespace), client.MatchingFields{indexHeadroom: headroom.Name})
	if err != nil {
		return nil, fmt.Errorf("listing placeholders: %w", err)
	}
	cached := make(map[types.UID]bool, len(list.Items))
	for i := range list.Items {
		cached[list.Items[i].UID] = true
	}
	pods = slices.DeleteFunc(pods, func(pod *corev1.Pod) bool { return cached[pod.UID] })
	for i := range list.Items {
		pods = append(pods, &list.Items[i])
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
	return pods, nil
}

// nodesOf returns the nodes that the pods are on. A node that the cache does not have may be newer than the cache, so the API
// server is asked before its placeholders count as lost.
func (r *Reconciler) nodesOf(ctx context.Context, pods []*corev1.Pod) (map[string]*corev1.Node, error) {
	nodes := map[string]*corev1.Node{}
	for _, pod := range pods {
		name := pod.Spec.NodeName
		if _, known := nodes[name]; known || name == "" {
			continue
		}
		node := &corev1.Node{}
		err := r.Client.Get(ctx, client.ObjectKey{Name: name}, node)
		if apierrors.IsNotFound(err) {
			err = r.Live.Get(ctx, client.ObjectKey{Name: name}, node)
		}
		switch {
		case err == nil:
			nodes[name] = node
		case apierrors.IsNotFound(err):
			nodes[name] = nil
		default:
			return nil, fmt.Errorf("reading node %s: %w", name, err)
		}
	}
	return nodes, nil
}
