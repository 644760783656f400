package headroom

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// view is a node with some pods counted out, as far as resources and the number of pods go: all that NodeResourcesFit
// reads.
type view struct {
	fwk.NodeInfo
	requested framework.Resource
	pods      []fwk.PodInfo
}

// GetRequested returns what the pods of the view request.
func (v *view) GetRequested() fwk.Resource {
	return &v.requested
}

// GetPods returns the pods of the view.
func (v *view) GetPods() []fwk.PodInfo {
	return v.pods
}

// without returns the node without some of its pods. Those that are not on it are none of its concern.
func without(info fwk.NodeInfo, victims []*corev1.Pod) fwk.NodeInfo {
	pods := info.GetPods()
	v := newView(info)
	v.pods = make([]fwk.PodInfo, 0, len(pods))
	for _, podInfo := range pods {
		if slices.Contains(victims, podInfo.GetPod()) {
			v.drop(podInfo)
			continue
		}
		v.pods = append(v.pods, podInfo)
	}
	return v
}

func newView(info fwk.NodeInfo) *view {
	requested := info.GetRequested()
	v := &view{NodeInfo: info, requested: framework.Resource{
		MilliCPU:         requested.GetMilliCPU(),
		Memory:           requested.GetMemory(),
		EphemeralStorage: requested.GetEphemeralStorage(),
		AllowedPodNumber: requested.GetAllowedPodNumber(),
	}}
	for name, amount := range requested.GetScalarResources() {
		v.requested.SetScalar(name, amount)
	}
	return v
}

func (v *view) drop(podInfo fwk.PodInfo) {
	r := podInfo.CalculateResource().Resource
	v.requested.MilliCPU -= r.GetMilliCPU()
	v.requested.Memory -= r.GetMemory()
	v.requested.EphemeralStorage -= r.GetEphemeralStorage()
	for name, amount := range r.GetScalarResources() {
		v.requested.AddScalar(name, -amount)
	}
}
