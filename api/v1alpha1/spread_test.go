package v1alpha1_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

func TestSpreadKeys(t *testing.T) {
	tests := map[string]struct {
		constraints []string // their topology keys
		want        []string
		wantDomain  string
	}{
		"zone, then host, where the Headroom says nothing": {want: []string{"topology.kubernetes.io/zone", "kubernetes.io/hostname"}, wantDomain: "topology.kubernetes.io/zone"},
		"the host alone":         {constraints: []string{"kubernetes.io/hostname"}, want: []string{"kubernetes.io/hostname"}, wantDomain: "topology.kubernetes.io/zone"},
		"the host first":         {constraints: []string{"kubernetes.io/hostname", "rack"}, want: []string{"kubernetes.io/hostname", "rack"}, wantDomain: "rack"},
		"its own in their order": {constraints: []string{"rack", "zone"}, want: []string{"rack", "zone"}, wantDomain: "rack"},
		"each once":              {constraints: []string{"rack", "zone", "rack"}, want: []string{"rack", "zone"}, wantDomain: "rack"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spec := v1alpha1.HeadroomSpec{}
			for _, key := range tc.constraints {
				spec.TopologySpreadConstraints = append(spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{TopologyKey: key})
			}
			require.Equal(t, tc.want, spec.SpreadKeys())
			require.Equal(t, tc.wantDomain, spec.DomainKey())
		})
	}
}
