package main

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/resource"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// cluster is the evidence that the order needs.
type cluster struct {
	order     evictionorder.Order
	consumer  *corev1.Pod
	request   evictionorder.Resources
	resources []corev1.ResourceName
	nodes     []*node
	headrooms []*headroom
	anchors   *nearness.Anchors
}

// node is a node with what lies on it.
type node struct {
	name        string
	labels      map[string]string
	pods        []*corev1.Pod
	allocatable evictionorder.Resources
	requested   evictionorder.Resources
	takeable    []evictionorder.Placeholder
	refusals    []string
}

// headroom is a Headroom with the units that it has in each domain of each of its spread keys.
type headroom struct {
	name   types.NamespacedName
	keys   []string
	units  []map[string]int
	rule   *entitlement.Rule
	broken error
}

func newCluster(o *objects, consumer *corev1.Pod) *cluster {
	c := &cluster{order: evictionorder.DefaultOrder(), consumer: consumer, resources: resourceNames(o.pods)}
	if consumer != nil {
		c.request = c.amounts(requests(consumer), 1)
	}
	c.addNodes(o)
	c.addAnchors()
	indexes := map[types.NamespacedName]int{}
	for _, n := range c.nodes {
		for _, pod := range n.pods {
			name, ok := placeholder.HeadroomOf(pod, o.headroomOfDaemonSet)
			if !ok || pod == consumer {
				continue
			}
			index, known := indexes[name]
			if !known {
				index = len(c.headrooms)
				indexes[name] = index
				c.headrooms = append(c.headrooms, newHeadroom(name, o.headrooms[name]))
			}
			c.addPlaceholder(n, pod, index, o)
		}
	}
	return c
}

// addNodes makes the nodes, also those that only pods name, and puts the pods on them.
func (c *cluster) addNodes(o *objects) {
	byName := map[string]*node{}
	for _, object := range o.nodes {
		byName[object.Name] = &node{
			name: object.Name, labels: object.Labels,
			allocatable: c.amounts(object.Status.Allocatable, object.Status.Allocatable.Pods().Value()),
		}
	}
	for _, pod := range o.pods {
		if pod.Spec.NodeName == "" || pod == c.consumer || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		n := byName[pod.Spec.NodeName]
		if n == nil {
			n = &node{name: pod.Spec.NodeName}
			byName[n.name] = n
		}
		n.pods = append(n.pods, pod)
		n.requested = plus(n.requested, c.amounts(requests(pod), 1))
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		c.nodes = append(c.nodes, byName[name])
	}
}

// addAnchors finds what the consumer wants to be near to: by its annotation, or by its preferred node affinity. Pod affinity
// terms are not looked at.
func (c *cluster) addAnchors() {
	c.anchors = nearness.New(c.order.TopologyKeys)
	if c.consumer == nil {
		return
	}
	if selector, err := nearness.Near(c.consumer); err == nil && selector != nil {
		for _, n := range c.nodes {
			if slices.ContainsFunc(n.pods, func(pod *corev1.Pod) bool {
				return pod.Namespace == c.consumer.Namespace && selector.Matches(labels.Set(pod.Labels))
			}) {
				c.anchors.AddNode(n.labels)
			}
		}
	}
	if affinity := c.consumer.Spec.Affinity; c.anchors.None() && affinity != nil && affinity.NodeAffinity != nil {
		c.anchors.AddPreferred(affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

func newHeadroom(name types.NamespacedName, object *v1alpha1.Headroom) *headroom {
	h := &headroom{name: name}
	if object == nil {
		object = &v1alpha1.Headroom{}
	}
	h.keys = object.Spec.SpreadKeys()
	for range h.keys {
		h.units = append(h.units, map[string]int{})
	}
	h.rule, h.broken = entitlement.Compile(name, object.Spec.Consumers)
	return h
}

// addPlaceholder counts a placeholder, and makes it takeable if the consumer may take it.
func (c *cluster) addPlaceholder(n *node, pod *corev1.Pod, index int, o *objects) {
	h := c.headrooms[index]
	terminating := pod.DeletionTimestamp != nil
	if !terminating {
		for i, key := range h.keys {
			h.units[i][n.labels[key]]++
		}
	}
	named := false
	if c.consumer != nil {
		if refusal := c.refusal(pod, h, o); refusal != "" {
			n.refusals = append(n.refusals, refusal)
			return
		}
		named = h.rule.Named()
	}
	n.takeable = append(n.takeable, evictionorder.Placeholder{
		UID: string(pod.UID), Name: pod.Namespace + "/" + pod.Name, Headroom: index, Requests: c.amounts(requests(pod), 1),
		Created: pod.CreationTimestamp.UnixNano(), Priority: priority(pod), Leaving: terminating, NamesConsumer: named,
	})
}

// refusal says why the consumer may not take a placeholder; it is empty if it may.
func (c *cluster) refusal(pod *corev1.Pod, h *headroom, o *objects) string {
	if priority(c.consumer) <= priority(pod) {
		return "the consumer's priority is not above that of " + pod.Namespace + "/" + pod.Name
	}
	if policy := c.consumer.Spec.PreemptionPolicy; policy != nil && *policy == corev1.PreemptNever {
		return "the consumer's preemptionPolicy is Never"
	}
	if h.broken != nil {
		return h.broken.Error()
	}
	consumer := &entitlement.Consumer{
		Namespace: c.consumer.Namespace, Labels: c.consumer.Labels, Priority: priority(c.consumer),
	}
	if namespace := o.namespaces[c.consumer.Namespace]; namespace != nil {
		consumer.NamespaceLabels = namespace.Labels
	}
	return h.rule.WhyNot(consumer)
}

// headroomOfDaemonSet finds the Headroom that controls a DaemonSet.
func (o *objects) headroomOfDaemonSet(_, _ string, uid types.UID) (types.NamespacedName, bool) {
	set := o.daemonSets[uid]
	if set == nil {
		return types.NamespacedName{}, false
	}
	return placeholder.Controller(set)
}

func priority(pod *corev1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}

func requests(pod *corev1.Pod) corev1.ResourceList {
	return resource.PodRequests(pod, resource.PodResourcesOptions{})
}

// resourceNames returns the extended resources that any pod requests, in order of name.
func resourceNames(pods []*corev1.Pod) []corev1.ResourceName {
	names := map[corev1.ResourceName]bool{}
	for _, pod := range pods {
		for name := range requests(pod) {
			names[name] = true
		}
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		delete(names, name)
	}
	return slices.Sorted(maps.Keys(names))
}

// amounts turns a list of resources into numbers.
func (c *cluster) amounts(list corev1.ResourceList, pods int64) evictionorder.Resources {
	amounts := evictionorder.Resources{pods, list.Cpu().MilliValue(), list.Memory().Value(), list.StorageEphemeral().Value()}
	for _, name := range c.resources {
		quantity := list[name]
		amounts = append(amounts, quantity.Value())
	}
	return amounts
}

func plus(a, b evictionorder.Resources) evictionorder.Resources {
	sum := make(evictionorder.Resources, max(len(a), len(b)))
	for i := range sum {
		sum[i] = a.At(i) + b.At(i)
	}
	return sum
}
