package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/test/builders"
)

// avoided taints a node: pods are kept off it, or rather go elsewhere.
func avoided(node *corev1.Node, effect corev1.TaintEffect) *corev1.Node {
	node.Spec.Taints = []corev1.Taint{{Key: "avoided", Effect: effect}}
	return node
}

// occupy puts a pod on a node of the snapshot, as another cycle does.
func (f *fixture) occupy(t *testing.T, node, cpu string) {
	t.Helper()
	info, err := framework.NewPodInfo(on(node, "running-"+node, cpu))
	require.NoError(t, err)
	require.NoError(t, f.snapshot.AssumePod(info))
}

// TestAMemberThatComesWhileOthersHaveTheirPlacesMayHaveFreeRoom: it only takes no headroom. The room is on a node that is not for the others.
func TestAMemberThatComesWhileOthersHaveTheirPlacesMayHaveFreeRoom(t *testing.T) {
	c := withGangs(2, map[string]int{"web": 3})
	c.nodes = append(c.nodes, avoided(builders.Node("free", "z-1", res("1")).Obj(), corev1.TaintEffectNoSchedule))
	c.pending[2].Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	_, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	done, status := f.schedule(t, c.pending[2])
	require.True(t, status.IsSuccess(), status.Message())
	require.Equal(t, "free", done.node)
	require.Nil(t, cycleOf(done.state).swap)
	require.Equal(t, 2, f.reservedUnits(&c))
}

// TestTheMembersOfAGroupThatFitsGoOnAsLongAsEachOfThemDoes, although others take some of the room meanwhile: that some of them run already
// must not keep one from room that is free. The last one finds none, and takes headroom with all members that the group lacks.
func TestTheMembersOfAGroupThatFitsGoOnAsLongAsEachOfThemDoes(t *testing.T) {
	for name, tc := range map[string]struct {
		// free are the cores of the nodes without units, big is how much the first member wants that is tried; the others want one core.
		free map[string]string
		big  string
		// taken is the node of which others take a core once the first member runs.
		taken string
	}{
		"it fits wherever its members go":           {free: map[string]string{"big": "3"}, big: "1", taken: "big"},
		"it fits if each goes where it is best off": {free: map[string]string{"big": "3", "b": "1", "c": "1"}, big: "3", taken: "c"},
	} {
		t.Run(name, func(t *testing.T) {
			c := withGangs(1, map[string]int{"web": 3})
			for node, cores := range tc.free {
				c.nodes = append(c.nodes, builders.Node(node, "z-1", res(cores)).Obj())
			}
			for _, node := range c.nodes {
				if node.Name == "big" && len(tc.free) > 1 {
					avoided(node, corev1.TaintEffectPreferNoSchedule)
				}
			}
			c.pending[1].Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse(tc.big)
			f := newFixture(t, c)
			for len(tc.free) > 1 && f.nodes[0].Node().Name != "big" {
				f = newFixture(t, c) // the order of a snapshot's nodes is any; in this one the first node that passes is not the best one
			}
			f.shared.gangs.Set(podGroup("web", 3))
			done, status := f.schedule(t, c.pending[1])
			require.True(t, status.IsSuccess(), status.Message())
			require.Equal(t, "big", done.node)
			f.occupy(t, tc.taken, "1")

			done, status = f.schedule(t, c.pending[0])
			require.True(t, status.IsSuccess(), status.Message())
			require.Contains(t, tc.free, done.node)
			require.Zero(t, f.reservedUnits(&c))

			done, status = f.schedule(t, c.pending[2])
			require.True(t, status.IsSuccess(), status.Message())
			require.Equal(t, "n0", done.node)
			require.Len(t, cycleOf(done.state).swap.Victims, 1)
		})
	}
}
