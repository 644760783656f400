package headroom

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/ceiling"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/refill"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// mostProbes is how many units of a parked Headroom wait at most, however many domains there are.
const mostProbes = 10

// parkings is what refill.Park has to know of each Headroom. It is safe for concurrent use: reconciles ask, and the handler of the cache
// tells of units that were bound.
type parkings struct {
	mu  sync.Mutex
	all map[types.NamespacedName]parkingEntry
}

// parkingEntry is what is known of one Headroom.
type parkingEntry struct {
	// known says that memory is that of a reconcile of this process, and template what the units were made from then.
	known    bool
	memory   refill.Memory
	template string
	// bound is how many units were bound since, and boundAt when the last was.
	bound   int
	boundAt time.Time
	// said is what autoscalers said when it was read.
	said   ceiling.Saying
	readAt time.Time
}

func newParkings() *parkings { return &parkings{all: map[types.NamespacedName]parkingEntry{}} }

// bound notes that a unit was bound.
func (p *parkings) bound(headroom types.NamespacedName, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.all[headroom]
	e.bound, e.boundAt = e.bound+1, at
	p.all[headroom] = e
}

// take returns what is known of a Headroom, and begins to count anew what is bound.
func (p *parkings) take(headroom types.NamespacedName) parkingEntry {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.all[headroom]
	counting := e
	counting.bound = 0
	p.all[headroom] = counting
	return e
}

// keep notes what a reconcile decided.
func (p *parkings) keep(headroom types.NamespacedName, decided parkingEntry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.all[headroom]
	decided.known, decided.bound, decided.boundAt = true, e.bound, e.boundAt
	p.all[headroom] = decided
}

func (p *parkings) forget(headroom types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, headroom)
}

// park has units that wait while nothing comes be parked, as spec.refill.parkAfter says.
func (r *Reconciler) park(ctx context.Context, headroom *v1alpha1.Headroom, seen *observation) error {
	key := client.ObjectKeyFromObject(headroom)
	if seen.refill == nil || headroom.Spec.Refill.ParkAfter == nil {
		r.parkings.forget(key)
		return nil
	}
	e, parkAfter := r.parkings.take(key), headroom.Spec.Refill.ParkAfter.Duration
	template := placeholder.TemplateHash(headroom, r.Defaults)
	switch {
	case !e.known:
		e.memory.Parked = wasParked(&headroom.Status)
	case e.template != template:
		e.memory = refill.Memory{Since: seen.at} // units that are other ones now may find room
	}
	scene := r.sceneOf(headroom, seen, e)
	memory, decision := refill.Park(parkAfter, e.memory, scene)
	if decision.Parked {
		var err error
		if scene.Probes, err = r.probes(ctx, headroom); err != nil {
			return err
		}
		scene.Short = r.Short != nil && r.Short(seen.at, headroom.Spec.NodeSelector)
		if !e.memory.Parked || seen.at.Sub(e.readAt) >= refill.WordsGlance {
			e.said, e.readAt = r.askAutoscalers(ctx, headroom, seen), seen.at
			scene.Announced = e.said.Announced
		}
		memory, decision = refill.Park(parkAfter, e.memory, scene)
	}
	e.memory, e.template = memory, template
	r.parkings.keep(key, e)
	seen.refill.parked, seen.refill.refusal = decision.Parked, e.said.Words()
	seen.refill.MaxPending = min(seen.refill.MaxPending, decision.MaxPending)
	seen.refill.Recheck = soonest(seen.refill.Recheck, decision.Recheck)
	return nil
}

// wasParked reports whether the controller that wrote a status had parked the Headroom.
func wasParked(status *v1alpha1.HeadroomStatus) bool {
	return status.ParkedReplicas > 0 || conditionOf(*status, v1alpha1.ConditionFilled).Reason == v1alpha1.ReasonAtCeiling
}

// sceneOf is what Park has to know of now to say whether the Headroom is parked: all but how many probes there are, and whether pods find
// no room.
func (r *Reconciler) sceneOf(headroom *v1alpha1.Headroom, seen *observation, e parkingEntry) refill.Scene {
	scene := refill.Scene{
		Now: seen.at, Missing: wanted(headroom, seen) + seen.surge.Create, Bound: e.bound, BoundAt: e.boundAt, Announced: e.said.Announced,
	}
	for _, u := range seen.units {
		switch {
		case u.State == topup.Bound:
			scene.Missing--
			if u.BoundAt.After(scene.BoundAt) && !u.BoundAt.After(seen.at) {
				scene.BoundAt = u.BoundAt
			}
		case u.State == topup.Pending && !u.FromRollout:
			scene.Waiting++
			if scene.Oldest.IsZero() || u.Created.Before(scene.Oldest) {
				scene.Oldest = u.Created
			}
		}
	}
	scene.Missing = max(0, scene.Missing)
	return scene
}

// probes is how many units of a Headroom wait while it is parked: one for each domain of those over which its constraints spread the units,
// since one that is full may hide another that is not.
func (r *Reconciler) probes(ctx context.Context, headroom *v1alpha1.Headroom) (int, error) {
	key := headroom.Spec.DomainKey()
	constrained := false
	for i := range headroom.Spec.TopologySpreadConstraints {
		constrained = constrained || headroom.Spec.TopologySpreadConstraints[i].TopologyKey == key
	}
	if !constrained {
		return 1, nil
	}
	nodes := &corev1.NodeList{}
	selected := client.MatchingLabelsSelector{Selector: labels.SelectorFromSet(headroom.Spec.NodeSelector)}
	if err := r.Client.List(ctx, nodes, selected); err != nil {
		return 0, fmt.Errorf("listing nodes: %w", err)
	}
	domains := sets.New[string]()
	for i := range nodes.Items {
		if domain, ok := nodes.Items[i].Labels[key]; ok {
			domains.Insert(domain)
		}
	}
	return min(max(1, len(domains)), mostProbes), nil
}

// askAutoscalers reads what autoscalers say of the units that wait. A controller that may not read it does without.
func (r *Reconciler) askAutoscalers(ctx context.Context, headroom *v1alpha1.Headroom, seen *observation) ceiling.Saying {
	waiting := map[types.UID]bool{}
	for _, u := range seen.units {
		waiting[u.UID] = u.State == topup.Pending
	}
	said, err := ceiling.Read(ctx, r.Live, headroom.Namespace, waiting)
	if err != nil {
		klog.FromContext(ctx).V(2).Info("Reading what autoscalers say of units failed", "err", err)
	}
	if said.Limits, err = ceiling.AtLimit(ctx, r.Live, headroom.Spec.NodeSelector, headroom.Spec.Requests); err != nil {
		klog.FromContext(ctx).V(2).Info("Reading the limits of NodePools failed", "err", err)
	}
	return said
}

// sayCeiling says why no room comes, in the words of whoever knows.
func (t *tally) sayCeiling() string {
	return cmp.Or(t.refusal, t.obstacle.message, "Nobody says why no room comes.")
}
