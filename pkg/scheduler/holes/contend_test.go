package holes

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/test/builders"
)

func TestAPodAndAPlaceholderContendForANodeThatHasRoomForOneOfThem(t *testing.T) {
	const gpu = "example.org/gpu"
	cpu := func(quantity string) builders.Resources { return builders.Resources{"cpu": quantity} }
	for name, tc := range map[string]struct {
		node builders.Resources
		on   *corev1.Pod
		a, b builders.Resources
		want bool
	}{
		"for its CPU":                      {node: cpu("2"), on: on("x", cpu("1"), false, 0), a: cpu("1"), b: cpu("1"), want: true},
		"not if there is room for both":    {node: cpu("3"), on: on("x", cpu("1"), false, 0), a: cpu("1"), b: cpu("1")},
		"not if the first has none anyway": {node: cpu("2"), on: on("x", cpu("1"), false, 0), a: cpu("2"), b: cpu("1")},
		"for its memory": {
			node: builders.Resources{"memory": "2Gi"}, on: on("x", nil, false, 0), a: builders.Resources{"memory": "1Gi"}, b: builders.Resources{"memory": "2Gi"}, want: true,
		},
		"for its devices": {
			node: builders.Resources{gpu: "2"}, on: on("x", builders.Resources{gpu: "1"}, false, 0), a: builders.Resources{gpu: "1"}, b: builders.Resources{gpu: "1"}, want: true,
		},
		"not for different resources": {
			node: builders.Resources{"cpu": "1", gpu: "1"}, on: on("x", nil, false, 0), a: cpu("1"), b: builders.Resources{gpu: "1"},
		},
		"for the last pod that it may have": {
			node: builders.Resources{"cpu": "9", "pods": "2"}, on: on("x", nil, false, 0), a: cpu("1"), b: cpu("1"), want: true,
		},
		"also if it is overcommitted in what neither asks for": {
			node: builders.Resources{"cpu": "1", gpu: "1", "memory": "1Gi"}, on: on("x", builders.Resources{gpu: "2", "memory": "2Gi"}, false, 0),
			a: builders.Resources{"cpu": "1", gpu: "0"}, b: cpu("1"), want: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			node := framework.NewNodeInfo(tc.on)
			node.SetNode(builders.Node("n", "", tc.node).Obj())
			a, err := framework.NewPodInfo(on("a", tc.a, false, 0))
			require.NoError(t, err)
			b, err := framework.NewPodInfo(on("b", tc.b, true, 0))
			require.NoError(t, err)
			room := RoomOf(node, b, nil)
			contend := false
			if room.Fits(a) {
				_, contend = room.Give(a)
			}
			require.Equal(t, tc.want, contend)
		})
	}
}
