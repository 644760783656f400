package headroom

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
)

// States returns the state metrics of every Headroom in the cache.
func States(ctx context.Context, cache client.Reader) ([]metrics.HeadroomState, error) {
	list := &v1alpha1.HeadroomList{}
	if err := cache.List(ctx, list); err != nil {
		return nil, err
	}
	states := make([]metrics.HeadroomState, 0, len(list.Items))
	for i := range list.Items {
		status := &list.Items[i].Status
		domains := make(map[string]int32, len(status.Spread.Domains))
		for _, domain := range status.Spread.Domains {
			domains[domain.Name] = domain.ReadyReplicas
		}
		states = append(states, metrics.HeadroomState{
			NamespacedName: client.ObjectKeyFromObject(&list.Items[i]),
			Desired:        status.DesiredReplicas, Bound: status.ReadyReplicas, Pending: status.PendingReplicas,
			Parked:      status.ParkedReplicas,
			Unavailable: status.UnavailableReplicas, Outdated: status.OutdatedReplicas, Conditions: status.Conditions,
			Domains: domains, Usage: status.Usage,
		})
	}
	return states, nil
}
