// Package builders makes the objects that tests are about. Every builder ends in Obj(); what a test does not say has a sensible
// value. Pods and nodes are Kubernetes' own wrappers (k8s.io/kubernetes/pkg/scheduler/testing), so all their methods are at hand.
package builders

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// PlaceholderPriority is the priority of placeholders that a test gives no other.
const PlaceholderPriority int32 = -5

// Resources is short for a list of requests, such as Resources{"cpu": "1"}.
type Resources = map[corev1.ResourceName]string

// Epoch is the time that tests count from.
func Epoch() time.Time { return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) }

// Node builds a node with that much allocatable; "pods" is 110 unless given. The node carries the hostname label, and the zone and
// region labels if zone is not empty: zone "a-1" lies in region "a".
func Node(name, zone string, allocatable Resources) *st.NodeWrapper {
	all := Resources{corev1.ResourcePods: "110"}
	for resource, quantity := range allocatable {
		all[resource] = quantity
	}
	node := st.MakeNode().Name(name).Capacity(all).Label(corev1.LabelHostname, name)
	if zone != "" {
		node = node.Label(corev1.LabelTopologyZone, zone).Label(corev1.LabelTopologyRegion, regionOf(zone))
	}
	return node
}

func regionOf(zone string) string {
	for i := range zone {
		if zone[i] == '-' {
			return zone[:i]
		}
	}
	return zone
}

// Consumer builds a pod of priority 0 for the default scheduler.
func Consumer(name string, requests Resources) *st.PodWrapper {
	pod := st.MakePod().Name(name).Priority(0)
	if len(requests) == 0 {
		return pod.Container("pause")
	}
	return pod.Req(requests)
}

// Placeholder builds the numbered placeholder of a Headroom as the controller makes it: its name, its labels, its controller, requests
// only, grace period 0 and a low priority. It waits for room; Node(name) binds it.
func Placeholder(headroom *v1alpha1.Headroom, ordinal int) *st.PodWrapper {
	requests := Resources{}
	for name, quantity := range headroom.Spec.Requests {
		requests[name] = quantity.String()
	}
	pod := st.MakePod().Name(fmt.Sprintf("%s-headroom-%d", headroom.Name, ordinal)).Namespace(headroom.Namespace).
		Label(v1alpha1.LabelHeadroom, headroom.Name).Label(v1alpha1.LabelOpenFaaSHeadroom, headroom.Name).
		Priority(PlaceholderPriority).ZeroTerminationGracePeriod().Req(requests)
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(headroom, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))}
	return pod
}

// ReservedPriority is the value of the PriorityClass of reserved units.
const ReservedPriority int32 = 1_000_000

// ReservedUnit is Placeholder for a unit of reserved headroom.
func ReservedUnit(headroom *v1alpha1.Headroom, ordinal int) *st.PodWrapper {
	unit := Placeholder(headroom, ordinal).Priority(ReservedPriority)
	unit.Spec.PriorityClassName = v1alpha1.ReservedPriorityClassName
	return unit
}

// HeadroomBuilder builds a Headroom.
type HeadroomBuilder struct{ headroom v1alpha1.Headroom }

// Headroom builds a Headroom of one unit of that size, open to every pod of higher priority.
func Headroom(name string, requests Resources) *HeadroomBuilder {
	b := &HeadroomBuilder{}
	b.headroom.Name = name
	b.headroom.Spec.Replicas = ptr.To[int32](1)
	b.headroom.Spec.Requests = corev1.ResourceList{}
	for name, quantity := range requests {
		b.headroom.Spec.Requests[name] = resource.MustParse(quantity)
	}
	return b
}

// Obj returns the Headroom.
func (b *HeadroomBuilder) Obj() *v1alpha1.Headroom { return &b.headroom }

// Namespace sets the namespace.
func (b *HeadroomBuilder) Namespace(namespace string) *HeadroomBuilder {
	b.headroom.Namespace = namespace
	return b
}

// UID sets the UID, for tests without an API server to choose it.
func (b *HeadroomBuilder) UID(uid types.UID) *HeadroomBuilder {
	b.headroom.UID = uid
	return b
}

// Replicas sets the number of units.
func (b *HeadroomBuilder) Replicas(replicas int32) *HeadroomBuilder {
	b.headroom.Spec.Replicas = &replicas
	return b
}

// Consumers restricts who may take the headroom.
func (b *HeadroomBuilder) Consumers(consumers v1alpha1.Consumers) *HeadroomBuilder {
	b.headroom.Spec.Consumers = &consumers
	return b
}

// Reserved keeps the headroom for the consumers that it names, against every scheduler.
func (b *HeadroomBuilder) Reserved() *HeadroomBuilder {
	b.headroom.Spec.Reserved = true
	return b
}

// SpreadOver adds topology spread constraints with those keys, in that order.
func (b *HeadroomBuilder) SpreadOver(keys ...string) *HeadroomBuilder {
	for _, key := range keys {
		b.headroom.Spec.TopologySpreadConstraints = append(b.headroom.Spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{
			MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelHeadroom: b.headroom.Name}},
		})
	}
	return b
}
