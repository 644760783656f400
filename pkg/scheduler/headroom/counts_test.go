package headroom

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
	open := hr("open", "1")
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
		pods: append(web, unit(open, 0, "a").Obj(), unit(open, 1, "b").Obj(), aloof, unit(open, 2, "c").Obj()),
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

// service makes pods of a kind the ones that default spread constraints are about.
func service(app string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: app, Namespace: "default"}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": app},
	}}
}

// spreadByDefault gives a profile a default spread constraint that must be met.
func spreadByDefault(args *schedulerconfig.PodTopologySpreadArgs) {
	args.DefaultingType = schedulerconfig.ListDefaulting
	args.DefaultConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
	}}
}

// goFirst lets the plugin's PreFilter run before all others.
func goFirst(plugins *schedulerconfig.Plugins) {
	plugins.PreFilter.Enabled = []schedulerconfig.Plugin{{Name: Name}}
}

func TestATrialStartsFromWhatAllPreFilterPluginsFoundOut(t *testing.T) {
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
				require.Equal(t, tc.taken, f.learn().counted)
				consumer := wrapper.Obj()
				whole := framework.NewCycleState()
				_, status, _ := f.framework.RunPreFilterPlugins(context.Background(), whole, consumer)
				require.True(t, status.IsSuccess(), status.Message())

				tr := &trial{plugin: f.Plugin, outer: whole, pod: consumer}
				require.True(t, tr.start(context.Background()))

				assert.Equal(t, whole.GetSkipFilterPlugins(), tr.state.GetSkipFilterPlugins())
				for _, plugin := range counting {
					expected, err := whole.Read(countsOf(plugin))
					found, errFound := tr.state.Read(countsOf(plugin))
					assert.Equal(t, err, errFound)
					assert.Equal(t, expected, found)
					assert.Equal(t, err != nil, whole.GetSkipFilterPlugins().Has(plugin), "%s keeps what it counted under another key now", plugin)
				}
			})
		}
	}
}

func TestWhatATrialCountsIsItsOwn(t *testing.T) {
	f := newFixture(t, crowd())
	pod := choosy()["affinities and a spread"].Obj()
	_, state := f.decided(t, pod)
	before := state.Clone()
	tr := &trial{plugin: f.Plugin, outer: state, pod: pod}
	require.True(t, tr.start(context.Background()))

	another, err := framework.NewPodInfo(on("b", "another", "1"))
	require.NoError(t, err)
	another.Pod.Labels = map[string]string{"app": "web"}
	b, err := f.snapshot.NodeInfos().Get("b")
	require.NoError(t, err)
	status := f.framework.RunPreFilterExtensionAddPod(context.Background(), tr.state, pod, another, b)
	require.True(t, status.IsSuccess(), status.Message())

	for _, plugin := range counting {
		expected, err := before.Read(countsOf(plugin))
		require.NoError(t, err)
		found, err := state.Read(countsOf(plugin))
		require.NoError(t, err)
		assert.Equal(t, expected, found)
		changed, err := tr.state.Read(countsOf(plugin))
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
		"Headroom itself is missing": {plugins(podtopologyspread.Name), false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.after, runsAfter(tc.enabled, Name, counting))
		})
	}
}

func TestAPodIsStrippedOfWhatOthersAreCountedForAlone(t *testing.T) {
	for name, wrapper := range choosy() {
		t.Run(name, func(t *testing.T) {
			pod := wrapper.Obj()
			original := pod.DeepCopy()
			stripped := uncounted(pod)
			assert.Equal(t, original, pod)
			assert.Equal(t, corev1.ScheduleAnyway, stripped.Spec.TopologySpreadConstraints[0].WhenUnsatisfiable)
			assert.Len(t, stripped.Spec.TopologySpreadConstraints, 1)
			if affinity := pod.Spec.Affinity; affinity != nil {
				assert.Equal(t, affinity.NodeAffinity, stripped.Spec.Affinity.NodeAffinity)
				assert.Nil(t, stripped.Spec.Affinity.PodAffinity)
				assert.Nil(t, stripped.Spec.Affinity.PodAntiAffinity)
			}
			assert.False(t, hasPodAffinity(stripped))
			assert.Equal(t, pod.Spec.Containers, stripped.Spec.Containers)
		})
	}
}
