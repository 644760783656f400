package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/pkg/metrics"
)

const (
	// holdsAtMost is how long one swap keeps others off a node, and for how long after its creation a guard is shared: so none lives longer
	// than twice that. A swap takes some milliseconds; one that has to wait for a victim or for devices goes on without a guard.
	holdsAtMost = 3 * time.Second
	// answersWithin is how long the API server may take to make a guard.
	answersWithin = 2 * time.Second
	// deletedWithin is how long a deletion may take.
	deletedWithin = 10 * time.Second
	// restsFor is how long no guard is asked for after the API server has refused one.
	restsFor = time.Minute
)

// Options are what Guards work with.
type Options struct {
	// Client creates and deletes guards.
	Client kubernetes.Interface
	// Pods are all pods that have not finished, as far as the scheduler knows, with the index of [Indexers].
	Pods cache.Indexer
	// Namespace is where guards are; it is the scheduler's own.
	Namespace string
	// Identity is written on each guard, for people.
	Identity string
	// Leads reports whether this scheduler is the one of its replicas that schedules, and so removes what others left.
	Leads func() bool
	// Clock tells how long a guard is held.
	Clock clock.WithDelayedExecution
}

// Guards are those that swaps rely on. Methods may be called concurrently, and do nothing if it is nil.
type Guards struct {
	Options

	mu     sync.Mutex
	onNode map[string]*shared
	live   map[types.UID]struct{}
	rests  time.Time

	leftovers leftovers
}

// shared is one guard, for one swap or several.
type shared struct {
	since   time.Time
	holders int
	// answered is closed once the API server has made the guard, or has not.
	answered chan struct{}
	// made is nil before that, and if there is none.
	made *corev1.Pod
}

// New returns no guards yet.
func New(o Options) *Guards {
	return &Guards{Options: o, onNode: map[string]*shared{}, live: map[types.UID]struct{}{}, leftovers: newLeftovers(o.Clock.Now())}
}

// Hold sees to it that other schedulers keep off a node, and returns when they do, or when that cannot be had. image is what the guard is
// to run. Call done once; after holdsAtMost it is as if it had been called.
func (g *Guards) Hold(ctx context.Context, node Node, image string) (done func()) {
	if g == nil {
		return func() {}
	}
	if why, is := node.unfit(); is {
		metrics.CountGuard(why)
		return func() {}
	}
	guard, first := g.join(node.Name)
	switch {
	case guard == nil:
		metrics.CountGuard(metrics.GuardRefused)
		return func() {}
	case first:
		metrics.CountGuard(g.create(ctx, node.Name, image, guard))
	default:
		metrics.CountGuard(metrics.GuardShared)
		select {
		case <-guard.answered:
		case <-ctx.Done():
		}
	}
	var once sync.Once
	leave := func() { once.Do(func() { g.leave(context.WithoutCancel(ctx), node.Name, guard) }) }
	timer := g.Clock.AfterFunc(holdsAtMost, leave)
	return func() {
		timer.Stop()
		leave()
	}
}

// join returns the guard of a node, and whether the caller has to make it; nil while guards are refused.
func (g *Guards) join(node string) (guard *shared, first bool) {
	now := g.Clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.rests) {
		return nil, false
	}
	guard = g.onNode[node]
	if guard != nil && now.Sub(guard.since) < holdsAtMost {
		guard.holders++
		return guard, false
	}
	guard = &shared{since: now, holders: 1, answered: make(chan struct{})}
	g.onNode[node] = guard
	return guard, true
}

// create has the API server make a guard.
func (g *Guards) create(ctx context.Context, node, image string, guard *shared) metrics.GuardResult {
	defer close(guard.answered)
	asked, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	made, err := g.Client.CoreV1().Pods(g.Namespace).Create(asked, Build(g.Namespace, node, image, g.Identity), metav1.CreateOptions{})
	if err == nil {
		if unusable := usable(made); unusable != nil {
			g.remove(context.WithoutCancel(ctx), made)
			err = fmt.Errorf("the pod is not what was asked for: %w", unusable)
		}
	} else if !refused(err) {
		g.forget(node, guard)
		klog.FromContext(ctx).Error(err, "Keeping other schedulers off a node failed, and one swap there goes on without", "node", node)
		return metrics.GuardFailed
	}
	now := g.Clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		delete(g.onNode, node)
		g.rests = now.Add(restsFor)
		klog.FromContext(ctx).Error(err, "Other schedulers cannot be kept off nodes between an eviction and the bind that needs it; "+
			"swaps go on without. Let the scheduler create pods in the namespace, or set guardHoles to Never",
			"namespace", g.Namespace, "triedAgainIn", restsFor)
		return metrics.GuardRefused
	}
	guard.made = made
	g.live[made.UID] = struct{}{}
	return metrics.GuardMade
}

// forget has the next swap on a node ask for a guard anew.
func (g *Guards) forget(node string, guard *shared) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.onNode[node] == guard {
		delete(g.onNode, node)
	}
}

// refused reports whether the API server will say the same next time.
func refused(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code
	return code >= http.StatusBadRequest && code < http.StatusInternalServerError && code != http.StatusTooManyRequests
}

// leave ends the hold of one swap; the last one has the guard deleted.
func (g *Guards) leave(ctx context.Context, node string, guard *shared) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if guard.holders--; guard.holders > 0 {
		return
	}
	if g.onNode[node] == guard {
		delete(g.onNode, node)
	}
	if guard.made != nil {
		delete(g.live, guard.made.UID)
		go g.remove(ctx, guard.made)
	}
}

// remove deletes a guard.
func (g *Guards) remove(ctx context.Context, guard *corev1.Pod) {
	ctx, cancel := context.WithTimeout(ctx, deletedWithin)
	defer cancel()
	now := int64(0)
	err := g.Client.CoreV1().Pods(guard.Namespace).Delete(ctx, guard.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &guard.UID},
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		klog.FromContext(ctx).Error(err, "Deleting a guard failed; it is tried again", "pod", klog.KObj(guard), "node", guard.Spec.NodeName)
	}
}
