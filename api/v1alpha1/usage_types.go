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
}
