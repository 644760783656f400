package headroom

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/test/builders"
)

// nodeCritical is the priority of system-node-critical.
const nodeCritical = 2_000_001_000

// closedHeadroom is a Headroom of units of one CPU that entitles no pod of these tests.
func closedHeadroom() *v1alpha1.Headroom {
	h := hr("closed", "1")
	h.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "nobody"}}}
	return h
}

// postFiltered has a pod's cycle fail and returns the node that the plugin's PostFilter nominates it to, and the state of the cycle.
func (f *fixture) postFiltered(t *testing.T, pod *corev1.Pod) (nominated string, state *framework.CycleState) {
	t.Helper()
	c, state := f.decided(t, pod)
	require.Nil(t, c.swap, "no swap serves the pod")
	statuses := framework.NewDefaultNodeToStatus()
	for _, info := range f.nodes {
		statuses.Set(info.Node().Name, f.framework.RunFilterPlugins(t.Context(), state, pod, info))
	}
	result, status := f.PostFilter(t.Context(), state, pod, statuses)
	require.Equal(t, status.IsSuccess(), result != nil && result.NominatedNodeName != "", status.Message())
	if !status.IsSuccess() {
		return "", state
	}
	return result.NominatedNodeName, state
}

// TestAPlaceholderPreemptsNobody: a PriorityClass that is made anew as one that preempts gets to a DaemonSet's pods at once.
func TestAPlaceholderPreemptsNobody(t *testing.T) {
	spare := hr("spare", "1")
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want string // the node that the profile's PostFilter plugins nominate
	}{
		"a placeholder": {unit(spare, 1, "").Priority(5).PreemptionPolicy(corev1.PreemptLowerPriority).Obj(), ""},
		"another pod":   {wants("1").Priority(5).PreemptionPolicy(corev1.PreemptLowerPriority).Obj(), "a"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{on("a", "running", "1")},
				headrooms: []*v1alpha1.Headroom{spare}, pending: []*corev1.Pod{tc.pod},
			})
			_, state := f.decided(t, tc.pod)
			statuses := framework.NewDefaultNodeToStatus()
			statuses.Set("a", f.framework.RunFilterPlugins(t.Context(), state, tc.pod, f.nodes[0]))
			result, status := f.framework.RunPostFilterPlugins(t.Context(), state, tc.pod, statuses)
			require.Equal(t, tc.want, result.NominatedNodeName, status.Message())
		})
	}
}

func TestUnentitledPlaceholdersGoOnlyWhereRunningPodsWouldGoOtherwise(t *testing.T) {
	shut, open := closedHeadroom(), hr("open", "1")
	urgent := wants("1").Priority(1000)
	leaving := builders.Consumer("running", res("2")).Namespace("default").UID("running").Node("b").Terminating().Obj()
	high := builders.Consumer("running", res("2")).Namespace("default").UID("running").Node("b").Priority(1000).Obj()
	withoutDefaultPreemption := func(plugins *schedulerconfig.Plugins) {
		plugins.PostFilter.Enabled = []schedulerconfig.Plugin{{Name: Name}}
	}
	for name, tc := range map[string]struct {
		pods     []*corev1.Pod
		consumer *st.PodWrapper
		arrange  func(*schedulerconfig.Plugins)
		want     string
	}{
		"a running pod of lower priority would": {pods: []*corev1.Pod{on("b", "running", "2")}, consumer: urgent, want: "a"},
		"one of equal priority would not":       {pods: []*corev1.Pod{high}, consumer: urgent},
		"one that is being deleted goes anyway": {pods: []*corev1.Pod{leaving}, consumer: urgent},
		"one that makes too little room would not": {
			pods: []*corev1.Pod{on("b", "running", "500m"), high}, consumer: urgent,
		},
		"none would where nothing preempts them": {
			pods: []*corev1.Pod{on("b", "running", "2")}, consumer: urgent, arrange: withoutDefaultPreemption,
		},
		"a pod that never preempts waits": {
			pods: []*corev1.Pod{on("b", "running", "2")}, consumer: wants("1").Priority(1000).PreemptionPolicy(corev1.PreemptNever),
		},
		"placeholders of at least its priority stay": {
			pods:     []*corev1.Pod{builders.Consumer("running", res("2")).Namespace("default").UID("running").Node("b").Priority(-20).Obj()},
			consumer: wants("1").Priority(builders.PlaceholderPriority),
		},
		"running pods beside placeholders of its own would": {
			pods: []*corev1.Pod{unit(open, 0, "b").Obj(), on("b", "running", "1")}, consumer: wants("2").Priority(1000), want: "a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := tc.consumer.Obj()
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj(), builders.Node("b", "z-1", res("2")).Obj()},
				pods:  append([]*corev1.Pod{unit(shut, 0, "a").Obj(), unit(shut, 1, "a").Obj()}, tc.pods...), headrooms: []*v1alpha1.Headroom{shut},
				pending: []*corev1.Pod{pod}, arrange: tc.arrange,
			})
			nominated, _ := f.postFiltered(t, pod)
			require.Equal(t, tc.want, nominated)
		})
	}
}

func TestASystemCriticalPodTakesPlaceholdersOfOthersInOneCycle(t *testing.T) {
	shut, open, polite := closedHeadroom(), hr("open", "1"), hr("polite", "1")
	polite.Spec.Consumers = &v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow}
	for name, tc := range map[string]struct {
		pods     []*corev1.Pod
		priority int32
		never    bool
		want     []string
	}{
		"if there are no others":   {pods: []*corev1.Pod{unit(shut, 0, "a").Obj()}, priority: nodeCritical, want: []string{"closed-headroom-0"}},
		"from 2,000,000,000 on":    {pods: []*corev1.Pod{unit(shut, 0, "a").Obj()}, priority: 2_000_000_000, want: []string{"closed-headroom-0"}},
		"but not below":            {pods: []*corev1.Pod{unit(shut, 0, "a").Obj()}, priority: 1_999_999_999},
		"after those of its own":   {pods: []*corev1.Pod{unit(shut, 0, "a").Obj(), unit(open, 0, "b").Obj(), on("b", "full", "1")}, priority: nodeCritical, want: []string{"open-headroom-0"}},
		"not if room is free":      {pods: []*corev1.Pod{unit(shut, 0, "a").Obj(), on("b", "small", "1")}, priority: nodeCritical},
		"before any running pods":  {pods: []*corev1.Pod{unit(shut, 0, "a").Obj(), on("b", "running", "2")}, priority: nodeCritical, want: []string{"closed-headroom-0"}},
		"not if it never preempts": {pods: []*corev1.Pod{unit(shut, 0, "a").Obj()}, priority: nodeCritical, never: true},
		"but then those that are open to such pods": {
			pods:     []*corev1.Pod{unit(shut, 0, "a").Obj(), unit(polite, 0, "b").Obj(), on("b", "full", "1")},
			priority: nodeCritical, never: true, want: []string{"polite-headroom-0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			pods := tc.pods
			if len(pods) == 1 {
				pods = append(pods, on("b", "full", "2"))
			}
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("2")).Obj()},
				pods:  append(pods, on("b", "beside", "0")), headrooms: []*v1alpha1.Headroom{shut, polite},
			})
			pod := wants("1").Priority(tc.priority)
			if tc.never {
				pod.PreemptionPolicy(corev1.PreemptNever)
			}
			c, _ := f.decided(t, pod.Obj())
			if tc.want == nil {
				require.Nil(t, c.swap)
				return
			}
			require.NotNil(t, c.swap)
			require.Equal(t, tc.want, names(c.swap.Victims))
			require.Equal(t, tc.want[0] == "closed-headroom-0", strings.HasSuffix(c.swap.Why, "whatever consumers say"), c.swap.Why)
		})
	}
}

func TestOnlyASystemCriticalPodTakesUnitsBeforeHeadroomsAreKnown(t *testing.T) {
	for name, tc := range map[string]struct {
		priority int32
		want     bool
	}{"it does": {priority: nodeCritical, want: true}, "another one does not": {priority: 1000}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj()}, unknown: true,
			})
			f.shared.catalog = catalog.New()
			f.awaitOnce.Do(func() {}) // the first pod has waited for it
			c, _ := f.decided(t, wants("1").Priority(tc.priority).Obj())
			require.Equal(t, tc.want, c.swap != nil)
		})
	}
}

func TestAPlaceholderOfOthersThatBlocksByAHostPortYieldsToASystemCriticalPod(t *testing.T) {
	shut := closedHeadroom()
	pod := wants("1").Priority(nodeCritical).HostPort(80).Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj()}, pods: []*corev1.Pod{unit(shut, 0, "a").HostPort(80).Obj()},
		headrooms: []*v1alpha1.Headroom{shut}, pending: []*corev1.Pod{pod},
	})
	nominated, _ := f.postFiltered(t, pod)
	require.Equal(t, "a", nominated)
}

func TestOnlyBesideARunningPodPlaceholdersOfOthersMakeRoomInDryRuns(t *testing.T) {
	shut := closedHeadroom()
	for name, tc := range map[string]struct {
		consumer *st.PodWrapper
		gone     []string
		want     bool
	}{
		"alone they do not":          {wants("2").Priority(1000), []string{"closed-headroom-0"}, false},
		"beside a running pod":       {wants("2").Priority(1000), []string{"closed-headroom-0", "first"}, true},
		"two running pods suffice":   {wants("2").Priority(1000), []string{"first", "second"}, true},
		"not if none would go alone": {wants("3").Priority(1000), []string{"closed-headroom-0", "first", "second"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			pod := tc.consumer.Obj()
			f := newFixture(t, cluster{
				nodes:     []*corev1.Node{builders.Node("a", "z-1", res("3")).Obj()},
				pods:      []*corev1.Pod{unit(shut, 0, "a").Obj(), on("a", "first", "1"), on("a", "second", "1")},
				headrooms: []*v1alpha1.Headroom{shut}, pending: []*corev1.Pod{pod},
			})
			nominated, state := f.postFiltered(t, pod)
			require.Empty(t, nominated)
			require.Equal(t, tc.want, f.fitsWithout(t, state, pod, tc.gone))
		})
	}
}

// fitsWithout asks the Filter plugins about the first node as a dry run of preemption does.
func (f *fixture) fitsWithout(t *testing.T, state fwk.CycleState, pod *corev1.Pod, gone []string) bool {
	t.Helper()
	info := f.nodes[0].Snapshot()
	for _, podInfo := range f.nodes[0].GetPods() {
		for _, name := range gone {
			if podInfo.GetPod().Name == name {
				require.NoError(t, info.RemovePod(klog.Background(), podInfo.GetPod()))
				require.True(t, f.framework.RunPreFilterExtensionRemovePod(t.Context(), state, pod, podInfo, info).IsSuccess())
			}
		}
	}
	return f.framework.RunFilterPlugins(t.Context(), state, pod, info).IsSuccess()
}

func TestAPlaceholderDoesNotStayInTheRoomOfARunningPodOfNoHigherPriority(t *testing.T) {
	open := hr("open", "1")
	for name, tc := range map[string]struct {
		running int32
		// stays is whether the placeholder may stay while both running pods go.
		stays bool
	}{
		"of lower priority":      {running: -100},
		"of the same":            {running: builders.PlaceholderPriority},
		"but of a higher it may": {running: builders.PlaceholderPriority + 1, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			running := func(name string) *corev1.Pod {
				return builders.Consumer(name, res("1")).Namespace("default").UID(name).Node("a").Priority(tc.running).Obj()
			}
			pod := wants("2").Priority(1000).Obj()
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("3")).Obj()},
				pods:  []*corev1.Pod{unit(open, 0, "a").Obj(), running("first"), running("second")}, pending: []*corev1.Pod{pod},
			})
			nominated, state := f.postFiltered(t, pod)
			require.Empty(t, nominated, "the placeholder alone does not do")
			require.Equal(t, tc.stays, f.fitsWithout(t, state.Clone(), pod, []string{"first", "second"}),
				"kube-scheduler tries to keep the placeholder before them if they are less important")
			require.True(t, f.fitsWithout(t, state.Clone(), pod, []string{"open-headroom-0", "first"}))
		})
	}
}

func TestAPlaceholderMayStayInTheRoomOfAPodThatGoesAnyway(t *testing.T) {
	leaving := builders.Consumer("leaving", res("2")).Namespace("default").UID("leaving").Node("a").Priority(-100).Terminating().Obj()
	less := builders.Consumer("less", res("1")).Namespace("default").UID("less").Node("a").Priority(-100).Obj()
	pod := wants("2").Priority(1000).Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj(), leaving, less},
		pending: []*corev1.Pod{pod},
	})
	nominated, state := f.postFiltered(t, pod)
	require.Empty(t, nominated, "the placeholder alone does not do")
	require.True(t, f.fitsWithout(t, state, pod, []string{"leaving"}))
}

func TestPlaceholdersTakenByUnentitledPodsAreCountedByReason(t *testing.T) {
	metrics.RegisterScheduler()
	shut, open := closedHeadroom(), hr("open", "1")
	for name, tc := range map[string]struct {
		priority int32
		unit     *corev1.Pod
		counted  string
	}{
		"a running pod was spared": {1000, unit(shut, 0, "a").HostPort(80).Obj(), "running_pods"},
		"a system-critical pod":    {nodeCritical, unit(shut, 0, "a").HostPort(80).Obj(), "system_critical"},
		"an entitled pod is none":  {1000, unit(open, 0, "a").HostPort(80).Obj(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := unentitledEvictions(t)
			pod := wants("1").HostPort(80).Priority(tc.priority).Obj()
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj(), builders.Node("b", "z-1", res("4")).Obj()},
				pods: []*corev1.Pod{
					tc.unit, builders.Consumer("running", res("1")).Namespace("default").UID("running").HostPort(80).Node("b").Obj(),
				},
				headrooms: []*v1alpha1.Headroom{shut}, pending: []*corev1.Pod{pod}, others: []runtime.Object{tc.unit},
			})
			deleted := make(chan string, 10)
			f.client.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
				deleted <- action.(clienttesting.DeleteAction).GetName()
				return false, nil, nil
			})
			nominated, _ := f.postFiltered(t, pod)
			require.Equal(t, "a", nominated)
			require.Equal(t, tc.unit.Name, <-deleted)
			if tc.counted == "" {
				require.Zero(t, f.unentitled(pod, []*corev1.Pod{tc.unit}))
				return
			}
			// At least: what tests before this one had evicted may be counted now.
			require.Eventually(t, func() bool { return unentitledEvictions(t)[tc.counted] > before[tc.counted] }, time.Minute, time.Millisecond,
				"counted after the API server's answer")
			require.Equal(t, 1, f.unentitled(pod, []*corev1.Pod{tc.unit}))
		})
	}
}

func TestEachPlaceholderThatAnUnentitledPodTookIsCounted(t *testing.T) {
	shut, open := closedHeadroom(), hr("open", "1")
	took := []*corev1.Pod{unit(shut, 0, "a").Obj(), unit(shut, 1, "a").Obj(), unit(open, 2, "a").Obj()}
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj()}, pods: took, headrooms: []*v1alpha1.Headroom{shut},
	})
	before := unentitledEvictions(t)
	f.countUnentitled(wants("1").Priority(1000).Obj(), took)
	// At least: what tests before this one had evicted may be counted now.
	require.GreaterOrEqual(t, unentitledEvictions(t)["running_pods"], before["running_pods"]+2)
}

// unentitledEvictions returns what the metric has counted, by reason.
func unentitledEvictions(t *testing.T) map[string]float64 {
	t.Helper()
	counted := counts(t, "headroom_scheduler_unentitled_evictions_total")
	require.Len(t, counted, 2)
	return counted
}
