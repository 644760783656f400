package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Placement says how the units of a Headroom are laid out over the nodes.
// +kubebuilder:validation:Enum=Cluster;PerNode
type Placement string

const (
	// PlacementCluster keeps spec.replicas units anywhere in the cluster.
	PlacementCluster Placement = "Cluster"
	// PlacementPerNode keeps one unit on each matching node.
	PlacementPerNode Placement = "PerNode"
)

// Headroom is spare capacity kept ready: so many units of such a size, there, for those consumers.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=hr,categories=all
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
type Headroom struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the capacity to keep ready.
	// +required
	Spec HeadroomSpec `json:"spec"`
	// status is the capacity that is ready, as last observed by the controller.
	// +optional
	Status HeadroomStatus `json:"status,omitempty"`
}

// HeadroomSpec is the capacity to keep ready.
type HeadroomSpec struct {
	// replicas is the number of units to keep ready. Ignored when placement is PerNode.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`
	// requests is the size of one unit: any resource a pod can request, extended resources included.
	// +required
	Requests corev1.ResourceList `json:"requests"`
	// placement is Cluster or PerNode.
	// +optional
	// +kubebuilder:default=Cluster
	Placement Placement `json:"placement,omitempty"`
	// priorityClassName is the PriorityClass of the placeholders.
	// +optional
	// +kubebuilder:default=headroom
	PriorityClassName string `json:"priorityClassName,omitempty"`
	// nodeSelector restricts the nodes, as in a pod.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// affinity of the placeholders, as in a pod.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// tolerations of the placeholders, as in a pod.
	// +optional
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// topologySpreadConstraints of the placeholders, as in a pod.
	// +optional
	// +listType=atomic
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	// podSecurityContext of the placeholders, as in a pod.
	// +optional
	PodSecurityContext *corev1.PodSecurityContext `json:"podSecurityContext,omitempty"`
	// securityContext of the placeholders' container, as in a pod.
	// +optional
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`
	// runtimeClassName of the placeholders, as in a pod.
	// +optional
	RuntimeClassName *string `json:"runtimeClassName,omitempty"`
	// schedulerName of the placeholders. Default: the operator's choice.
	// +optional
	SchedulerName string `json:"schedulerName,omitempty"`
	// image of the placeholders' container. Default: the operator's choice.
	// +optional
	Image string `json:"image,omitempty"`
	// imagePullSecrets of the placeholders, as in a pod.
	// +optional
	// +listType=atomic
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// podLabels are put on the placeholders beside the labels that Headroom needs.
	// +optional
	PodLabels map[string]string `json:"podLabels,omitempty"`
	// podAnnotations are put on the placeholders beside the annotations that Headroom needs.
	// +optional
	PodAnnotations map[string]string `json:"podAnnotations,omitempty"`
	// consumers restricts the pods that may take this headroom. Absent: every pod of higher priority.
	// +optional
	Consumers *Consumers `json:"consumers,omitempty"`
}

// Consumers says which pods may take the room of a Headroom. All that is set must hold.
type Consumers struct {
	// podSelector selects consumers by their labels. Absent or empty: any labels.
	// +optional
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`
	// namespaceSelector selects consumers by the labels of their namespace; empty selects all namespaces. Absent: the
	// Headroom's own namespace if podSelector is set, as in pod affinity, and all namespaces if it is not.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// minPriority is the lowest priority of a consumer. Absent: any priority above the placeholder's.
	// +optional
	MinPriority *int32 `json:"minPriority,omitempty"`
}

// HeadroomStatus is the capacity that is ready, as last observed by the controller.
type HeadroomStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// replicas is the number of placeholders that exist.
	// +optional
	Replicas int32 `json:"replicas"`
	// readyReplicas is the number of placeholders that are bound to a node: the units that can be taken now.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// pendingReplicas is the number of placeholders that wait for room.
	// +optional
	PendingReplicas int32 `json:"pendingReplicas"`
	// selector selects the placeholders; the scale subresource and the HorizontalPodAutoscaler read it.
	// +optional
	Selector string `json:"selector,omitempty"`
	// capacity is the sum of the requests of all bound placeholders.
	// +optional
	Capacity corev1.ResourceList `json:"capacity,omitempty"`
	// domains is the number of bound placeholders in each zone, ordered by zone.
	// +optional
	// +listType=map
	// +listMapKey=zone
	Domains []DomainStatus `json:"domains,omitempty"`
	// lastConsumedTime is when a consumer last took a placeholder.
	// +optional
	LastConsumedTime *metav1.Time `json:"lastConsumedTime,omitempty"`
	// conditions are Ready and Filled.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DomainStatus is what a Headroom holds in one zone.
type DomainStatus struct {
	// zone is the value of the node label topology.kubernetes.io/zone, empty for nodes without it.
	Zone string `json:"zone"`
	// readyReplicas is the number of placeholders bound to nodes of the zone.
	ReadyReplicas int32 `json:"readyReplicas"`
}

// HeadroomList is a list of Headrooms.
//
// +kubebuilder:object:root=true
type HeadroomList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the Headrooms.
	Items []Headroom `json:"items"`
}
