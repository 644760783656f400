package headroom

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/queuesort"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

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
