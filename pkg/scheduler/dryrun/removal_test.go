package dryrun

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/test/builders"
)

// removing is a framework whose PreFilter plugins hear which pods go, and cannot do without one of them.
type removing struct {
	framework.Framework
	fails string
	heard *[]string
}

func (r removing) RunPreFilterExtensionRemovePod(
	ctx context.Context, state fwk.CycleState, pod *corev1.Pod, removed fwk.PodInfo, node fwk.NodeInfo,
) *fwk.Status {
	*r.heard = append(*r.heard, removed.GetPod().Name)
	if removed.GetPod().Name == r.fails {
		return fwk.NewStatus(fwk.Error, "cannot")
	}
	return r.Framework.RunPreFilterExtensionRemovePod(ctx, state, pod, removed, node)
}

func TestPreFilterPluginsHearOfEachPodThatGoes(t *testing.T) {
	for name, tc := range map[string]struct {
		goes  []string
		fails string
		heard []string
		want  bool
	}{
		"both go":             {goes: []string{"x", "y"}, heard: []string{"x", "y"}, want: true},
		"one is not enough":   {goes: []string{"x"}, heard: []string{"x"}},
		"none is not enough":  {},
		"one cannot be taken": {goes: []string{"x", "y"}, fails: "x", heard: []string{"x"}},
		"nor can another":     {goes: []string{"x", "y"}, fails: "y", heard: []string{"x", "y"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z", res("3")).Obj()},
				pods:  []*corev1.Pod{on("a", "x", "1"), on("a", "stays", "1"), on("a", "y", "1")},
			})
			pod := wants("2").Obj()
			state := framework.NewCycleState()
			_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, pod)
			require.True(t, status.IsSuccess(), status.Message())
			var heard []string
			run := NewProfile(removing{f.framework, tc.fails, &heard}, Name).NewRun(state, pod)
			node := f.nodes(t, "a")[0]
			gone := func(p *corev1.Pod) bool { return slices.Contains(tc.goes, p.Name) }
			require.Equal(t, tc.want, run.PassesAfterRemoval(t.Context(), node, gone))
			require.Equal(t, tc.heard, heard)
			require.Len(t, node.GetPods(), 3, "the node itself is unchanged")
		})
	}
}
