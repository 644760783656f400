package dryrun

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"

	"github.com/headroom-dev/headroom/test/builders"
)

// started returns a run that has started in the cycle of a pod whose PreFilter plugins have run.
func (f *fixture) started(t *testing.T, profile *Profile, pod *corev1.Pod) *Run {
	t.Helper()
	state := framework.NewCycleState()
	_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, pod)
	require.True(t, status.IsSuccess(), status.Message())
	run := profile.NewRun(state, pod)
	require.True(t, run.Start(t.Context()))
	return run
}

// TestScoresInPartsComeToTheWhole compares what kube-scheduler sums up with what is put together of the two kinds of plugins.
func TestScoresInPartsComeToTheWhole(t *testing.T) {
	web := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	spread := wants("1").Label("app", "web").
		SpreadConstraint(1, corev1.LabelTopologyZone, corev1.ScheduleAnyway, web, nil, nil, nil, nil).Obj()
	for name, tc := range map[string]struct {
		pod   *corev1.Pod
		nodes int
		cross bool
	}{
		"a pod that asks for nothing":           {pod: wants("1").Obj(), nodes: 3},
		"one that should spread":                {pod: spread, nodes: 3, cross: true},
		"one that should spread, on many nodes": {pod: spread, nodes: Sequential + 2, cross: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster{}
			var names []string
			for i := range tc.nodes {
				names = append(names, fmt.Sprintf("node-%02d", i))
				c.nodes = append(c.nodes, builders.Node(names[i], fmt.Sprint("z-", i%2), res("64")).Obj())
				other := on(names[i], "on-"+names[i], fmt.Sprint(i))
				other.Labels = web.MatchLabels
				c.pods = append(c.pods, other)
			}
			f := newFixture(t, c)
			nodes := f.nodes(t, names...)
			want, err := f.started(t, f.profile, tc.pod).Score(t.Context(), nodes)
			require.NoError(t, err)
			require.Greater(t, slices.Max(want), slices.Min(want), "nodes differ")

			run := f.started(t, f.profile, tc.pod)
			require.NoError(t, run.PreScore(t.Context(), nodes))
			raws, err := run.RawScores(t.Context(), nodes)
			require.NoError(t, err)
			crossing, err := run.CrossNodeScores(t.Context(), nodes)
			require.NoError(t, err)
			require.Equal(t, tc.cross, crossing != nil)
			scored := make([]fwk.NodePluginScores, len(nodes))
			for i := range nodes {
				scored[i] = fwk.NodePluginScores{Name: names[i], RawScores: raws[i]}
				require.NotEmpty(t, raws[i])
				for _, raw := range raws[i] {
					require.False(t, tc.cross && raw.Name == podtopologyspread.Name, "it reads more than the node")
				}
				if crossing != nil {
					require.Len(t, crossing[i].RawScores, 1)
					scored[i].RawScores = slices.Concat(raws[i], crossing[i].RawScores)
				}
			}
			require.NoError(t, run.Normalize(t.Context(), scored))
			for i := range scored {
				require.Equal(t, want[i], scored[i].TotalScore, names[i])
			}
		})
	}
}

// failing is the framework of a profile whose plugins fail at one extension point.
type failing struct {
	framework.Framework
	at string
}

func (f failing) status(at string) *fwk.Status {
	if f.at == at {
		return fwk.AsStatus(errors.New("no " + at))
	}
	return nil
}

func (f failing) RunPreScorePlugins(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) *fwk.Status {
	if status := f.status("PreScore"); status != nil {
		return status
	}
	return f.Framework.RunPreScorePlugins(ctx, state, pod, nodes)
}

func (f failing) RunScorePlugins(
	ctx context.Context, state fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo,
) ([]fwk.NodePluginScores, *fwk.Status) {
	if status := f.status("Score"); status != nil {
		return nil, status
	}
	return f.Framework.RunScorePlugins(ctx, state, pod, nodes)
}

func (f failing) RunRawScorePlugins(
	ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node fwk.NodeInfo,
) ([]fwk.PluginScore, *fwk.Status) {
	if status := f.status("RawScore"); status != nil && node.Node().Name == "b" {
		return nil, status
	}
	return f.Framework.RunRawScorePlugins(ctx, state, pod, node)
}

func (f failing) NormalizeScores(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, scores []fwk.NodePluginScores) *fwk.Status {
	if status := f.status("NormalizeScore"); status != nil {
		return status
	}
	return f.Framework.NormalizeScores(ctx, state, pod, scores)
}

func TestScoresThatFailAreNoScores(t *testing.T) {
	web := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	pod := wants("1").SpreadConstraint(1, corev1.LabelTopologyZone, corev1.ScheduleAnyway, web, nil, nil, nil, nil).Obj()
	for at, tc := range map[string]struct{ whole, raw, cross, normal bool }{
		"nothing":        {},
		"PreScore":       {whole: true},
		"Score":          {whole: true, cross: true},
		"RawScore":       {raw: true},
		"NormalizeScore": {normal: true},
	} {
		t.Run(at, func(t *testing.T) {
			f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z", res("4")).Obj(), builders.Node("b", "z", res("4")).Obj()}})
			nodes := f.nodes(t, "a", "b")
			run := f.started(t, NewProfile(failing{f.framework, at}, Name), pod)
			_, err := run.Score(t.Context(), nodes)
			require.Equal(t, tc.whole, err != nil, err)
			best, err := run.Best(t.Context(), nodes)
			require.Equal(t, tc.whole, err != nil, err)
			require.Equal(t, tc.whole, best == "")
			require.NoError(t, f.profile.handle.RunPreScorePlugins(t.Context(), run.state, pod, nodes).AsError())
			raws, err := run.RawScores(t.Context(), nodes)
			require.Equal(t, tc.raw, err != nil, err)
			_, err = run.CrossNodeScores(t.Context(), nodes)
			require.Equal(t, tc.cross, err != nil, err)
			if tc.raw {
				return
			}
			err = run.Normalize(t.Context(), []fwk.NodePluginScores{{Name: "a", RawScores: raws[0]}, {Name: "b", RawScores: raws[1]}})
			require.Equal(t, tc.normal, err != nil, err)
		})
	}
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z", res("4")).Obj()}})
	run := f.started(t, f.profile, wants("1").Obj())
	require.NoError(t, run.PreScore(t.Context(), f.nodes(t, "a")))
	late, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := run.RawScores(late, f.nodes(t, "a"))
	require.ErrorIs(t, err, context.Canceled, "what was not asked in time has no score")
}
