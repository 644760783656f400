package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RefillPolicy says which units are made anew.
// +kubebuilder:validation:Enum=Always;Once
type RefillPolicy string

const (
	// RefillAlways makes every unit anew that went.
	RefillAlways RefillPolicy = "Always"
	// RefillOnce makes units anew that were lost, and none that a pod took.
	RefillOnce RefillPolicy = "Once"
)

// Refill says which units are made anew, when, how many at a time, and for how
// long.
type Refill struct {
	// policy is Always (default: every unit that went is made anew) or Once: those
	// that pods took are not, so that replicas is how many units pods can take in
	// all, while those that went otherwise, with their node for example, are made
	// anew. What was taken counts from the moment at which the policy became Once.
	// Once needs the definition of HeadroomAccounts, and is not valid with sizing.
	// +optional
	// +default="Always"
	Policy RefillPolicy `json:"policy,omitempty"`

	// delay is how long after a unit went, because a pod took it or because it was
	// lost, another one is made, from 0s to 1h; default 0s. If room comes free
	// before, because the pod was a short one, no node is added for the unit. It is
	// counted in the memory of the controller: one that restarts makes the units at
	// once. Units that fail on their node, or that a change of the spec replaces, are
	// made anew without it.
	// +optional
	// +default="0s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}([.][0-9]{1,3})?(s|m|h))+$') && duration(self) >= duration('0s') && duration(self) <= duration('1h')",message="delay must be from 0s to 1h"
	Delay *metav1.Duration `json:"delay,omitempty"` //nolint:kubeapilinter // a duration is what people write

	// maxPending is how many units may wait for room at a time, from 1 to 10000.
	// Others are made when these are bound. Default: no bound but the operator's.
	// Units that take the place of outdated ones do not count.
	// +optional
	// +kubebuilder:validation:Maximum=10000
	// +kubebuilder:validation:XValidation:rule="self >= 1",message="maxPending must be at least 1: with none that may wait for room, no unit could ever be made; scale replicas to 0 to hold nothing"
	MaxPending *int32 `json:"maxPending,omitempty"` //nolint:kubeapilinter // zero is refused with a sentence of our own

	// parkAfter is how long units wait for room, from 30s to 24h, until all but a few
	// are parked: their pods go, status.parkedReplicas counts them, and the
	// condition Filled says AtCeiling. It begins anew whenever a unit is bound or,
	// for up to three times as long, when Karpenter or Cluster Autoscaler says that it
	// adds a node for one; so it should be longer than a node takes to come. Of a
	// parked Headroom one unit waits, or one for each domain that
	// topologySpreadConstraints spread the units over, up to 10. When one of them is
	// bound, the others are made at growing speed. Default: never. Example: 10m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}([.][0-9]{1,3})?(s|m|h))+$') && duration(self) >= duration('30s') && duration(self) <= duration('24h')",message="parkAfter must be from 30s to 24h, and should be longer than a node takes to come: what is parked sooner makes autoscalers add and remove nodes again and again"
	ParkAfter *metav1.Duration `json:"parkAfter,omitempty"` //nolint:kubeapilinter // a duration is what people write

	// ttl is how long after the creation of the Headroom its units go, from 1s to
	// 8760h. The Headroom stays, with desiredReplicas 0. Default: never.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}([.][0-9]{1,3})?(s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('8760h')",message="ttl must be from 1s to 8760h"
	TTL *metav1.Duration `json:"ttl,omitempty"` //nolint:kubeapilinter // a duration is what people write
}

// RefillStatus is what the policy Once counts.
type RefillStatus struct {
	// takenReplicas is the number of units that pods took since the policy became
	// Once. They are not made anew.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TakenReplicas int32 `json:"takenReplicas"`
	// takenBefore is what the HeadroomAccount counted as taken when that began.
	// +optional
	TakenBefore int64 `json:"takenBefore"`
}
