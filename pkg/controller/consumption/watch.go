package consumption

import (
	"context"
	"sync"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	eventsclient "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// Watcher reads the events of swaps and preemptions, and tells a Ledger where to look and for whom a placeholder was preempted. It keeps
// none of them: events are many, and are read once. It is a Runnable of a controller-runtime manager.
type Watcher struct {
	// Client reads events.
	Client eventsclient.EventsGetter
	// Namespaces are those to watch; empty: all.
	Namespaces []string
	// Ledger is told.
	Ledger *Ledger
	// Clock says which events are too old to explain anything.
	Clock clock.PassiveClock
	// Waiting returns a pod that waits for a node by its UID, if one is known. It may be nil.
	Waiting func(uid types.UID) (account.Consumer, bool)
}

// Start watches until the context ends.
func (w *Watcher) Start(ctx context.Context) error {
	namespaces := w.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var running sync.WaitGroup
	for _, namespace := range namespaces {
		for _, reason := range []string{swapevent.Reason, swapevent.ReasonPreempted} {
			running.Go(func() { w.watch(ctx, namespace, reason) })
		}
	}
	running.Wait()
	return nil
}

func (w *Watcher) watch(ctx context.Context, namespace, reason string) {
	events := w.Client.Events(namespace)
	selector := fields.OneTermEqualSelector("reason", reason).String()
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = selector
			return events.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = selector
			return events.Watch(ctx, options)
		},
	}
	logger := klog.FromContext(ctx)
	reflector := cache.NewReflectorWithOptions(source, &eventsv1.Event{}, sink{w}, cache.ReflectorOptions{
		Logger: &logger, Name: "events with reason " + reason,
	})
	reflector.RunWithContext(ctx)
}

// sink is the store of the reflector. It passes on and keeps nothing.
type sink struct{ *Watcher }

func (s sink) Add(obj any) error {
	if event, ok := obj.(*eventsv1.Event); ok {
		s.read(event)
	}
	return nil
}

// Update ignores what a series adds: a swap and a preemption are written once.
func (s sink) Update(any) error { return nil }

func (s sink) Delete(any) error { return nil }

func (s sink) Resync() error { return nil }

// Replace gets the events of the last hour when the watch starts, and again after it broke off. Those that a broken watch
// may have missed are read again, which is harmless: an event explains one placeholder, once.
func (s sink) Replace(objs []any, _ string) error {
	for _, obj := range objs {
		if event, ok := obj.(*eventsv1.Event); ok && s.Clock.Since(timeOf(event)) <= memory {
			s.read(event)
		}
	}
	return nil
}

func (w *Watcher) read(event *eventsv1.Event) {
	switch event.Reason {
	case swapevent.Reason:
		if node, ok := nodeOf(event); ok {
			w.Ledger.Hint(node)
		}
	case swapevent.ReasonPreempted:
		victim, preemptor, ok := preemptionOf(event)
		if !ok {
			return
		}
		consumer := account.Consumer{UID: preemptor}
		if w.Waiting != nil {
			if known, ok := w.Waiting(preemptor); ok {
				consumer = known
			}
		}
		w.Ledger.Preempted(victim, consumer)
	}
}

func timeOf(event *eventsv1.Event) time.Time {
	if !event.EventTime.IsZero() {
		return event.EventTime.Time
	}
	return event.CreationTimestamp.Time
}
