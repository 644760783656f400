package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// UsageStatus is what became of the units of a Headroom in the last seven days,
// or since its account was opened, by the account. It is brought up to date
// when the status changes otherwise, and once an hour where anything happens.
type UsageStatus struct {
	// observedTime is when it was computed.
	// +optional
	ObservedTime *metav1.Time `json:"observedTime,omitempty"`
	// sinceTime is when the time began that the rest is about.
	// +optional
	SinceTime *metav1.Time `json:"sinceTime,omitempty"`
	// taken is the number of units that pods took.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Taken int64 `json:"taken"` //nolint:kubeapilinter // zero is shown
	// lacked is the number of units that entitled pods lacked, each pod once.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Lacked int64 `json:"lacked"` //nolint:kubeapilinter // zero is shown
	// missed counts the entitled pods that no unit served, by reason, each pod once.
	// +optional
	// +listType=map
	// +listMapKey=reason
	// +kubebuilder:validation:MaxItems=16
	Missed []MissedPods `json:"missed,omitempty"`
	// lost is the number of units that went without being taken: drained, with
	// their node, failed, or for a reason that nobody knows.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Lost int64 `json:"lost"` //nolint:kubeapilinter // zero is shown
	// refillSecondsP90 is a time within which nine of ten units that went were
	// replaced, in seconds, as coarse as the account's bins; 1800 stands for any
	// longer time. Absent if no unit was.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RefillSecondsP90 *int64 `json:"refillSecondsP90,omitempty"`
	// lowestReadyReplicas is the smallest number of units that were ready at any
	// time.
	// +optional
	// +kubebuilder:validation:Minimum=0
	LowestReadyReplicas *int32 `json:"lowestReadyReplicas,omitempty"`
	// unusedReplicas is the number of units that nothing would have missed: those
	// that were ready at all times. Absent until the account covers seven days.
	// +optional
	// +kubebuilder:validation:Minimum=0
	UnusedReplicas *int32 `json:"unusedReplicas,omitempty"`
	// estimatedSecondsSaved is an estimate of how long pods would have waited for
	// nodes in all, in seconds, had there been no headroom: the units that were
	// taken, times the median of the refills that needed a new node. Absent as long
	// as no refill has needed one.
	// +optional
	// +kubebuilder:validation:Minimum=0
	EstimatedSecondsSaved *int64 `json:"estimatedSecondsSaved,omitempty"`
	// cost is what the units cost, by the prices of nodes that the operator names
	// (--price-label and --node-price of headroom-controller). Absent if there are
	// none.
	// +optional
	Cost *UsageCost `json:"cost,omitempty"`
}

// MissedPods counts entitled pods that no unit served for one reason.
type MissedPods struct {
	// reason is priority (that of the pod is not above that of the units), filtered
	// (nodes held enough, and do not suit the pod otherwise), preemption (a
	// scheduler preempts pods for it), none_ready (no unit was ready), too_small (no
	// node held enough units) or other.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Reason string `json:"reason,omitempty"`
	// pods is their number.
	// +required
	// +kubebuilder:validation:Minimum=1
	Pods int64 `json:"pods,omitempty"`
}

// UsageCost is what units cost, in the currency in which the operator states
// the prices of nodes. A unit is charged the share of its node that it requests,
// by the resource of which it takes most. Amounts are decimal numbers, exact to
// a millionth, at the prices of the time of the observation.
type UsageCost struct {
	// unitPerHour is what a unit costs an hour: the average of the units that are
	// held on nodes with a price. Absent if there are none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]{1,6})?$`
	UnitPerHour string `json:"unitPerHour,omitempty"`
	// heldPerHour is what the units cost an hour together that are held on nodes
	// with a price.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]{1,6})?$`
	HeldPerHour string `json:"heldPerHour,omitempty"`
	// unusedPerWeek is what unusedReplicas cost in seven days, as far as that many
	// units are held on nodes with a price. Absent as long as unusedReplicas is.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]{1,6})?$`
	UnusedPerWeek string `json:"unusedPerWeek,omitempty"`
	// unpricedReplicas is the number of units that are held on nodes without a
	// price. What they cost is not in any of the amounts.
	// +optional
	// +kubebuilder:validation:Minimum=0
	UnpricedReplicas int32 `json:"unpricedReplicas"` //nolint:kubeapilinter // zero is shown
}
