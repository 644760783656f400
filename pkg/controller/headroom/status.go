package headroom

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/controller/quota"
	"github.com/headroom-dev/headroom/pkg/message"
	"github.com/headroom-dev/headroom/pkg/price"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// maxDomains and maxSummary are the bounds of the API for status.spread.
const (
	maxDomains = 1024
	maxSummary = 1024
)

// tally is what the status tells, before it is put into words.
type tally struct {
	// desired is the number of units that should be bound.
	desired int
	// bound and pending are the units that exist; of the bound ones, ready can be taken, and unavailable cannot.
	bound, pending, ready, unavailable int
	// outdated is the number of bound units that are not what spec and PriorityClass say.
	outdated int
	// class is the PriorityClass that units are made with, as the status says it.
	class string
	// trouble says of one unavailable unit why it is, and deviation of one unit how it differs; empty if there is none.
	trouble, deviation string
	// settled is false while it is not yet known how many units there should be.
	settled bool
	// rolling is the number of bound units of an old spec that wait for their replacement.
	rolling int
	// problem is why the spec is not acted on, nil if it is.
	problem *problem
	// queued is how many units are made later, when others are bound.
	queued int
	// held are the units that spec.refill does not let be made now, and refill is what its policy Once counts, nil with another one.
	held   held
	refill *v1alpha1.RefillStatus
	// atCeiling says that only probes wait, parked how many units do not for that, and refusal what an autoscaler says of it.
	atCeiling bool
	parked    int
	refusal   string
	// expiredAt is when spec.refill.ttl ended, zero if it did not.
	expiredAt time.Time
	// obstacle is what keeps pending units from being bound.
	obstacle obstacle
	// failing is how units fail again and again, nil if they do not.
	failing *problem
	// short is a quota that counts the units and leaves less than one more; nil if there is none.
	short *quota.Shortage
	// again is when the tally is another although nothing happened; zero: never.
	again time.Duration
	// capacity and domains are what the ready units hold, and where.
	capacity corev1.ResourceList
	domains  []v1alpha1.DomainStatus
	// cost is what the bound units cost.
	cost price.Held
	measured
}

// count makes the tally of what was found and done.
func count(headroom *v1alpha1.Headroom, seen *observation, p plan, done outcome) tally {
	t := tally{
		desired: wanted(headroom, seen), measured: seen.measured, settled: true,
		rolling: p.actions.Outdated + len(p.actions.Replace), problem: done.problem,
		failing: seen.failing, queued: p.queued, short: seen.short, again: seen.remember, class: p.class,
	}
	t.addRefill(headroom, seen, p)
	units := slices.Concat(seen.units, seen.perNode)
	for _, pod := range done.created {
		units = append(units, unit{pod: pod, Unit: topup.Unit{State: topup.Pending}})
	}
	if headroom.Spec.Placement == v1alpha1.PlacementPerNode {
		t.settled, t.desired = false, 0
		if ds := seen.daemonSet; ds != nil && ds.Status.ObservedGeneration == ds.Generation {
			t.settled, t.desired = true, int(ds.Status.DesiredNumberScheduled)
			t.rolling = t.desired - int(ds.Status.UpdatedNumberScheduled)
		}
	}
	domains, deleted := map[string]int32{}, sets.New(done.deleted...)
	var held []corev1.ResourceList
	var pending []*corev1.Pod
	for _, u := range units {
		if deleted.Has(u.UID) {
			continue
		}
		switch u.State {
		case topup.Pending:
			pending = append(pending, u.pod)
		case topup.Bound:
			t.addBound(u, p.template)
			if u.unavailable == "" {
				domains[seen.domains[u.pod.Spec.NodeName]]++
				held = append(held, requestsOf(u.pod))
			}
		case topup.Terminating, topup.Lost, topup.Foreign:
		}
	}
	t.pending = len(pending)
	obstacle, again := obstacleOf(pending, seen.at)
	t.obstacle, t.again = obstacle, soonest(t.again, again)
	if headroom.Spec.Placement == v1alpha1.PlacementPerNode {
		t.rolling = max(t.rolling, t.outdated) // the DaemonSet knows nothing of units that admission changed
	}
	t.capacity = sum(held)
	for domain, n := range domains {
		t.domains = append(t.domains, v1alpha1.DomainStatus{Name: domain, ReadyReplicas: n})
	}
	slices.SortFunc(t.domains, func(a, b v1alpha1.DomainStatus) int { return cmp.Compare(a.Name, b.Name) })
	return t
}

// addBound counts a bound unit.
func (t *tally) addBound(u unit, template string) {
	t.bound++
	t.cost.Plus(u.cost)
	if u.unavailable == "" {
		t.ready++
	} else {
		t.unavailable++
		t.trouble = cmp.Or(t.trouble, u.unavailable)
	}
	if u.Template != template || u.Nonconforming {
		t.outdated++
	}
	if u.Template == template {
		t.deviation = cmp.Or(t.deviation, u.deviation)
	}
}

// statusOf puts a tally into a status, on top of the one there was.
func statusOf(headroom *v1alpha1.Headroom, t tally, consumed []consumption.Consumption, now time.Time) v1alpha1.HeadroomStatus {
	status := *headroom.Status.DeepCopy()
	status.ObservedGeneration = headroom.Generation
	status.DesiredReplicas = int32(t.desired)         //nolint:gosec // as many pods as fit a cluster
	status.Replicas = int32(t.bound + t.pending)      //nolint:gosec // as many pods as fit a cluster
	status.ReadyReplicas = int32(t.ready)             //nolint:gosec // as above
	status.UnavailableReplicas = int32(t.unavailable) //nolint:gosec // as above
	status.OutdatedReplicas = int32(t.outdated)       //nolint:gosec // as above
	status.PendingReplicas = int32(t.pending)         //nolint:gosec // as above
	status.ParkedReplicas = int32(t.parked)           //nolint:gosec // as above
	status.PriorityClassName = t.class
	status.Selector = labels.SelectorFromSet(labels.Set{v1alpha1.LabelHeadroom: headroom.Name}).String()
	status.Capacity = t.capacity
	status.ScaleReplicas = min(status.Replicas+int32(t.held.delayed+t.held.queued+t.parked), replicas(headroom)) //nolint:gosec // as above
	status.Refill = t.refill
	status.Spread = v1alpha1.SpreadStatus{
		TopologyKey: headroom.Spec.DomainKey(),
		Domains:     t.domains[:min(len(t.domains), maxDomains)],
		Summary:     message.Cut(inOneLine(t.domains), maxSummary, message.Ellipsis),
	}
	for _, c := range consumed {
		if status.LastConsumedTime == nil || status.LastConsumedTime.Time.Before(c.Time.Truncate(time.Second)) {
			status.LastConsumedTime = &metav1.Time{Time: c.Time.Truncate(time.Second)}
		}
	}
	sizeStatus(&status, t.size, headroom.Generation, now)
	shapeStatus(&status, headroom, t.shape, now)
	ready := readyCondition(t)
	setCondition(&status.Conditions, ready, headroom.Generation, now)
	setCondition(&status.Conditions, filledCondition(t, ready), headroom.Generation, now)
	return status
}

// inOneLine is what kubectl get -o wide shows of the domains. Nodes that are in none are under "-".
func inOneLine(domains []v1alpha1.DomainStatus) string {
	parts := make([]string, 0, len(domains))
	for _, d := range domains {
		parts = append(parts, fmt.Sprintf("%s:%d", cmp.Or(d.Name, "-"), d.ReadyReplicas))
	}
	return strings.Join(parts, " ")
}

// patchBase is what a status is compared with to make the patch. A Headroom without a status is decoded with zeros that the
// API server does not have; they have to be written, or kubectl shows nothing where it should show 0.
func patchBase(headroom *v1alpha1.Headroom) *v1alpha1.Headroom {
	if headroom.Status.ObservedGeneration > 0 {
		return headroom
	}
	base := headroom.DeepCopy()
	s := &base.Status
	s.DesiredReplicas, s.Replicas, s.ReadyReplicas, s.PendingReplicas, s.ScaleReplicas = -1, -1, -1, -1, -1
	s.UnavailableReplicas, s.OutdatedReplicas, s.ParkedReplicas = -1, -1, -1
	return base
}

// report writes the status if it changed, and then tells what happened: events, metrics, who consumed what. It returns when to
// reconcile again for what cannot be told yet; zero: no need.
func (r *Reconciler) report(
	ctx context.Context, headroom *v1alpha1.Headroom, who role, seen *observation, p plan, done outcome,
) (retry time.Duration, err error) {
	key := client.ObjectKeyFromObject(headroom)
	consumed := r.ledger.Report(key)
	t := count(headroom, seen, p, done)
	r.Accounts.Observed(key, headroom.Generation, t.ready, t.desired-t.bound, seen.at)
	now := r.Clock.Now()
	status := statusOf(headroom, t, consumed, now)
	r.addRecords(&status, who)
	due := usageDue(&status.Usage, now)
	if !due {
		t.again = soonest(t.again, r.words.hold(headroom, &status, now))
	}
	if due || !equality.Semantic.DeepEqual(status, headroom.Status) {
		status.Usage = r.usage(key, status.DesiredReplicas, t.cost, now)
	}
	if !equality.Semantic.DeepEqual(status, headroom.Status) {
		status.Controller = r.record()
		stored := cmp.Or(seen.stored, headroom)
		changed := stored.DeepCopy()
		changed.Status = status
		patch := client.MergeFromWithOptions(patchBase(stored), client.MergeFromWithOptimisticLock{})
		if err := r.Client.Status().Patch(ctx, changed, patch); err != nil {
			r.ledger.Restore(key, consumed)
			if apierrors.IsNotFound(err) {
				return t.again, nil // deleted meanwhile
			}
			return t.again, fmt.Errorf("writing the status: %w", err)
		}
		r.expectations.expectStatus(changed)
	}
	if p.refusedNow(done.problem) {
		r.Metrics.Refused.WithLabelValues(done.problem.reason).Inc()
	}
	for _, e := range eventsOf(headroom.Status, status, t, len(done.created), consumed) {
		r.Recorder.Eventf(headroom, e.related, e.kind, e.reason, e.action, "%s", e.note)
	}
	return t.again, nil
}

// refusedNow reports whether a problem is that the API server refused placeholders, and not what was known before.
func (p plan) refusedNow(what *problem) bool {
	return what != nil && what != p.refused && what != p.limited && what.isRefusal()
}
