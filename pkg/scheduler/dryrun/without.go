package dryrun

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// withoutKey is where a dry run keeps which pods are left out of the node that is asked about.
const withoutKey fwk.StateKey = "headroom.dev/dryrun"

// without is what a Filter plugin reads in a dry run.
type without struct {
	pods []*corev1.Pod
}

// Clone returns the same, which is never changed.
func (w *without) Clone() fwk.StateData {
	return w
}

// Without returns the pods that are left out of the node that a Filter plugin is asked about, and whether the state is
// that of a dry run at all.
func Without(state fwk.CycleState) (pods []*corev1.Pod, dry bool) {
	data, err := state.Read(withoutKey)
	if err != nil {
		return nil, false
	}
	w, ok := data.(*without)
	if !ok {
		return nil, false
	}
	return w.pods, true
}

// withoutState is the state of a dry run in which some pods are left out of the node that is asked about.
type withoutState struct {
	fwk.CycleState
	without without
}

// leavingOut returns a state in which some pods are left out: the same one if there are none.
func leavingOut(state fwk.CycleState, pods []*corev1.Pod) fwk.CycleState {
	if len(pods) == 0 {
		return state
	}
	return &withoutState{CycleState: state, without: without{pods: pods}}
}

// Read returns the pods that are left out, and of all else what the dry run has.
func (s *withoutState) Read(key fwk.StateKey) (fwk.StateData, error) {
	if key == withoutKey {
		return &s.without, nil
	}
	return s.CycleState.Read(key)
}

// Clone keeps which pods are left out.
func (s *withoutState) Clone() fwk.CycleState {
	return &withoutState{CycleState: s.CycleState.Clone(), without: s.without}
}

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

// NodeWithout returns the node without some of its pods, as far as NodeResourcesFit reads it. Pods that are not on it
// are left out of nothing.
func NodeWithout(info fwk.NodeInfo, victims []*corev1.Pod) fwk.NodeInfo {
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
