package daemons

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

const (
	// again is after how long units yield to the same pod again if it still waits. It doubles up to most: who waits for so long lacks
	// something else than the room of units.
	again = 10 * time.Second
	most  = 5 * time.Minute
)

// Options are what a Yielder knows of the cluster.
type Options struct {
	// Evictor deletes units.
	Evictor *eviction.Evictor
	// Nodes and Pods are the scheduler's own caches.
	Nodes corelisters.NodeLister
	Pods  corelisters.PodLister
	// PodsOn returns the pods of a node that have not finished.
	PodsOn func(node string) []*corev1.Pod
	// IsUnit reports whether a pod is a reserved unit, which yields, IsPlaceholder whether it is a placeholder, to which none does.
	IsUnit, IsPlaceholder func(*corev1.Pod) bool
}

// Yielder deletes reserved units in the way of pods of DaemonSets. Methods may be called concurrently.
type Yielder struct {
	Options
	backoff *flowcontrol.Backoff

	mu    sync.Mutex
	looks map[types.UID]bool
}

// New returns a Yielder that has been told of no pod.
func New(o Options) *Yielder {
	return &Yielder{Options: o, backoff: flowcontrol.NewBackOff(again, most), looks: map[types.UID]bool{}}
}

// Observe is told of a pod as it is now. It costs nothing for pods that do not wait for a certain node. It returns at
// once; requests to the API server are made in the background.
func (y *Yielder) Observe(ctx context.Context, pod *corev1.Pod) {
	if NodeOf(pod) == "" || y.IsPlaceholder(pod) {
		return
	}
	id := string(pod.UID)
	if y.backoff.IsInBackOffSinceUpdate(id, time.Now()) {
		y.lookLater(ctx, pod)
		return
	}
	y.backoff.Next(id, time.Now())
	y.backoff.GC()
	y.lookLater(ctx, pod)
	node := NodeOf(pod)
	if victims := y.victims(node, pod); len(victims) > 0 {
		go y.yield(ctx, node, pod, victims)
	}
}

// lookLater looks again at a pod, if it still waits, when units may yield to it again.
func (y *Yielder) lookLater(ctx context.Context, pod *corev1.Pod) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.looks[pod.UID] {
		return
	}
	y.looks[pod.UID] = true
	time.AfterFunc(y.backoff.Get(string(pod.UID)), func() {
		y.mu.Lock()
		delete(y.looks, pod.UID)
		y.mu.Unlock()
		if is, err := y.Pods.Pods(pod.Namespace).Get(pod.Name); err == nil && is.UID == pod.UID && ctx.Err() == nil {
			y.Observe(ctx, is)
		}
	})
}

func (y *Yielder) victims(name string, pod *corev1.Pod) []*corev1.Pod {
	node, err := y.Nodes.Get(name)
	if err != nil {
		return nil // it is gone
	}
	return Victims(node, y.PodsOn(name), pod, y.IsUnit, y.IsPlaceholder)
}

func (y *Yielder) yield(ctx context.Context, node string, pod *corev1.Pod, victims []*corev1.Pod) {
	for _, victim := range victims {
		klog.FromContext(ctx).V(2).Info("A reserved unit yields to a pod of a DaemonSet",
			"unit", klog.KObj(victim), "pod", klog.KObj(pod), "node", node)
		y.Evictor.Dismiss(ctx, victim, swapevent.ReasonYielded,
			"headroom-scheduler: a pod of a DaemonSet waits for node "+node+": "+pod.Namespace+"/"+pod.Name)
	}
}
