package dryrun

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

// TestAPodIsTakenToSpreadUnlessItsCycleTellsOtherwise: a pod that is asked about apart has no cycle.
func TestAPodIsTakenToSpreadUnlessItsCycleTellsOtherwise(t *testing.T) {
	f := newFixture(t, crowd())
	require.True(t, f.profile.PreFilterReusable())
	pod := choosy()["nothing"].Obj()
	require.False(t, f.profile.NewRun(framework.NewCycleState(), pod).MustSpread(), "its cycle counted nothing for a spread")
	require.True(t, f.profile.NewRunApart(pod).MustSpread())

	spread := choosy()["a spread constraint"].Obj()
	state := framework.NewCycleState()
	_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, spread)
	require.True(t, status.IsSuccess(), status.Message())
	require.True(t, f.profile.NewRun(state, spread).MustSpread())

	c := crowd()
	c.arrange = goFirst
	require.True(t, newFixture(t, c).profile.NewRun(framework.NewCycleState(), pod).MustSpread(), "nothing was counted yet")
}

// spreading are two zones, of which the first has a pod of the kind that must spread, and node full has no room. Node nowhere is in none.
func spreading() cluster {
	web := on("a", "web", "1")
	web.Labels = map[string]string{"app": "web"}
	return cluster{
		nodes: []*corev1.Node{
			builders.Node("a", "z-1", res("4")).Obj(), builders.Node("full", "z-2", res("4")).Obj(), builders.Node("b", "z-2", res("4")).Obj(),
			builders.Node("nowhere", "", res("4")).Obj(),
		},
		pods: []*corev1.Pod{web, on("full", "x", "4")},
	}
}

// TestFilterPluginsAreAskedInTwoParts by a pod that must spread over zones, and keep off its kind in one case.
func TestFilterPluginsAreAskedInTwoParts(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	for name, tc := range map[string]struct {
		pod       *corev1.Pod
		byDefault bool
		cross     map[string]bool
	}{
		"by its own constraint": {
			pod: wants("1").Label("app", "web").
				SpreadConstraint(1, corev1.LabelTopologyZone, corev1.DoNotSchedule, selector, nil, nil, nil, nil).Obj(),
			cross: map[string]bool{"full": true, "b": true, "a": false, "nowhere": false},
		},
		"by a default one": {
			pod: wants("1").Label("app", "web").Obj(), byDefault: true,
			cross: map[string]bool{"full": true, "b": true, "a": false, "nowhere": false},
		},
		"not at all": {
			pod: wants("1").Label("app", "db").Obj(), byDefault: true,
			cross: map[string]bool{"full": true, "b": true, "a": true, "nowhere": true},
		},
		"it keeps off its kind": {
			pod:   wants("1").PodAntiAffinity(corev1.LabelTopologyZone, selector, st.PodAntiAffinityWithRequiredReq).Obj(),
			cross: map[string]bool{"full": true, "b": true, "a": false, "nowhere": true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := spreading()
			if tc.byDefault {
				c.spread, c.others = spreadByDefault, []runtime.Object{service("web")}
			}
			f := newFixture(t, c)
			apart := f.profile.NewRunApart(tc.pod)
			require.True(t, apart.Start(t.Context()))
			for way, run := range map[string]*Run{"in the pod's own cycle": f.started(t, f.profile, tc.pod), "apart from any": apart} {
				for _, node := range []string{"full", "b", "a", "nowhere"} { // what is said of a node without room holds for its zone
					info := f.nodes(t, node)[0]
					require.Equal(t, tc.cross[node], run.PassesCrossNode(t.Context(), info), "%s, %s", node, way)
					require.Equal(t, node != "full", run.PassesNodeLocal(t.Context(), info, nil), "%s, %s", node, way)
					require.Equal(t, node != "full" && tc.cross[node], run.Passes(t.Context(), info, nil), "%s, %s", node, way)
				}
			}
		})
	}
}

// TestAZoneIsAskedAboutOnce unless the answer came too late, while nodes that are in none are asked about one by one.
func TestAZoneIsAskedAboutOnce(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	c := spreading()
	c.nodes = append(c.nodes, builders.Node("outside", "", res("4")).Obj())
	f := newFixture(t, c)
	pod := wants("1").Label("app", "web").
		SpreadConstraint(1, corev1.LabelTopologyZone, corev1.DoNotSchedule, selector, nil, nil, nil, nil).Obj()
	var asked []string
	run := f.started(t, NewProfile(seeing{f.framework, func(ctx context.Context, _ fwk.CycleState, node fwk.NodeInfo) *fwk.Status {
		asked = append(asked, node.Node().Name)
		if ctx.Err() != nil {
			return fwk.AsStatus(ctx.Err())
		}
		return nil
	}}, Name), pod)
	late, cancel := context.WithCancel(t.Context())
	cancel()
	nodes := f.nodes(t, "b", "full", "a", "nowhere", "outside")
	require.False(t, run.PassesCrossNode(late, nodes[0]))
	for range 2 {
		for _, node := range nodes {
			require.True(t, run.PassesCrossNode(t.Context(), node))
		}
	}
	require.Equal(t, []string{"b", "b", "a", "nowhere", "outside", "nowhere", "outside"}, asked)
}

// TestAZoneThatDoesNotSuitIsAskedAboutOnce also for a pod that would rather be near to others, which no Filter plugin minds.
func TestAZoneThatDoesNotSuitIsAskedAboutOnce(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	spread := func() *st.PodWrapper {
		return wants("1").Label("app", "web").
			SpreadConstraint(1, corev1.LabelTopologyZone, corev1.DoNotSchedule, selector, nil, nil, nil, nil)
	}
	for name, pod := range map[string]*corev1.Pod{
		"that must spread":               spread().Obj(),
		"that would rather be near, too": spread().PodAffinity(corev1.LabelHostname, selector, st.PodAffinityWithPreferredReq).Obj(),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, spreading())
			var asked []string
			run := f.started(t, NewProfile(seeing{f.framework, func(_ context.Context, _ fwk.CycleState, node fwk.NodeInfo) *fwk.Status {
				asked = append(asked, node.Node().Name)
				return fwk.NewStatus(fwk.Unschedulable)
			}}, Name), pod)
			for _, node := range f.nodes(t, "b", "full", "a", "b", "full", "a") {
				require.False(t, run.PassesCrossNode(t.Context(), node))
			}
			require.Equal(t, []string{"b", "a"}, asked)
		})
	}
}

func TestANodeWithoutTheLabelIsInNoDomain(t *testing.T) {
	node := func(labels map[string]string) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
	}
	one := &crossNode{keys: []string{"row"}}
	domain, ok := one.domain(node(map[string]string{"row": "1"}))
	require.True(t, ok)
	require.Equal(t, "1", domain)
	_, ok = one.domain(node(map[string]string{"row": ""}))
	require.True(t, ok, "an empty value is one")
	_, ok = one.domain(node(map[string]string{"rack": "1"}))
	require.False(t, ok)
	_, ok = (&crossNode{}).domain(node(map[string]string{"row": "1"}))
	require.False(t, ok, "without keys each node is asked about")
}
