package headroom

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
)

// States returns the state metrics of every Headroom in the cache. Of a Headroom with placement PerNode, desired is what
// exists: the DaemonSet controller makes a pod for every node that should have one.
func States(ctx context.Context, cache client.Reader) ([]metrics.HeadroomState, error) {
	list := &v1alpha1.HeadroomList{}
	if err := cache.List(ctx, list); err != nil {
		return nil, err
	}
	var states []metrics.HeadroomState
	for i := range list.Items {
		headroom := &list.Items[i]
		state := metrics.HeadroomState{
			NamespacedName: client.ObjectKeyFromObject(headroom),
			Desired:        int32(wanted(headroom)), //nolint:gosec // from an int32
			Bound:          headroom.Status.ReadyReplicas,
			Pending:        headroom.Status.PendingReplicas,
		}
		if headroom.Spec.Placement == v1alpha1.PlacementPerNode {
			state.Desired = headroom.Status.Replicas
		}
		states = append(states, state)
	}
	return states, nil
}
