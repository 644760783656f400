package holes

import (
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Room is the free room of a node that a placeholder wants, and what of it other pods are to have before.
type Room struct {
	free, taken, unit *framework.Resource
}

// RoomOf returns the free room of a node that a placeholder wants. kept are pods that room is kept for there.
func RoomOf(node fwk.NodeInfo, unit fwk.PodInfo, kept []fwk.PodInfo) *Room {
	room := &Room{free: freeOf(node), taken: &framework.Resource{}, unit: amountOf(unit)}
	for _, pod := range kept {
		add(room.taken, amountOf(pod), 1)
	}
	return room
}

// Fits reports whether the node has room for a pod, if no other comes.
func (r *Room) Fits(pod fwk.PodInfo) bool { return within(amountOf(pod), r.free) }

// Give lets a pod have room that Fits it. fits reports whether there is some beside the pods that had theirs before, contends whether there
// is none for the placeholder any more: beside all of these or, if the pod does not fit beside them, beside the pod alone.
func (r *Room) Give(pod fwk.PodInfo) (fits, contends bool) {
	amount := amountOf(pod)
	together := sumOf(r.taken, amount)
	if fits = within(together, r.free); fits {
		r.taken = together
		return true, !within(sumOf(together, r.unit), r.free)
	}
	return false, !within(sumOf(amount, r.unit), r.free)
}

func sumOf(a, b *framework.Resource) *framework.Resource {
	sum := a.Clone()
	add(sum, b, 1)
	return sum
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
