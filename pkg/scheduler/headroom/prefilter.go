package headroom

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

// patience is how long the first pods wait for the Headrooms to be known. After that no placeholder is taken until they are.
const patience = 10 * time.Second

// PreFilter decides the whole swap. If the pod fits nowhere as it is, but would fit where placeholders go, it narrows the cycle
// to the one node that the published order puts first. In any other case it changes nothing: the cycle is kube-scheduler's.
func (p *Plugin) PreFilter(
	ctx context.Context, state fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo,
) (*fwk.PreFilterResult, *fwk.Status) {
	if _, status := p.fit.PreFilter(ctx, state, pod, nodes); !status.IsSuccess() {
		return nil, status
	}
	if cycleOf(state) != nil {
		// The plugin itself runs the PreFilter plugins to ask Filter plugins about nodes, see trial.
		return nil, nil
	}
	c := &cycle{began: p.shared.misses.now()}
	state.Write(cycleKey, c)
	group := state.IsPodGroupSchedulingCycle()
	if !group {
		p.warnOfNear(ctx, pod)
	}
	if !mayPreempt(pod) || !p.shared.placeholdersExist() {
		return nil, nil
	}
	t := &trial{plugin: p, outer: state, pod: pod, extenders: p.extendersFor(pod)}
	if p.fitsNearby(ctx, t, nodes) {
		return nil, nil
	}
	p.shared.refresh(nodes, group)
	if p.shared.inventory.Placeholders() == 0 || !p.await(ctx) {
		return nil, nil
	}
	// Once more, for what became known of the Headrooms in the meantime; most often that is nothing.
	p.shared.inventory.RefreshHeadrooms()
	c.consumer = p.consumer(pod)
	if c.consumer == nil || c.consumer.request == nil || !p.swapsHere(ctx) || p.boundByExtender(ctx, t.extenders) {
		return nil, nil
	}
	c.swap = p.decide(ctx, t, c)
	if c.swap == nil {
		return nil, nil
	}
	klog.FromContext(ctx).V(2).Info("Pod takes headroom", "pod", klog.KObj(pod), "node", c.swap.node,
		"placeholders", klog.KObjSlice(c.swap.victims), "why", c.swap.why)
	return &fwk.PreFilterResult{NodeNames: sets.New(c.swap.node)}, nil
}

// PreFilterExtensions returns nil: what Filter needs to know of pods that come and go, it reads from the node.
func (p *Plugin) PreFilterExtensions() fwk.PreFilterExtensions {
	return nil
}

// await waits, at start-up, until it is known which pods the Headrooms admit.
func (p *Plugin) await(ctx context.Context) bool {
	select {
	case <-p.shared.catalog.Ready():
		return true
	default:
	}
	waited := false
	p.patience.Do(func() {
		waited = true
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-p.shared.catalog.Ready():
		case <-timer.C:
			klog.FromContext(ctx).Error(nil, "Headrooms are not known yet; no placeholder is taken until they are")
		case <-ctx.Done():
		}
	})
	if !waited {
		return false
	}
	select {
	case <-p.shared.catalog.Ready():
		return true
	default:
		return false
	}
}
