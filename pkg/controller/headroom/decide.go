package headroom

import (
	"cmp"

	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/podpolicy"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// plan is what a reconcile wants to do.
type plan struct {
	// refused is why placeholders must not be made, nil if they may be.
	refused *problem
	// template identifies what placeholders should be made from.
	template string
	// class is the PriorityClass that they should have, as the status says it.
	class string
	// actions are for the placeholders made directly.
	actions topup.Actions
	// nonconforming are units of a DaemonSet to delete, so that its controller makes them anew.
	nonconforming []topup.Deletion
	// places are where units to make are meant to stand, by their ordinals, of a Headroom with a ladder.
	places map[int]place
	// held are the units that spec.refill does not let be made now.
	held held
	allotted
}

// decide says what to do. It depends on nothing but its arguments.
func decide(
	headroom *v1alpha1.Headroom, seen *observation, defaults placeholder.Defaults, limits priority.Limits, policy *podpolicy.Policy,
) plan {
	p := plan{
		refused: cmp.Or(unshaped(seen.shape), checkSpec(headroom, seen.classes, limits), checkPods(headroom, defaults, policy),
			checkRefill(seen)),
		template: placeholder.TemplateHash(headroom, defaults), class: placeholder.PriorityClassIn(headroom, defaults),
	}
	desired := topup.Desired{
		Replicas: wanted(headroom, seen), Template: p.template,
		PendingReplacements: seen.pendingReplacements, CoolingDown: seen.coolingDown, Surge: seen.surge,
	}
	p.actions = topup.Plan(desired, topupUnits(seen.units))
	if seen.refill != nil {
		p.actions, p.held = hold(p.actions, seen.units, seen.refill.Decision)
	}
	if seen.recalling > 0 {
		p.actions = postponed(p.actions)
	}
	p.nonconforming = nonconforming(p.template, seen.perNode)
	if p.refused != nil {
		// Only what is too many goes: what is there stays, since it could not be made again.
		p.actions.Create, p.actions.Replace, p.nonconforming, p.held = nil, nil, nil, held{}
	}
	return p
}

// postponed leaves out of the actions what makes units.
func postponed(actions topup.Actions) topup.Actions {
	for _, replacement := range actions.Replace {
		if replacement.Reason != topup.ReasonLost {
			actions.Outdated++
		}
	}
	actions.Create, actions.Replace = nil, nil
	return actions
}

// topupUnits are the units as topup sees them.
func topupUnits(units []unit) []topup.Unit {
	list := make([]topup.Unit, 0, len(units))
	for _, u := range units {
		list = append(list, u.Unit)
	}
	return list
}

// nonconforming are the next units of a DaemonSet that have its template and are nevertheless not what they should be, with
// maxUnavailable 25%, rounded up, of all. Its controller replaces those of another template only.
func nonconforming(template string, units []unit) []topup.Deletion {
	var deletions []topup.Deletion
	missing := 0
	for _, u := range units {
		switch {
		case u.State == topup.Pending || u.State == topup.Terminating:
			missing++
		case u.State == topup.Bound && u.Template == template && u.Nonconforming && !u.Promised:
			deletions = append(deletions, topup.Deletion{Old: u.Unit, Reason: topup.ReasonNonconforming})
		}
	}
	maxUnavailable := (len(units) + 3) / 4
	return deletions[:min(len(deletions), max(0, maxUnavailable-missing))]
}

// wanted is the number of placeholders that the controller makes itself, as far as it is observed what that comes to.
func wanted(headroom *v1alpha1.Headroom, seen *observation) int {
	switch {
	case headroom.Spec.Placement == v1alpha1.PlacementPerNode:
		return 0
	case seen.refill != nil:
		return seen.refill.Replicas
	case seen.size != nil:
		return seen.size.Replicas
	}
	return int(replicas(headroom))
}

// replicas is what the spec says, or the default of the API.
func replicas(headroom *v1alpha1.Headroom) int32 { return ptr.Deref(headroom.Spec.Replicas, 1) }
