package growth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	clientset "k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
)

const (
	// workers is how many nodes are looked at at the same time: one may have to wait for a placeholder with a finalizer.
	workers = 4
	// standbyFor is after how long a scheduler that does not lead looks whether it does.
	standbyFor = 2 * time.Second
	// settleAfter is how long what another process, or a request that failed, has left is left alone.
	settleAfter = 2 * time.Second
	// firstRetry and lastRetry bound after how long a node is looked at again where something failed.
	firstRetry = 20 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// byNode indexes the pods that Grower has to look at by their nodes.
const byNode = "headroom.dev/growing"

// Options are what a Grower works with.
type Options struct {
	Knowledge
	// Client writes annotations.
	Client clientset.Interface
	// Pods are all pods that have not finished. New adds an index.
	Pods cache.SharedIndexInformer
	// OnNode returns the pods of a node.
	OnNode func(node string) []*corev1.Pod
	// Nodes are all nodes.
	Nodes corelisters.NodeLister
	// Reservations keep others from placeholders that are about to go, Credits whose eviction it was.
	Reservations *eviction.Reservations
	Credits      *eviction.Credits
	// Clock tells how long something is left.
	Clock clock.PassiveClock
	// OnRequest has nodes looked at for what is left of resizes, and otherwise only when Request is called.
	OnRequest bool
	// Leads reports whether this scheduler is the one of its replicas that schedules.
	Leads func() bool
}

// Profile is how the pods of one scheduler profile are served.
type Profile struct {
	// Evictor deletes placeholders.
	Evictor *eviction.Evictor
	// Recorder tells about takes.
	Recorder events.EventRecorderLogger
	// HideNames leaves the names of placeholders of other namespaces than the pod's out of events.
	HideNames bool
}

// Grower has placeholders go for deferred resizes. Methods may be called concurrently, and of a nil Grower do nothing.
type Grower struct {
	Options
	queue workqueue.TypedRateLimitingInterface[string]
	index cache.Indexer

	mu       sync.Mutex
	profiles map[string]Profile
	// missed are the pods that were counted as not served, by the generation for which they were.
	missed map[types.UID]int64
	left   map[types.UID]left
}

// New returns a Grower that serves no pods yet, and works until the context ends. It fails if the informer of pods does not take an index.
func New(ctx context.Context, o Options) (*Grower, error) {
	g := &Grower{
		Options: o, index: o.Pods.GetIndexer(), profiles: map[string]Profile{}, missed: map[types.UID]int64{}, left: map[types.UID]left{},
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(
			workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, lastRetry),
			workqueue.TypedRateLimitingQueueConfig[string]{Name: "headroom-growth"}),
	}
	g.Serves = g.serves
	if err := o.Pods.AddIndexers(cache.Indexers{byNode: g.growing}); err != nil {
		return nil, fmt.Errorf("indexing pods whose resize is deferred: %w", err)
	}
	_, err := o.Pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { g.podChanged(object) },
		UpdateFunc: func(_, object any) { g.podChanged(object) },
		DeleteFunc: func(object any) {
			if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = tombstone.Obj
			}
			if pod, ok := object.(*corev1.Pod); ok {
				g.forget(pod.UID)
				g.podChanged(pod)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("listening to pods: %w", err)
	}
	for range workers {
		go g.work(ctx)
	}
	context.AfterFunc(ctx, g.queue.ShutDown)
	return g, nil
}

// growing is the index: pods that wait for room where they are, and those of which something is left to write down.
func (g *Grower) growing(object any) ([]string, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok || pod.Spec.NodeName == "" || (g.OnRequest || Deferred(pod) == nil) && pod.Annotations[v1alpha1.AnnotationTaking] == "" {
		return nil, nil
	}
	return []string{pod.Spec.NodeName}, nil
}

// Serve has the resizes of the pods of a profile served from now on.
func (g *Grower) Serve(scheduler string, profile Profile) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.profiles[scheduler] = profile
}

func (g *Grower) serves(scheduler string) bool {
	_, ok := g.profile(scheduler)
	return ok
}

func (g *Grower) profile(scheduler string) (Profile, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	profile, ok := g.profiles[scheduler]
	return profile, ok
}

// Look has a node looked at, if there is anything to look for. It returns at once.
func (g *Grower) Look(node string) {
	if g == nil {
		return
	}
	if keys, err := g.index.IndexKeys(byNode, node); err == nil && len(keys) > 0 {
		g.queue.Add(node)
	}
}

// Request reports whether placeholders go, or are about to be gone, for the deferred resize of a pod, and has them go.
func (g *Grower) Request(pod *corev1.Pod) bool {
	if g == nil || !g.serves(pod.Spec.SchedulerName) {
		return false
	}
	node, err := g.Nodes.Get(pod.Spec.NodeName)
	if err != nil {
		return false
	}
	scene := gather(node, g.OnNode(node.Name), &g.Knowledge)
	for _, growth := range Decide(scene.Node) {
		if growth.Outcome == Takes && scene.pods[growth.Pod].UID == pod.UID {
			g.queue.Add(node.Name)
			return true
		}
	}
	return false
}

// LookEverywhere has all nodes looked at on which there is anything to look for: a Headroom changed.
func (g *Grower) LookEverywhere() {
	if g == nil {
		return
	}
	for _, node := range g.index.ListIndexFuncValues(byNode) {
		g.queue.Add(node)
	}
}

// podChanged has the node of a pod looked at: a resize was deferred, changed or granted, or a pod came or went.
func (g *Grower) podChanged(object any) {
	if pod, ok := object.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
		g.Look(pod.Spec.NodeName)
	}
}

func (g *Grower) work(ctx context.Context) {
	for {
		node, down := g.queue.Get()
		if down {
			return
		}
		switch again, err := g.look(ctx, node); {
		case ctx.Err() != nil:
		case err == nil && again == 0:
			g.queue.Forget(node)
		case err == nil:
			g.queue.AddAfter(node, again)
		default:
			if !apierrors.IsConflict(err) {
				klog.FromContext(ctx).Error(err, "Taking headroom for a resize failed; it is tried again", "node", node)
			}
			g.queue.AddRateLimited(node)
		}
		g.queue.Done(node)
	}
}

// look serves the deferred resizes of a node, and returns after how long to look again if nothing happens, zero for never.
func (g *Grower) look(ctx context.Context, name string) (again time.Duration, err error) {
	pods, node := g.OnNode(name), (*corev1.Node)(nil)
	if node, err = g.Nodes.Get(name); err != nil {
		return 0, nil //nolint:nilerr // it is gone, and its pods will be
	}
	if keys, err := g.index.IndexKeys(byNode, name); err != nil || len(keys) == 0 && !g.OnRequest {
		return 0, err
	}
	if !g.Leads() {
		return standbyFor, nil
	}
	if left, again, err := g.settleLeft(ctx, pods); err != nil || left {
		return again, err // what was written brings the node back
	}
	scene := gather(node, pods, &g.Knowledge)
	var failures []error
	for _, growth := range Decide(scene.Node) {
		pod := scene.pods[growth.Pod]
		if victims := scene.victims(&growth, g.Reserved); len(victims) > 0 {
			failures = append(failures, g.take(ctx, name, pod, victims, growth.Missing))
		} else if len(scene.placeholders) > 0 {
			g.countMiss(pod, growth.Outcome)
		}
	}
	return 0, errors.Join(failures...)
}

// victims returns the placeholders that have to be evicted for a resize: not those that go anyway.
func (s *scene) victims(growth *Growth, reserved func(types.UID) bool) []*corev1.Pod {
	var victims []*corev1.Pod
	for _, victim := range growth.Victims {
		pod := s.placeholders[victim.Index]
		if !victim.Leaving || eviction.HalfDeleted(pod) && !reserved(pod.UID) {
			victims = append(victims, pod)
		}
	}
	return victims
}

// take evicts placeholders for a pod. What is about to be taken is written down before, and what was taken afterwards.
func (g *Grower) take(ctx context.Context, node string, pod *corev1.Pod, victims []*corev1.Pod, missing evictionorder.Resources) error {
	profile, ok := g.profile(pod.Spec.SchedulerName)
	if !ok {
		return nil
	}
	g.Reservations.Reserve(pod.UID, victims)
	defer g.Reservations.Release(pod.UID, victims)
	announced, err := g.announce(ctx, pod, victims)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		metrics.CountGrowth(metrics.SwapUndone)
		return err
	}
	klog.FromContext(ctx).V(2).Info("Pod takes headroom for a resize", "pod", klog.KObj(pod), "node", node,
		"placeholders", klog.KObjSlice(victims), "missing", describe(missing))
	deleted, failure := profile.Evictor.Evict(ctx, announced, victims)
	metrics.CountGrowthEvictions(len(deleted))
	took := g.Credits.Of(pod.UID, node, g.isGone)
	if err := g.settle(ctx, announced, uidsOf(took), false); err != nil {
		return errors.Join(failure, err)
	}
	g.settled(pod.UID)
	metrics.CountGrowth(resultOf(failure))
	profile.tell(ctx, pod, node, took, missing)
	return failure
}

// resultOf words how a take ended.
func resultOf(failure error) metrics.SwapResult {
	switch {
	case failure == nil:
		return metrics.GrowthTook
	case errors.Is(failure, eviction.ErrStayed):
		return metrics.SwapVictimStayed
	case errors.Is(failure, eviction.ErrRefused):
		return metrics.SwapEvictionRefused
	default:
		return metrics.SwapUndone
	}
}

// isGone reports whether the API server no longer has a pod, as far as the scheduler knows.
func (g *Grower) isGone(pod *corev1.Pod) bool {
	object, exists, err := g.index.GetByKey(pod.Namespace + "/" + pod.Name)
	if err != nil || !exists {
		return err == nil
	}
	current, ok := object.(*corev1.Pod)
	return ok && current.UID != pod.UID
}

// countMiss counts a pod that no headroom of its node could serve, once for each size that it asks for.
func (g *Grower) countMiss(pod *corev1.Pod, outcome Outcome) {
	reason := metrics.MissConsumers
	switch outcome {
	case TooSmall:
		reason = metrics.MissTooSmall
	case Unentitled:
	default:
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.missed[pod.UID]; ok && known == pod.Generation {
		return
	}
	g.missed[pod.UID] = pod.Generation
	metrics.CountMiss(reason)
}

// forget drops what is kept of a pod that is gone.
func (g *Grower) forget(pod types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.missed, pod)
	delete(g.left, pod)
}
