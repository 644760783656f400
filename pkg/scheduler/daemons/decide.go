// Package daemons has reserved units yield to pods of DaemonSets. Such a pod may go to one node only, and where
// reserved units are in its way no scheduler preempts them for it, since their priority is higher. What has to go is
// decided by a pure function; the Yielder follows the pods that wait, of whatever scheduler, and deletes.
package daemons

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/resource"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/daemon/util"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// NodeOf returns the node for which a pod of a DaemonSet waits, because its scheduler has found no room there; empty if
// it is no such pod. A pod that is nominated to its node waits for what was preempted for it.
func NodeOf(pod *corev1.Pod) string {
	controller := metav1.GetControllerOfNoCopy(pod)
	if controller == nil || controller.Kind != "DaemonSet" || pod.Spec.NodeName != "" || pod.Status.NominatedNodeName != "" ||
		pod.DeletionTimestamp != nil || !toldThereIsNoRoom(pod) {
		return ""
	}
	node, err := util.GetTargetNodeName(pod)
	if err != nil {
		return ""
	}
	return node
}

func toldThereIsNoRoom(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
	})
}

// Victims returns those of the units on a node that have to go for a pod that waits for the node: the smallest one that
// suffices alone, else those that are left when all go and are put back one by one as long as the pod fits, the
// smallest first, and of equals the oldest. Nothing is returned if the pod fits as it is, or not even without all of
// them. pods are those of the node that have not finished; what is being deleted counts as gone, and so do other placeholders
// that the pod's own scheduler can preempt for it.
func Victims(
	node *corev1.Node, pods []*corev1.Pod, waits *corev1.Pod, isUnit, isPlaceholder func(*corev1.Pod) bool,
) []*corev1.Pod {
	info := framework.NewNodeInfo()
	info.SetNode(node)
	var units []*corev1.Pod
	for _, pod := range pods {
		switch {
		case pod.DeletionTimestamp != nil:
		case isUnit(pod):
			units = append(units, pod)
		case isPlaceholder(pod) && preempts(waits, pod):
		default:
			info.AddPod(pod)
		}
	}
	if !fits(waits, info) {
		return nil
	}
	slices.SortFunc(units, func(a, b *corev1.Pod) int {
		return cmp.Or(compareSize(a, b), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
	})
	if fitsWithout(waits, info, units, nil) {
		return nil
	}
	for size := range units {
		// Of units that are alike the youngest goes: it is the last.
		last := size == len(units)-1 || compareSize(units[size], units[size+1]) != 0
		if last && fitsWithout(waits, info, units, units[size]) {
			return []*corev1.Pod{units[size]}
		}
	}
	return slices.DeleteFunc(units, func(unit *corev1.Pod) bool {
		info.AddPod(unit)
		if fits(waits, info) {
			return true
		}
		_ = info.RemovePod(klog.Background(), unit) // it was added just now
		return false
	})
}

// preempts reports whether a scheduler can preempt a pod for one that waits.
func preempts(waits, pod *corev1.Pod) bool {
	never := waits.Spec.PreemptionPolicy != nil && *waits.Spec.PreemptionPolicy == corev1.PreemptNever
	return !never && corev1helpers.PodPriority(pod) < corev1helpers.PodPriority(waits)
}

// fitsWithout reports whether the pod fits beside all units but one, nil for none.
func fitsWithout(waits *corev1.Pod, others *framework.NodeInfo, units []*corev1.Pod, gone *corev1.Pod) bool {
	info := framework.NewNodeInfo()
	info.SetNode(others.Node())
	for _, pod := range others.GetPods() {
		info.AddPodInfo(pod)
	}
	for _, unit := range units {
		if unit != gone {
			info.AddPod(unit)
		}
	}
	return fits(waits, info)
}

// fits asks the kubelet's own predicates.
func fits(waits *corev1.Pod, info *framework.NodeInfo) bool {
	return len(scheduler.AdmissionCheck(waits, info, false)) == 0
}

// compareSize compares requests of CPU, and then of memory.
func compareSize(a, b *corev1.Pod) int {
	x, y := resource.PodRequests(a, resource.PodResourcesOptions{}), resource.PodRequests(b, resource.PodResourcesOptions{})
	return cmp.Or(x.Cpu().Cmp(*y.Cpu()), x.Memory().Cmp(*y.Memory()))
}
