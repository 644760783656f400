package selection

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
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

// equivalenceClassOf returns the class of a consumer. Where all plugins are kube-scheduler's own, the selector knows
// what they read of a pod. Of other profiles it takes the pod's signature, if all plugins give one.
func (s *Selector) equivalenceClassOf(ctx context.Context, run *dryrun.Run, c *Consumer) equivalenceClass {
	alone := equivalenceClass{crossNode: true, crossNodeScore: true}
	if run.InGroup() || !localVolumes(c.Pod) || s.wantsDevices(c.Pod) {
		return alone
	}
	signature := s.Handle.SignPod(ctx, c.Pod)
	if !s.Profile.InTreeOnly() {
		if signature == nil {
			return alone
		}
		// No signature has the affinity if no other plugin reads it; anchors are found by it.
		affinity, err := json.Marshal(c.Pod.Spec.Affinity)
		if err != nil {
			return alone
		}
		return equivalenceClass{key: s.entitlementKey(c) + string(affinity) + string(signature)}
	}
	if len(c.Pod.Spec.ResourceClaims) > 0 || c.Pod.Spec.SchedulingGroup != nil {
		return alone
	}
	class := equivalenceClass{}
	if signature == nil {
		class = s.crossNodeReads(run, c.Pod)
	}
	shape, err := json.Marshal(s.shapeOf(c.Pod, class))
	if err != nil {
		return alone
	}
	class.key = s.entitlementKey(c) + string(shape)
	return class
}

// entitlementKey is what tells classes apart beside what plugins read of a pod's spec and labels: the placeholders that
// the pod may take, and what it wants to be near to. The labels of the namespace are what the anti-affinity of other
// pods may ask about.
func (s *Selector) entitlementKey(c *Consumer) string {
	return fmt.Sprintf("%s %v %d %v %v %t %q ", c.Pod.Namespace, c.identity.NamespaceLabels, c.priority, c.entitlements, c.request,
		c.near != nil, c.Pod.Annotations[v1alpha1.AnnotationNear])
}

// crossNodeReads returns a class without a key: which of kube-scheduler's own plugins read more than the node for a
// pod. One that has a signature is none of these.
func (s *Selector) crossNodeReads(run *dryrun.Run, pod *corev1.Pod) equivalenceClass {
	constraints, affinity := pod.Spec.TopologySpreadConstraints, dryrun.HasPodAffinity(pod)
	byDefault := len(constraints) == 0 && s.spreadByDefault(pod)
	return equivalenceClass{
		crossNode:   affinity || (byDefault || len(constraints) > 0) && run.MustSpread(),
		podAffinity: affinity,
		crossNodeScore: byDefault || slices.ContainsFunc(constraints, func(t corev1.TopologySpreadConstraint) bool {
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

// shape is what kube-scheduler's own plugins read of a pod, as far as they are not asked for each pod anew.
type shape struct {
	Namespace string
	Labels    labels.Set
	Spec      corev1.PodSpec
}

// shapeOf leaves out what differs between the pods of one workload and that nobody reads, such as names of token
// volumes, and all labels but those that somebody reads: `consumers` have had their say, PodTopologySpread is asked for
// each pod anew, so is InterPodAffinity for a pod with terms of its own, and for any other it reads what the terms of
// existing pods select.
func (s *Selector) shapeOf(pod *corev1.Pod, class equivalenceClass) shape {
	read := shape{Namespace: pod.Namespace, Spec: pod.Spec}
	if !class.podAffinity {
		read.Labels = s.Inventory.ReadByAffinity(pod)
	}
	read.Spec.Volumes, read.Spec.EphemeralContainers, read.Spec.Hostname = nil, nil, ""
	read.Spec.Containers = bare(pod.Spec.Containers)
	read.Spec.InitContainers = bare(pod.Spec.InitContainers)
	return read
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
