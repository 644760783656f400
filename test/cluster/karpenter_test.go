package cluster

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestKarpentersInstanceTypesHaveWhatPodsCanHave(t *testing.T) {
	data, err := Karpenter{Zones: 2}.withDefaults().instanceTypes()
	require.NoError(t, err)
	var types []struct {
		Name      string
		Resources map[string]string
		Offerings []struct{ Price float64 }
	}
	require.NoError(t, json.Unmarshal(data, &types))
	require.Len(t, types, 1)
	require.Equal(t, "karpenter-4-16Gi", types[0].Name)
	require.Equal(t, map[string]string{"cpu": "4100m", "memory": "16394Mi", "pods": "110"}, types[0].Resources)
	require.Len(t, types[0].Offerings, 4, "on demand and spot in each zone")
	require.InDelta(t, 4, types[0].Offerings[0].Price, 0, "the number of CPUs")
}

func TestKarpentersNodePools(t *testing.T) {
	k := Karpenter{RegistrationDelay: 20 * time.Second, NodePools: []NodePool{
		{Name: "plain"},
		{
			Name: "special", Spot: true, Zones: []string{"c"}, InstanceTypes: []string{"large"}, OnlyEmpty: true, ConsolidateAfter: -1, Budget: "1",
			Labels: map[string]string{"team": "search"}, Taints: []corev1.Taint{{Key: "spot", Effect: corev1.TaintEffectNoSchedule}},
			Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("40")},
		},
	}}.withDefaults()
	require.NoError(t, k.validate())
	objects := k.objects()
	require.Len(t, objects, 3)
	requireField(t, objects[0], "20s", "spec", "nodeRegistrationDelay")

	plain, special := objects[1], objects[2]
	requireField(t, plain, []any{in("karpenter.sh/capacity-type", "on-demand")}, "spec", "template", "spec", "requirements")
	requireField(t, plain, "10s", "spec", "disruption", "consolidateAfter")
	requireField(t, plain, "WhenEmptyOrUnderutilized", "spec", "disruption", "consolidationPolicy")
	requireField(t, special, []any{
		in("karpenter.sh/capacity-type", "spot"), in(corev1.LabelInstanceTypeStable, "large"), in(corev1.LabelTopologyZone, "region-1-c"),
	}, "spec", "template", "spec", "requirements")
	requireField(t, special, "Never", "spec", "disruption", "consolidateAfter")
	requireField(t, special, "WhenEmpty", "spec", "disruption", "consolidationPolicy")
	requireField(t, special, []any{map[string]any{"nodes": "1"}}, "spec", "disruption", "budgets")
	requireField(t, special, "40", "spec", "limits", "cpu")
	requireField(t, special, "search", "spec", "template", "metadata", "labels", "team")
	requireField(t, special, []any{map[string]any{"key": "spot", "value": "", "effect": "NoSchedule"}}, "spec", "template", "spec", "taints")
}

func requireField(t *testing.T, obj *unstructured.Unstructured, want any, path ...string) {
	t.Helper()
	got, found, err := unstructured.NestedFieldNoCopy(obj.Object, path...)
	require.NoError(t, err)
	require.True(t, found, path)
	require.Equal(t, want, got)
}

func TestWhatKarpenterCannotDoIsSaid(t *testing.T) {
	c := &Cluster{tools: Tools{Dir: t.TempDir()}}
	tests := map[string]struct {
		karpenter Karpenter
		want      string
	}{
		"too many zones":            {Karpenter{Zones: 27}, "there are letters for 1 to 26 zones, not for 27"},
		"half a second of delay":    {Karpenter{RegistrationDelay: 500 * time.Millisecond}, "a registration delay is a number of whole seconds, not 500ms"},
		"a NodePool without a name": {Karpenter{NodePools: []NodePool{{}}}, "a NodePool needs a name"},
		"consolidation in no time": {
			Karpenter{NodePools: []NodePool{{Name: "fast", ConsolidateAfter: time.Millisecond}}},
			"the NodePool fast can consolidate after a number of whole seconds, not after 1ms",
		},
		"not built": {Karpenter{}, "karpenter is missing in " + c.tools.Dir + ": run `make tools` (HEADROOM_TOOLS chooses another folder)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := c.RunKarpenter(t.Context(), tt.karpenter)
			require.EqualError(t, err, tt.want)
		})
	}
}
