package headroom

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
)

// ownerOf returns the Headroom of which a pod is a unit, nil if it is none of the Headroom that lives now under the name that its label
// says. What becomes of other pods of the label is nobody's account, those of an earlier Headroom of the name included: that one's account
// went with it.
func (r *Reconciler) ownerOf(ctx context.Context, pod *corev1.Pod) *v1alpha1.Headroom {
	headroom := &v1alpha1.Headroom{}
	if err := r.Client.Get(ctx, labeled(pod), headroom); err != nil {
		if !apierrors.IsNotFound(err) {
			klog.FromContext(ctx).Error(err, "Reading a Headroom from the cache failed", "headroom", labeled(pod))
		}
		return nil
	}
	var daemonSet *appsv1.DaemonSet
	if isOfADaemonSet(pod) {
		var err error
		if daemonSet, err = r.daemonSetOf(ctx, headroom); err != nil {
			klog.FromContext(ctx).Error(err, "Looking whose a pod of a DaemonSet is failed", "pod", klog.KObj(pod))
			return nil
		}
	}
	if !isUnitOf(headroom, daemonSet, pod, r.Limits) {
		return nil
	}
	return headroom
}

// isUnitOf reports whether a pod that carries the label of a Headroom is its unit: one that this very Headroom controls, or this very
// DaemonSet of its, nil if there is none, and that has the priority of a placeholder.
func isUnitOf(headroom *v1alpha1.Headroom, daemonSet *appsv1.DaemonSet, pod *corev1.Pod, limits priority.Limits) bool {
	controlled := metav1.IsControlledBy(pod, headroom) ||
		daemonSet != nil && metav1.IsControlledBy(pod, daemonSet) && metav1.IsControlledBy(daemonSet, headroom)
	return controlled && hasPriorityOfAPlaceholder(pod, headroom, limits)
}

// isOfADaemonSet reports whether a pod says that a DaemonSet controls it.
func isOfADaemonSet(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOfNoCopy(pod)
	return owner != nil && owner.Kind == "DaemonSet"
}
