package headroom

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
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
	h.allotments.note(key, e.Object)
	h.departures.came(key, e.Object.UID)
	h.Accounts.Processed(key, version(e.Object))
	queue.AddAfter(reconcile.Request{NamespacedName: key}, settle)
}

// Update is called for each pod that changes.
func (h podHandler) Update(ctx context.Context, e event.TypedUpdateEvent[*corev1.Pod], queue podQueue) {
	key := labeled(e.ObjectNew)
	h.expectations.observedPod(key, e.ObjectNew)
	h.allotments.note(key, e.ObjectNew)
	if e.ObjectOld.Spec.NodeName == "" && e.ObjectNew.Spec.NodeName != "" && h.ownerOf(ctx, e.ObjectNew) != nil {
		h.parkings.bound(key, h.Clock.Now())
		if refill, ok := h.Accounts.Bound(key, h.nodeCreated(ctx, e.ObjectNew.Spec.NodeName)); ok {
			h.Metrics.RefillDuration.Observe(refill.Seconds())
		}
	}
	if e.ObjectOld.Status.Phase != corev1.PodFailed && e.ObjectNew.Status.Phase == corev1.PodFailed {
		h.noteFailure(ctx, key, e.ObjectNew)
	}
	h.Accounts.Processed(key, version(e.ObjectNew))
	queue.AddAfter(reconcile.Request{NamespacedName: key}, settle)
	if old := labeled(e.ObjectOld); old != key {
		h.allotments.gone(old, e.ObjectOld.UID)
		h.departures.settled(old, e.ObjectOld.UID)
		queue.AddAfter(reconcile.Request{NamespacedName: old}, settle)
	}
}

// noteFailure notes how a unit of a DaemonSet failed, whose controller replaces it, most often before a reconcile sees it. Units that fail
// before the next attempt would be due, were it the controller's, count as one failure.
func (h podHandler) noteFailure(ctx context.Context, key types.NamespacedName, pod *corev1.Pod) {
	if !isOfADaemonSet(pod) {
		return
	}
	headroom := h.ownerOf(ctx, pod)
	if headroom == nil {
		return // it is none, or its Headroom is gone
	}
	if wait, _ := h.losses.due(key, headroom.Generation); wait == 0 {
		h.losses.failed(key, headroom.Generation, failure(pod))
	}
}

// Delete is called for each pod that is gone, with its last known state.
func (h podHandler) Delete(ctx context.Context, e event.TypedDeleteEvent[*corev1.Pod], queue podQueue) {
	key := labeled(e.Object)
	h.expectations.observedPod(key, e.Object)
	h.ended(ctx, key, e.Object)
	h.names.nameVacated(key, e.Object.Name)
	h.allotments.gone(key, e.Object.UID)
	h.departures.settled(key, e.Object.UID)
	h.Accounts.Processed(key, version(e.Object))
	queue.Add(reconcile.Request{NamespacedName: key})
}

// ended works on the end of a pod.
func (h podHandler) ended(ctx context.Context, key types.NamespacedName, pod *corev1.Pod) {
	counts := pod.Spec.NodeName != "" && h.Accounts.Keeps(key) && h.ownerOf(ctx, pod) != nil
	h.ends.Lock()
	defer h.ends.Unlock()
	if asked, own := h.expectations.observedDelete(key, pod); counts {
		h.account(ctx, key, pod, asked, own)
	}
}

// account writes down why a bound placeholder went. While the controller's own deletion of it is not answered, a scheduler may be the one
// who evicted it: then it counts as gone without a word, and the answer decides, unless a pod says before that it took it.
func (h podHandler) account(ctx context.Context, key types.NamespacedName, pod *corev1.Pod, asked deletion, own bool) {
	if !own {
		h.departed(key, pod, h.otherwise(ctx, pod))
		return
	}
	loss := lossBy(asked.reason, pod)
	if !asked.done {
		if at, news := h.ledger.Departed(key, pod, loss); news {
			h.expectations.endedEarly(pod.UID, earlyEnd{headroom: key, at: at, reason: asked.reason, loss: loss})
		}
		return
	}
	h.ledger.Lost(key, pod.UID, loss)
	if asked.reason == topup.ReasonLost {
		h.Accounts.Went(key, h.Clock.Now())
	}
}

// deletionAnswered notes whether the API server did the deletion of a pod that the controller asked for. Of one that went before the
// answer it is known only now who deleted it.
func (r *Reconciler) deletionAnswered(uid types.UID, done bool) {
	r.ends.Lock()
	defer r.ends.Unlock()
	if !done {
		if early, ok := r.expectations.deletionFailed(uid); ok {
			r.Accounts.Went(early.headroom, early.at)
			r.departures.went(early.headroom)
		}
		return
	}
	if early, ok := r.expectations.deletionDone(uid); ok {
		r.ledger.Deleted(uid, early.loss)
		if early.reason == topup.ReasonLost {
			r.Accounts.Went(early.headroom, early.at)
		}
	}
}

// lossBy is what becomes of a placeholder that the controller deleted for a reason.
func lossBy(reason topup.Reason, pod *corev1.Pod) account.Loss {
	switch reason {
	case topup.ReasonLost:
		return lossOf(pod)
	case topup.ReasonOutdated, topup.ReasonNonconforming:
		return account.LossReplaced
	default:
		return account.LossScaledDown
	}
}

// lossOf says why the controller replaced a placeholder that held no room any more.
func lossOf(pod *corev1.Pod) account.Loss {
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return account.LossFailed
	}
	return account.LossNode
}

// otherwise is what becomes of a placeholder that went without a word if no pod took it. A DaemonSet deletes its own.
func (h podHandler) otherwise(ctx context.Context, pod *corev1.Pod) account.Loss {
	if !isOfADaemonSet(pod) {
		return account.LossAbandoned
	}
	owner, daemonSet := metav1.GetControllerOfNoCopy(pod), &appsv1.DaemonSet{}
	err := h.Client.Get(ctx, types.NamespacedName{Namespace: pod.Namespace, Name: owner.Name}, daemonSet)
	if err == nil &&
		pod.Annotations[v1alpha1.AnnotationTemplateHash] != daemonSet.Spec.Template.Annotations[v1alpha1.AnnotationTemplateHash] {
		return account.LossReplaced
	}
	return account.LossAbandoned
}

// Vacated notes that a pod with a Headroom's label went while no controller ran: its name cools down from now on.
func (r *Reconciler) Vacated(pod *corev1.Pod) { r.names.nameVacated(labeled(pod), pod.Name) }

// Departed writes down a placeholder that went while no controller ran, unless that is known, and what becomes of it if
// no pod took it. When a controller starts it may hear of one that went just now, and before Delete does.
func (r *Reconciler) Departed(ctx context.Context, pod *corev1.Pod, otherwise account.Loss) {
	if r.expectations.isDeleting(pod.UID) || r.ownerOf(ctx, pod) == nil {
		return
	}
	r.departed(labeled(pod), pod, otherwise)
}

// departed writes down a placeholder that went without the controller's doing, unless that is known.
func (r *Reconciler) departed(key types.NamespacedName, pod *corev1.Pod, otherwise account.Loss) {
	if at, news := r.ledger.Departed(key, pod, otherwise); news {
		r.Accounts.Went(key, at)
		r.departures.went(key)
	}
}

// nodeCreated is when a node came into being: now, if the cache does not have it yet.
func (r *Reconciler) nodeCreated(ctx context.Context, name string) time.Time {
	node := &corev1.Node{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
		return r.Clock.Now()
	}
	return node.CreationTimestamp.Time
}

// Generic is never called.
func (podHandler) Generic(context.Context, event.TypedGenericEvent[*corev1.Pod], podQueue) {}

// labeled is the Headroom that a pod's label names, whether the pod is its placeholder or not: a pod that only has the label
// can have a placeholder's name.
func labeled(pod *corev1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[v1alpha1.LabelHeadroom]}
}
