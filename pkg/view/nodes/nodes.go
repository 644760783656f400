// Package nodes says of each node, zone by zone, how much of a resource is used, held as headroom and free. It is pure: model and text are
// made of objects.
package nodes

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresource "k8s.io/component-helpers/resource"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// Input is what the report is made of.
type Input struct {
	// Nodes in any order.
	Nodes []*corev1.Node
	// NodesSeen tells whether nodes could be looked at: if not, only those show that pods are on, and nothing is known of their size.
	NodesSeen bool
	// Pods, those included that have ended or are on no node: they do not count.
	Pods []*corev1.Pod
	// DaemonSets tells which Headroom a DaemonSet is of.
	DaemonSets placeholder.HeadroomOfDaemonSet
	// Resource is what is counted.
	Resource corev1.ResourceName
	// ZoneKey is the node label whose values are the zones.
	ZoneKey string
	// OnlyHeadroom leaves out the nodes that hold none. They count in their zones all the same.
	OnlyHeadroom bool
}

// Report is what is printed, also as JSON and YAML.
type Report struct {
	// Resource is what is counted.
	Resource corev1.ResourceName `json:"resource"`
	// Total is the sum of all nodes.
	Total Room `json:"total"`
	// Zones in the order of their names.
	Zones []Zone `json:"zones"`
	// Waiting is the number of placeholders on no node.
	Waiting int `json:"waiting"`
	// NotSeen says what could not be looked at, and what it would have told.
	NotSeen []string `json:"notSeen,omitempty"`
}

// Zone is the nodes with one value of the label.
type Zone struct {
	// Name is the value, empty for nodes without the label.
	Name string `json:"name"`
	// Total is the sum of its nodes.
	Total Room `json:"total"`
	// Count is the number of its nodes, also of those that are left out of Nodes.
	Count int `json:"count"`
	// Nodes in the order of their names.
	Nodes []Node `json:"nodes"`
}

// Node is one node.
type Node struct {
	Name string `json:"name"`
	// State is Ready, NotReady, Cordoned, Leaving or Unknown.
	State State `json:"state"`
	Room
}

// Room is what there is of the resource.
type Room struct {
	// Allocatable is what pods may request in all. It is zero for a node that could not be looked at.
	Allocatable resource.Quantity `json:"allocatable"`
	// Used is requested by pods that are no placeholders.
	Used resource.Quantity `json:"used"`
	// Headroom is requested by placeholders.
	Headroom resource.Quantity `json:"headroom"`
	// Free is the rest, at least 0.
	Free resource.Quantity `json:"free"`
	// Units is the number of placeholders.
	Units int `json:"units"`
}

// State is whether a node takes pods.
type State string

// The states.
const (
	// Ready nodes take pods.
	Ready State = "Ready"
	// NotReady nodes take none, since their kubelet says so or says nothing.
	NotReady State = "NotReady"
	// Cordoned nodes take none, since somebody made them unschedulable.
	Cordoned State = "Cordoned"
	// Leaving nodes are being deleted, or an autoscaler is about to.
	Leaving State = "Leaving"
	// Unknown nodes could not be looked at.
	Unknown State = "Unknown"
)

func (r *Room) add(other *Room) {
	r.Allocatable.Add(other.Allocatable)
	r.Used.Add(other.Used)
	r.Headroom.Add(other.Headroom)
	r.Free.Add(other.Free)
	r.Units += other.Units
}

// settle computes what is free.
func (r *Room) settle() {
	r.Free = r.Allocatable.DeepCopy()
	r.Free.Sub(r.Used)
	r.Free.Sub(r.Headroom)
	if r.Free.Sign() < 0 {
		r.Free = resource.Quantity{}
	}
}

// New makes the report.
func New(in Input) Report {
	report := Report{Resource: in.Resource, Zones: []Zone{}}
	byName := make(map[string]*Node, len(in.Nodes))
	zoneOf := make(map[string]string, len(in.Nodes))
	for _, node := range in.Nodes {
		byName[node.Name] = &Node{Name: node.Name, State: stateOf(node), Room: Room{Allocatable: node.Status.Allocatable[in.Resource]}}
		zoneOf[node.Name] = node.Labels[in.ZoneKey]
	}
	for _, pod := range in.Pods {
		report.count(pod, &in, byName)
	}
	zones := map[string]*Zone{}
	for name, node := range byName {
		node.settle()
		zone := zones[zoneOf[name]]
		if zone == nil {
			zone = &Zone{Name: zoneOf[name], Nodes: []Node{}}
			zones[zone.Name] = zone
		}
		zone.Count++
		zone.Total.add(&node.Room)
		report.Total.add(&node.Room)
		if node.Units > 0 || !in.OnlyHeadroom {
			zone.Nodes = append(zone.Nodes, *node)
		}
	}
	for _, zone := range zones {
		slices.SortFunc(zone.Nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
		report.Zones = append(report.Zones, *zone)
	}
	slices.SortFunc(report.Zones, func(a, b Zone) int { return cmp.Compare(a.Name, b.Name) })
	return report
}

// count adds a pod to its node.
func (r *Report) count(pod *corev1.Pod, in *Input, nodes map[string]*Node) {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return
	}
	_, isPlaceholder := placeholder.HeadroomOf(pod, in.DaemonSets)
	if pod.Spec.NodeName == "" {
		if isPlaceholder && pod.DeletionTimestamp == nil {
			r.Waiting++
		}
		return
	}
	node := nodes[pod.Spec.NodeName]
	if node == nil {
		if in.NodesSeen {
			return // Its node is gone, and it will follow.
		}
		node = &Node{Name: pod.Spec.NodeName, State: Unknown}
		nodes[node.Name] = node
	}
	requested := requestOf(pod, in.Resource)
	if isPlaceholder {
		node.Headroom.Add(requested)
		node.Units++
	} else {
		node.Used.Add(requested)
	}
}

// requestOf is what a pod takes of a node's resource, as kube-scheduler counts it while a pod is being resized too.
func requestOf(pod *corev1.Pod, name corev1.ResourceName) resource.Quantity {
	if name == corev1.ResourcePods {
		return *resource.NewQuantity(1, resource.DecimalSI)
	}
	spec := &pod.Spec
	if len(spec.Containers) == 1 && len(spec.InitContainers) == 0 && len(spec.Overhead) == 0 && spec.Resources == nil &&
		len(pod.Status.ContainerStatuses) == 0 {
		return spec.Containers[0].Resources.Requests[name] // the same, without the work, of which a large cluster makes much
	}
	return podresource.PodRequests(pod, podresource.PodResourcesOptions{UseStatusResources: true})[name]
}

func stateOf(node *corev1.Node) State {
	switch {
	case placeholder.NodeLeaving(node):
		return Leaving
	case !isReady(node):
		return NotReady
	case node.Spec.Unschedulable:
		return Cordoned
	default:
		return Ready
	}
}

func isReady(node *corev1.Node) bool {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == corev1.NodeReady {
			return node.Status.Conditions[i].Status == corev1.ConditionTrue
		}
	}
	return false
}
