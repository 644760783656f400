package headroom

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// defaultsBelow returns the problem of a unit that gets, as a default of one of the LimitRanges, a limit below what it requests; nil if
// there is none. The API server then calls the pod malformed and names no LimitRange.
func defaultsBelow(spec *v1alpha1.HeadroomSpec, ranges []corev1.LimitRange) *problem {
	for i := range ranges {
		for _, item := range ranges[i].Spec.Limits {
			if item.Type != corev1.LimitTypeContainer {
				continue
			}
			for _, name := range slices.Sorted(maps.Keys(item.Default)) {
				limit, request := item.Default[name], spec.Requests[name]
				if _, own := spec.Limits[name]; own || limit.Cmp(request) >= 0 {
					continue
				}
				return &problem{
					reason: v1alpha1.ReasonAdmissionRefused,
					message: fmt.Sprintf("LimitRange %s gives containers a default limit of %s %s, below the %s that a unit requests. "+
						"Give spec.limits[%s] of the Headroom, or raise the default.",
						ranges[i].Name, limit.String(), name, request.String(), name),
				}
			}
		}
	}
	return nil
}
