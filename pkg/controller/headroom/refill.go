package headroom

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/refill"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// accountsGlance is when to look again for accounts that cannot be read.
const accountsGlance = time.Second

// refilling is what spec.refill comes to.
type refilling struct {
	refill.Decision
	// status is what the policy Once counts, nil with another one; unstored says that nothing counts it.
	status   *v1alpha1.RefillStatus
	unstored bool
	// unread says that it is not known yet what was counted before this controller started.
	unread bool
	// parked says that only probes wait, and refusal is what an autoscaler says of why no room comes, empty if none does.
	parked  bool
	refusal string
}

// refill says what spec.refill comes to; nil for a Headroom that has none. With placement PerNode the API server refuses it.
func (r *Reconciler) refill(headroom *v1alpha1.Headroom, seen *observation) *refilling {
	spec := headroom.Spec.Refill
	if spec == nil || headroom.Spec.Placement == v1alpha1.PlacementPerNode {
		return nil
	}
	key, result := client.ObjectKeyFromObject(headroom), &refilling{}
	// Before those that are known to have gone, and before the ledger: what is settled in between is counted twice rather than not at all,
	// and only has to wait.
	unsettled := r.departures.unsettled(key, seen.units) + r.leaving(seen.units)
	facts := refill.Facts{
		Now: seen.at, Created: headroom.CreationTimestamp.Time, Wanted: wanted(headroom, seen), Undecided: unsettled,
		Went: append(r.departures.since(key), slices.Repeat([]time.Time{seen.at}, unsettled)...),
	}
	if spec.Policy == v1alpha1.RefillOnce {
		r.countTakes(headroom, result, &facts)
	}
	result.Decision = refill.Decide(policyOf(spec), facts)
	if result.unstored || result.unread {
		result.Recheck = accountsGlance
	}
	return result
}

// leaving is how many units that hold room somebody else deleted, and that are not gone yet: the API server marks a pod first, and removes
// it a moment later, or when its finalizers are done.
func (r *Reconciler) leaving(units []unit) int {
	n := 0
	for _, u := range units {
		if u.State == topup.Terminating && u.pod.Spec.NodeName != "" && !r.expectations.isDeleting(u.UID) {
			n++
		}
	}
	return n
}

func policyOf(spec *v1alpha1.Refill) refill.Policy {
	policy := refill.Policy{Once: spec.Policy == v1alpha1.RefillOnce, MaxPending: int(ptr.Deref(spec.MaxPending, 0))}
	if spec.Delay != nil {
		policy.Delay = spec.Delay.Duration
	}
	if spec.TTL != nil {
		policy.TTL = spec.TTL.Duration
	}
	return policy
}

// countTakes says how many units were taken since the policy became Once. They count when the status says from where on.
func (r *Reconciler) countTakes(headroom *v1alpha1.Headroom, result *refilling, facts *refill.Facts) {
	key, before := client.ObjectKeyFromObject(headroom), headroom.Status.Refill
	if result.status = before; before != nil {
		facts.Taken = int(before.TakenReplicas)
	}
	r.ledger.Snapshot(key, func(open []consumption.Departure) {
		total, complete, stored := r.Accounts.Taken(key)
		facts.Undecided += len(open)
		if result.unread = !complete; result.unread {
			return
		}
		if result.unstored = !stored; result.unstored {
			return
		}
		count := refill.Count{Before: total}
		if before != nil {
			facts.Counting = true
			count = refill.Count{Before: before.TakenBefore, Taken: int64(before.TakenReplicas)}.Next(total)
		}
		facts.Taken = int(min(count.Taken, math.MaxInt32))
		result.status = &v1alpha1.RefillStatus{TakenBefore: count.Before, TakenReplicas: int32(facts.Taken)} //nolint:gosec // bounded
	})
}

// refillRecheck is after how long spec.refill may come to something else although nothing changed; zero: never.
func refillRecheck(r *refilling) time.Duration {
	if r == nil {
		return 0
	}
	return r.Recheck
}

// checkRefill reports what keeps spec.refill from being acted on.
func checkRefill(seen *observation) *problem {
	if seen.refill == nil || !seen.refill.unstored {
		return nil
	}
	return &problem{
		reason: v1alpha1.ReasonNoAccounts,
		message: "spec.refill.policy is Once, and nothing counts which units were taken: the CustomResourceDefinition " +
			"headroomaccounts.headroom.dev is not installed. Apply manifests/crd, or let the policy be Always.",
	}
}

// held are units that are missing and are not made now, because of spec.refill.
type held struct {
	// delayed are made later, and queued when others are bound.
	delayed, queued int
}

// hold leaves out of the actions what spec.refill does not let be made now, and adds the deletions of units that wait beyond what may.
// Units that a rollout made in the place of such that held room count on top: they are bounded already, and wait for the room of those.
func hold(actions topup.Actions, units []unit, d refill.Decision) (topup.Actions, held) {
	h := held{delayed: min(len(actions.Create), d.Hold)}
	actions.Create = actions.Create[:len(actions.Create)-h.delayed]
	if d.MaxPending == refill.Unbounded {
		return actions, h
	}
	waiting := waitingUnits(units, actions)
	surplus := max(0, len(waiting)-d.MaxPending)
	actions = giveUp(actions, waiting[:surplus])
	free := max(0, d.MaxPending-len(waiting))

	var replace []topup.Replacement
	lost := 0
	for _, replacement := range actions.Replace {
		switch {
		case replacement.Reason != topup.ReasonLost:
		case free > 0:
			free--
		default:
			actions.Delete = append(actions.Delete, topup.Deletion{Old: replacement.Old, Reason: topup.ReasonLost})
			lost++
			continue
		}
		replace = append(replace, replacement)
	}
	var create []topup.Creation
	for _, creation := range actions.Create {
		if !creation.FromRollout {
			if free == 0 {
				continue
			}
			free--
		}
		create = append(create, creation)
	}
	h.queued = surplus + lost + len(actions.Create) - len(create)
	actions.Replace, actions.Create = replace, create
	return actions, h
}

// waitingUnits are the units that wait for room and stay, but for those of a rollout, the last by their number first.
func waitingUnits(units []unit, actions topup.Actions) []unit {
	going := map[types.UID]bool{}
	for _, deletion := range actions.Delete {
		going[deletion.Old.UID] = true
	}
	var waiting []unit
	for _, u := range units {
		if u.State == topup.Pending && !u.FromRollout && !going[u.UID] {
			waiting = append(waiting, u)
		}
	}
	slices.SortFunc(waiting, func(a, b unit) int { return cmp.Or(cmp.Compare(b.Ordinal, a.Ordinal), cmp.Compare(b.Name, a.Name)) })
	return waiting
}

// giveUp deletes units, and replaces them by none.
func giveUp(actions topup.Actions, units []unit) topup.Actions {
	gone := map[types.UID]bool{}
	for _, u := range units {
		gone[u.UID] = true
		actions.Delete = append(actions.Delete, topup.Deletion{Old: u.Unit, Reason: topup.ReasonHeldBack})
	}
	actions.Replace = slices.DeleteFunc(slices.Clone(actions.Replace), func(r topup.Replacement) bool { return gone[r.Old.UID] })
	return actions
}

// addRefill notes what spec.refill comes to.
func (t *tally) addRefill(headroom *v1alpha1.Headroom, seen *observation, p plan) {
	if seen.refill == nil {
		return
	}
	t.held, t.refill = p.held, seen.refill.status
	if t.atCeiling, t.refusal = seen.refill.parked, seen.refill.refusal; t.atCeiling {
		t.parked, t.held.queued = p.held.queued, 0
	}
	if seen.refill.Expired {
		t.expiredAt = headroom.CreationTimestamp.Add(headroom.Spec.Refill.TTL.Duration)
	}
}

// sayRefill goes on after how many units are bound.
func (t *tally) sayRefill() string {
	text := ""
	if t.held.delayed > 0 {
		text += fmt.Sprintf(", %d more are made after spec.refill.delay, or when it is known whether a pod took the one before",
			t.held.delayed)
	}
	if t.held.queued > 0 {
		text += fmt.Sprintf(", %d more are made when others are bound (spec.refill.maxPending)", t.held.queued)
	}
	if t.parked > 0 {
		text += fmt.Sprintf(", %d more are parked: no room came for those that wait within spec.refill.parkAfter", t.parked)
	}
	if t.refill != nil && t.refill.TakenReplicas > 0 {
		text += fmt.Sprintf(", %d were taken and are not made anew (spec.refill.policy is Once)", t.refill.TakenReplicas)
	}
	if !t.expiredAt.IsZero() {
		text += ", spec.refill.ttl ended at " + t.expiredAt.UTC().Format(time.RFC3339)
	}
	return text
}
