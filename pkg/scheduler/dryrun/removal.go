package dryrun

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// PassesAfterRemoval reports whether the pod passes every Filter plugin on a node from which some of the pods are gone, other pods'
// nominations included. This is how a dry run of kube-scheduler's preemption begins. It uses the state of the cycle itself, in which all
// PreFilter plugins have run: unlike a pod that is left out, one that is removed is so for every plugin.
func (r *Run) PassesAfterRemoval(ctx context.Context, node fwk.NodeInfo, removed func(*corev1.Pod) bool) bool {
	state, left, gone := r.cycle.Clone(), framework.NewNodeInfo(), make([]fwk.PodInfo, 0, len(node.GetPods()))
	left.SetNode(node.Node())
	for _, podInfo := range node.GetPods() {
		if removed(podInfo.GetPod()) {
			gone = append(gone, podInfo)
			continue
		}
		left.AddPodInfo(podInfo)
	}
	for _, podInfo := range gone {
		if !r.profile.handle.RunPreFilterExtensionRemovePod(ctx, state, r.pod, podInfo, left).IsSuccess() {
			return false
		}
	}
	return r.profile.handle.RunFilterPluginsWithNominatedPods(ctx, state, r.pod, left).IsSuccess()
}
