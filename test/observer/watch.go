package observer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// catchUp is how long the observer waits at its end for the watches to show what a list shows.
const catchUp = 3 * time.Minute

// Observer collects what happens in a cluster. It only reads.
type Observer struct {
	client kubernetes.Interface
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu         sync.Mutex
	history    History
	taken      int                  // so many events of the history were taken
	seen       map[types.UID]string // resourceVersion of each pod and node that exists, as far as the watches have come
	daemonSets map[types.UID]types.NamespacedName
	failure    error
}

// Watch starts to collect the history of the cluster that the configuration leads to, from now on. It returns when nothing that
// happens later can be missed. Stop ends it.
func Watch(ctx context.Context, config *rest.Config) (*Observer, error) {
	return start(ctx, config, false)
}

// WatchReports is Watch, and collects the events that components write as well.
func WatchReports(ctx context.Context, config *rest.Config) (*Observer, error) {
	return start(ctx, config, true)
}

func start(ctx context.Context, config *rest.Config, reports bool) (*Observer, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "headroom-observer"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the observer's client: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	o := &Observer{client: client, cancel: cancel, seen: map[types.UID]string{}, daemonSets: map[types.UID]types.NamespacedName{}}
	for _, source := range o.sources(reports) {
		if err := o.follow(ctx, source); err != nil {
			cancel()
			return nil, err
		}
	}
	return o, nil
}

// source is one kind of object to follow.
type source struct {
	kind  string
	list  func(ctx context.Context) (items []runtime.Object, resourceVersion string, err error)
	watch func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error)
}

func (o *Observer) sources(reports bool) []source {
	pods, nodes := o.client.CoreV1().Pods(metav1.NamespaceAll), o.client.CoreV1().Nodes()
	daemonSets := o.client.AppsV1().DaemonSets(metav1.NamespaceAll)
	sources := []source{
		{"DaemonSets", func(ctx context.Context) ([]runtime.Object, string, error) {
			list, err := daemonSets.List(ctx, metav1.ListOptions{})
			return objects(list.Items, func(d *appsv1.DaemonSet) runtime.Object { return d }), list.ResourceVersion, err
		}, daemonSets.Watch},
		{"nodes", func(ctx context.Context) ([]runtime.Object, string, error) {
			list, err := nodes.List(ctx, metav1.ListOptions{})
			return objects(list.Items, func(n *corev1.Node) runtime.Object { return n }), list.ResourceVersion, err
		}, nodes.Watch},
		{"pods", func(ctx context.Context) ([]runtime.Object, string, error) {
			list, err := pods.List(ctx, metav1.ListOptions{})
			return objects(list.Items, func(p *corev1.Pod) runtime.Object { return p }), list.ResourceVersion, err
		}, pods.Watch},
	}
	if reports {
		reported := o.client.EventsV1().Events(metav1.NamespaceAll)
		sources = append(sources, source{"events", func(ctx context.Context) ([]runtime.Object, string, error) {
			list, err := reported.List(ctx, metav1.ListOptions{})
			return objects(list.Items, func(e *eventsv1.Event) runtime.Object { return e }), list.ResourceVersion, err
		}, reported.Watch})
	}
	return sources
}

func objects[T any](items []T, object func(*T) runtime.Object) []runtime.Object {
	all := make([]runtime.Object, 0, len(items))
	for i := range items {
		all = append(all, object(&items[i]))
	}
	return all
}

// follow lists and then watches one kind. What is listed counts as added at the revision it carries.
func (o *Observer) follow(ctx context.Context, s source) error {
	items, resourceVersion, err := s.list(ctx)
	if err != nil {
		return fmt.Errorf("listing %s: %w", s.kind, err)
	}
	for _, item := range items {
		o.record(watch.Added, item)
	}
	watcher, err := toolswatch.NewRetryWatcherWithContext(ctx, resourceVersion, &cache.ListWatch{WatchFuncWithContext: s.watch})
	if err != nil {
		return fmt.Errorf("watching %s: %w", s.kind, err)
	}
	o.done.Add(1)
	go func() {
		defer o.done.Done()
		for event := range watcher.ResultChan() {
			o.record(event.Type, event.Object)
		}
		if ctx.Err() == nil {
			o.fail(fmt.Errorf("the watch of %s ended: the history has a hole", s.kind))
		}
	}()
	return nil
}

func (o *Observer) record(kind watch.EventType, object runtime.Object) {
	event := Event{Type: kind, At: time.Now()}
	var meta *metav1.ObjectMeta
	switch object := object.(type) {
	case *corev1.Pod:
		event.Pod, meta = object, &object.ObjectMeta
	case *corev1.Node:
		event.Node, meta = object, &object.ObjectMeta
	case *eventsv1.Event:
		event.Report, meta = object, &object.ObjectMeta
	case *appsv1.DaemonSet:
		o.recordDaemonSet(object)
		return
	case *metav1.Status:
		o.fail(fmt.Errorf("a watch failed: %s", object.Message))
		return
	default:
		return // a bookmark
	}
	var err error
	if event.Revision, err = revision(meta.ResourceVersion); err != nil {
		o.fail(err)
		return
	}
	meta.ManagedFields = nil // Half of what an object weighs.
	o.mu.Lock()
	defer o.mu.Unlock()
	o.history = append(o.history, event)
	switch {
	case event.Report != nil: // Nobody waits for the last of them.
	case kind == watch.Deleted:
		delete(o.seen, meta.UID)
	default:
		o.seen[meta.UID] = meta.ResourceVersion
	}
}

func (o *Observer) recordDaemonSet(daemonSet *appsv1.DaemonSet) {
	headroom, ok := placeholder.Controller(daemonSet)
	if !ok {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.daemonSets[daemonSet.UID] = headroom
}

func (o *Observer) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failure = errors.Join(o.failure, err)
}

// Stop waits until the watches have shown everything that is in the API server now, ends them and returns the history. The error
// says that the history has a hole; nothing can be concluded from it then.
func (o *Observer) Stop(ctx context.Context) (History, error) {
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, catchUp, true, o.caughtUp)
	o.cancel()
	o.done.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("waiting for the watches to catch up: %w", err)
	}
	return o.history, errors.Join(o.failure, err)
}

func (o *Observer) caughtUp(ctx context.Context) (bool, error) {
	now := map[types.UID]string{}
	pods, err := o.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, fmt.Errorf("listing pods: %w", err)
	}
	nodes, err := o.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, fmt.Errorf("listing nodes: %w", err)
	}
	for i := range pods.Items {
		now[pods.Items[i].UID] = pods.Items[i].ResourceVersion
	}
	for i := range nodes.Items {
		now[nodes.Items[i].UID] = nodes.Items[i].ResourceVersion
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failure != nil || maps.Equal(now, o.seen), nil
}

// Take returns what the observer had heard of before that time and did not return yet, in the order of revisions. It is for whoever
// judges while the history goes on: pods and nodes come by watches of their own, and only what was heard of some time ago is sure to be in
// order.
func (o *Observer) Take(before time.Time) History {
	o.mu.Lock()
	defer o.mu.Unlock()
	end := o.taken
	for end < len(o.history) && o.history[end].At.Before(before) {
		end++
	}
	taken := o.history[o.taken:end].sorted()
	o.taken = end
	return taken
}

// HeadroomOfDaemonSet tells which Headroom controls a DaemonSet, of all DaemonSets seen so far. It is for Rules.DaemonSets.
func (o *Observer) HeadroomOfDaemonSet(_, _ string, uid types.UID) (types.NamespacedName, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	headroom, ok := o.daemonSets[uid]
	return headroom, ok
}
