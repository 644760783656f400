package cluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestNodesLieInZonesInTurn(t *testing.T) {
	var got [][2]string
	for _, node := range (Nodes{Count: 4, Zones: 3, First: 8, Region: "west"}).Objects() {
		require.Equal(t, node.Name, node.Labels[corev1.LabelHostname])
		require.Equal(t, "west", node.Labels[corev1.LabelTopologyRegion])
		got = append(got, [2]string{node.Name, node.Labels[corev1.LabelTopologyZone]})
	}
	require.Equal(t, [][2]string{{"node-08", "west-a"}, {"node-09", "west-b"}, {"node-10", "west-c"}, {"node-11", "west-a"}}, got)
}

func TestNamesOfManyNodesSortInOrder(t *testing.T) {
	nodes := Nodes{Count: 1000}.Objects()
	require.Equal(t, "node-0001", nodes[0].Name)
	require.Equal(t, "node-1000", nodes[999].Name)
}

func TestAllOfANodesCapacityIsAllocatable(t *testing.T) {
	node := Nodes{
		Count: 1, CPU: resource.MustParse("2"), Extended: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("8")},
	}.Objects()[0]
	require.Empty(t, cmp.Diff(corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("16Gi"),
		corev1.ResourcePods: resource.MustParse("110"), corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
		"nvidia.com/gpu": resource.MustParse("8"),
	}, node.Status.Allocatable))
	require.Equal(t, node.Status.Capacity, node.Status.Allocatable)
	require.Equal(t, "fixed-2-16Gi", node.Labels[corev1.LabelInstanceTypeStable])
}

func TestNodesThatCannotBeAreRefused(t *testing.T) {
	c := &Cluster{}
	require.EqualError(t, c.AddNodes(t.Context(), Nodes{}), "a cluster needs at least one node, not 0")
	require.EqualError(t, c.AddNodes(t.Context(), Nodes{Count: 30, Zones: 27}), "there are letters for 26 zones, not for 27")
}
