package dryrun

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"

	"github.com/headroom-dev/headroom/test/builders"
)

// listing is the framework of a profile with one more plugin.
type listing struct {
	framework.Framework
	add func(*schedulerconfig.Plugins)
}

func (l listing) ListPlugins() *schedulerconfig.Plugins {
	plugins := l.Framework.ListPlugins().DeepCopy()
	l.add(plugins)
	return plugins
}

func TestForeignPluginsMatterWhereTheySaySomethingOfANode(t *testing.T) {
	f := newFixture(t, cluster{})
	foreign := func(at func(*schedulerconfig.Plugins) *schedulerconfig.PluginSet) func(*schedulerconfig.Plugins) {
		return func(plugins *schedulerconfig.Plugins) {
			set := at(plugins)
			set.Enabled = append([]schedulerconfig.Plugin{{Name: "Foreign"}}, set.Enabled...)
		}
	}
	for name, tc := range map[string]struct {
		at     func(*schedulerconfig.Plugins) *schedulerconfig.PluginSet
		inTree bool
	}{
		"PreFilter":  {at: func(p *schedulerconfig.Plugins) *schedulerconfig.PluginSet { return &p.PreFilter }},
		"Filter":     {at: func(p *schedulerconfig.Plugins) *schedulerconfig.PluginSet { return &p.Filter }},
		"PreScore":   {at: func(p *schedulerconfig.Plugins) *schedulerconfig.PluginSet { return &p.PreScore }},
		"Score":      {at: func(p *schedulerconfig.Plugins) *schedulerconfig.PluginSet { return &p.Score }},
		"PostFilter": {at: func(p *schedulerconfig.Plugins) *schedulerconfig.PluginSet { return &p.PostFilter }, inTree: true},
		"Bind":       {at: func(p *schedulerconfig.Plugins) *schedulerconfig.PluginSet { return &p.Bind }, inTree: true},
	} {
		t.Run(name, func(t *testing.T) {
			profile := NewProfile(listing{f.framework, foreign(tc.at)}, Name)
			require.Equal(t, tc.inTree, profile.InTreeOnly())
			require.Equal(t, tc.inTree, profile.PreFilterReusable(), "it may miss what a stripped pod does not have")
		})
	}
}

func TestCountsAreTakenOverOnlyIfNoPluginThatCountsRunsBehind(t *testing.T) {
	f := newFixture(t, cluster{})
	for _, behind := range countingPlugins {
		profile := NewProfile(listing{f.framework, func(plugins *schedulerconfig.Plugins) {
			enabled := &plugins.PreFilter.Enabled
			*enabled = slices.DeleteFunc(*enabled, func(plugin schedulerconfig.Plugin) bool { return plugin.Name == behind })
			*enabled = append(*enabled, schedulerconfig.Plugin{Name: behind})
		}}, Name)
		require.True(t, profile.InTreeOnly(), behind)
		require.False(t, profile.PreFilterReusable(), behind)
	}
}

// TestScoresOfAProfileThatDoesNotSpread have one part.
func TestScoresOfAProfileThatDoesNotSpread(t *testing.T) {
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z", res("4")).Obj(), builders.Node("b", "z", res("4")).Obj()},
		arrange: func(plugins *schedulerconfig.Plugins) {
			plugins.Score.Disabled = []schedulerconfig.Plugin{{Name: podtopologyspread.Name}}
			plugins.PreScore.Disabled = plugins.Score.Disabled
		},
	})
	nodes := f.nodes(t, "a", "b")
	run := f.started(t, f.profile, wants("1").Obj())
	require.NoError(t, run.PreScore(t.Context(), nodes))
	scores, err := run.CrossNodeScores(t.Context(), nodes)
	require.NoError(t, err)
	require.Nil(t, scores)
}

// TestAPodThatPreFilterPluginsRejectIsRejectedForGood by a node affinity that no node can meet.
func TestAPodThatPreFilterPluginsRejectIsRejectedForGood(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z", res("1")).Obj()}})
	named := func(name string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{name}}
	}
	pod := wants("1").Obj()
	terms := &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{named("a"), named("b")}}},
	}
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms}}
	run := f.profile.NewRun(framework.NewCycleState(), pod)
	for range 2 {
		require.False(t, run.Start(t.Context()))
	}
}

func TestWhichExtendersHaveASayChangesNothingForOtherPods(t *testing.T) {
	silent, loud := &extender{name: "silent", silent: true}, &extender{name: "loud"}
	extenders := []fwk.Extender{silent, loud}
	profile := NewProfile(advised{newFixture(t, cluster{}).framework, extenders}, Name)
	require.True(t, profile.NewRun(framework.NewCycleState(), wants("1").Obj()).HasExtenders())
	require.Equal(t, []fwk.Extender{silent, loud}, extenders, "the scheduler's own list")
}
