package explain

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// Node is a node with its placeholders in the order in which they go.
type Node struct {
	// Name of the node.
	Name string
	// Placeholders, the first to go first.
	Placeholders []evictionorder.Placeholder
}

// Misfit is a node on which a pod does not fit, whatever placeholders go.
type Misfit struct {
	// Node is its name.
	Node string
	// Why says in one line what keeps the pod from fitting.
	Why string
}

// Placeholders returns the nodes that hold placeholders, in the order of their names. The placeholders are in the order in which they go
// for a pod that may take all of them, that no `consumers` name, and that lacks nothing in particular.
func (c *Cluster) Placeholders() []Node {
	c.load(nil)
	var found []Node
	nodes := c.inventory.Nodes()
	for i := range nodes {
		node := Node{Name: nodes[i].Name}
		for _, p := range nodes[i].Placeholders {
			p.Evidence.Surplus = evictionorder.Waste(p.Evidence.Requests, nil, nodes[i].Allocatable)
			node.Placeholders = append(node.Placeholders, p.Evidence)
		}
		if len(node.Placeholders) > 0 {
			slices.SortFunc(node.Placeholders, evictionorder.Compare)
			found = append(found, node)
		}
	}
	return found
}

// Nodes returns the nodes on which a pod fits, as they are or once placeholders go, in the order in which they are chosen, and the others
// with the reason. A pod that is on a node already is treated as if it were not.
func (c *Cluster) Nodes(pod *corev1.Pod) (options []selection.Option, misfits []Misfit) {
	c.load(pod)
	pending := pod.DeepCopy()
	pending.Spec.NodeName = ""
	consumer := c.selector.AsConsumer(pending)
	options, misfits = c.nodesFor(consumer)
	if !selection.SystemCritical(pod) {
		return options, misfits
	}
	atAll, never := c.nodesFor(c.selector.Unrestricted(consumer))
	if len(options) == 0 {
		return atAll, never
	}
	return options, withheld(misfits, never)
}

func (c *Cluster) nodesFor(consumer *selection.Consumer) (options []selection.Option, misfits []Misfit) {
	anchors := c.selector.Anchors(consumer)
	nodes := c.inventory.Nodes()
	for i := range nodes {
		if option, fits := c.selector.Option(consumer, &nodes[i], anchors); fits {
			options = append(options, option)
		} else {
			misfits = append(misfits, Misfit{Node: nodes[i].Name, Why: c.whyNot(consumer, &nodes[i])})
		}
	}
	order := c.Order()
	slices.SortFunc(options, func(a, b selection.Option) int { return order.Compare(a.Evidence, b.Evidence) })
	return options, misfits
}

// withheld words why a system-critical pod, which other nodes serve, does not go to some: consumers alone keep it from none. never are the
// nodes on which nothing would serve it.
func withheld(misfits, never []Misfit) []Misfit {
	for i := range misfits {
		j := slices.IndexFunc(never, func(m Misfit) bool { return m.Node == misfits[i].Node })
		if j >= 0 {
			misfits[i].Why = never[j].Why
		} else {
			misfits[i].Why += "; a system-critical pod gets the room all the same where no other node serves it"
		}
	}
	return misfits
}

// whyNot says why a consumer does not fit on a node.
func (c *Cluster) whyNot(consumer *selection.Consumer, node *inventory.Node) string {
	if len(node.Placeholders) == 0 {
		return "it has too little room, and holds no headroom"
	}
	var refusals []string
	for i := range node.Placeholders {
		p := &node.Placeholders[i]
		refusal := c.selector.Refusal(consumer, p)
		if err := c.invalid[c.inventory.Headrooms()[p.Evidence.Headroom].Name]; err != nil {
			refusal = err.Error()
		}
		if refusal != "" {
			refusals = append(refusals, refusal)
		}
	}
	if len(refusals) == 0 {
		return "it does not hold enough headroom"
	}
	slices.Sort(refusals)
	return strings.Join(slices.Compact(refusals), "; ")
}
