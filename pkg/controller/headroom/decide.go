package headroom

import (
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
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
	// actions are for the placeholders made directly.
	actions topup.Actions
}

// decide says what to do. It depends on nothing but its arguments.
func decide(headroom *v1alpha1.Headroom, seen *observation, defaults placeholder.Defaults, limits priority.Limits) plan {
	p := plan{
		refused:  checkSpec(headroom, seen.class, limits),
		template: placeholder.TemplateHash(headroom, defaults),
	}
	desired := topup.Desired{
		Replicas: wanted(headroom), Template: p.template,
		PendingReplacements: seen.pendingReplacements, CoolingDown: seen.coolingDown,
	}
	units := make([]topup.Unit, 0, len(seen.units))
	for _, u := range seen.units {
		units = append(units, u.Unit)
	}
	p.actions = topup.Plan(desired, units)
	if p.refused != nil {
		// Only what is too many goes: what is there stays, since it could not be made again.
		p.actions.Create, p.actions.Replace = nil, nil
	}
	return p
}

// wanted is the number of placeholders that the controller makes itself.
func wanted(headroom *v1alpha1.Headroom) int {
	if headroom.Spec.Placement == v1alpha1.PlacementPerNode {
		return 0
	}
	return int(replicas(headroom))
}

// replicas is what the spec says, or the default of the API.
func replicas(headroom *v1alpha1.Headroom) int32 { return ptr.Deref(headroom.Spec.Replicas, 1) }
