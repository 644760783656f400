package history

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"k8s.io/utils/clock"
)

// Recorder feeds a Timeline from the watches of a cluster. It only reads.
type Recorder struct {
	clock  clock.PassiveClock
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	timeline Timeline
	failure  error
}

// Watch starts to record the pods and nodes of the cluster that the configuration leads to. It returns when nothing that
// happens later can be missed; what exists already counts as created now. Stop ends it.
func Watch(ctx context.Context, config *rest.Config, clk clock.PassiveClock) (*Recorder, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the recorder's client: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Recorder{clock: clk, cancel: cancel}
	core := client.CoreV1()
	err = errors.Join(
		follow(ctx, r, "nodes", core.Nodes().List, core.Nodes().Watch),
		follow(ctx, r, "pods", core.Pods(metav1.NamespaceAll).List, core.Pods(metav1.NamespaceAll).Watch),
	)
	if err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// follow lists one kind and watches it from there.
func follow[L runtime.Object](
	ctx context.Context, r *Recorder, kind string,
	list func(context.Context, metav1.ListOptions) (L, error),
	watcher func(context.Context, metav1.ListOptions) (watch.Interface, error),
) error {
	items, err := list(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing %s: %w", kind, err)
	}
	var resourceVersion string
	switch items := any(items).(type) {
	case *corev1.PodList:
		resourceVersion = items.ResourceVersion
		for i := range items.Items {
			r.see(watch.Added, &items.Items[i])
		}
	case *corev1.NodeList:
		resourceVersion = items.ResourceVersion
		for i := range items.Items {
			r.see(watch.Added, &items.Items[i])
		}
	}
	w, err := toolswatch.NewRetryWatcherWithContext(ctx, resourceVersion, &cache.ListWatch{WatchFuncWithContext: watcher})
	if err != nil {
		return fmt.Errorf("watching %s: %w", kind, err)
	}
	r.done.Go(func() {
		for event := range w.ResultChan() {
			r.see(event.Type, event.Object)
		}
		if ctx.Err() == nil {
			r.fail(fmt.Errorf("the watch of %s ended: the history has a hole", kind))
		}
	})
	return nil
}

func (r *Recorder) see(kind watch.EventType, object runtime.Object) {
	change := Change{At: r.clock.Now(), Type: kind}
	switch object := object.(type) {
	case *corev1.Pod:
		change.Pod = object
	case *corev1.Node:
		change.Node = object
	case *metav1.Status:
		r.fail(fmt.Errorf("a watch failed: %s", object.Message))
		return
	default:
		return // a bookmark
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timeline.See(change)
}

func (r *Recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failure = errors.Join(r.failure, err)
}

// Record returns what was recorded so far. The error says that the history has a hole.
func (r *Recorder) Record() (Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.timeline.Record(r.clock.Now()), r.failure
}

// Stop ends the watches. Record stays usable.
func (r *Recorder) Stop() {
	r.cancel()
	r.done.Wait()
}
