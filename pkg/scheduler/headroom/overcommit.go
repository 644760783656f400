package headroom

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"
	schedutil "k8s.io/kubernetes/pkg/scheduler/util"

	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/scheduler/growth"
	"github.com/headroom-dev/headroom/pkg/scheduler/holes"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

const (
	// relieveAgain is after how long a node may lose placeholders again that is overcommitted once more. It doubles up to relieveMax.
	relieveAgain = 10 * time.Second
	relieveMax   = 5 * time.Minute
)

// relief takes placeholders from nodes to which more was bound than they have, as happens when two schedulers bind at the same
// time, or when a node shrinks: the kubelet would reject one of the pods, or has to.
type relief struct {
	evictor       *eviction.Evictor
	nodes         corelisters.NodeLister
	pods          cache.Indexer
	isPlaceholder func(*corev1.Pod) bool
	// names reports whether the Headroom of a placeholder names a pod.
	names   func(unit, pod *corev1.Pod) bool
	backoff *flowcontrol.Backoff

	mu sync.Mutex
	// delayed are the nodes that are looked at later, and what may go from each then.
	delayed map[string][]func(unit *corev1.Pod) bool
}

// followNodes has nodes looked at that shrink, and all of them at the start.
func (r *relief) followNodes(ctx context.Context, factory informers.SharedInformerFactory) error {
	nodes := factory.Core().V1().Nodes().Informer()
	_, err := nodes.AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, after any) {
			old, updated, err := schedutil.As[*corev1.Node](before, after)
			if err == nil && old != nil && shrank(old, updated) {
				r.look(ctx, updated.Name, everyUnit)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("listening to nodes: %w", err)
	}
	go r.lookEverywhere(ctx, nodes, factory.Core().V1().Pods().Informer(), factory.Apps().V1().DaemonSets().Informer())
	return nil
}

// lookEverywhere looks at all nodes once what is there is known: while the scheduler was away, nobody did. Reserved units stay, since it is
// not known for which pods they would go.
func (r *relief) lookEverywhere(ctx context.Context, known ...cache.SharedIndexInformer) {
	synced := make([]cache.DoneChecker, 0, len(known))
	for _, informer := range known {
		synced = append(synced, informer.HasSyncedChecker())
	}
	if !cache.WaitFor(ctx, "", synced...) {
		return
	}
	nodes, err := r.nodes.List(labels.Everything())
	if err != nil {
		klog.FromContext(ctx).Error(err, "Listing nodes failed; placeholders on overcommitted nodes stay until something happens there")
		return
	}
	for _, node := range nodes {
		r.look(ctx, node.Name, unreserved)
	}
}

// everyUnit lets every unit go from an overcommitted node.
func everyUnit(*corev1.Pod) bool { return true }

// unreserved lets units go that are not reserved.
func unreserved(unit *corev1.Pod) bool { return !placeholder.IsReserved(unit) }

// madeFor lets units go for a pod that was bound to their node or grew: no reserved ones that are not for it, since the kubelet rejects it.
func (r *relief) madeFor(pod *corev1.Pod) func(unit *corev1.Pod) bool {
	return func(unit *corev1.Pod) bool { return unreserved(unit) || r.names(unit, pod) }
}

func shrank(before, after *corev1.Node) bool {
	for name, was := range before.Status.Allocatable {
		if is := after.Status.Allocatable[name]; is.Cmp(was) < 0 {
			return true
		}
	}
	return false
}

// look takes placeholders from a node if it is overcommitted, of those that may go. It returns at once; requests to the API server are made
// in the background.
func (r *relief) look(ctx context.Context, name string, may func(unit *corev1.Pod) bool) {
	victims := r.victims(name, may)
	if len(victims) == 0 {
		return
	}
	now := time.Now()
	if r.backoff.IsInBackOffSinceUpdate(name, now) {
		r.lookLater(ctx, name, may)
		return
	}
	r.backoff.Next(name, now)
	r.backoff.GC()
	r.lookLater(ctx, name, may) // a placeholder whose deletion fails is still there then
	go r.relieve(ctx, name, victims)
}

// lookLater looks again when the node may lose placeholders again, at all that may go by any of the looks that were put off.
func (r *relief) lookLater(ctx context.Context, name string, may func(unit *corev1.Pod) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delayed[name] = append(r.delayed[name], may)
	if len(r.delayed[name]) > 1 {
		return
	}
	time.AfterFunc(r.backoff.Get(name), func() {
		r.mu.Lock()
		looks := r.delayed[name]
		delete(r.delayed, name)
		r.mu.Unlock()
		if ctx.Err() == nil {
			r.look(ctx, name, func(unit *corev1.Pod) bool {
				return slices.ContainsFunc(looks, func(may func(*corev1.Pod) bool) bool { return may(unit) })
			})
		}
	})
}

// victims returns the placeholders that have to go from a node, of those that may.
func (r *relief) victims(name string, may func(unit *corev1.Pod) bool) []*corev1.Pod {
	pods := podsOn(r.pods, name)
	if !slices.ContainsFunc(pods, looksLikePlaceholder) {
		return nil
	}
	node, err := r.nodes.Get(name)
	if err != nil {
		return nil // it is gone
	}
	for i, pod := range pods {
		// A pod that asks for more than it has makes no kubelet reject anything: it grows when there is room.
		pods[i] = growth.Allocated(pod)
	}
	return holes.Overcommitting(node, pods, func(pod *corev1.Pod) bool { return r.isPlaceholder(pod) && may(pod) })
}

// podsOn returns the pods of a node, of which the scheduler's cache has none that have finished.
func podsOn(pods cache.Indexer, node string) []*corev1.Pod {
	objects, err := pods.ByIndex(observed, node)
	if err != nil {
		return nil
	}
	on := make([]*corev1.Pod, 0, len(objects))
	for _, object := range objects {
		if pod, ok := object.(*corev1.Pod); ok {
			on = append(on, pod)
		}
	}
	return on
}

// relieve deletes placeholders, each with a condition that says why. Those that a swap takes first are left to it.
func (r *relief) relieve(ctx context.Context, node string, victims []*corev1.Pod) {
	for _, victim := range victims {
		klog.FromContext(ctx).V(2).Info("Deleting a placeholder, as more is bound to its node than the node has",
			"pod", klog.KObj(victim), "node", node)
		r.evictor.Dismiss(ctx, victim, swapevent.ReasonOvercommitted, "headroom-scheduler: more is bound to node "+node+" than it has")
	}
}

// newRelief makes what takes placeholders from overcommitted nodes.
func newRelief(
	evictor *eviction.Evictor, factory informers.SharedInformerFactory, isPlaceholder func(*corev1.Pod) bool,
	names func(unit, pod *corev1.Pod) bool,
) *relief {
	return &relief{
		evictor: evictor, nodes: factory.Core().V1().Nodes().Lister(), pods: factory.Core().V1().Pods().Informer().GetIndexer(),
		isPlaceholder: isPlaceholder, names: names, backoff: flowcontrol.NewBackOff(relieveAgain, relieveMax),
		delayed: map[string][]func(*corev1.Pod) bool{},
	}
}
