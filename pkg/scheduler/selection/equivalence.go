package selection

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/helper"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

// equivalenceClass is what decides which pods are equivalent: pods of one class get the same Filter and Score results
// on an unchanged node.
type equivalenceClass struct {
	// key is equal for pods of one class, and empty if a pod is in a class of its own, because what plugins say depends
	// on more than the node.
	key string
	// crossNode says that some Filter plugins read more than the node: they are asked for each pod anew.
	crossNode bool
	// podAffinity says that InterPodAffinity is one of them, so that nothing else depends on which pods have an affinity.
	podAffinity bool
	// crossNodeScore says that PodTopologySpread scores nodes by the pods of others, which it is asked about for each pod anew.
	crossNodeScore bool
}

// equivalenceClassOf returns the class of a consumer. A signature, if all plugins give one, is the best answer. But
// with kube-scheduler's default configuration no pod has one, as PodTopologySpread then spreads by default; so the
// selector looks for itself where it knows all plugins.
func (s *Selector) equivalenceClassOf(ctx context.Context, run *dryrun.Run, c *Consumer) equivalenceClass {
	alone := equivalenceClass{crossNode: true, crossNodeScore: true}
	if run.InGroup() || !localVolumes(c.Pod) || s.wantsDevices(c.Pod) {
		return alone
	}
	// The labels of the namespace are what the anti-affinity of other pods may ask about, and no signature has them.
	entitled := fmt.Sprintf("%s %v %d %v %v %t %q ", c.Pod.Namespace, c.identity.NamespaceLabels, c.priority, c.entitlements, c.request,
		c.near != nil, c.Pod.Annotations[v1alpha1.AnnotationNear])
	if signature := s.Handle.SignPod(ctx, c.Pod); signature != nil {
		// Nor does one have the affinity if no other plugin reads it; anchors are found by it.
		affinity, err := json.Marshal(c.Pod.Spec.Affinity)
		if err != nil {
			return alone
		}
		return equivalenceClass{key: entitled + string(affinity) + string(signature)}
	}
	if !s.Profile.InTreeOnly() || len(c.Pod.Spec.ResourceClaims) > 0 || c.Pod.Spec.SchedulingGroup != nil {
		return alone
	}
	shape, err := json.Marshal(shapeOf(c.Pod))
	if err != nil {
		return alone
	}
	affinity := dryrun.HasPodAffinity(c.Pod)
	byDefault := len(c.Pod.Spec.TopologySpreadConstraints) == 0 && s.spreadByDefault(c.Pod)
	spreads := byDefault || len(c.Pod.Spec.TopologySpreadConstraints) > 0
	return equivalenceClass{
		key:         entitled + string(shape),
		crossNode:   affinity || spreads && run.MustSpread(),
		podAffinity: affinity,
		crossNodeScore: byDefault || slices.ContainsFunc(c.Pod.Spec.TopologySpreadConstraints, func(t corev1.TopologySpreadConstraint) bool {
			return t.WhenUnsatisfiable != corev1.DoNotSchedule
		}),
	}
}

// spreadByDefault reports whether the default spread constraints, if the profile has any, are about a pod without own ones.
func (s *Selector) spreadByDefault(pod *corev1.Pod) bool {
	core, apps := s.Handle.SharedInformerFactory().Core().V1(), s.Handle.SharedInformerFactory().Apps().V1()
	return !helper.DefaultSelector(pod, core.Services().Lister(), core.ReplicationControllers().Lister(),
		apps.ReplicaSets().Lister(), apps.StatefulSets().Lister()).Empty()
}

// wantsDevices reports whether the pod asks for a resource that dynamic resource allocation stands behind: whether a node has it is
// not to be seen at the node.
func (s *Selector) wantsDevices(pod *corev1.Pod) bool {
	if !s.Features.EnableDRAExtendedResource {
		return false
	}
	for name := range resource.PodRequests(pod, resource.PodResourcesOptions{}) {
		if s.allocatedAsDevice(name) {
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
