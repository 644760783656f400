package lacking

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// freshness is how old the watcher's view of the Headrooms may be.
const freshness = time.Second

// Accounts is where the watcher writes down which pods no unit served.
type Accounts interface {
	// Loaded is closed when the stored accounts are read.
	Loaded() <-chan struct{}
	// LackedThrough is when the last pod in the account of a Headroom was told that there is no room.
	LackedThrough(headroom types.NamespacedName) time.Time
	// Ready is how many units of a Headroom can be taken, as far as is known at the moment.
	Ready(headroom types.NamespacedName) int
	// Missed notes that no unit served an entitled pod, which was told so at that time, and how many units it lacked.
	Missed(headroom types.NamespacedName, pod types.UID, why account.Miss, units int, at time.Time)
	// Counted notes that a pod which waits is in the account of a Headroom already, with as many units as it lacks.
	Counted(headroom types.NamespacedName, pod types.UID, units int)
	// Gone notes that a pod does not wait any more.
	Gone(pod types.UID)
}

// Nominations is told of the pods that wait for a node.
type Nominations interface {
	// Saw notes a pod that waits, as it is now. What matters are its priority, its requests and status.nominatedNodeName.
	Saw(pod *corev1.Pod)
	// Gone notes that a pod does not wait any more.
	Gone(pod types.UID)
}

// Watcher follows the pods that wait for a node. It is a Runnable of a controller-runtime manager.
type Watcher struct {
	// Client watches pods.
	Client kubernetes.Interface
	// Namespaces are those to watch; empty: all.
	Namespaces []string
	// Cache has Headrooms, PriorityClasses and the metadata of namespaces.
	Cache cache.Cache
	// Defaults are the operator's, which the PriorityClasses of units may depend on.
	Defaults placeholder.Defaults
	// Accounts are told.
	Accounts Accounts
	// Clock tells the time.
	Clock clock.WithDelayedExecution
	// Nominations are told of every pod that waits; nil: nobody is.
	Nominations Nominations

	mu      sync.Mutex
	waiting map[types.UID]*waiting
	known   []Headroom
	asOf    time.Time
	// through is what Accounts.LackedThrough said of each Headroom before the first pod was counted here.
	through map[types.NamespacedName]time.Time
}

// waiting is a pod that waits.
type waiting struct {
	consumer account.Consumer
	// missed says that it is counted, counted that it is with the units that it lacked.
	missed, counted bool
	// version is the pod's resource version as it was seen last, and since when it is.
	version string
	since   time.Time
	// created is when it was, short that a scheduler said that it lacks resources, and nodeSelector where it may go.
	created      time.Time
	short        bool
	nodeSelector map[string]string
}

// Waiting returns a pod that waits for a node by its UID, if there is one.
func (w *Watcher) Waiting(uid types.UID) (account.Consumer, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.waiting[uid]; p != nil {
		return p.consumer, true
	}
	return account.Consumer{}, false
}

// Start watches until the context ends.
func (w *Watcher) Start(ctx context.Context) error {
	w.mu.Lock()
	w.waiting = map[types.UID]*waiting{}
	w.mu.Unlock()
	if len(w.Namespaces) == 0 {
		if _, err := w.Cache.GetInformer(ctx, namespaceObject()); err != nil {
			return nil //nolint:nilerr // the context ended
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case <-w.Accounts.Loaded():
	}
	namespaces := w.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var running sync.WaitGroup
	for _, namespace := range namespaces {
		running.Go(func() { w.follow(ctx, namespace) })
	}
	running.Wait()
	return nil
}

func namespaceObject() *metav1.PartialObjectMetadata {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return namespace
}

func (w *Watcher) follow(ctx context.Context, namespace string) {
	pods := w.Client.CoreV1().Pods(namespace)
	selector := fields.AndSelectors(
		fields.OneTermEqualSelector("spec.nodeName", ""), fields.OneTermEqualSelector("status.phase", string(corev1.PodPending)),
	).String()
	source := &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = selector
			return pods.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = selector
			return pods.Watch(ctx, options)
		},
	}
	_, informer := toolscache.NewInformerWithOptions(toolscache.InformerOptions{
		ListerWatcher: source, ObjectType: &corev1.Pod{}, Transform: trim, Handler: handler{w, ctx},
	})
	informer.RunWithContext(ctx)
}

// handler is told of each pod that waits, and of each that does no longer.
type handler struct {
	*Watcher
	ctx context.Context //nolint:containedctx // handlers are given none
}

func (h handler) OnAdd(object any, initial bool) { h.saw(object, initial) }

// OnUpdate is called for two pods of one name as well, if the end of the first was missed.
func (h handler) OnUpdate(before, object any) {
	was, ok := before.(*corev1.Pod)
	if is, also := object.(*corev1.Pod); ok && also && was.UID != is.UID {
		h.OnDelete(was)
	}
	h.saw(object, false)
}

func (h handler) OnDelete(object any) {
	if tombstone, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	if pod, ok := object.(*corev1.Pod); ok {
		if h.Nominations != nil {
			h.Nominations.Gone(pod.UID)
		}
		h.Accounts.Gone(pod.UID)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.waiting, pod.UID)
	}
}

// saw counts a pod that no unit serves, the first time that it finds so; and once more if it finds later that the pod lacks units. initial
// says that the pod waited before this controller looked.
func (h handler) saw(object any, initial bool) {
	pod, ok := object.(*corev1.Pod)
	if !ok || pod.Labels[v1alpha1.LabelHeadroom] != "" {
		return
	}
	if h.Nominations != nil {
		h.Nominations.Saw(pod)
	}
	h.mu.Lock()
	p := h.waiting[pod.UID]
	if p == nil {
		p = &waiting{consumer: consumerOf(pod)}
		h.waiting[pod.UID] = p
	}
	p.look(pod)
	if p.version != pod.ResourceVersion || p.since.IsZero() {
		p.version, p.since = pod.ResourceVersion, h.Clock.Now()
	}
	done, since := p.counted, p.since
	h.mu.Unlock()
	if done {
		return
	}
	headrooms, asOf, err := h.headrooms(h.ctx)
	if err != nil {
		klog.FromContext(h.ctx).Error(err, "Finding out what a waiting pod lacks failed", "pod", klog.KObj(pod))
		return
	}
	asked := podOf(pod, p.consumer, h.NamespaceLabels(h.ctx, pod.Namespace))
	miss, ok := Of(asked, headrooms, h.Accounts.Ready)
	if miss.Units == 0 && asOf.Before(since) && !asked.Told.IsZero() {
		h.lookAgain(pod, initial)
		return
	}
	if !ok || !h.count(p, miss) {
		return
	}
	if initial && !asked.Told.After(h.countedThrough(miss.Headroom)) {
		h.Accounts.Counted(miss.Headroom, pod.UID, miss.Units)
		return
	}
	h.Accounts.Missed(miss.Headroom, pod.UID, miss.Why, miss.Units, asked.Told)
}

// countedThrough is the time through which pods are in the account of a Headroom from before this controller. Those that waited then come
// in no order of time, so each of them is compared with the same time, and not with that of the one before.
func (w *Watcher) countedThrough(headroom types.NamespacedName) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	through, known := w.through[headroom]
	if !known {
		through = w.Accounts.LackedThrough(headroom)
		if w.through == nil {
			w.through = map[types.NamespacedName]time.Time{}
		}
		w.through[headroom] = through
	}
	return through
}

// count notes that a pod is counted. It reports false if it is already.
func (w *Watcher) count(p *waiting, miss Miss) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.counted || p.missed && miss.Units == 0 {
		return false
	}
	p.missed, p.counted = true, miss.Units > 0
	return true
}

func consumerOf(pod *corev1.Pod) account.Consumer {
	consumer := account.Consumer{NamespacedName: types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}, UID: pod.UID}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		consumer.Owner = owner.Kind + "/" + owner.Name
	}
	return consumer
}

// NamespaceLabels returns the labels of a namespace: of one that may not be read, the label that each has.
func (w *Watcher) NamespaceLabels(ctx context.Context, name string) map[string]string {
	namespace := namespaceObject()
	if len(w.Namespaces) > 0 || w.Cache.Get(ctx, client.ObjectKey{Name: name}, namespace) != nil {
		return map[string]string{corev1.LabelMetadataName: name}
	}
	return namespace.Labels
}

// headrooms returns the Headrooms as they were a moment ago, and when that was.
func (w *Watcher) headrooms(ctx context.Context) ([]Headroom, time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.Clock.Now(); now.Sub(w.asOf) < freshness {
		return w.known, w.asOf, nil
	}
	list, classes := &v1alpha1.HeadroomList{}, &schedulingv1.PriorityClassList{}
	if err := w.Cache.List(ctx, list); err != nil {
		return nil, time.Time{}, fmt.Errorf("listing Headrooms: %w", err)
	}
	if err := w.Cache.List(ctx, classes); err != nil {
		return nil, time.Time{}, fmt.Errorf("listing PriorityClasses: %w", err)
	}
	values := map[string]int32{}
	for i := range classes.Items {
		values[classes.Items[i].Name] = classes.Items[i].Value
	}
	w.known, w.asOf = nil, w.Clock.Now()
	for i := range list.Items {
		h := list.Items[i].Shaped(list.Items[i].Status.Shape)
		priority, ok := lowest(values, placeholder.PriorityClassNames(h, w.Defaults))
		if !ok {
			continue // it can have no units
		}
		// A rule that does not compile entitles nobody, which is right here.
		rule, _ := entitlement.Compile(client.ObjectKeyFromObject(h), h.Spec.Consumers)
		w.known = append(w.known, Headroom{
			NamespacedName: client.ObjectKeyFromObject(h), Rule: rule, Priority: priority, Reserved: h.Spec.Reserved,
			Unit: h.Spec.Requests, RuntimeClass: h.Spec.RuntimeClassName, Place: placeOf(h.Spec.NodeSelector, h.Spec.Affinity),
		})
	}
	return w.known, w.asOf, nil
}

// lowest is the lowest value of the PriorityClasses of these names, of which at least one must be there.
func lowest(values map[string]int32, names []string) (value int32, ok bool) {
	for _, name := range names {
		if v, there := values[name]; there && (!ok || v < value) {
			value, ok = v, true
		}
	}
	return value, ok
}
