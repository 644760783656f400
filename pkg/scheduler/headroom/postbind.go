package headroom

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	plugins "k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"

	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// PostBind tells about the swap, once it is done: what was evicted by the decision to bind this pod, no more.
func (p *Plugin) PostBind(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) {
	s, took := swapOn(state, node), evictionsOf(state)
	if s == nil && len(took) == 0 {
		return
	}
	s.endGuard()
	p.shared.credits.Settle(pod.UID)
	if len(took) > 0 && !p.bindsAlone() {
		p.annotate(ctx, pod, took)
	}
	why := "the room was made by an earlier attempt"
	var shared []*corev1.Pod
	if s != nil {
		p.shared.reservations.Release(pod.UID, s.Victims)
		metrics.ObserveSwap(p.clock.Since(s.decided).Seconds(), len(took), s.Waste)
		shared, why = others(s.Victims, took), s.Why
	}
	recorder := p.handle.EventRecorder().WithLogger(klog.FromContext(ctx))
	tell := swapevent.Swap{Node: node, Why: why, Placeholders: keysOf(took), Shared: keysOf(shared)}
	reason, first := swapevent.Reason, runtime.Object(slices.Concat(took, shared)[0])
	if len(took) == 0 {
		reason = swapevent.ReasonShared
	}
	if p.args.HideNamesOfOtherNamespaces {
		if tell = tell.Hide(pod.Namespace); tell.Hidden > 0 {
			first = nil
		}
	}
	recorder.Eventf(pod, first, corev1.EventTypeNormal, reason, swapevent.Action, "%s", swapevent.Note(tell))
}

// annotate writes what the binding would have carried, where another plugin than DefaultBinder may have bound the pod.
func (p *Plugin) annotate(ctx context.Context, pod *corev1.Pod, took []*corev1.Pod) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID, "annotations": annotation(pod, took)}})
	if err == nil {
		_, err = p.handle.ClientSet().CoreV1().Pods(pod.Namespace).Patch(
			ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	}
	if err != nil {
		klog.FromContext(ctx).Error(err, "Writing which placeholders a pod took failed; they will count as abandoned",
			"pod", klog.KObj(pod), "placeholders", fmt.Sprint(keysOf(took)))
	}
}

// bindsAlone reports whether no other plugin than DefaultBinder could bind the pods of the profile.
func (p *Plugin) bindsAlone() bool {
	for _, plugin := range p.handle.ListPlugins().Bind.Enabled {
		if plugin.Name != Name && plugin.Name != plugins.DefaultBinder {
			return false
		}
	}
	return true
}

// others returns the pods that are not among those known.
func others(pods, known []*corev1.Pod) []*corev1.Pod {
	is := map[types.UID]bool{}
	for _, pod := range known {
		is[pod.UID] = true
	}
	return slices.DeleteFunc(slices.Clone(pods), func(pod *corev1.Pod) bool { return is[pod.UID] })
}

func keysOf(pods []*corev1.Pod) []types.NamespacedName {
	list := make([]types.NamespacedName, 0, len(pods))
	for _, pod := range pods {
		list = append(list, types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name})
	}
	return list
}
