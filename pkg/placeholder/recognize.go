// Package placeholder knows what a placeholder is: it recognizes one and builds one. It talks to no API server.
package placeholder

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// HeadroomOfDaemonSet returns the Headroom that controls a DaemonSet, given its namespace and UID, and whether there is
// one. Name in the result is the Headroom's.
type HeadroomOfDaemonSet func(namespace, name string, uid types.UID) (headroom types.NamespacedName, ok bool)

// HeadroomOf returns the Headroom that the pod is a placeholder of, and whether it is one at all. A label alone does not
// make a placeholder, since a real pod with a stray label must not be evicted: the pod's controller has to be
// the Headroom that the label names, or a DaemonSet whose controller is that Headroom.
func HeadroomOf(pod *corev1.Pod, daemonSets HeadroomOfDaemonSet) (headroom types.NamespacedName, ok bool) {
	name, labeled := pod.Labels[v1alpha1.LabelHeadroom]
	if !labeled {
		return types.NamespacedName{}, false
	}
	want := types.NamespacedName{Namespace: pod.Namespace, Name: name}
	controller := metav1.GetControllerOfNoCopy(pod)
	switch {
	case controller == nil:
		return types.NamespacedName{}, false
	case isHeadroom(controller):
		return want, controller.Name == name
	case controller.Kind == "DaemonSet" && groupOf(controller) == "apps" && daemonSets != nil:
		got, found := daemonSets(pod.Namespace, controller.Name, controller.UID)
		return want, found && got == want
	default:
		return types.NamespacedName{}, false
	}
}

// Controller returns the Headroom that controls an object, and whether one does.
func Controller(object metav1.Object) (headroom types.NamespacedName, ok bool) {
	controller := metav1.GetControllerOfNoCopy(object)
	if controller == nil || !isHeadroom(controller) {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: controller.Name}, true
}

func isHeadroom(ref *metav1.OwnerReference) bool {
	return ref.Kind == v1alpha1.KindHeadroom && groupOf(ref) == v1alpha1.GroupVersion.Group
}

func groupOf(ref *metav1.OwnerReference) string {
	version, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return ""
	}
	return version.Group
}

// IsReserved reports whether a placeholder is a reserved unit, which only pods take that the consumers of its Headroom name. Its
// PriorityClass tells, not the Headroom's spec, which may have changed since: only the controller makes pods of that class.
func IsReserved(pod *corev1.Pod) bool {
	return pod.Spec.PriorityClassName == v1alpha1.ReservedPriorityClassName
}
