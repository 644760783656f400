package headroom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/features"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/pkg/scheduler/daemons"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/scheduler/gang"
	"github.com/headroom-dev/headroom/pkg/scheduler/growth"
	"github.com/headroom-dev/headroom/pkg/scheduler/guard"
	"github.com/headroom-dev/headroom/pkg/scheduler/holes"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
	"github.com/headroom-dev/headroom/pkg/scheduler/running"
	"github.com/headroom-dev/headroom/pkg/scheduler/waiting"
)

// shared is what all profiles of one scheduler have in common: for two pods of different profiles the same placeholder
// must not be reserved twice, and the snapshot is one. The inventory belongs to the scheduling goroutine, which all
// profiles share; the rest locks itself.
type shared struct {
	catalog      *catalog.Catalog
	reservations *eviction.Reservations
	credits      *eviction.Credits
	refusals     *eviction.Refusals
	inventory    *inventory.Inventory
	waiting      *waiting.Pods
	waker        *waiting.Waker
	warnings     *warnings
	namespaces   corelisters.NamespaceLister
	// daemonSets resolves the DaemonSets of PerNode Headrooms.
	daemonSets placeholder.OwnerOfDaemonSet
	// pods are all pods that the scheduler knows.
	pods cache.Indexer
	// holes are where room is kept for other pods, postponed those from which it is kept.
	holes     *holes.Nodes
	postponed *waiting.Postponed
	// heard are the pods that holes were told of.
	heard holes.Heard
	// unscheduled are the pods that placeholders give way to.
	unscheduled *waiting.Unscheduled
	// gangs are the groups of pods that scheduler-plugins knows, and attempts those of them that have their places.
	gangs    *gang.Groups
	attempts *gang.Attempts
	// relief takes placeholders from overcommitted nodes, yielder reserved units out of the way of pods of DaemonSets.
	relief  *relief
	yielder *daemons.Yielder
	// profiles are the names of the scheduler's own profiles.
	profiles *profileNames
	// growth has placeholders go for resizes in place.
	growth     *growth.Grower
	leadership *growth.Leadership
	// guards keep other schedulers off nodes, nil if there can be none.
	guards *guard.Guards
	// moved says that a pod that may be a placeholder came or went since the inventory was last refreshed.
	moved atomic.Bool
}

// labeled indexes the pods that may be placeholders.
const labeled = Name + "/labeled"

var (
	sharedMu    sync.Mutex
	sharedUnder = map[informers.SharedInformerFactory]*shared{}
)

// sharedBy returns what the profiles of the scheduler that the handle belongs to share, by the arguments of the first of them. It lives as
// long as the context.
func sharedBy(ctx context.Context, handle fwk.Handle, args *config.HeadroomArgs) (*shared, error) {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	factory := handle.SharedInformerFactory()
	if s := sharedUnder[factory]; s != nil {
		s.profiles.add(profileOf(handle))
		return s, nil
	}
	s := &shared{
		catalog: catalog.New(), waiting: waiting.NewPods(), warnings: newWarnings(),
		namespaces: factory.Core().V1().Namespaces().Lister(), daemonSets: daemonSets(factory),
	}
	if err := s.index(factory); err != nil {
		return nil, err
	}
	s.reservations = eviction.NewReservations(func(node string) {
		s.inventory.MarkDirty(node)
		s.growth.Look(node)
	})
	s.credits = eviction.NewCredits(clock.RealClock{})
	s.refusals = eviction.NewRefusals(clock.RealClock{}, func(headroom types.NamespacedName) { s.waker.HeadroomChanged(ctx, headroom) })
	s.inventory = inventory.New(s.catalog, s.daemonSets, s.reservations)
	s.waker = &waiting.Waker{Handle: handle, Pods: s.waiting, Catalog: s.catalog, RecheckControllers: s.inventory.RecheckControllers}
	if err := s.waker.Listen(ctx, factory); err != nil {
		return nil, err
	}
	if err := s.listenToPods(ctx, factory); err != nil {
		return nil, err
	}
	s.profiles = profilesUnder(ctx, factory)
	s.profiles.add(profileOf(handle))
	if err := s.followHoles(ctx, handle, factory); err != nil {
		return nil, err
	}
	if err := s.followGangs(ctx, handle, factory); err != nil {
		return nil, err
	}
	if err := s.growInPlace(ctx, handle, factory); err != nil {
		return nil, err
	}
	s.keepOthersOff(ctx, handle, factory, args)
	changed := func(name types.NamespacedName) {
		s.waker.HeadroomChanged(ctx, name)
		s.growth.LookEverywhere()
	}
	if err := s.catalog.Follow(ctx, handle.KubeConfig(), changed); err != nil {
		return nil, err
	}
	withdraw, err := running.Publish(s.state)
	if err != nil {
		return nil, err
	}
	sharedUnder[factory] = s
	context.AfterFunc(ctx, func() {
		withdraw()
		sharedMu.Lock()
		defer sharedMu.Unlock()
		delete(sharedUnder, factory)
	})
	return s, nil
}

// state is what is known beyond objects. It may be called concurrently.
func (s *shared) state() running.State {
	return running.State{
		Time: metav1.NowMicro(), Headrooms: s.catalog.Names(), Reserved: s.reservations.List(), Undeletable: s.refusals.List(),
	}
}

// growInPlace makes what serves deferred resizes. Where kube-scheduler brings these through its queue, that is when PostFilter asks.
func (s *shared) growInPlace(ctx context.Context, handle fwk.Handle, factory informers.SharedInformerFactory) (err error) {
	pods := factory.Core().V1().Pods().Informer()
	s.leadership = growth.NewLeadership(legacyregistry.DefaultGatherer, pods.HasSynced, clock.RealClock{})
	s.growth, err = growth.New(ctx, growth.Options{
		Knowledge: growth.Knowledge{
			OwnerOf: func(pod *corev1.Pod) (placeholder.Owner, bool) { return placeholder.OwnerOf(pod, s.daemonSets) },
			Rule: func(owner placeholder.Owner) *entitlement.Rule {
				if entry := s.catalog.Of(owner); entry != nil {
					return entry.Rule
				}
				return nil
			},
			Identity: s.identityOf, Reserved: s.reservations.Reserved, Stays: s.reservations.Stays,
		},
		Client: handle.ClientSet(), Pods: pods, Nodes: factory.Core().V1().Nodes().Lister(),
		OnNode:       s.podsOn,
		Reservations: s.reservations, Credits: s.credits, Leads: s.leadership.Leads, Clock: clock.RealClock{},
		OnRequest: utilfeature.DefaultFeatureGate.Enabled(features.InPlacePodVerticalScalingSchedulerPreemption),
	})
	return err
}

// keepOthersOff makes what keeps other schedulers off nodes, unless it is not known where, or the scheduler would be kept off as well.
func (s *shared) keepOthersOff(ctx context.Context, handle fwk.Handle, factory informers.SharedInformerFactory, args *config.HeadroomArgs) {
	namespace, logger := cmp.Or(args.GuardNamespace, guard.OwnNamespace()), klog.FromContext(ctx)
	if namespace == "" {
		if args.GuardHoles != config.GuardNever {
			logger.Info("Other schedulers are not kept off nodes between an eviction and the bind that needs it: the scheduler runs in no pod " +
				"with a service account. Set guardNamespace, or guardHoles to Never")
		}
		return
	}
	pods := factory.Core().V1().Pods().Informer()
	if err := errors.Join(pods.AddIndexers(guard.Indexers(namespace)), pods.SetTransform(guard.Transform(namespace))); err != nil {
		logger.Error(err, "Other schedulers are not kept off nodes between an eviction and the bind that needs it: the scheduler would be, too")
		return
	}
	identity, _ := os.Hostname() // it is for people
	s.guards = guard.New(guard.Options{
		Client: handle.ClientSet(), Pods: pods.GetIndexer(), Namespace: namespace, Identity: identity, Leads: s.leadership.Leads,
		Clock: clock.RealClock{},
	})
	go wait.UntilWithContext(ctx, s.guards.Sweep, guard.SweepEvery)
}

// podsOn returns the pods of a node that have not finished.
func (s *shared) podsOn(node string) []*corev1.Pod { return podsOn(s.pods, node) }

// index makes it cheap to see that there are no placeholders.
func (s *shared) index(factory informers.SharedInformerFactory) error {
	pods := factory.Core().V1().Pods().Informer()
	err := pods.AddIndexers(cache.Indexers{labeled: func(object any) ([]string, error) {
		if pod, ok := object.(*corev1.Pod); ok && pod.Labels[v1alpha1.LabelHeadroom] != "" {
			s.moved.Store(true) // called for each change, before the scheduler hears of it
			return []string{labeled}, nil
		}
		return nil, nil
	}})
	if err != nil {
		return fmt.Errorf("indexing pods: %w", err)
	}
	s.pods = pods.GetIndexer()
	return nil
}

// placeholdersExist reports whether there may be placeholders in the scheduler's snapshot. That follows the informer's
// cache: what is new is there first. What is gone is in the snapshot a little longer, and until then pods may share the
// room that was reserved for them.
func (s *shared) placeholdersExist() bool {
	return len(s.pods.ListIndexFuncValues(labeled)) > 0 || s.moved.Load() || s.inventory.Placeholders() > 0
}

// refresh brings the inventory up to date with the nodes of the snapshot.
func (s *shared) refresh(nodes []fwk.NodeInfo, group bool) {
	s.moved.Store(false)
	s.inventory.Refresh(nodes, group)
}

// listenToPods notes pods that are bound or gone.
func (s *shared) listenToPods(ctx context.Context, factory informers.SharedInformerFactory) error {
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(old, updated any) { s.podUpdated(ctx, old, updated) },
		DeleteFunc: func(object any) {
			if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = tombstone.Obj
			}
			if pod, ok := object.(*corev1.Pod); ok {
				s.podGone(ctx, pod)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("listening to pods: %w", err)
	}
	return nil
}

// podUpdated notes that a pod changed. Where the end of a pod was missed, the next one of its name comes as a change of it.
func (s *shared) podUpdated(ctx context.Context, old, updated any) {
	was, _ := old.(*corev1.Pod)
	pod, ok := updated.(*corev1.Pod)
	if was != nil && ok && was.UID != pod.UID {
		s.podGone(ctx, was)
	}
	if ok && pod.Spec.NodeName != "" {
		s.forget(pod.UID)
		s.wakeForDevices(ctx, old, pod)
	} else if ok {
		s.memberChanged(ctx, pod)
	}
}

// podGone notes that the API server no longer has a pod.
func (s *shared) podGone(ctx context.Context, pod *corev1.Pod) {
	s.gangLost(ctx, pod)
	s.credits.Gone(pod.UID) // before the consumer hears of it
	s.reservations.Gone(pod.UID)
	s.credits.Settle(pod.UID)
	s.forget(pod.UID)
}

// forget drops what is kept of a pod while it waits.
func (s *shared) forget(waited types.UID) {
	s.waiting.Forget(waited)
	s.warnings.forget(waited)
	s.attempts.ForgetPod(waited)
}

// daemonSets asks the informer's cache.
func daemonSets(factory informers.SharedInformerFactory) placeholder.OwnerOfDaemonSet {
	lister := factory.Apps().V1().DaemonSets().Lister()
	return func(namespace, name string, uid types.UID) (placeholder.Owner, bool) {
		set, err := lister.DaemonSets(namespace).Get(name)
		if err != nil || set.UID != uid {
			return placeholder.Owner{}, false
		}
		return placeholder.ControllingOwner(set)
	}
}

func (s *shared) identityOf(pod *corev1.Pod) entitlement.Consumer {
	return entitlement.ConsumerOf(pod, s.namespaces.Get)
}

// isPlaceholder reports whether a pod is a placeholder of a Headroom.
func (s *shared) isPlaceholder(pod *corev1.Pod) bool {
	_, ok := placeholder.OwnerOf(pod, s.daemonSets)
	return ok
}

// names reports whether the `consumers` of the Headroom of a placeholder name a pod.
func (s *shared) names(unit, pod *corev1.Pod) bool {
	owner, ok := placeholder.OwnerOf(unit, s.daemonSets)
	entry, identity := s.catalog.Of(owner), s.identityOf(pod)
	return ok && entry != nil && entry.Rule.Named() && entry.Rule.Entitles(&identity)
}
