package headroom

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/noderesources"
)

// fitting is what says whether a node has the resources that a pod requests: the profile's own NodeResourcesFit, whose Filter
// is disabled but which is there for its other extension points. It knows what kube-scheduler tells no other plugin, as the
// resources that an extender manages and has the scheduler ignore. A profile without it gets one that is made from the plugin's
// arguments. Methods may be called concurrently.
type fitting struct {
	handle framework.Framework
	// own is made from the plugin's arguments; asked says that these name resources to ignore, so that its word counts, too.
	own   *noderesources.Fit
	asked bool

	once sync.Once
	// profiles is nil if the profile has none.
	profiles *noderesources.Fit
	// ignores keeps, by the name of a resource, whether it is ignored.
	ignores sync.Map
}

// resolve looks for the profile's NodeResourcesFit, once. Only the first pod, or who asks for events, finds the plugins of the
// profile there.
func (f *fitting) resolve() *noderesources.Fit {
	f.once.Do(func() {
		for _, plugin := range f.handle.EnqueueExtensions() {
			if fit, ok := plugin.(*noderesources.Fit); ok {
				f.profiles = fit
			}
		}
	})
	if f.profiles == nil {
		return f.own
	}
	return f.profiles
}

// Filter says whether a node has the resources for a pod.
func (f *fitting) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	fit := f.resolve()
	status := fit.Filter(ctx, state, pod, info)
	if f.asked && fit != f.own && status.IsRejected() {
		return f.own.Filter(ctx, state, pod, info)
	}
	return status
}

// Ignores reports whether an extended resource is somebody else's business: a pod fits on a node that has no more of it.
func (f *fitting) Ignores(name corev1.ResourceName) bool {
	if known, ok := f.ignores.Load(name); ok {
		return known.(bool)
	}
	one := corev1.ResourceList{name: resource.MustParse("1")}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: one}}}}}
	// A node that has one and has given it away. If it had none, dynamic resource allocation might stand in.
	full := framework.NewNodeInfo(pod)
	full.SetNode(&corev1.Node{Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
		name: one[name], corev1.ResourcePods: resource.MustParse("2"),
	}}})
	ctx, state := context.Background(), framework.NewCycleState()
	ignored := false
	if _, status := f.own.PreFilter(ctx, state, pod, nil); status.IsSuccess() {
		ignored = f.Filter(ctx, state, pod, full).IsSuccess()
	}
	f.ignores.Store(name, ignored)
	return ignored
}
