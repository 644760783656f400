package dryrun

import (
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// nobody stands for a pod of which only the number counts.
var nobody = &framework.PodInfo{Pod: &corev1.Pod{}}

// NodeWith returns the node with more pods on it and more requested of it, as far as NodeResourcesFit reads it. more may be nil; its
// AllowedPodNumber is a number of pods.
func NodeWith(info fwk.NodeInfo, pods []fwk.PodInfo, more *framework.Resource) fwk.NodeInfo {
	v := newView(info)
	v.pods = append(append(make([]fwk.PodInfo, 0, len(info.GetPods())+len(pods)), info.GetPods()...), pods...)
	for _, podInfo := range pods {
		v.add(podInfo.CalculateResource().Resource)
	}
	if more == nil {
		return v
	}
	v.add(more)
	for range more.AllowedPodNumber {
		v.pods = append(v.pods, nobody)
	}
	return v
}

func (v *view) add(r fwk.Resource) {
	v.requested.MilliCPU += r.GetMilliCPU()
	v.requested.Memory += r.GetMemory()
	v.requested.EphemeralStorage += r.GetEphemeralStorage()
	for name, amount := range r.GetScalarResources() {
		v.requested.AddScalar(name, amount)
	}
}
