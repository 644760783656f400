package headroom

import (
	"context"
	"maps"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// Indexes of the cache.
const (
	// indexHeadroom finds the pods that carry a Headroom's label.
	indexHeadroom = "headroom"
	// indexNode finds the placeholders on a node.
	indexNode = "node"
	// indexPriorityClass finds the Headrooms whose units may have a PriorityClass.
	indexPriorityClass = "priorityClass"
)

const (
	// wakeBuffer is how many Headrooms can be waiting for the queue to take notice of their consumption.
	wakeBuffer = 1024
	// firstBackoff and lastBackoff bound the wait after an error. It doubles each time.
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = time.Minute
)

// Register adds the Reconciler to a manager: it is told of every change that can make a Headroom's plan or status another.
func (r *Reconciler) Register(ctx context.Context, mgr manager.Manager, concurrency int) error {
	if err := addIndexes(ctx, mgr.GetFieldIndexer(), r.Defaults); err != nil {
		return err
	}
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackoff, lastBackoff)
	return builder.ControllerManagedBy(mgr).
		Named("headroom").
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency, RateLimiter: limiter}).
		For(&v1alpha1.Headroom{}, builder.WithPredicates(predicate.Or[client.Object](
			predicate.GenerationChangedPredicate{}, recordChanged{identity: r.Identity}))).
		Owns(&appsv1.DaemonSet{}).
		Watches(&schedulingv1.PriorityClass{}, handler.EnqueueRequestsFromMapFunc(r.ofPriorityClass)).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.onNode), builder.WithPredicates(nodeChanged())).
		WatchesRawSource(source.Kind(mgr.GetCache(), &corev1.Pod{}, podHandler{r})).
		Watches(&corev1.ResourceQuota{}, r.quotaHandler()).
		WatchesRawSource(source.Func(r.wakeUp)).
		Complete(r)
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer, defaults placeholder.Defaults) error {
	if err := indexer.IndexField(ctx, &corev1.Pod{}, indexHeadroom, func(o client.Object) []string {
		return []string{o.GetLabels()[v1alpha1.LabelHeadroom]}
	}); err != nil {
		return err
	}
	if err := indexer.IndexField(ctx, &corev1.Pod{}, indexNode, func(o client.Object) []string {
		if pod, ok := o.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
			return []string{pod.Spec.NodeName}
		}
		return nil
	}); err != nil {
		return err
	}
	return indexer.IndexField(ctx, &v1alpha1.Headroom{}, indexPriorityClass, func(o client.Object) []string {
		if headroom, ok := o.(*v1alpha1.Headroom); ok {
			return placeholder.PriorityClassNames(headroom, defaults)
		}
		return nil
	})
}

// wakeUp is a source: it queues the Headrooms whose consumption became known, and those on nodes that pods wait for.
func (r *Reconciler) wakeUp(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case headroom := <-r.wake:
				queue.Add(reconcile.Request{NamespacedName: headroom})
			case news := <-r.nodes:
				for _, request := range r.onNode(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: news.node}}) {
					queue.AddAfter(request, max(settle, news.after))
				}
			}
		}
	}()
	return nil
}

// ofPriorityClass returns the Headrooms whose units may have a PriorityClass.
func (r *Reconciler) ofPriorityClass(ctx context.Context, class client.Object) []reconcile.Request {
	list := &v1alpha1.HeadroomList{}
	if err := r.Client.List(ctx, list, client.MatchingFields{indexPriorityClass: class.GetName()}); err != nil {
		klog.FromContext(ctx).Error(err, "Listing Headrooms of a PriorityClass in the cache failed", "priorityClass", class.GetName())
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// quotaSettle is how long changes of a quota are collected before its namespace is looked at: each pod of the namespace is one.
const quotaSettle = time.Second

// quotaHandler queues the Headrooms of a namespace whose quotas change.
func (r *Reconciler) quotaHandler() handler.EventHandler {
	changed := func(ctx context.Context, quota client.Object, queue podQueue) {
		list := &v1alpha1.HeadroomList{}
		if err := r.Client.List(ctx, list, client.InNamespace(quota.GetNamespace())); err != nil {
			klog.FromContext(ctx).Error(err, "Listing Headrooms of a namespace in the cache failed", "namespace", quota.GetNamespace())
			return
		}
		for i := range list.Items {
			queue.AddAfter(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])}, quotaSettle)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, queue podQueue) { changed(ctx, e.Object, queue) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, queue podQueue) { changed(ctx, e.ObjectNew, queue) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, queue podQueue) { changed(ctx, e.Object, queue) },
	}
}

// onNode returns the Headrooms that have placeholders on a node.
func (r *Reconciler) onNode(ctx context.Context, node client.Object) []reconcile.Request {
	list := &corev1.PodList{}
	if err := r.Client.List(ctx, list, client.MatchingFields{indexNode: node.GetName()}); err != nil {
		klog.FromContext(ctx).Error(err, "Listing placeholders of a node in the cache failed", "node", node.GetName())
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		key := types.NamespacedName{Namespace: list.Items[i].Namespace, Name: list.Items[i].Labels[v1alpha1.LabelHeadroom]}
		requests = append(requests, reconcile.Request{NamespacedName: key})
	}
	return requests
}

// nodeChanged lets through what a plan or a status depends on: nodes that come and go, and what the cache keeps of them, see
// app.nodeTrimmer, except for the version that every heartbeat makes new.
func nodeChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Node)
		after, isNode := e.ObjectNew.(*corev1.Node)
		return !ok || !isNode || !maps.Equal(before.Labels, after.Labels) || !equality.Semantic.DeepEqual(before.Spec, after.Spec) ||
			!equality.Semantic.DeepEqual(before.Status, after.Status) || !before.DeletionTimestamp.Equal(after.DeletionTimestamp)
	}}
}
