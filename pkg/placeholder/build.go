package placeholder

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// Defaults are the operator's choices for what a Headroom leaves open.
type Defaults struct {
	// Image is used if spec.image is empty. It must do nothing and need no user, token or volume, as the pause image does.
	Image string
	// SchedulerName is used if spec.schedulerName is empty. Empty: the API server's default, default-scheduler.
	SchedulerName string
}

// Build makes the placeholder pod with this ordinal, of a Headroom with placement Cluster. It is ready to be created.
func Build(headroom *v1alpha1.Headroom, defaults Defaults, ordinal int) *corev1.Pod {
	return &corev1.Pod{}
}

// BuildDaemonSet makes the DaemonSet of a Headroom with placement PerNode. It is ready to be created or applied.
func BuildDaemonSet(headroom *v1alpha1.Headroom, defaults Defaults) *appsv1.DaemonSet {
	return &appsv1.DaemonSet{}
}

// TemplateHash identifies what the placeholders of a Headroom are made from: two Headrooms, or two states of one, with the
// same hash get the same pods except for name and owner. It depends on the operator's defaults too, and neither on replicas
// nor on consumers. It is the value of the annotation v1alpha1.AnnotationTemplateHash.
func TemplateHash(headroom *v1alpha1.Headroom, defaults Defaults) string {
	return ""
}

// MarkExchange notes on a pod made by Build that a rollout creates it in the place of one that held room.
func MarkExchange(pod *corev1.Pod) {
	pod.Annotations[v1alpha1.AnnotationExchange] = "true"
}

// IsExchange reports whether MarkExchange noted something on the pod.
func IsExchange(pod *corev1.Pod) bool {
	return pod.Annotations[v1alpha1.AnnotationExchange] == "true"
}
