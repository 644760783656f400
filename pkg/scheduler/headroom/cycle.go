package headroom

import (
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// cycleKey is where a scheduling cycle keeps its cycle.
const cycleKey fwk.StateKey = "PreFilter" + Name

// cycle is what the plugin remembers of one attempt to schedule one pod.
type cycle struct {
	// began is when the cycle began, as misses tell time.
	began uint64
	// consumer is the pod, nil if it can take no headroom.
	consumer *consumer
	// candidates is on how many nodes placeholders would make the room, whatever the other Filter plugins say; good if surveyed.
	candidates int
	surveyed   bool
	// swap is what was decided, nil if the pod is scheduled as kube-scheduler would.
	swap *swap
	// trial is set while PreFilter asks the Filter plugins about nodes: it returns the placeholders to leave out of a node.
	trial func(node string) []*corev1.Pod
	// preempting is set once PostFilter runs: from then on Filter answers dry runs of preemption. It says of each Headroom of the
	// inventory what it makes of the pod.
	preempting admissions
}

// Clone returns the cycle itself: it does not depend on the pods that dry runs add and remove.
func (c *cycle) Clone() fwk.StateData {
	return c
}

// leftOut returns the placeholders that the pod takes on a node.
func (c *cycle) leftOut(node string) []*corev1.Pod {
	switch {
	case c.trial != nil:
		return c.trial(node)
	case c.swap != nil && c.swap.node == node:
		return c.swap.victims
	default:
		return nil
	}
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
