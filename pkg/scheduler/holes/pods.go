package holes

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// preempted reports whether a pod on a node is the victim of a preemption, and returns the scheduler that preempted it, empty if the mark
// does not say.
func preempted(pod *corev1.Pod) (scheduler string, is bool) {
	if pod.Spec.NodeName == "" {
		return "", false
	}
	for i := range pod.Status.Conditions {
		c := &pod.Status.Conditions[i]
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason == corev1.PodReasonPreemptionByScheduler {
			// kube-scheduler writes "NAME: preempting to accommodate a higher priority pod".
			scheduler, _, found := strings.Cut(c.Message, ": ")
			if !found {
				scheduler = ""
			}
			return scheduler, true
		}
	}
	return "", false
}

// nominatedNode returns the node to which a pod is nominated that still waits.
func nominatedNode(pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil {
		return ""
	}
	return pod.Status.NominatedNodeName
}

// infoOf returns a pod as a node of the scheduler has it. It fails if the pod's affinity does not parse: no scheduler binds such a pod.
func infoOf(pod *corev1.Pod) (info *framework.PodInfo, ok bool) {
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		return nil, false
	}
	info.CalculateResource() // it keeps the result, which must not happen while many read
	return info, true
}
