// Package recorder measures, beside scheduler_perf, what scheduler_perf does not report: when each pod was created and bound,
// scheduling attempts, the scheduler's API writes, CPU time, allocations and the live heap.
//
// Creation and binding are both seen by one watch, so that its delay cancels out. CPU, allocations and heap are those of
// the process, which holds the API server and the load generator as well as the scheduler. The kernel and the Go runtime count them, so
// that they are exact, and what the API server and the load generator have in them is nearly the same for the same requests: what differs
// between two revisions, or between variants with the same requests, is the scheduler's. The scheduler's own share of the CPU time is read
// from the CPU profile that scheduler_perf writes: an estimate from a hundred samples a second.
package recorder

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"k8s.io/utils/clock"
)

const (
	heapInterval = 200 * time.Millisecond
	// collectInterval is how often garbage is collected before anything is measured.
	collectInterval = 2 * time.Second
	// Events are written behind the scheduler's back: the counters are read when none came for quietFor, at the latest
	// after quietWithin.
	quietFor    = 2 * time.Second
	quietWithin = 60 * time.Second
)

// Recorder records one workload, from Start to Stop.
type Recorder struct {
	clock    clock.PassiveClock
	baseline Counters
	cancel   context.CancelFunc
	done     sync.WaitGroup

	mu         sync.Mutex
	timelines  map[string]*Timeline
	begin, end usage
	begun      bool
	peakHeap   uint64
	stopped    bool
	err        error
}

// Result is what a Recorder saw.
type Result struct {
	// Namespaces has a summary for each of the namespaces that were watched.
	Namespaces map[string]Summary
	// Counters are those of the whole workload. Set-ups whose pods are created bound add nothing to them.
	Counters Counters
	// CPU, AllocBytes and Allocs are what the process used up between the first creation and the last answer of the scheduler, which is a
	// binding or, of a pod that never gets a node, its first refusal; or the last event, where that comes later. Without the events, how
	// many of them are counted would depend on how far the scheduler is behind with them.
	CPU                time.Duration
	AllocBytes, Allocs uint64
	// PeakHeap is the largest live heap that a garbage collection found in that time, in bytes.
	PeakHeap uint64
}

// Start begins to record the pods of the namespaces, which need not exist yet. Stop has to be called.
func Start(ctx context.Context, config *rest.Config, now clock.PassiveClock, namespaces ...string) (*Recorder, error) {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.UserAgent = "headroom-bench-recorder"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("building the recorder's client: %w", err)
	}
	baseline, err := readCounters()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Recorder{clock: now, baseline: baseline, cancel: cancel, timelines: map[string]*Timeline{}}
	for _, namespace := range namespaces {
		watcher, err := watchPods(ctx, client, namespace)
		if err != nil {
			cancel()
			r.done.Wait()
			return nil, fmt.Errorf("watching the pods of namespace %s: %w", namespace, err)
		}
		r.timelines[namespace] = &Timeline{}
		r.done.Go(func() { r.follow(ctx, namespace, watcher) })
	}
	events, err := watchEvents(ctx, client)
	if err != nil {
		cancel()
		r.done.Wait()
		return nil, fmt.Errorf("watching events: %w", err)
	}
	r.done.Go(func() { r.followEvents(ctx, events) })
	r.done.Go(func() { wait.UntilWithContext(ctx, r.sampleHeap, heapInterval) })
	r.done.Go(func() { wait.UntilWithContext(ctx, r.collectGarbage, collectInterval) })
	return r, nil
}

// watchPods watches from now on. The API server drops a watcher that cannot keep up, which happens when other things use the cores:
// the watch goes on where it was, at the price of late sights.
func watchPods(ctx context.Context, client kubernetes.Interface, namespace string) (watch.Interface, error) {
	pods := client.CoreV1().Pods(namespace)
	now, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return toolswatch.NewRetryWatcherWithContext(ctx, now.ResourceVersion, &cache.ListWatch{WatchFuncWithContext: pods.Watch})
}

// watchEvents watches the events of all namespaces: a placeholder's may be in another one than the consumer's.
func watchEvents(ctx context.Context, client kubernetes.Interface) (watch.Interface, error) {
	events := client.EventsV1().Events(metav1.NamespaceAll)
	now, err := events.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return toolswatch.NewRetryWatcherWithContext(ctx, now.ResourceVersion, &cache.ListWatch{WatchFuncWithContext: events.Watch})
}

// Stop waits until the scheduler's last events are written, and returns what was seen. The API server has to be up still.
func (r *Recorder) Stop(ctx context.Context) (Result, error) {
	after, quietErr := waitQuiet(ctx)
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.cancel()
	r.done.Wait()

	result := Result{
		Namespaces: map[string]Summary{}, Counters: after.minus(r.baseline),
		CPU: r.end.cpu - r.begin.cpu, AllocBytes: r.end.allocBytes - r.begin.allocBytes, Allocs: r.end.allocs - r.begin.allocs,
		PeakHeap: r.peakHeap,
	}
	for namespace, timeline := range r.timelines {
		result.Namespaces[namespace] = timeline.Summary()
	}
	return result, errors.Join(r.err, quietErr)
}

// waitQuiet returns the counters once they have stopped changing.
func waitQuiet(ctx context.Context) (Counters, error) {
	last, err := readCounters()
	if err != nil {
		return last, err
	}
	err = wait.PollUntilContextTimeout(ctx, quietFor, quietWithin, false, func(context.Context) (bool, error) {
		current, err := readCounters()
		quiet := current == last
		last = current
		return quiet, err
	})
	if err != nil {
		return last, fmt.Errorf("waiting for the scheduler to write its last events: %w", err)
	}
	return last, nil
}

func (r *Recorder) follow(ctx context.Context, namespace string, watcher watch.Interface) {
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		pod, isPod := event.Object.(*corev1.Pod)
		if !isPod || event.Type == watch.Deleted {
			continue
		}
		r.see(namespace, Sight{Pod: pod.Name, Bound: pod.Spec.NodeName != "", Refused: isRefused(pod), At: r.clock.Now()})
	}
	r.endOfWatch(ctx, "namespace "+namespace)
}

func (r *Recorder) followEvents(ctx context.Context, watcher watch.Interface) {
	defer watcher.Stop()
	for range watcher.ResultChan() {
		r.mu.Lock()
		if r.begun {
			r.end = readUsage()
		}
		r.mu.Unlock()
	}
	r.endOfWatch(ctx, "events")
}

func (r *Recorder) endOfWatch(ctx context.Context, of string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped && ctx.Err() == nil {
		r.err = errors.Join(r.err, fmt.Errorf("the watch of %s ended early: what was seen of it is not complete", of))
	}
}

func (r *Recorder) see(namespace string, sight Sight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	created, answered := r.timelines[namespace].See(sight)
	if created && !r.begun {
		r.begun = true
		r.begin = readUsage()
		r.end = r.begin
		r.peakHeap = readHeapLive()
	}
	if answered {
		r.end = readUsage()
	}
}

func (r *Recorder) sampleHeap(context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		r.peakHeap = max(r.peakHeap, readHeapLive())
	}
}

// collectGarbage has the garbage of the set-up collected before the first pod comes, so that every measurement begins with a heap that has
// just been collected: one collection more or less is a tenth of the CPU time of a short burst.
func (r *Recorder) collectGarbage(context.Context) {
	r.mu.Lock()
	begun := r.begun
	r.mu.Unlock()
	if !begun {
		goruntime.GC()
	}
}

func isRefused(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			return condition.Status == corev1.ConditionFalse
		}
	}
	return false
}
