package headroom

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// Bind makes sure that the victims are gone, and leaves the binding itself to the next Bind plugin. The placeholders go here,
// not earlier, so that nothing but one API call lies between their end and the binding, and nothing goes for a pod that a
// Permit plugin still holds back.
func (p *Plugin) Bind(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	s := swapOn(state, node)
	if s == nil {
		return fwk.NewStatus(fwk.Skip)
	}
	deleted, err := p.evictor.Evict(ctx, pod, s.victims)
	switch {
	case err == nil:
		s.outcome = evicted
		klog.FromContext(ctx).V(3).Info("Placeholders are gone", "pod", klog.KObj(pod), "node", node, "deleted", deleted)
		return fwk.NewStatus(fwk.Skip)
	case errors.Is(err, eviction.ErrStayed):
		s.outcome = victimStayed
	case errors.Is(err, eviction.ErrRefused):
		s.outcome = evictionRefused
	}
	return fwk.AsStatus(err)
}

// PostBind tells about the swap, once it is done.
func (p *Plugin) PostBind(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) {
	s := swapOn(state, node)
	if s == nil {
		return
	}
	p.shared.reservations.Release(pod.UID, s.victims)
	metrics.ObserveSwap(p.clock.Since(s.decided).Seconds(), len(s.victims), s.waste)
	took := swapevent.Swap{Node: node, Why: s.why}
	for _, victim := range s.victims {
		took.Placeholders = append(took.Placeholders, types.NamespacedName{Namespace: victim.Namespace, Name: victim.Name})
	}
	p.handle.EventRecorder().WithLogger(klog.FromContext(ctx)).Eventf(pod, s.victims[0], corev1.EventTypeNormal,
		swapevent.Reason, swapevent.Action, "%s", swapevent.Note(took))
}
