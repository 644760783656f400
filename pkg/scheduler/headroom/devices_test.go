package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/test/builders"
)

func TestDevicesAreShortOnlyWhereTheNodeHasThemItself(t *testing.T) {
	const gpu = "example.com/gpu"
	wanted := builders.Resources{"cpu": "1", gpu: "1"}
	h := builders.Headroom("gpu", wanted).Namespace("default").UID("uid-hr").Obj()
	onlyCPU := hr("cpu", "1")
	for name, tc := range map[string]struct {
		node        *corev1.Node
		placeholder *corev1.Pod
		mapped      corev1.ResourceName
		wantVictims []string
	}{
		"a device plugin has it, a DeviceClass maps it": {
			node: builders.Node("a", "z-1", builders.Resources{"cpu": "4", gpu: "1"}).Obj(), placeholder: unit(h, 0, "a").Obj(), mapped: gpu,
			wantVictims: []string{"gpu-headroom-0"},
		},
		"a device plugin has it, no DeviceClass maps it": {
			node: builders.Node("a", "z-1", builders.Resources{"cpu": "4", gpu: "1"}).Obj(), placeholder: unit(h, 0, "a").Obj(),
			wantVictims: []string{"gpu-headroom-0"},
		},
		"only dynamic resource allocation may have it": {
			node: builders.Node("a", "z-1", res("1")).Obj(), placeholder: unit(onlyCPU, 0, "a").Obj(), mapped: gpu,
			wantVictims: []string{"cpu-headroom-0"},
		},
		"nobody has it": {node: builders.Node("a", "z-1", res("1")).Obj(), placeholder: unit(onlyCPU, 0, "a").Obj()},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{nodes: []*corev1.Node{tc.node}, pods: []*corev1.Pod{tc.placeholder}, devices: tc.mapped})
			c, _ := f.decided(t, builders.Consumer("consumer", wanted).Namespace("default").UID("consumer").Obj())
			var victims []string
			if c.swap != nil {
				victims = names(c.swap.Victims)
			}
			require.Equal(t, tc.wantVictims, victims)
		})
	}
}
