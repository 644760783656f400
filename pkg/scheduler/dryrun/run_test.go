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
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

// Few nodes are asked about one by one, more in goroutines.
func TestTheAnswerForAllNodesIsThatForEach(t *testing.T) {
	for _, n := range []int{0, 1, Sequential, Sequential + 1, 4 * Sequential} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z", res("1")).Obj()}})
			run := f.profile.NewRun(framework.NewCycleState(), wants("1").Obj())
			nodes := make([]int, n)
			for i := range nodes {
				nodes[i] = n - i
			}
			odd := func(_ context.Context, node int) bool { return node%2 == 1 }
			for i, answer := range run.All(t.Context(), nodes, odd) {
				require.Equal(t, nodes[i]%2 == 1, answer)
			}
			for _, only := range nodes {
				require.True(t, run.Any(t.Context(), nodes, func(_ context.Context, node int) bool { return node == only }), "node %d", only)
			}
			require.False(t, run.Any(t.Context(), nodes, func(context.Context, int) bool { return false }))
		})
	}
}

// onlyIn is a placement of some nodes.
type onlyIn []string

func (o onlyIn) GetNodeInPlacement(name string) (fwk.NodeInfo, error) {
	if slices.Contains(o, name) {
		return nil, nil
	}
	return nil, errors.New("not in the placement")
}

func TestNodesThatTheCycleIsNotAboutDoNotPass(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z", res("1")).Obj(), builders.Node("b", "z", res("1")).Obj()}})
	for name, tc := range map[string]struct {
		restrict func(*Run)
		want     []string
	}{
		"without a restriction":                 {restrict: func(*Run) {}, want: []string{"a", "b"}},
		"a PreFilter plugin names the others":   {restrict: func(r *Run) { r.names = sets.New("b") }, want: []string{"b"}},
		"a group of pods is confined to others": {restrict: func(r *Run) { r.placement = onlyIn{"a"} }, want: []string{"a"}},
		"both leave nothing":                    {restrict: func(r *Run) { r.names, r.placement = sets.New("b"), onlyIn{"a"} }},
	} {
		t.Run(name, func(t *testing.T) {
			run := f.profile.NewRun(framework.NewCycleState(), wants("1").Obj())
			require.True(t, run.Start(t.Context()))
			tc.restrict(run)
			for way, passes := range map[string]func(fwk.NodeInfo) bool{
				"by itself":       func(info fwk.NodeInfo) bool { return run.PassesNodeLocal(t.Context(), info, nil) },
				"by all plugins":  func(info fwk.NodeInfo) bool { return run.Passes(t.Context(), info, nil) },
				"with devices":    func(info fwk.NodeInfo) bool { return run.PassesFreed(t.Context(), info, nil, nil) },
				"for preemptions": func(info fwk.NodeInfo) bool { return len(run.Allowed([]fwk.NodeInfo{info})) == 1 },
			} {
				var got []string
				for _, node := range []string{"a", "b"} {
					info, err := f.snapshot.NodeInfos().Get(node)
					require.NoError(t, err)
					if passes(info) {
						got = append(got, node)
					}
				}
				require.Equal(t, tc.want, got, way)
			}
		})
	}
}

// A pod that must spread over zones and keep off others of its kind is asked about on each node: nodes of a zone are not alike for it.
func TestNodesOfADomainAreAlikeOnlyForWhatReadsNothingElse(t *testing.T) {
	web := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	spread := func() *st.PodWrapper {
		return wants("1").Label("app", "web").SpreadConstraint(2, corev1.LabelTopologyZone, corev1.DoNotSchedule, web, nil, nil, nil, nil)
	}
	other := on("a", "other", "1")
	other.Labels = web.MatchLabels
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want bool // on the node that has another of its kind
	}{
		"spread alone":            {pod: spread().Obj(), want: true},
		"spread and off the node": {pod: spread().PodAntiAffinity(corev1.LabelHostname, web, st.PodAntiAffinityWithRequiredReq).Obj()},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{
					builders.Node("a", "z-1", res("4")).Obj(), builders.Node("b", "z-1", res("4")).Obj(), builders.Node("c", "z-2", res("4")).Obj(),
				},
				pods: []*corev1.Pod{other},
			})
			state := framework.NewCycleState()
			_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, tc.pod)
			require.True(t, status.IsSuccess())
			run := f.profile.NewRun(state, tc.pod)
			require.True(t, run.Start(t.Context()))
			passes := func(node string) bool {
				info, err := f.snapshot.NodeInfos().Get(node)
				require.NoError(t, err)
				return run.PassesCrossNode(t.Context(), info)
			}
			require.True(t, passes("b"))
			require.Equal(t, tc.want, passes("a"))
			require.True(t, passes("c"))
		})
	}
}

func TestNodesAreOfOneDomainIfAllTheirLabelsAgree(t *testing.T) {
	c := &crossNode{keys: []string{"row", "rack"}}
	of := func(labels map[string]string) (string, bool) {
		return c.domain(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: labels}})
	}
	one, ok := of(map[string]string{"row": "1", "rack": "11", "other": "x"})
	require.True(t, ok)
	same, _ := of(map[string]string{"row": "1", "rack": "11", "other": "y"})
	require.Equal(t, one, same)
	other, _ := of(map[string]string{"row": "11", "rack": "1"})
	require.NotEqual(t, one, other)
	_, ok = of(map[string]string{"row": "1"})
	require.False(t, ok, "a node without a label is in no domain")
}

// advised is the framework of a scheduler with extenders.
type advised struct {
	framework.Framework
	extenders []fwk.Extender
}

func (a advised) Extenders() []fwk.Extender { return a.extenders }

func TestOnlyWithoutExtendersItIsKnownWhatAnswersDependOn(t *testing.T) {
	f := newFixture(t, cluster{})
	require.True(t, NewProfile(f.framework, Name).InTreeOnly())
	require.False(t, NewProfile(advised{f.framework, make([]fwk.Extender, 1)}, Name).InTreeOnly())
}

func TestWhatIsRemovedOnPaperIsThereInTheCycle(t *testing.T) {
	web := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	other := on("a", "other", "1")
	other.Labels = web.MatchLabels
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z", res("4")).Obj()}, pods: []*corev1.Pod{other}})
	pod := wants("1").PodAntiAffinity(corev1.LabelHostname, web, st.PodAntiAffinityWithRequiredReq).Obj()
	state := framework.NewCycleState()
	_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, pod)
	require.True(t, status.IsSuccess(), status.Message())
	info, err := f.snapshot.NodeInfos().Get("a")
	require.NoError(t, err)
	run := f.profile.NewRun(state, pod)
	require.True(t, run.PassesAfterRemoval(t.Context(), info, func(p *corev1.Pod) bool { return p.UID == other.UID }))
	require.False(t, run.PassesAfterRemoval(t.Context(), info, func(*corev1.Pod) bool { return false }))
	require.False(t, f.framework.RunFilterPlugins(t.Context(), state, pod, info).IsSuccess())
}

func TestThePreFilterPluginsOfADryRunNarrowItsNodes(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z", res("1")).Obj(), builders.Node("b", "z", res("1")).Obj()}})
	pod := wants("1").Obj()
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
			{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"b"}},
		}}},
	}}}
	run := f.profile.NewRun(framework.NewCycleState(), pod)
	require.True(t, run.Start(t.Context()))
	require.Equal(t, sets.New("b"), run.names)
}

func TestANodeWithoutAPodHasTheRestOfEachResource(t *testing.T) {
	all := builders.Resources{"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi", "example.com/gpu": "1"}
	goes := builders.Consumer("goes", all).Namespace("default").UID("goes").Node("a").Obj()
	stays := builders.Consumer("stays", all).Namespace("default").UID("stays").Node("a").Obj()
	left := NodeWithout(framework.NewNodeInfo(stays, goes), []*corev1.Pod{goes}).GetRequested()
	want := framework.NewNodeInfo(stays).GetRequested()
	require.Equal(t, want.GetMilliCPU(), left.GetMilliCPU())
	require.Equal(t, want.GetMemory(), left.GetMemory())
	require.Equal(t, want.GetEphemeralStorage(), left.GetEphemeralStorage())
	require.Equal(t, want.GetScalarResources(), left.GetScalarResources())
}

func TestRequiredSpreadKeys(t *testing.T) {
	constraint := func(key string, action corev1.UnsatisfiableConstraintAction) corev1.TopologySpreadConstraint {
		return corev1.TopologySpreadConstraint{TopologyKey: key, WhenUnsatisfiable: action}
	}
	must, may := corev1.DoNotSchedule, corev1.ScheduleAnyway
	for name, tc := range map[string]struct {
		constraints []corev1.TopologySpreadConstraint
		want        []string
	}{
		"none":                      {},
		"those that must be met":    {constraints: []corev1.TopologySpreadConstraint{constraint("zone", must), constraint("rack", may)}, want: []string{"zone"}},
		"each node is a domain":     {constraints: []corev1.TopologySpreadConstraint{constraint("zone", must), constraint(corev1.LabelHostname, must)}},
		"each node would be better": {constraints: []corev1.TopologySpreadConstraint{constraint("zone", must), constraint(corev1.LabelHostname, may)}, want: []string{"zone"}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := wants("1").Obj()
			pod.Spec.TopologySpreadConstraints = tc.constraints
			require.Equal(t, tc.want, requiredSpreadKeys(pod))
		})
	}
}
