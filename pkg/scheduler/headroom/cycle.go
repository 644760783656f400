package headroom

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// cycleKey is where a scheduling cycle keeps its cycle.
const cycleKey fwk.StateKey = "PreFilter" + Name

// cycle is what the plugin remembers of one attempt to schedule one pod.
type cycle struct {
	// generation of the waiting pods when the cycle began.
	generation uint64
	// consumer is the pod, nil if it can take no headroom, or if PreFilter had no need to find that out.
	consumer *selection.Consumer
	// candidates is on how many nodes placeholders would make the room, whatever the other Filter plugins say; nil if not counted.
	candidates *int
	// swap is what was decided, nil if the pod is scheduled as kube-scheduler would.
	swap *swap
	// devicesBefore is what the plugin DynamicResources went by before the swap exposed devices to it, nil if none does.
	devicesBefore fwk.StateData
	// preemptor is the pod once PostFilter ran: from then on Filter answers dry runs of preemption.
	preemptor *selection.Preemptor
	// kept is about room that is kept for other pods.
	kept keptFrom
}

// swap is a decision and how far it got.
type swap struct {
	*selection.Swap
	decided time.Time
	outcome outcome
}

// Clone returns the cycle itself: it does not depend on the pods that dry runs add and remove.
func (c *cycle) Clone() fwk.StateData {
	return c
}

// victimsOn returns the placeholders that the pod takes on a node.
func (c *cycle) victimsOn(node string) []*corev1.Pod {
	if c.swap != nil && c.swap.Node == node {
		return c.swap.Victims
	}
	return nil
}

// cycleOf returns the cycle, nil if PreFilter did not run.
func cycleOf(state fwk.CycleState) *cycle {
	data, err := state.Read(cycleKey)
	if err != nil {
		return nil
	}
	c, _ := data.(*cycle)
	return c
}

// swapOn returns the swap that was decided for a node.
func swapOn(state fwk.CycleState, node string) *swap {
	if c := cycleOf(state); c != nil && c.swap != nil && c.swap.Node == node {
		return c.swap
	}
	return nil
}
