package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ShapeStatus is what units are made like, after the workload of
// spec.shapeFrom. What the spec itself says of nodeSelector, affinity,
// tolerations, topologySpreadConstraints and runtimeClassName goes before it,
// field by field.
type ShapeStatus struct {
	// requests is the size of one unit.
	// +optional
	Requests corev1.ResourceList `json:"requests,omitempty"`

	// templateRequests is what the workload's template requests, if requests is more
	// because bound pods requested more. While no pod of the workload is bound and
	// its template still requests this much, units keep their size.
	// +optional
	TemplateRequests corev1.ResourceList `json:"templateRequests,omitempty"`

	// nodeSelector is that of the workload's pods.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// nodeAffinity is that of the workload's pods.
	// +optional
	NodeAffinity *corev1.NodeAffinity `json:"nodeAffinity,omitempty"`

	// tolerations are those of the workload's pods, without those that keep pods on
	// nodes that are being taken away.
	// +optional
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// topologySpreadConstraints are those of the workload's pods, of the
	// placeholders in their place.
	// +optional
	// +listType=atomic
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// runtimeClassName is that of the workload's pods. Its overhead comes on top of
	// requests.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName string `json:"runtimeClassName,omitempty"` //nolint:kubeapilinter // absent and empty mean the same

	// message says what it comes from.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"` //nolint:kubeapilinter // never written empty

	// changedTime is when units last took another shape.
	// +optional
	ChangedTime *metav1.Time `json:"changedTime,omitempty"`
}

// Shaped returns the Headroom as it is with a shape: with requests and
// placement that shape says, where its spec has none of its own. It is the
// Headroom itself without spec.shapeFrom, or without a shape.
func (h *Headroom) Shaped(shape *ShapeStatus) *Headroom {
	if h.Spec.ShapeFrom == nil || shape == nil {
		return h
	}
	shaped := h.DeepCopy()
	spec, shape := &shaped.Spec, shape.DeepCopy()
	spec.Requests = shape.Requests
	if len(spec.NodeSelector) == 0 {
		spec.NodeSelector = shape.NodeSelector
	}
	if spec.Affinity == nil && shape.NodeAffinity != nil {
		spec.Affinity = &corev1.Affinity{NodeAffinity: shape.NodeAffinity}
	}
	if len(spec.Tolerations) == 0 {
		spec.Tolerations = shape.Tolerations
	}
	if len(spec.TopologySpreadConstraints) == 0 && spec.Placement != PlacementPerNode {
		spec.TopologySpreadConstraints = shape.TopologySpreadConstraints
	}
	if spec.RuntimeClassName == "" {
		spec.RuntimeClassName = shape.RuntimeClassName
	}
	return shaped
}
