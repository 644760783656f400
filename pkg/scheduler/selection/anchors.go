package selection

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// Anchors returns what a consumer wants to be near to.
func (s *Selector) Anchors(c *Consumer) *nearness.Anchors {
	nodes := s.Inventory.Nodes()
	anchors, _ := s.anchors(c, nodes, func(i int) bool { return c.isNear(&nodes[i]) })
	return anchors
}

// proximity is what is known of one node for the distances from a pod's anchors.
type proximity struct {
	// revision of the node for which the rest holds, but for the distance.
	revision uint64
	// near says that a pod on the node is selected by the annotation of the pod.
	near   bool
	labels map[string]string
	// distance of the node, with these labels, from the anchors; good if measured.
	distance int
	measured bool
}

// addDistances fills in how far the nodes are from what the pod wants to be near to.
func (ch *choice) addDistances() {
	m, nodes := ch.cache, ch.nodes
	if ch.consumer.near == nil && ch.consumer.Pod.Spec.Affinity == nil {
		return // nothing to be near to: most pods
	}
	m.lookForAnchors(ch.consumer, nodes)
	ch.anchors = m.anchors
	if ch.anchors == nil {
		var lasting bool
		ch.anchors, lasting = ch.selector.anchors(ch.consumer, nodes, func(i int) bool { return m.nodes[i].proximity.near })
		if lasting {
			m.anchors = ch.anchors
		}
		m.forgetDistances()
	}
	if ch.anchors.None() {
		return
	}
	for _, i := range ch.candidates {
		p := &m.nodes[i].proximity
		if !p.measured {
			p.distance, p.measured = ch.anchors.Distance(p.labels), true
		}
		ch.candidate(i).evidence.Distance = p.distance
	}
}

// lookForAnchors finds out which nodes the consumer wants to be near to, and forgets what changed nodes make wrong: all
// anchors if a node begins or ceases to be one or has other labels, else no more than the node's own distance.
func (m *nodeCache) lookForAnchors(c *Consumer, nodes []inventory.Node) {
	for i := range nodes {
		node, p := &nodes[i], &m.nodes[i].proximity
		if p.revision == node.Revision {
			continue
		}
		near, labels := c.isNear(node), node.Info.Node().Labels
		moved := !maps.Equal(p.labels, labels)
		if near != p.near || near && moved {
			m.anchors = nil
		}
		p.measured = p.measured && !moved
		p.revision, p.near, p.labels = node.Revision, near, labels
	}
}

func (m *nodeCache) forgetDistances() {
	for i := range m.nodes {
		m.nodes[i].proximity.measured = false
	}
}

// anchors returns what the consumer wants to be near to: the pods that its annotation selects, which near says of each
// node whether it has any, else the pods that its affinity terms match, else the domains that its preferred node
// affinity names. They are lasting if they depend on nothing but the pods of a node.
func (s *Selector) anchors(c *Consumer, nodes []inventory.Node, near func(node int) bool) (anchors *nearness.Anchors, lasting bool) {
	anchors, lasting = nearness.New(s.Args.TopologyKeys), true
	if len(s.Args.TopologyKeys) == 0 {
		return anchors, lasting
	}
	if c.near != nil {
		addNodes(anchors, nodes, near)
	}
	if affinity := c.Pod.Spec.Affinity; anchors.None() && affinity != nil && affinity.PodAffinity != nil {
		s.addAffinity(anchors, nodes, c.Pod)
		lasting = false // the terms may select namespaces by their labels
	}
	if affinity := c.Pod.Spec.Affinity; anchors.None() && affinity != nil && affinity.NodeAffinity != nil {
		anchors.AddPreferred(affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	return anchors, lasting
}

// isNear reports whether there is a pod on a node that the consumer's annotation selects.
func (c *Consumer) isNear(node *inventory.Node) bool {
	return c.near != nil && hasPod(node, func(other *corev1.Pod) bool {
		return other.Namespace == c.Pod.Namespace && c.near.Matches(labels.Set(other.Labels))
	})
}

func (s *Selector) addAffinity(anchors *nearness.Anchors, nodes []inventory.Node, pod *corev1.Pod) {
	// A term that does not parse matches nothing; the InterPodAffinity plugin reports it.
	info, _ := framework.NewPodInfo(pod)
	if info == nil {
		return
	}
	terms := append([]fwk.AffinityTerm{}, info.GetRequiredAffinityTerms()...)
	for _, preferred := range info.GetPreferredAffinityTerms() {
		terms = append(terms, preferred.AffinityTerm)
	}
	namespaces := s.Handle.SharedInformerFactory().Core().V1().Namespaces().Lister()
	matches := func(other *corev1.Pod) bool {
		for i := range terms {
			var namespaceLabels labels.Set
			if namespace, err := namespaces.Get(other.Namespace); err == nil {
				namespaceLabels = namespace.Labels
			}
			if terms[i].Matches(other, namespaceLabels) {
				return true
			}
		}
		return false
	}
	addNodes(anchors, nodes, func(i int) bool { return hasPod(&nodes[i], matches) })
}

// addNodes makes some of the nodes anchors.
func addNodes(anchors *nearness.Anchors, nodes []inventory.Node, some func(node int) bool) {
	for i := range nodes {
		if some(i) {
			anchors.AddNode(nodes[i].Info.Node().Labels)
		}
	}
}

func hasPod(node *inventory.Node, match func(*corev1.Pod) bool) bool {
	return slices.ContainsFunc(node.Info.GetPods(), func(info fwk.PodInfo) bool { return match(info.GetPod()) })
}
