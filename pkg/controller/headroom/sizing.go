package headroom

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/rules"
)

// size says what spec.sizing comes to; nil for a Headroom that has none. With placement PerNode the API server refuses it.
func (r *Reconciler) size(headroom *v1alpha1.Headroom, now time.Time) *rules.Outcome {
	key := client.ObjectKeyFromObject(headroom)
	if headroom.Spec.Sizing == nil || headroom.Spec.Placement == v1alpha1.PlacementPerNode {
		r.Workloads.Forget(key)
		return nil
	}
	look := r.Workloads.Look(key)
	defer look.End()
	size := rules.Evaluate(headroom, int(replicas(headroom)), look, now)
	return &size
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

// sizeRecheck is after how long sizing may come to another number although nothing changed; zero: never.
func sizeRecheck(size *rules.Outcome) time.Duration {
	if size == nil {
		return 0
	}
	return size.Recheck
}
