package headroom

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// shared is what all profiles of one scheduler have in common: two pods of different profiles must not be promised the same
// placeholder, and the snapshot is one.
type shared struct {
	catalog      *catalog.Catalog
	reservations *eviction.Reservations
	credits      *eviction.Credits
	inventory    *inventory.Inventory
	misses       *misses
	warnings     *warnings
	// daemonSets resolves the DaemonSets of PerNode Headrooms.
	daemonSets placeholder.HeadroomOfDaemonSet
	// pods are all pods that the scheduler knows.
	pods cache.Indexer
	// moved says that a pod that may be a placeholder came or went since the inventory was last refreshed.
	moved atomic.Bool
}

// labeled indexes the pods that may be placeholders.
const labeled = Name + "/labeled"

var (
	sharedMu    sync.Mutex
	sharedUnder = map[informers.SharedInformerFactory]*shared{}
)

// sharedBy returns what the profiles of the scheduler that the handle belongs to share. It lives as long as the context.
func sharedBy(ctx context.Context, handle fwk.Handle) (*shared, error) {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	factory := handle.SharedInformerFactory()
	if s := sharedUnder[factory]; s != nil {
		return s, nil
	}
	s := &shared{catalog: catalog.New(), misses: newMisses(), warnings: newWarnings(), daemonSets: daemonSets(factory)}
	if err := s.index(factory); err != nil {
		return nil, err
	}
	s.reservations = eviction.NewReservations(func(node string) { s.inventory.MarkDirty(node) })
	s.credits = eviction.NewCredits(clock.RealClock{})
	s.inventory = inventory.New(s.catalog, s.daemonSets, s.reservations)
	if err := s.listen(ctx, handle, factory); err != nil {
		return nil, err
	}
	changed := func(name types.NamespacedName) { s.headroomChanged(ctx, handle, name) }
	if err := s.catalog.Follow(ctx, handle.KubeConfig(), changed); err != nil {
		return nil, err
	}
	sharedUnder[factory] = s
	context.AfterFunc(ctx, func() {
		sharedMu.Lock()
		defer sharedMu.Unlock()
		delete(sharedUnder, factory)
	})
	return s, nil
}

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

// placeholdersExist reports whether there may be placeholders in the scheduler's snapshot. That follows the informer's cache: what is new
// is there first. What is gone is in the snapshot a little longer, and until then pods may share the room that it was promised for.
func (s *shared) placeholdersExist() bool {
	return len(s.pods.ListIndexFuncValues(labeled)) > 0 || s.moved.Load() || s.inventory.Placeholders() > 0
}

// refresh brings the inventory up to date with the nodes of the snapshot.
func (s *shared) refresh(nodes []fwk.NodeInfo, group bool) {
	s.moved.Store(false)
	s.inventory.Refresh(nodes, group)
}

// listen notes pods that are gone, and what may help those that wait.
func (s *shared) listen(ctx context.Context, handle fwk.Handle, factory informers.SharedInformerFactory) error {
	if err := s.listenToNamespaces(ctx, handle, factory); err != nil {
		return err
	}
	if err := s.listenToDaemonSets(ctx, handle, factory); err != nil {
		return err
	}
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, updated any) {
			if pod, ok := updated.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
				s.forget(pod.UID)
			}
		},
		DeleteFunc: func(object any) {
			if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = tombstone.Obj
			}
			if pod, ok := object.(*corev1.Pod); ok {
				s.reservations.Gone(pod.UID)
				s.credits.Settle(pod.UID)
				s.forget(pod.UID)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("listening to pods: %w", err)
	}
	return nil
}

// forget drops what is kept of a pod while it waits.
func (s *shared) forget(waited types.UID) {
	s.misses.forget(waited)
	s.warnings.forget(waited)
}

// daemonSets asks the informer's cache.
func daemonSets(factory informers.SharedInformerFactory) placeholder.HeadroomOfDaemonSet {
	lister := factory.Apps().V1().DaemonSets().Lister()
	return func(namespace, name string, uid types.UID) (types.NamespacedName, bool) {
		set, err := lister.DaemonSets(namespace).Get(name)
		if err != nil || set.UID != uid {
			return types.NamespacedName{}, false
		}
		return placeholder.Controller(set)
	}
}
