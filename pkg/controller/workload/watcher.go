package workload

import (
	"context"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// Options is what a Watcher needs.
type Options struct {
	// Pods watches pods.
	Pods PodSource
	// Clients watch HorizontalPodAutoscalers.
	Clients kubernetes.Interface
	// Dynamic watches workloads of any kind.
	Dynamic dynamic.Interface
	// Mapper finds the resource of a kind.
	Mapper meta.RESTMapper
}

// Watcher follows what Headrooms ask for. It is safe for concurrent use.
type Watcher struct {
	Options
	ctx context.Context //nolint:containedctx // what it starts ends with it

	mu      sync.Mutex
	changed func(headroom types.NamespacedName)
	sources map[subject]*followed
	asks    map[types.NamespacedName]map[subject]bool
}

// subject is something to follow: a workload, the pods or HorizontalPodAutoscalers of a namespace, or those of its pods that a selector
// matches.
type subject struct {
	what string
	Ref
	selector string
}

const (
	subjectTarget      = "target"
	subjectPods        = "pods"
	subjectSelection   = "selection"
	subjectAutoscalers = "autoscalers"
)

// followed is something that is followed, and for whom.
type followed struct {
	source
	stop  context.CancelFunc
	users map[types.NamespacedName]bool
}

// New returns a Watcher that follows nothing. What it follows it does until the context ends.
func New(ctx context.Context, options Options) *Watcher {
	return &Watcher{
		Options: options, ctx: ctx, changed: func(types.NamespacedName) {},
		sources: map[subject]*followed{}, asks: map[types.NamespacedName]map[subject]bool{},
	}
}

// OnChange sets what is called when something changed that a Headroom asked for. It must not call the Watcher.
func (w *Watcher) OnChange(changed func(headroom types.NamespacedName)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = changed
}

// Look begins a look at what a Headroom asks for. What its last look did not ask for is no longer followed for it.
func (w *Watcher) Look(headroom types.NamespacedName) *Look {
	return &Look{watcher: w, headroom: headroom, asked: map[subject]bool{}}
}

// Forget ends what is followed for a Headroom.
func (w *Watcher) Forget(headroom types.NamespacedName) { w.keep(headroom, nil) }

// Look is one look of a Headroom at what it sizes itself by. End has to be called after it.
type Look struct {
	watcher  *Watcher
	headroom types.NamespacedName
	asked    map[subject]bool
	awaits   bool
}

// End drops what was asked for in earlier looks and not in this one.
func (l *Look) End() { l.watcher.keep(l.headroom, l.asked) }

// Awaits reports whether something that it asked for is about to be read for the first time. The Headroom is told as soon as it is read,
// or fails, or is not read within five seconds; then this is false.
func (l *Look) Awaits() bool { return l.awaits }

// Target is a workload.
func (l *Look) Target(ref Ref) (Target, *Problem) {
	t := follow(l, subject{what: subjectTarget, Ref: ref}, func(w *Watcher) *target { return newTarget(w.Dynamic, w.Mapper, ref) })
	found, problem := t.get()
	l.awaits = l.awaits || t.soon(problem)
	return found, problem
}

// Pods are the bound pods of a namespace that a selector matches, placeholders left out.
func (l *Look) Pods(namespace string, selector labels.Selector) ([]Group, *Problem) {
	of := subject{what: subjectPods, Ref: Ref{Namespace: namespace}}
	all := follow(l, of, func(w *Watcher) *pods { return newPods(w.Pods, namespace) })
	of.what, of.selector = subjectSelection, selector.String()
	groups, problem := follow(l, of, func(*Watcher) *selected { return newSelected(all, selector) }).get(l.headroom)
	l.awaits = l.awaits || all.soon(problem)
	return groups, problem
}

// Autoscaler is the HorizontalPodAutoscaler of a workload.
func (l *Look) Autoscaler(ref Ref) (Autoscaler, *Problem) {
	of := subject{what: subjectAutoscalers, Ref: Ref{Namespace: ref.Namespace}}
	all := follow(l, of, func(w *Watcher) *autoscalers { return newAutoscalers(w.Clients, ref.Namespace) })
	found, problem := all.of(ref)
	l.awaits = l.awaits || all.soon(problem)
	return found, problem
}

// follow returns the source of a subject, and starts one if there is none.
func follow[S source](l *Look, what subject, start func(*Watcher) S) S {
	l.asked[what] = true
	w := l.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.sources[what]
	if f == nil {
		ctx, stop := context.WithCancel(w.ctx)
		f = &followed{source: start(w), stop: stop, users: map[types.NamespacedName]bool{}}
		w.sources[what] = f
		go f.run(ctx)
		go w.tell(ctx, f)
	}
	f.users[l.headroom] = true
	if w.asks[l.headroom] == nil {
		w.asks[l.headroom] = map[subject]bool{}
	}
	w.asks[l.headroom][what] = true
	return f.source.(S) //nolint:forcetypeassert // a subject has sources of one type
}

// keep drops what is followed for a Headroom, but for these.
func (w *Watcher) keep(headroom types.NamespacedName, these map[subject]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for what := range w.asks[headroom] {
		if these[what] {
			continue
		}
		delete(w.asks[headroom], what)
		f := w.sources[what]
		delete(f.users, headroom)
		if len(f.users) == 0 {
			f.stop()
			delete(w.sources, what)
		}
	}
	if len(w.asks[headroom]) == 0 {
		delete(w.asks, headroom)
	}
}

// tell tells the Headrooms that asked for something of its changes, at most once in calm.
func (w *Watcher) tell(ctx context.Context, f *followed) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.changes():
		}
		for _, user := range f.stale(w.usersOf(f)) {
			w.notify(user)
		}
		wait(ctx, calm)
	}
}

// usersOf are the Headrooms that something is followed for.
func (w *Watcher) usersOf(f *followed) []types.NamespacedName {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(f.users))
}

// notify says that something changed that a Headroom asked for.
func (w *Watcher) notify(headroom types.NamespacedName) {
	w.mu.Lock()
	changed := w.changed
	w.mu.Unlock()
	changed(headroom)
}
