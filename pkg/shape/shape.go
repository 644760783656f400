package shape

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/utils/ptr"
)

// Shape is what a unit has to be like.
type Shape struct {
	// Requests is its size.
	Requests corev1.ResourceList
	// NodeSelector, NodeAffinity, Tolerations and Spread are where it may go, as in a pod.
	NodeSelector map[string]string
	NodeAffinity *corev1.NodeAffinity
	Tolerations  []corev1.Toleration
	Spread       []corev1.TopologySpreadConstraint
	// RuntimeClassName is that of the pods, whose overhead comes on top of Requests; empty if they have none.
	RuntimeClassName string
}

// Of is the shape of a pod of a template. own selects the placeholders, which the spread is of.
func Of(template *corev1.PodSpec, own *metav1.LabelSelector) Shape {
	s := Shape{
		Requests: Requests(template), NodeSelector: maps.Clone(template.NodeSelector),
		RuntimeClassName: ptr.Deref(template.RuntimeClassName, ""),
	}
	if affinity := template.Affinity; affinity != nil && affinity.NodeAffinity != nil {
		s.NodeAffinity = affinity.NodeAffinity.DeepCopy()
	}
	for _, toleration := range template.Tolerations {
		if !ofLeavingNodes(toleration) {
			s.Tolerations = append(s.Tolerations, *toleration.DeepCopy())
		}
	}
	for i := range template.TopologySpreadConstraints {
		constraint := template.TopologySpreadConstraints[i].DeepCopy()
		constraint.LabelSelector, constraint.MatchLabelKeys = own.DeepCopy(), nil
		s.Spread = append(s.Spread, *constraint)
	}
	return s
}

// ofLeavingNodes reports whether a toleration would keep placeholders on nodes that an autoscaler, or somebody else, drains: one of
// everything, and those of the taints with which nodes are taken away.
func ofLeavingNodes(toleration corev1.Toleration) bool {
	leaving := []string{
		"", corev1.TaintNodeUnschedulable, corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable,
		"karpenter.sh/disrupted", "ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler",
	}
	return slices.Contains(leaving, toleration.Key)
}

// Requests is what a pod of a template requests as the scheduler counts it, without the overhead of its RuntimeClass. Zeros are left out. A
// container that has a limit and no request requests the limit, as the API server has it in pods and not in templates.
func Requests(template *corev1.PodSpec) corev1.ResourceList {
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: withDefaults(template.InitContainers), Containers: withDefaults(template.Containers), Resources: template.Resources,
	}}
	requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{ExcludeOverhead: true})
	maps.DeleteFunc(requests, func(_ corev1.ResourceName, q resource.Quantity) bool { return q.Sign() <= 0 })
	return requests
}

func withDefaults(containers []corev1.Container) []corev1.Container {
	var all []corev1.Container
	for i := range containers {
		requests := maps.Clone(containers[i].Resources.Requests)
		for name, limit := range containers[i].Resources.Limits {
			if _, ok := requests[name]; !ok {
				if requests == nil {
					requests = corev1.ResourceList{}
				}
				requests[name] = limit
			}
		}
		all = append(all, corev1.Container{
			Name: containers[i].Name, RestartPolicy: containers[i].RestartPolicy, Resources: corev1.ResourceRequirements{Requests: requests},
		})
	}
	return all
}

// Larger is the larger of two sizes, resource by resource.
func Larger(a, b corev1.ResourceList) corev1.ResourceList {
	larger := maps.Clone(a)
	if larger == nil {
		larger = corev1.ResourceList{}
	}
	for name, quantity := range b {
		if have, ok := larger[name]; quantity.Sign() > 0 && (!ok || quantity.Cmp(have) > 0) {
			larger[name] = quantity
		}
	}
	return larger
}

// Remembered is the size of pods that cannot be looked at now, because none is bound or they are being replaced: the size held, to which
// pods that were larger than their template led, if the template still requests about what it did then (seen), and else what the template
// requests now. A seen of nil says that held comes from the template.
func Remembered(held, seen, template corev1.ResourceList) corev1.ResourceList {
	if len(seen) == 0 || !alike(seen, template) {
		return template
	}
	return Larger(held, template)
}

// samePlace reports whether two shapes differ in size at most.
func samePlace(a, b Shape) bool {
	a.Requests, b.Requests = nil, nil
	return equality.Semantic.DeepEqual(a, b)
}
