package headroom

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/allotment"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// allotted is what the operator's limits make of a plan.
type allotted struct {
	// queued is how many units the plan had to leave for later, until others are bound.
	queued int
	// limited is the limit on units that it ran into, nil if it did not.
	limited *problem
	// again is when to ask again even if nothing happens; zero: no need.
	again time.Duration
}

// allot takes out of a plan what the operator's limits do not allow now, and adds the units that have to be given back. What is made of
// it has to be told to allotments.made.
func (r *Reconciler) allot(headroom *v1alpha1.Headroom, seen *observation, p plan) plan {
	key := client.ObjectKeyFromObject(headroom)
	perNode := headroom.Spec.Placement == v1alpha1.PlacementPerNode
	wants := requestOf(seen, p)
	if perNode && seen.daemonSet == nil {
		wants.missing = 1 // How many its nodes will make, nobody knows; one is too many where there are as many as there may be.
	}
	if wait, _ := r.refusals.due(key, headroom.Generation); wait > 0 || p.refused != nil {
		wants.missing, wants.replacing = 0, 0 // It can make none, and keeps no place from others.
	}
	given := r.allotments.ask(key, wants)
	p.allotted = allotted{queued: wants.missing + wants.replacing - given.Create - given.Replace, again: given.again}
	if given.Limit != allotment.NoLimit && given.Limit != allotment.LimitPending {
		p.limited = limitReached(given.Limit, r.allotments.limits, headroom.Namespace)
		p.queued = 0
	}
	p.actions = within(p.actions, given.Grant)
	p.actions.Delete = append(p.actions.Delete, givenBack(seen.units, p.actions, given.giveBack)...)
	if perNode {
		p.queued = 0 // Its units are not in the window.
		p.refused = cmp.Or(p.refused, p.limited)
	}
	return p
}

// requestOf is what a plan asks of the limits.
func requestOf(seen *observation, p plan) request {
	r := request{units: map[types.UID]bool{}, missing: len(p.actions.Create)}
	for _, u := range seen.units {
		if u.State != topup.Foreign {
			r.units[u.UID] = u.State == topup.Pending
		}
	}
	for _, u := range seen.perNode {
		r.units[u.UID] = false
	}
	for _, replacement := range p.actions.Replace {
		if replacement.Old.State != topup.Pending {
			r.replacing++
		}
	}
	return r
}

// within leaves out of the actions what is not granted. What replaces a unit that waits needs nothing: it takes its place.
func within(actions topup.Actions, grant allotment.Grant) topup.Actions {
	kept, replaced := []topup.Replacement{}, 0
	for _, replacement := range actions.Replace {
		switch {
		case replacement.Old.State == topup.Pending:
		case replaced < grant.Replace:
			replaced++
		default:
			if replacement.Reason != topup.ReasonLost {
				actions.Outdated++
			}
			continue
		}
		kept = append(kept, replacement)
	}
	actions.Replace = kept
	actions.Create = actions.Create[:min(len(actions.Create), grant.Create)]
	return actions
}

// givenBack are units that wait, the last by their number first, and none that something else is done to.
func givenBack(units []unit, actions topup.Actions, n int) []topup.Deletion {
	var deletions []topup.Deletion
	if n == 0 {
		return nil
	}
	used := map[types.UID]bool{}
	for _, deletion := range actions.Delete {
		used[deletion.Old.UID] = true
		if deletion.Old.State == topup.Pending {
			n--
		}
	}
	for _, replacement := range actions.Replace {
		used[replacement.Old.UID] = true
	}
	last := slices.SortedFunc(slices.Values(units), func(a, b unit) int { return cmp.Compare(b.Ordinal, a.Ordinal) })
	for _, u := range last {
		if len(deletions) >= n {
			break
		}
		if u.State == topup.Pending && !used[u.UID] {
			deletions = append(deletions, topup.Deletion{Old: u.Unit, Reason: topup.ReasonGivenBack})
		}
	}
	return deletions
}

// limitReached says which limit keeps units from being made.
func limitReached(limit allotment.Limit, limits allotment.Limits, namespace string) *problem {
	of, n, option := "", 0, ""
	switch limit {
	case allotment.LimitHeadroom:
		of, n, option = "a Headroom", limits.PerHeadroom, "--max-units-per-headroom"
	case allotment.LimitNamespace:
		of, n, option = "the namespace "+namespace, limits.PerNamespace, "--max-units-per-namespace"
	default:
		of, n, option = "all Headrooms together", limits.Total, "--max-units"
	}
	return &problem{
		reason: v1alpha1.ReasonLimitReached,
		message: fmt.Sprintf("The operator allows %s %d units, and so many exist. Ask for fewer, or have the operator raise %s.",
			of, n, option),
	}
}

// note tells the allotments of a unit that the cache has shown.
func (a *allotments) note(headroom types.NamespacedName, pod *corev1.Pod) {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return
	}
	waits := owner.Kind == v1alpha1.KindHeadroom && pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil &&
		pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded
	a.observed(headroom, pod.UID, waits)
}

// uidsOf are the UIDs of pods.
func uidsOf(pods []*corev1.Pod) []types.UID {
	uids := make([]types.UID, len(pods))
	for i, pod := range pods {
		uids[i] = pod.UID
	}
	return uids
}
