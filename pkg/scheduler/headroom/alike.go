package headroom

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/helper"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// likeness says which pods are alike: what Filter plugins said of an unchanged node for one holds for the next.
type likeness struct {
	// key is equal for pods alike, and empty if a pod is like no other, because what plugins say depends on more than the node.
	key string
	// reaches says that some Filter plugins reach beyond the node: what they say is asked for each pod anew.
	reaches bool
	// affine says that InterPodAffinity is one of them, so that nothing else depends on which pods have an affinity.
	affine bool
	// prefers says that PodTopologySpread scores nodes by the pods of others, which it is asked about for each pod anew.
	prefers bool
}

// likeness of a consumer. A signature, if all plugins give one, is the best answer. But with kube-scheduler's default
// configuration no pod has one, as PodTopologySpread then spreads by default; so the plugin looks for itself where it knows
// all plugins.
func (p *Plugin) likeness(ctx context.Context, state fwk.CycleState, c *consumer) likeness {
	unlike := likeness{reaches: true, prefers: true}
	if state.IsPodGroupSchedulingCycle() || !localVolumes(c.pod) || p.wantsDevices(c.pod) {
		return unlike
	}
	// The labels of the namespace are what the anti-affinity of other pods may ask about, and no signature has them.
	entitled := fmt.Sprintf("%s %v %d %v %v %t %q ", c.pod.Namespace, c.identity.NamespaceLabels, c.priority, c.admitted, c.request,
		c.near != nil, c.pod.Annotations[v1alpha1.AnnotationNear])
	if signature := p.handle.SignPod(ctx, c.pod); signature != nil {
		// Nor does one have the affinity if no other plugin reads it; anchors are found by it.
		affinity, err := json.Marshal(c.pod.Spec.Affinity)
		if err != nil {
			return unlike
		}
		return likeness{key: entitled + string(affinity) + string(signature)}
	}
	if !p.learn().known || len(c.pod.Spec.ResourceClaims) > 0 || c.pod.Spec.SchedulingGroup != nil {
		return unlike
	}
	shape, err := json.Marshal(shapeOf(c.pod))
	if err != nil {
		return unlike
	}
	byDefault := len(c.pod.Spec.TopologySpreadConstraints) == 0 && p.spreadByDefault(c.pod)
	spreads := byDefault || len(c.pod.Spec.TopologySpreadConstraints) > 0
	return likeness{
		key:     entitled + string(shape),
		reaches: hasPodAffinity(c.pod) || spreads && p.mustSpread(state),
		affine:  hasPodAffinity(c.pod),
		prefers: byDefault || slices.ContainsFunc(c.pod.Spec.TopologySpreadConstraints, mayBeUnmet),
	}
}

// mustSpread reports whether there may be spread constraints that the pod must meet.
func (p *Plugin) mustSpread(state fwk.CycleState) bool {
	_, err := state.Read(countsOf(podtopologyspread.Name))
	return err == nil || !p.learn().counted
}

// spreadByDefault reports whether the default spread constraints, if the profile has any, are about a pod without own ones.
func (p *Plugin) spreadByDefault(pod *corev1.Pod) bool {
	core, apps := p.handle.SharedInformerFactory().Core().V1(), p.handle.SharedInformerFactory().Apps().V1()
	return !helper.DefaultSelector(pod, core.Services().Lister(), core.ReplicationControllers().Lister(),
		apps.ReplicaSets().Lister(), apps.StatefulSets().Lister()).Empty()
}

// hasPodAffinity reports whether the pod asks for something of the pods of other nodes, beside a spread.
func hasPodAffinity(pod *corev1.Pod) bool {
	affinity := pod.Spec.Affinity
	return affinity != nil && (affinity.PodAffinity != nil || affinity.PodAntiAffinity != nil)
}

func mayBeUnmet(constraint corev1.TopologySpreadConstraint) bool {
	return constraint.WhenUnsatisfiable != corev1.DoNotSchedule
}

// wantsDevices reports whether the pod asks for a resource that dynamic resource allocation stands behind: whether a node has it is
// not to be seen at the node.
func (p *Plugin) wantsDevices(pod *corev1.Pod) bool {
	if !p.features.EnableDRAExtendedResource {
		return false
	}
	for name := range resource.PodRequests(pod, resource.PodResourcesOptions{}) {
		if p.allocatedAsDevice(name) {
			return true
		}
	}
	return false
}

// localVolumes reports whether no volume of the pod depends on where its data is.
func localVolumes(pod *corev1.Pod) bool {
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if v.EmptyDir == nil && v.Projected == nil && v.ConfigMap == nil && v.Secret == nil && v.DownwardAPI == nil && v.HostPath == nil {
			return false
		}
	}
	return true
}

// shape is what kube-scheduler's own plugins read of a pod.
type shape struct {
	Namespace string
	Labels    map[string]string
	Spec      corev1.PodSpec
}

// shapeOf leaves out what differs between the pods of one template, such as names of token volumes.
func shapeOf(pod *corev1.Pod) shape {
	s := shape{Namespace: pod.Namespace, Labels: pod.Labels, Spec: pod.Spec}
	s.Spec.Volumes, s.Spec.EphemeralContainers, s.Spec.Hostname = nil, nil, ""
	s.Spec.Containers = bare(pod.Spec.Containers)
	s.Spec.InitContainers = bare(pod.Spec.InitContainers)
	return s
}

func bare(containers []corev1.Container) []corev1.Container {
	result := make([]corev1.Container, len(containers))
	for i := range containers {
		result[i] = containers[i]
		c := &result[i]
		c.VolumeMounts, c.Env, c.EnvFrom, c.Command, c.Args, c.Lifecycle = nil, nil, nil, nil, nil, nil
		c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = nil, nil, nil
	}
	return result
}
