package headroom

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// settle is how long pods that come and change are collected before their Headroom is looked at, so that five hundred of them
// do not make five hundred status writes. Pods that go are acted on at once.
const settle = 100 * time.Millisecond

type podQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// podHandler is told of every change of a pod that carries a Headroom's label. It keeps the memory of the Reconciler and
// queues the Headroom; it decides nothing.
type podHandler struct{ *Reconciler }

var _ handler.TypedEventHandler[*corev1.Pod, reconcile.Request] = podHandler{}

// Create is called for each pod that appears.
func (h podHandler) Create(_ context.Context, e event.TypedCreateEvent[*corev1.Pod], queue podQueue) {
	key := labeled(e.Object)
	h.expectations.observedPod(key, e.Object)
	queue.AddAfter(reconcile.Request{NamespacedName: key}, settle)
}

// Update is called for each pod that changes.
func (h podHandler) Update(_ context.Context, e event.TypedUpdateEvent[*corev1.Pod], queue podQueue) {
	key := labeled(e.ObjectNew)
	h.expectations.observedPod(key, e.ObjectNew)
	if e.ObjectOld.Spec.NodeName == "" && e.ObjectNew.Spec.NodeName != "" {
		if missing, ok := h.refill.bound(key, h.Clock.Now()); ok {
			h.Metrics.RefillDuration.Observe(missing.Seconds())
		}
	}
	queue.AddAfter(reconcile.Request{NamespacedName: key}, settle)
	if old := labeled(e.ObjectOld); old != key {
		queue.AddAfter(reconcile.Request{NamespacedName: old}, settle)
	}
}

// Delete is called for each pod that is gone, with its last known state.
func (h podHandler) Delete(ctx context.Context, e event.TypedDeleteEvent[*corev1.Pod], queue podQueue) {
	key := labeled(e.Object)
	h.expectations.observedPod(key, e.Object)
	reason, own := h.expectations.observedDelete(key, e.Object)
	h.names.nameVacated(key, e.Object.Name)
	if _, ok := placeholder.HeadroomOf(e.Object, h.daemonSets(ctx)); ok && e.Object.Spec.NodeName != "" {
		if !own || reason == topup.ReasonLost {
			h.refill.loss(key, h.Clock.Now())
		}
		if !own {
			h.ledger.Departed(key, e.Object)
		}
	}
	queue.Add(reconcile.Request{NamespacedName: key})
}

// Generic is never called.
func (podHandler) Generic(context.Context, event.TypedGenericEvent[*corev1.Pod], podQueue) {}

// labeled is the Headroom that a pod's label names, whether the pod is its placeholder or not: a pod that only has the label
// can have a placeholder's name.
func labeled(pod *corev1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[v1alpha1.LabelHeadroom]}
}
