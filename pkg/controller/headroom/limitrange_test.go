package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

func TestDefaultsBelowAUnit(t *testing.T) {
	list := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse(memory)}
	}
	limits := func(kind corev1.LimitType, defaults corev1.ResourceList) corev1.LimitRange {
		return corev1.LimitRange{
			ObjectMeta: metav1.ObjectMeta{Name: "team"},
			Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: kind, Default: defaults}}},
		}
	}
	tests := map[string]struct {
		requests corev1.ResourceList
		own      corev1.ResourceList
		limits   corev1.LimitRange
		want     string // empty: no default is to blame
	}{
		"a default below the unit": {
			list("1", "1Gi"), nil, limits(corev1.LimitTypeContainer, list("500m", "2Gi")),
			"LimitRange team gives containers a default limit of 500m cpu, below the 1 that a unit requests. " +
				"Give spec.limits[cpu] of the Headroom, or raise the default.",
		},
		"a default as large as the unit":  {list("1", "1Gi"), nil, limits(corev1.LimitTypeContainer, list("1", "1Gi")), ""},
		"a default for what is not asked": {corev1.ResourceList{}, nil, limits(corev1.LimitTypeContainer, list("1", "1Gi")), ""},
		"a unit with a limit of its own":  {list("1", "1Gi"), list("2", "2Gi"), limits(corev1.LimitTypeContainer, list("500m", "500Mi")), ""},
		"a limit of whole pods":           {list("1", "1Gi"), nil, limits(corev1.LimitTypePod, list("500m", "2Gi")), ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := defaultsBelow(&v1alpha1.HeadroomSpec{Requests: tc.requests, Limits: tc.own}, []corev1.LimitRange{{}, tc.limits})
			if tc.want == "" {
				require.Nil(t, got)
				return
			}
			require.Equal(t, &problem{reason: v1alpha1.ReasonAdmissionRefused, message: tc.want}, got)
		})
	}
}
