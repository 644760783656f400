package headroom

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/queuesort"
	schedutil "k8s.io/kubernetes/pkg/scheduler/util"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// PreEnqueue keeps a pod out of the queue while placeholders are preempted for it.
func (p *Plugin) PreEnqueue(ctx context.Context, pod *corev1.Pod) *fwk.Status {
	return p.preemption.PreEnqueue(ctx, pod)
}

// EventsToRegister returns what may help a pod that the plugin's Filter rejected: what helps it with NodeResourcesFit, a
// placeholder that gets its node, and labels of its own that a Headroom asks for. Changes of Headrooms wake pods in another way,
// see package waiting.
func (p *Plugin) EventsToRegister(ctx context.Context) ([]fwk.ClusterEventWithHint, error) {
	events, err := p.fit.EventsToRegister(ctx)
	if err != nil {
		return nil, err
	}
	return append(events, fwk.ClusterEventWithHint{
		Event: fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.Add}, QueueingHintFn: p.isSchedulableAfterPodAdd,
	}, fwk.ClusterEventWithHint{
		Event: fwk.ClusterEvent{Resource: fwk.TargetPod, ActionType: fwk.UpdatePodLabel}, QueueingHintFn: p.isSchedulableAfterLabelChange,
	}), nil
}

// isSchedulableAfterPodAdd wakes a pod for a new placeholder that it may take, and for one of which that is not known
// yet: the pod may have failed while there was none, and would not be told.
func (p *Plugin) isSchedulableAfterPodAdd(_ klog.Logger, pod *corev1.Pod, before, after any) (fwk.QueueingHint, error) {
	_, assigned, err := schedutil.As[*corev1.Pod](before, after)
	if err != nil {
		return fwk.Queue, err
	}
	owner, ok := placeholder.OwnerOf(assigned, p.daemonSetOrLabel(assigned))
	if !ok || selection.IsBound(pod) {
		return fwk.QueueSkip, nil
	}
	identity, entry := p.shared.identityOf(pod), p.shared.catalog.Of(owner)
	unknown, lower := entry == nil, corev1helpers.PodPriority(assigned) < corev1helpers.PodPriority(pod)
	switch entitled := unknown || entry.Rule.Entitles(&identity); {
	case lower && (entitled || selection.SystemCritical(pod)):
		return fwk.Queue, nil
	case entitled && placeholder.IsReserved(assigned) && (unknown || entry.Rule.Named()):
		return fwk.Queue, nil
	}
	return fwk.QueueSkip, nil
}

// daemonSetOrLabel resolves the DaemonSet of a pod, and believes the pod's label if that fails: the DaemonSet may not be known
// yet. It is the Headroom's that has the name now, then.
func (p *Plugin) daemonSetOrLabel(pod *corev1.Pod) placeholder.OwnerOfDaemonSet {
	return func(namespace, name string, uid types.UID) (placeholder.Owner, bool) {
		if owner, ok := p.shared.daemonSets(namespace, name, uid); ok {
			return owner, true
		}
		owner := placeholder.Owner{NamespacedName: types.NamespacedName{Namespace: namespace, Name: pod.Labels[v1alpha1.LabelHeadroom]}}
		if entry := p.shared.catalog.Get(owner.NamespacedName); entry != nil {
			owner.UID = entry.UID
		}
		return owner, true
	}
}

// isSchedulableAfterLabelChange wakes a pod whose new labels entitle it to more than its old ones did.
func (p *Plugin) isSchedulableAfterLabelChange(_ klog.Logger, pod *corev1.Pod, before, after any) (fwk.QueueingHint, error) {
	old, relabeled, err := schedutil.As[*corev1.Pod](before, after)
	if err != nil {
		return fwk.Queue, err
	}
	if selection.IsBound(pod) {
		return fwk.QueueSkip, nil
	}
	was, is := p.shared.identityOf(old), p.shared.identityOf(relabeled)
	if !p.shared.catalog.Gains(&was, &is) {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}

// QueueSortName is the name of the QueueSort plugin in the registry and in configuration files.
const QueueSortName = "HeadroomQueueSort"

var _ fwk.QueueSortPlugin = &QueueSort{}

// QueueSort has placeholders come last in the scheduler's queue, whatever their priority. All else it leaves to kube-scheduler's
// PrioritySort. All profiles of a scheduler share one queue and so must name the same QueueSort plugin.
type QueueSort struct{ queuesort.PrioritySort }

// NewQueueSort makes the plugin for one profile. It has no arguments.
func NewQueueSort(ctx context.Context, _ runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
	profilesUnder(ctx, handle.SharedInformerFactory()).add(profileOf(handle))
	return &QueueSort{}, nil
}

// Name returns the plugin's name.
func (*QueueSort) Name() string { return QueueSortName }

// Less reports whether a goes before b.
func (q *QueueSort) Less(a, b fwk.QueuedEntityInfo) bool {
	if last, also := comesLast(a), comesLast(b); last != also {
		return also
	}
	return q.PrioritySort.Less(a, b)
}

// comesLast reports whether an entry of the queue is a placeholder.
func comesLast(entry fwk.QueuedEntityInfo) bool {
	queued, ok := entry.(*framework.QueuedPodInfo)
	if !ok || queued.PodInfo == nil || queued.Pod == nil {
		return false // a group of pods
	}
	return looksLikePlaceholder(queued.Pod)
}

// looksLikePlaceholder reports whether a pod is a placeholder, and believes its label where its controller is a DaemonSet: what
// a heap is sorted by must not change while the pod is in it, as it would when the DaemonSet becomes known.
func looksLikePlaceholder(pod *corev1.Pod) bool {
	_, ok := placeholder.HeadroomOf(pod, func(namespace, _ string, _ types.UID) (types.NamespacedName, bool) {
		return types.NamespacedName{Namespace: namespace, Name: pod.Labels[v1alpha1.LabelHeadroom]}, true
	})
	return ok
}
