package holes

import (
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Contend reports whether a node has room for either of two pods, and not for both.
func Contend(node fwk.NodeInfo, a, b fwk.PodInfo) bool {
	free, both := freeOf(node), amountOf(a)
	if !within(both, free) {
		return false
	}
	add(both, amountOf(b), 1)
	return !within(both, free)
}

// freeOf returns what nothing on a node requests, as far as that is more than nothing.
func freeOf(node fwk.NodeInfo) *framework.Resource {
	free, allocatable, requested := &framework.Resource{}, node.GetAllocatable(), node.GetRequested()
	free.MilliCPU = allocatable.GetMilliCPU() - requested.GetMilliCPU()
	free.Memory = allocatable.GetMemory() - requested.GetMemory()
	free.EphemeralStorage = allocatable.GetEphemeralStorage() - requested.GetEphemeralStorage()
	free.AllowedPodNumber = allocatable.GetAllowedPodNumber() - len(node.GetPods())
	for name, quantity := range allocatable.GetScalarResources() {
		free.SetScalar(name, quantity-requested.GetScalarResources()[name])
	}
	grow(free, &framework.Resource{}) // a node may be overcommitted in what a pod does not request
	for name, quantity := range free.ScalarResources {
		free.SetScalar(name, max(0, quantity))
	}
	return free
}
