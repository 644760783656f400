package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestAUnitIsOfOthersOnlyIfNoPodOfAGroupIsEntitledToIt, whichever of them comes first.
func TestAUnitIsOfOthersOnlyIfNoPodOfAGroupIsEntitledToIt(t *testing.T) {
	entitled, not := waiter("entitled", "1").Label("app", "web").Obj(), waiter("not", "1").Obj()
	for name, tc := range map[string]struct {
		pods []*corev1.Pod
		want float64
	}{
		"the first one is": {pods: []*corev1.Pod{entitled, not}},
		"the last one is":  {pods: []*corev1.Pod{not, entitled}},
		"none is":          {pods: []*corev1.Pod{not, waiter("nor", "1").Obj()}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			web := forApp("web")
			f := newFixture(t, cluster{headrooms: []*v1alpha1.Headroom{web}})
			before := unentitledEvictions(t)["running_pods"]
			f.countUnentitledToAll(tc.pods, unit(web, 0, "a").Obj())
			require.InDelta(t, tc.want, unentitledEvictions(t)["running_pods"]-before, 0)
		})
	}
}

func TestWhichPodsAreOfOthers(t *testing.T) {
	pod := wants("1").Obj()
	for name, tc := range map[string]struct {
		evicted *corev1.Pod
		want    int
	}{
		"a unit whose Headroom entitles the pod is not": {evicted: unit(hr("open", "1"), 0, "a").Obj()},
		"one whose Headroom does not is":                {evicted: unit(closedHeadroom(), 0, "a").Obj(), want: 1},
		"one whose Headroom is not known is":            {evicted: unit(hr("unknown", "1"), 0, "a").Obj(), want: 1},
		"a pod that is no unit is nobody's":             {evicted: on("a", "running", "1")},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{headrooms: []*v1alpha1.Headroom{hr("open", "1"), closedHeadroom()}})
			require.Equal(t, tc.want, f.unentitled(pod, []*corev1.Pod{tc.evicted}))
		})
	}
}

func TestForWhomDefaultPreemptionWouldTakeRunningPods(t *testing.T) {
	leaving := builders.Consumer("leaving", res("1")).Namespace("default").UID("leaving").Node("a").Terminating().Obj()
	leaving = preemptedBy("default-scheduler", leaving)
	for name, tc := range map[string]struct {
		pod  *st.PodWrapper
		want bool
	}{
		"for one of higher priority":         {pod: wants("1").Priority(1000), want: true},
		"not for one of the same":            {pod: wants("1")},
		"nor for one that never preempts":    {pod: wants("1").Priority(1000).PreemptionPolicy(corev1.PreemptNever)},
		"nor for one whose victims leave":    {pod: wants("1").Priority(1000).NominatedNodeName("a")},
		"but for one nominated to elsewhere": {pod: wants("1").Priority(1000).NominatedNodeName("b"), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			pod := tc.pod.Obj()
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{
					builders.Node("a", "z-1", res("2")).Obj(), builders.Node("b", "z-1", res("1")).Obj(), builders.Node("c", "z-1", res("1")).Obj(),
				},
				pods:      []*corev1.Pod{leaving, on("a", "first", "1"), on("b", "second", "1"), unit(closedHeadroom(), 0, "c").Obj()},
				headrooms: []*v1alpha1.Headroom{closedHeadroom()}, pending: []*corev1.Pod{pod},
			})
			f.shared.refresh(f.nodes, false)
			_, state := f.decided(t, pod)
			statuses := framework.NewDefaultNodeToStatus()
			for _, info := range f.nodes {
				statuses.Set(info.Node().Name, fwk.NewStatus(fwk.Unschedulable))
			}
			require.Equal(t, tc.want, f.runningPodsWouldGo(t.Context(), state, f.selector.Consumer(pod), statuses))
		})
	}
}

func TestNothingIsKeptOfAnAttemptToPreempt(t *testing.T) {
	pod := blocked().Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj()},
		pending: []*corev1.Pod{pod},
	})
	nominated, _ := f.postFiltered(t, pod)
	require.Equal(t, "a", nominated)
	require.Zero(t, f.attempt)
}

// TestADryRunFindsItsNodeAsItLeftIt: kube-scheduler puts victims back one after another, and asks after each.
func TestADryRunFindsItsNodeAsItLeftIt(t *testing.T) {
	shut, pod := closedHeadroom(), wants("1").Priority(1000).Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(shut, 0, "a").Obj()},
		headrooms: []*v1alpha1.Headroom{shut}, pending: []*corev1.Pod{pod},
	})
	_, state := f.postFiltered(t, pod)
	without := f.nodes[0].Snapshot()
	require.NoError(t, without.RemovePod(klog.Background(), f.nodes[0].GetPods()[0].GetPod()))
	for range 2 {
		require.False(t, f.framework.RunFilterPlugins(t.Context(), state, pod, without).IsSuccess(), "the placeholder is counted back in")
		require.Empty(t, without.GetPods())
	}
}

func TestNodesThatPreemptionMightClearAreRankedByTheRulesOfTheProfile(t *testing.T) {
	victims := map[string]*extenderv1.Victims{
		"a": {Pods: []*corev1.Pod{on("a", "one", "1"), on("a", "two", "1")}}, "b": {Pods: []*corev1.Pod{on("b", "three", "1")}},
	}
	for name, tc := range map[string]struct {
		rules []config.NodeRule
		want  string
	}{
		"fewest evictions by default":         {want: "b"},
		"the first by name if none tells two": {rules: []config.NodeRule{{Name: config.RuleNearest, Tier: 1, Weight: 1}}, want: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{change: func(args *config.HeadroomArgs) {
				if tc.rules != nil {
					args.NodeRules = tc.rules
				}
			}})
			score := (&ordered{plugin: f.Plugin}).OrderedScoreFuncs(t.Context(), victims)
			require.Len(t, score, 1)
			require.Equal(t, tc.want == "a", score[0]("a") > score[0]("b"))
			require.NotEqual(t, score[0]("a"), score[0]("b"))
		})
	}
}
