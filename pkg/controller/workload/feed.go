package workload

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	// calm is at most how often Headrooms are told of changes of one source.
	calm = time.Second
	// patience is for how long a source is about to be read. To list the 50,000 pods of a namespace takes a second or two.
	patience = 5 * time.Second
)

// source is one thing that is followed.
type source interface {
	// run follows it until the context ends.
	run(ctx context.Context)
	// changes is what is sent to when it changed.
	changes() <-chan struct{}
	// stale are those of its users who have to be told that it changed.
	stale(users []types.NamespacedName) []types.NamespacedName
}

// feed is what all sources have in common: whether it was read, what is wrong, and that it changed. Whoever embeds it guards what it
// keeps with the same lock.
type feed struct {
	// what it follows, in words, such as "Deployment web in namespace shop".
	what string

	mu sync.Mutex
	// synced says that it was read, and late that it was not within patience.
	synced, late bool
	problem      *Problem
	changed      chan struct{}
}

func newFeed(what string) feed { return feed{what: what, changed: make(chan struct{}, 1)} }

func (f *feed) changes() <-chan struct{} { return f.changed }

func (f *feed) stale(users []types.NamespacedName) []types.NamespacedName { return users }

// begin is called when it begins to be followed. Those who wait for it are told when it is read, or fails, and else when patience is over.
func (f *feed) begin() {
	time.AfterFunc(patience, func() {
		f.mu.Lock()
		f.late = true
		tell := !f.synced && f.problem == nil
		f.mu.Unlock()
		if tell {
			f.notify()
		}
	})
}

// soon reports whether a problem is only that it is about to be read.
func (f *feed) soon(problem *Problem) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return problem != nil && problem.Reason == v1alpha1.ReasonReading && !f.late
}

// notify says that something changed.
func (f *feed) notify() {
	select {
	case f.changed <- struct{}{}:
	default: // it is known
	}
}

// state is why nothing can be told, nil if something can. The lock is held.
func (f *feed) state() *Problem {
	if f.problem != nil && (!f.synced || f.problem.lasting()) {
		return f.problem
	}
	if !f.synced {
		return &Problem{v1alpha1.ReasonReading, f.what + " was not read yet"}
	}
	return nil
}

// observe notes how a request ended.
func (f *feed) observe(err error) {
	var problem *Problem
	if err != nil {
		problem = problemOf(f.what, err)
	}
	f.fail(problem)
}

// fail notes a problem, or that there is none.
func (f *feed) fail(problem *Problem) {
	f.mu.Lock()
	if f.problem != nil && problem != nil && f.problem.Reason == problem.Reason {
		problem = f.problem // the first of its kind: what follows from it comes and goes with each attempt
	}
	same := f.problem == problem
	f.problem = problem
	f.mu.Unlock()
	if !same {
		f.notify()
	}
}

// watched is a source of lists and watches whose failures are noted.
func (f *feed) watched(
	list func(context.Context, metav1.ListOptions) (runtime.Object, error),
	follow func(context.Context, metav1.ListOptions) (watch.Interface, error),
	restrict func(*metav1.ListOptions),
) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			restrict(&options)
			object, err := list(ctx, options)
			f.observeUnlessOver(ctx, err)
			return object, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			restrict(&options)
			events, err := follow(ctx, options)
			f.observeUnlessOver(ctx, err)
			return events, err
		},
	}
}

func (f *feed) observeUnlessOver(ctx context.Context, err error) {
	if ctx.Err() == nil {
		f.observe(err)
	}
}
