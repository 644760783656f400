package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Consumers says which pods may take the room of a Headroom. All that is set
// must hold; with nothing set every pod of higher priority may. With a selector
// it names the pods that may, and they take this headroom before headroom that
// is open to all; a minPriority alone names nobody. A placeholder is never a
// consumer.
type Consumers struct {
	// podSelector selects consumers by their labels. Default, and if empty: any
	// labels. Example: {matchLabels: {app: web}}.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn'] ? (has(e.values) && size(e.values) > 0) : (e.operator in ['Exists', 'DoesNotExist'] && (!has(e.values) || size(e.values) == 0)))",message="podSelector.matchExpressions must have the operator In or NotIn with values, or Exists or DoesNotExist without"
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`

	// namespaceSelector selects consumers by the labels of their namespace; the
	// empty selector {} selects all namespaces. Default: the Headroom's own
	// namespace if podSelector is set, as in pod affinity, and all namespaces if
	// it is not. Every namespace has its name in the label
	// kubernetes.io/metadata.name. Example: {matchLabels: {team: search}}.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn'] ? (has(e.values) && size(e.values) > 0) : (e.operator in ['Exists', 'DoesNotExist'] && (!has(e.values) || size(e.values) == 0)))",message="namespaceSelector.matchExpressions must have the operator In or NotIn with values, or Exists or DoesNotExist without"
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// minPriority is the lowest priority of a consumer, from -2147483648 to
	// 2147483647. Default: any priority above the placeholder's, which a consumer
	// needs in any case; with reserved, any priority at all.
	// +optional
	MinPriority *int32 `json:"minPriority,omitempty"`

	// nonPreempting says whether pods whose preemptionPolicy is Never may take this
	// headroom: Allow, or Deny, the default. A placeholder runs nothing, so Allow is
	// safe for pods for which no running pod may be evicted. They are
	// served where resources alone stand in the way; another scheduler does not
	// serve them.
	// +optional
	NonPreempting NonPreemptingPolicy `json:"nonPreempting,omitempty"`
}

// NonPreemptingPolicy says whether pods whose preemptionPolicy is Never may
// take headroom.
// +kubebuilder:validation:Enum=Allow;Deny
type NonPreemptingPolicy string

const (
	// NonPreemptingAllow lets pods whose preemptionPolicy is Never take headroom.
	NonPreemptingAllow NonPreemptingPolicy = "Allow"
	// NonPreemptingDeny keeps them from it.
	NonPreemptingDeny NonPreemptingPolicy = "Deny"
)
