package dryrun

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

// crowd is a cluster in which the counting plugins have something to count, whatever a pod asks for.
func crowd() cluster {
	aloof := on("c", "aloof", "1")
	aloof.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shunned"}}, TopologyKey: corev1.LabelTopologyZone,
		}},
	}}
	// One more in each zone than in the next: between equal ones PodTopologySpread's counts are in no order.
	var web []*corev1.Pod
	for i, node := range []string{"a", "a", "b"} {
		pod := on(node, fmt.Sprint("web-", i), "500m")
		pod.Labels = map[string]string{"app": "web"}
		web = append(web, pod)
	}
	return cluster{
		nodes: []*corev1.Node{
			builders.Node("a", "z-1", res("2")).Obj(), builders.Node("b", "z-2", res("2")).Obj(), builders.Node("c", "z-3", res("2")).Obj(),
		},
		pods: append(web, on("a", "load-0", "1"), on("b", "load-1", "1"), aloof, on("c", "load-2", "1")),
	}
}

// choosy are pods that ask for everything that reaches beyond a node.
func choosy() map[string]*st.PodWrapper {
	web := metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	zone := corev1.LabelTopologyZone
	return map[string]*st.PodWrapper{
		"nothing": wants("1"),
		"a spread constraint": wants("1").Label("app", "web").SpreadConstraint(
			1, zone, corev1.DoNotSchedule, &web, nil, nil, nil, nil),
		"a preferred spread": wants("1").Label("app", "web").SpreadConstraint(
			1, zone, corev1.ScheduleAnyway, &web, nil, nil, nil, nil),
		"an affinity":       wants("1").PodAffinity(zone, &web, st.PodAffinityWithRequiredReq),
		"an anti-affinity":  wants("1").PodAntiAffinity(zone, &web, st.PodAntiAffinityWithRequiredReq),
		"a preference":      wants("1").PodAffinity(zone, &web, st.PodAffinityWithPreferredReq),
		"to be far from us": wants("1").Label("app", "shunned"),
		"affinities and a spread": wants("1").Label("app", "web").NodeAffinityIn(zone, []string{"z-1", "z-2"}, st.NodeSelectorTypeMatchExpressions).
			PodAntiAffinity(corev1.LabelHostname, &web, st.PodAntiAffinityWithRequiredReq).
			SpreadConstraint(1, zone, corev1.DoNotSchedule, &web, nil, nil, nil, nil),
	}
}

func TestADryRunStartsFromWhatAllPreFilterPluginsFoundOut(t *testing.T) {
	for profile, tc := range map[string]struct {
		change func(*cluster)
		taken  bool
	}{
		"counted before": {func(*cluster) {}, true},
		"counted before, spread by default": {func(c *cluster) {
			c.spread, c.others = spreadByDefault, []runtime.Object{service("web"), service("shunned")}
		}, true},
		"not counted yet": {func(c *cluster) { c.arrange = goFirst }, false},
	} {
		for pod, wrapper := range choosy() {
			t.Run(profile+", for a pod that wants "+pod, func(t *testing.T) {
				c := crowd()
				tc.change(&c)
				f := newFixture(t, c)
				require.Equal(t, tc.taken, f.profile.PreFilterReusable())
				consumer := wrapper.Obj()
				whole := framework.NewCycleState()
				_, status, _ := f.framework.RunPreFilterPlugins(context.Background(), whole, consumer)
				require.True(t, status.IsSuccess(), status.Message())

				run := f.profile.NewRun(whole, consumer)
				require.True(t, run.Start(context.Background()))

				assert.Equal(t, whole.GetSkipFilterPlugins(), run.state.GetSkipFilterPlugins())
				for _, plugin := range countingPlugins {
					expected, err := whole.Read(preFilterKey(plugin))
					found, errFound := run.state.Read(preFilterKey(plugin))
					assert.Equal(t, err, errFound)
					assert.Equal(t, expected, found)
					assert.Equal(t, err != nil, whole.GetSkipFilterPlugins().Has(plugin), "%s keeps what it counted under another key now", plugin)
				}
			})
		}
	}
}

func TestWhatADryRunCountsIsItsOwn(t *testing.T) {
	f := newFixture(t, crowd())
	pod := choosy()["affinities and a spread"].Obj()
	state := framework.NewCycleState()
	_, status, _ := f.framework.RunPreFilterPlugins(context.Background(), state, pod)
	require.True(t, status.IsSuccess(), status.Message())
	before := state.Clone()
	run := f.profile.NewRun(state, pod)
	require.True(t, run.Start(context.Background()))

	another, err := framework.NewPodInfo(on("b", "another", "1"))
	require.NoError(t, err)
	another.Pod.Labels = map[string]string{"app": "web"}
	b, err := f.snapshot.NodeInfos().Get("b")
	require.NoError(t, err)
	status = f.framework.RunPreFilterExtensionAddPod(context.Background(), run.state, pod, another, b)
	require.True(t, status.IsSuccess(), status.Message())

	for _, plugin := range countingPlugins {
		expected, err := before.Read(preFilterKey(plugin))
		require.NoError(t, err)
		found, err := state.Read(preFilterKey(plugin))
		require.NoError(t, err)
		assert.Equal(t, expected, found)
		changed, err := run.state.Read(preFilterKey(plugin))
		require.NoError(t, err)
		assert.NotEqual(t, expected, changed)
	}
}

func TestCountsAreTakenOverOnlyFromPluginsThatRunBefore(t *testing.T) {
	plugins := func(names ...string) []schedulerconfig.Plugin {
		var enabled []schedulerconfig.Plugin
		for _, name := range names {
			enabled = append(enabled, schedulerconfig.Plugin{Name: name})
		}
		return enabled
	}
	for name, tc := range map[string]struct {
		enabled []schedulerconfig.Plugin
		after   bool
	}{
		"all run before":             {plugins(podtopologyspread.Name, interpodaffinity.Name, Name), true},
		"one is disabled":            {plugins(podtopologyspread.Name, Name), true},
		"one runs behind":            {plugins(podtopologyspread.Name, Name, interpodaffinity.Name), false},
		"all run behind":             {plugins(Name, podtopologyspread.Name, interpodaffinity.Name), false},
		"all are disabled":           {plugins(Name), true},
		"Headroom itself is missing": {plugins(podtopologyspread.Name), false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.after, runsAfter(tc.enabled, Name, countingPlugins))
		})
	}
}

func TestAPodIsStrippedOfWhatOthersAreCountedForAlone(t *testing.T) {
	for name, wrapper := range choosy() {
		t.Run(name, func(t *testing.T) {
			pod := wrapper.Obj()
			original := pod.DeepCopy()
			stripped := withoutConstraints(pod)
			assert.Equal(t, original, pod)
			assert.Equal(t, corev1.ScheduleAnyway, stripped.Spec.TopologySpreadConstraints[0].WhenUnsatisfiable)
			assert.Len(t, stripped.Spec.TopologySpreadConstraints, 1)
			if affinity := pod.Spec.Affinity; affinity != nil {
				assert.Equal(t, affinity.NodeAffinity, stripped.Spec.Affinity.NodeAffinity)
				assert.Nil(t, stripped.Spec.Affinity.PodAffinity)
				assert.Nil(t, stripped.Spec.Affinity.PodAntiAffinity)
			}
			assert.False(t, HasPodAffinity(stripped))
			assert.Equal(t, pod.Spec.Containers, stripped.Spec.Containers)
		})
	}
}
