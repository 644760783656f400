// Package placeholder knows what a placeholder is: it recognizes one and builds one. It talks to no API server.
package placeholder

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// Owner is the Headroom that a placeholder is of. The UID tells it from others that have had, or will have, its name: what is left of a
// Headroom that was deleted and made anew is none of the new one's, until the garbage collector removes it.
type Owner struct {
	types.NamespacedName
	UID types.UID
}

// OwnerOfDaemonSet returns the Headroom that controls a DaemonSet, given its namespace, name and UID, and whether there is one.
type OwnerOfDaemonSet func(namespace, name string, uid types.UID) (owner Owner, ok bool)

// HeadroomOfDaemonSet is OwnerOfDaemonSet for those who ask by name only.
type HeadroomOfDaemonSet func(namespace, name string, uid types.UID) (headroom types.NamespacedName, ok bool)

// OwnerOf returns the Headroom that the pod is a placeholder of, and whether it is one at all. A label alone does not
// make a placeholder, since a real pod with a stray label must not be evicted: the pod's controller has to be
// the Headroom that the label names, or a DaemonSet whose controller is that Headroom. Whether that Headroom is the one that lives now is
// for the caller to find out.
func OwnerOf(pod *corev1.Pod, daemonSets OwnerOfDaemonSet) (owner Owner, ok bool) {
	name, labeled := pod.Labels[v1alpha1.LabelHeadroom]
	if !labeled {
		return Owner{}, false
	}
	controller := metav1.GetControllerOfNoCopy(pod)
	switch {
	case controller == nil:
		return Owner{}, false
	case isHeadroom(controller):
		owner, ok = ownerBy(pod, controller), true
	case controller.Kind == "DaemonSet" && groupOf(controller) == "apps" && daemonSets != nil:
		owner, ok = daemonSets(pod.Namespace, controller.Name, controller.UID)
	}
	return owner, ok && owner.NamespacedName == types.NamespacedName{Namespace: pod.Namespace, Name: name}
}

// HeadroomOf is OwnerOf by name only: one of the same name that is gone, or is yet to come, is not told from the one that lives.
func HeadroomOf(pod *corev1.Pod, daemonSets HeadroomOfDaemonSet) (headroom types.NamespacedName, ok bool) {
	owner, ok := OwnerOf(pod, func(namespace, name string, uid types.UID) (owner Owner, ok bool) {
		if daemonSets != nil {
			owner.NamespacedName, ok = daemonSets(namespace, name, uid)
		}
		return owner, ok
	})
	return owner.NamespacedName, ok
}

// Controller returns the name of the Headroom that controls an object, and whether one does.
func Controller(object metav1.Object) (headroom types.NamespacedName, ok bool) {
	owner, ok := ControllingOwner(object)
	return owner.NamespacedName, ok
}

// ControllingOwner returns the Headroom that controls an object, and whether one does.
func ControllingOwner(object metav1.Object) (owner Owner, ok bool) {
	controller := metav1.GetControllerOfNoCopy(object)
	if controller == nil || !isHeadroom(controller) {
		return Owner{}, false
	}
	return ownerBy(object, controller), true
}

// ownerBy is the Headroom that a reference of an object means. Owners are in the namespace of what they own.
func ownerBy(object metav1.Object, ref *metav1.OwnerReference) Owner {
	return Owner{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: ref.Name}, UID: ref.UID}
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
