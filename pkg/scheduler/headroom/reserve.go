package headroom

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/metrics"
)

// outcome is how far a swap got.
type outcome int

const (
	undone outcome = iota
	evictionRefused
	victimStayed
	devicesStayed
	evicted
)

// result words an outcome of a swap that did not end bound.
func (o outcome) result() metrics.SwapResult {
	switch o {
	case evictionRefused:
		return metrics.SwapEvictionRefused
	case victimStayed:
		return metrics.SwapVictimStayed
	case devicesStayed:
		return metrics.SwapDevicesStayed
	case evicted:
		return metrics.SwapBindRefused
	default:
		return metrics.SwapUndone
	}
}

// Reserve reserves the victims for the pod, so that the next pod counts them as gone. A placeholder gives way to pods that wait.
func (p *Plugin) Reserve(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	p.noteSimulation(state, node)
	if status := p.yields(ctx, state, pod, node); !status.IsSuccess() {
		return status
	}
	p.noteChosen(state, node)
	if s := swapOn(state, node); s != nil {
		p.shared.reservations.Reserve(pod.UID, s.Victims)
	}
	return nil
}

// Unreserve gives the victims back, as far as they still exist.
func (p *Plugin) Unreserve(_ context.Context, state fwk.CycleState, pod *corev1.Pod, node string) {
	p.noteSimulation(state, node)
	s := swapOn(state, node)
	if s == nil {
		return
	}
	p.shared.reservations.Release(pod.UID, s.Victims)
	if !state.IsPodGroupSchedulingCycle() {
		metrics.CountFailedSwap(s.outcome.result())
	}
}

// noteSimulation makes up for a node's generation, which stays the same when the pods of a group are assumed in the snapshot.
func (p *Plugin) noteSimulation(state fwk.CycleState, node string) {
	if state.IsPodGroupSchedulingCycle() {
		p.shared.inventory.MarkDirty(node)
	}
}
