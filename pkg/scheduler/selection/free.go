package selection

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

const (
	// nearby is at how many nodes a pod is looked for room that needs no look at all of them.
	nearby = 64
	// tries is how many of them are put to the Filter plugins.
	tries = 3
	// fewNodes is up to how many nodes kube-scheduler scores all that fit (minFeasibleNodesToFind in pkg/scheduler/schedule_one.go).
	fewNodes = 100
	// spread is at how many nodes is looked to tell whether room is scarce.
	spread = 16
)

// FitsNearby reports whether the pod fits as it is where room was found last, and whether few nodes have so much room. If most pods need no
// headroom, this spares them the look at all nodes. It does not need the inventory.
func (s *Selector) FitsNearby(ctx context.Context, run *dryrun.Run, pod *corev1.Pod, nodes []fwk.NodeInfo) (fits, scarce bool) {
	if run.HasExtenders() {
		return false, false
	}
	requests := s.requests(pod)
	tried := 0
	for n := range min(nearby, len(nodes)) {
		i := (s.lastFree + n) % len(nodes)
		if !mayFit(requests, nodes[i]) {
			continue
		}
		if !run.Start(ctx) {
			return false, false
		}
		if run.Passes(ctx, nodes[i], nil) {
			s.lastFree = i
			return true, roomIsScarce(requests, nodes)
		}
		if tried++; tried == tries {
			break
		}
	}
	return false, false
}

// roomIsScarce reports whether at most one of some nodes, evenly spread over all, has the room.
func roomIsScarce(requests *framework.Resource, nodes []fwk.NodeInfo) bool {
	if len(nodes) <= fewNodes {
		return false
	}
	with := 0
	for n := range spread {
		if mayFit(requests, nodes[n*len(nodes)/spread]) {
			if with++; with > 1 {
				return false
			}
		}
	}
	return true
}

// Free returns the nodes to which the cycle of a consumer that fits somewhere as it is may be narrowed without any effect but that it is
// over sooner: those with the resources that the consumer asks for, if they are few. kube-scheduler, left to itself, would ask the Filter
// plugins about every node of the cluster to find the same. It returns nil where the cycle is to be left alone. The inventory must be
// fresh.
func (s *Selector) Free(ctx context.Context, run *dryrun.Run, c *Consumer) sets.Set[string] {
	if c == nil || !c.Entitled {
		return nil
	}
	return s.namesOfFew(run, s.assess(c, s.cacheFor(s.equivalenceClassOf(ctx, run, c), s.Inventory.Nodes())).asIs)
}

// namesOfFew returns the names of nodes, nil if they are so many that kube-scheduler might score a sample of them, if they are nearly all,
// or if more than the nodes' resources and the Filter plugins decides where the pod may go.
func (s *Selector) namesOfFew(run *dryrun.Run, nodes []int) sets.Set[string] {
	all := s.Inventory.Nodes()
	if len(nodes) == 0 || len(nodes) > fewNodes || len(nodes) > len(all)/2 || run.InGroup() || run.HasExtenders() {
		return nil
	}
	names := make(sets.Set[string], len(nodes))
	for _, i := range nodes {
		names.Insert(all[i].Name)
	}
	return names
}

// mayFit is a first look at a node, before the Filter plugins are asked.
func mayFit(requests *framework.Resource, node fwk.NodeInfo) bool {
	requested, allocatable := node.GetRequested(), node.GetAllocatable()
	return requests.MilliCPU <= max(0, allocatable.GetMilliCPU()-requested.GetMilliCPU()) &&
		requests.Memory <= max(0, allocatable.GetMemory()-requested.GetMemory()) &&
		len(node.GetPods()) < allocatable.GetAllowedPodNumber()
}
