package headroom

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/daemons"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/scheduler/holes"
	"github.com/headroom-dev/headroom/pkg/scheduler/waiting"
)

// observed is the index of pods by their nodes, by which they are also heard of early: see followHoles.
const observed = Name + "/observed"

const (
	// hearsWithin is how long a placeholder waits for a listener to hear what the scheduler's cache may have heard. It takes far less: if it
	// should never hear, the placeholder must be bound nevertheless.
	hearsWithin = time.Second
	hearsEvery  = 5 * time.Millisecond

	// nominatedAgain is after how long a pod is tried again that preemption nominated to a node and that is not bound. kube-scheduler 1.33 to
	// 1.37 may forget such a pod for five minutes, when a victim goes by another hand than its own: the preemption that finds it gone does
	// not wake the pod, and the victim's end came while the pod could not be woken (kubernetes/kubernetes#141694).
	nominatedAgain = 5 * time.Second
)

// profileNames are the names of the scheduler's profiles, as far as they have a plugin of ours.
type profileNames struct{ names sync.Map }

func (p *profileNames) add(name string) { p.names.Store(name, struct{}{}) }

// has reports whether a scheduler's name is one of them. The API server lets no pod be without one.
func (p *profileNames) has(name string) bool {
	_, ok := p.names.Load(name)
	return ok || name == ""
}

var (
	profilesMu sync.Mutex
	profilesOf = map[informers.SharedInformerFactory]*profileNames{}
)

// profilesUnder returns the names of the profiles of the scheduler that has a factory. They live as long as the context.
func profilesUnder(ctx context.Context, factory informers.SharedInformerFactory) *profileNames {
	profilesMu.Lock()
	defer profilesMu.Unlock()
	if known := profilesOf[factory]; known != nil {
		return known
	}
	names := &profileNames{}
	profilesOf[factory] = names
	context.AfterFunc(ctx, func() {
		profilesMu.Lock()
		defer profilesMu.Unlock()
		delete(profilesOf, factory)
	})
	return names
}

// profileOf returns the name of the profile that a handle belongs to.
func profileOf(handle fwk.Handle) string {
	if profile, ok := handle.(framework.Framework); ok {
		return profile.ProfileName()
	}
	return ""
}

// followHoles makes what knows of room that is kept for other pods.
func (s *shared) followHoles(ctx context.Context, handle fwk.Handle, factory informers.SharedInformerFactory) error {
	s.postponed = waiting.NewPostponed(func(pods map[types.UID]types.NamespacedName) { tryAgain(ctx, handle, pods) })
	context.AfterFunc(ctx, s.postponed.Stop)
	s.unscheduled = waiting.NewUnscheduled()
	s.holes = holes.New(holes.Options{
		Clock: clock.RealClock{}, Own: s.profiles.has, Released: s.postponed.Hurry,
		IsPlaceholder: s.isPlaceholder,
	})
	pods := factory.Core().V1().Pods().Informer()
	// The functions of an index are called for each change before anybody hears of it. A hole must be known when the scheduler sees the
	// victim gone, and the order in which two listeners are told is not.
	err := pods.AddIndexers(cache.Indexers{observed: func(object any) ([]string, error) {
		if pod, ok := object.(*corev1.Pod); ok {
			s.holes.Observe(pod)
			if pod.Spec.NodeName != "" {
				return []string{pod.Spec.NodeName}, nil
			}
		}
		return nil, nil
	}})
	if err != nil {
		return fmt.Errorf("indexing pods: %w", err)
	}
	_, err = pods.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, initial bool) {
			s.podChanged(nil, object)
			s.yield(ctx, object)
			if !initial { // all nodes are looked at once
				s.lookAtNode(ctx, nil, object)
			}
		},
		UpdateFunc: func(before, after any) {
			s.podChanged(before, after)
			s.yield(ctx, after)
			s.lookAtNode(ctx, before, after)
		},
		DeleteFunc: func(object any) {
			if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				s.vanished(tombstone.Obj)
				return
			}
			s.podChanged(object, nil)
		},
	})
	if err != nil {
		return fmt.Errorf("listening to pods: %w", err)
	}
	evictor := &eviction.Evictor{
		Client: handle.ClientSet(), Pods: factory.Core().V1().Pods().Lister(), Reservations: s.reservations, Credits: s.credits,
	}
	s.yielder = daemons.New(daemons.Options{
		Evictor: evictor, Nodes: factory.Core().V1().Nodes().Lister(), Pods: factory.Core().V1().Pods().Lister(),
		PodsOn: func(node string) []*corev1.Pod { return podsOn(pods.GetIndexer(), node) },
		IsUnit: func(pod *corev1.Pod) bool { return placeholder.IsReserved(pod) && s.isPlaceholder(pod) }, IsPlaceholder: s.isPlaceholder,
	})
	s.relief = newRelief(evictor, factory, s.isPlaceholder, s.names)
	return s.relief.followNodes(ctx, factory)
}

// yield has reserved units go that are in the way of a pod of a DaemonSet.
func (s *shared) yield(ctx context.Context, object any) {
	if pod, ok := object.(*corev1.Pod); ok {
		s.yielder.Observe(ctx, pod)
	}
}

// lookAtNode has placeholders go from the node of a pod if it is overcommitted since the pod was bound or grew. One scheduler alone
// overcommits no node, but there are pods that are made for one.
func (s *shared) lookAtNode(ctx context.Context, before, after any) {
	was, _ := before.(*corev1.Pod)
	is, ok := after.(*corev1.Pod)
	if !ok || is.Spec.NodeName == "" {
		return
	}
	if was != nil && was.UID != is.UID {
		was = nil // its deletion was missed: this one came with its node
	}
	if was == nil || was.Spec.NodeName == "" && s.holes.BesideOthers() || was.Generation != is.Generation {
		s.relief.look(ctx, is.Spec.NodeName, s.relief.madeFor(is))
	}
}

// podChanged tells of a pod that came, changed or went.
func (s *shared) podChanged(before, after any) {
	was, _ := before.(*corev1.Pod)
	is, _ := after.(*corev1.Pod)
	if was == nil && is == nil {
		return
	}
	if was != nil && is != nil && was.UID != is.UID {
		s.vanished(was) // its deletion was missed
		was = nil
	}
	s.holes.PodChanged(was, is)
	s.heard.PodChanged(was, is)
	switch {
	case is == nil:
		s.postponed.Forget(was.UID)
		s.unscheduled.Forget(was.UID)
	case is.Spec.NodeName != "":
		s.postponed.Forget(is.UID)
		s.unscheduled.Bound(is.UID)
	default:
		s.unscheduled.Observe(is)
		s.noteNominated(was, is)
	}
}

// noteNominated has a pod of this scheduler tried again a while after it was nominated to a node, unless it is bound by then.
func (s *shared) noteNominated(was, is *corev1.Pod) {
	node := is.Status.NominatedNodeName
	if node == "" || was != nil && was.Status.NominatedNodeName == node || !s.profiles.has(is.Spec.SchedulerName) {
		return
	}
	s.postponed.AddIfNone(is, time.Now().Add(nominatedAgain))
}

// vanished tells of a pod whose deletion was missed: it is missing where all pods are listed anew.
func (s *shared) vanished(object any) {
	if pod, ok := object.(*corev1.Pod); ok {
		s.holes.Vanished(pod)
		s.podChanged(pod, nil)
	}
}

// awaitDepartures waits until the holes are told of the pods that the scheduler no longer has on a node.
func (s *shared) awaitDepartures(ctx context.Context, node string) {
	_ = wait.PollUntilContextTimeout(ctx, hearsEvery, hearsWithin, true, func(context.Context) (bool, error) {
		return s.heard.All(node, s.podsOn(node)), nil
	})
}

// tryAgain has the scheduler try those of the pods again that still wait.
func tryAgain(ctx context.Context, handle fwk.Handle, pods map[types.UID]types.NamespacedName) {
	lister := handle.SharedInformerFactory().Core().V1().Pods().Lister()
	again := map[string]*corev1.Pod{}
	for uid, name := range pods {
		if pod, err := lister.Pods(name.Namespace).Get(name.Name); err == nil && pod.UID == uid && pod.Spec.NodeName == "" {
			again[name.String()] = pod
		}
	}
	if len(again) > 0 {
		handle.Activate(klog.FromContext(ctx), again)
	}
}
