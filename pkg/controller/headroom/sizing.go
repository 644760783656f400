package headroom

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/rules"
	"github.com/headroom-dev/headroom/pkg/controller/shapes"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
)

// measured is what a Headroom's workloads say about its units.
type measured struct {
	// stored is the Headroom as it is stored, without a shape in its spec.
	stored *v1alpha1.Headroom
	// shape is what spec.shapeFrom comes to, size what spec.sizing does; nil if there is none.
	shape *shapes.Outcome
	size  *rules.Outcome
	// awaits says that something of that is about to be read for the first time.
	awaits bool
}

// evidence is what rules are about: workloads, and accounts.
type evidence struct {
	*workload.Look
	rules.Accounts
}

// measure says what spec.shapeFrom and spec.sizing come to, and returns the Headroom with the shape in its spec.
func (r *Reconciler) measure(headroom *v1alpha1.Headroom, now time.Time) (*v1alpha1.Headroom, measured) {
	look := r.Workloads.Look(client.ObjectKeyFromObject(headroom))
	defer look.End() // if nothing was asked for, nothing is followed any more
	m := measured{stored: headroom}
	if headroom.Spec.ShapeFrom != nil {
		shape := shapes.Evaluate(headroom, look, now)
		m.shape = &shape
		headroom = headroom.Shaped(shape.Status)
	}
	if headroom.Spec.Sizing != nil && headroom.Spec.Placement != v1alpha1.PlacementPerNode { // which the API server refuses together
		size := rules.Evaluate(headroom, int(replicas(headroom)), evidence{look, r.Accounts}, now)
		m.size = &size
	}
	m.awaits = look.Awaits()
	return headroom, m
}

// unshaped is why no placeholder can be made: it is not known what they are like. nil if it is.
func unshaped(shape *shapes.Outcome) *problem {
	if shape == nil || shape.Status != nil {
		return nil
	}
	return &problem{reason: v1alpha1.ReasonShapeUnknown, message: shape.Shaped.Message}
}

// shapeStatus puts what spec.shapeFrom comes to into a status.
func shapeStatus(status *v1alpha1.HeadroomStatus, headroom *v1alpha1.Headroom, shape *shapes.Outcome, now time.Time) {
	status.UnitRequests = headroom.Spec.Requests
	if shape == nil {
		status.Shape = nil
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionShaped)
		return
	}
	status.Shape = shape.Status
	setCondition(&status.Conditions, shape.Shaped, headroom.Generation, now)
}

// sizeStatus puts what spec.sizing comes to into a status.
func sizeStatus(status *v1alpha1.HeadroomStatus, size *rules.Outcome, generation int64, now time.Time) {
	if size == nil {
		status.Sizing = nil
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionSized)
		return
	}
	status.Sizing = size.Status
	setCondition(&status.Conditions, size.Sized, generation, now)
}

// recheck is after how long they may say something else although nothing changed; zero: never.
func (m measured) recheck() time.Duration {
	var wait time.Duration
	if m.shape != nil {
		wait = m.shape.Recheck
	}
	if m.size != nil {
		wait = soonest(wait, m.size.Recheck)
	}
	return wait
}
