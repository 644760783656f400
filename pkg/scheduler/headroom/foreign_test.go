package headroom

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestDryRunsOfPreemptionGainNothingFromForeignPlaceholders(t *testing.T) {
	web := hr("web", "1")
	web.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	for name, tc := range map[string]struct {
		headrooms []*v1alpha1.Headroom
		app       string
		want      bool
	}{
		"of a Headroom that does not entitle the pod": {headrooms: []*v1alpha1.Headroom{web}, app: "db"},
		"of a Headroom that is not known yet":         {app: "web"},
		"but of one that does":                        {headrooms: []*v1alpha1.Headroom{web}, app: "web", want: true},
	} {
		t.Run(name, func(t *testing.T) {
			pod := wants("1").Label("app", tc.app).Obj()
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(web, 0, "a").Obj()},
				headrooms: tc.headrooms, unknown: true, pending: []*corev1.Pod{pod},
			})
			state := framework.NewCycleState()
			_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, pod)
			require.True(t, status.IsSuccess())
			_, status = f.PostFilter(t.Context(), state, pod, framework.NewDefaultNodeToStatus())
			require.True(t, status.IsRejected())

			require.False(t, f.Filter(t.Context(), state, pod, f.nodes[0]).IsSuccess(), "a placeholder that a dry run put back is there")
			without := f.nodes[0].Snapshot()
			require.NoError(t, without.RemovePod(klog.Background(), f.nodes[0].GetPods()[0].GetPod()))
			require.Equal(t, tc.want, f.Filter(t.Context(), state, pod, without).IsSuccess())
		})
	}
}

func TestTheNodesWithoutVictimsAreLeftOutOfPreemptionAndNotOfTheSnapshot(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{
		builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("1")).Obj(), builders.Node("c", "z-1", res("1")).Obj(),
	}})
	before := slices.Clone(f.nodes)
	held := before[1].Node().Name
	all := framework.NewNodeToStatus(map[string]*fwk.Status{}, fwk.NewStatus(fwk.Unschedulable)) // it returns the snapshot's own list
	nodes, err := (&holding{NodeToStatusReader: all, nodes: sets.New(held)}).NodesForStatusCode(f.snapshot.NodeInfos(), fwk.Unschedulable)
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	require.Equal(t, held, nodes[0].Node().Name)
	require.Equal(t, before, f.nodes)
}

// TestAPlaceholderThatADryRunPutsBackIsBackInThatOneAnswer: kube-scheduler asks about more nodes and pods by the same state.
func TestAPlaceholderThatADryRunPutsBackIsBackInThatOneAnswer(t *testing.T) {
	shut, placeholders := closedHeadroom(), &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: v1alpha1.LabelHeadroom, Operator: metav1.LabelSelectorOpExists},
	}}
	pod := wants("1").PodAntiAffinity(corev1.LabelTopologyZone, placeholders, st.PodAntiAffinityWithRequiredReq).Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj(), builders.Node("b", "z-1", res("4")).Obj()},
		pods:  []*corev1.Pod{unit(shut, 0, "a").Obj()}, headrooms: []*v1alpha1.Headroom{shut}, pending: []*corev1.Pod{pod},
	})
	_, state := f.decided(t, pod)
	_, status := f.PostFilter(t.Context(), state, pod, framework.NewDefaultNodeToStatus())
	require.True(t, status.IsRejected())
	held, err := f.snapshot.NodeInfos().Get("a")
	require.NoError(t, err)
	other, err := f.snapshot.NodeInfos().Get("b")
	require.NoError(t, err)
	without, gone := held.Snapshot(), held.GetPods()[0]
	require.NoError(t, without.RemovePod(klog.Background(), gone.GetPod()))
	require.True(t, f.framework.RunPreFilterExtensionRemovePod(t.Context(), state, pod, gone, without).IsSuccess())
	require.False(t, f.framework.RunFilterPlugins(t.Context(), state, pod, without).IsSuccess(), "it is put back")
	require.True(t, f.framework.RunFilterPlugins(t.Context(), state, pod, other).IsSuccess(), "in that dry run it is gone from the zone")
}

func TestDryRunsOfPreemptionDoNotMoveForeignPlaceholdersOutOfTheWay(t *testing.T) {
	web := hr("web", "1")
	web.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	placeholders := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: v1alpha1.LabelHeadroom, Operator: metav1.LabelSelectorOpExists},
	}}
	consumers := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpExists}}}
	same := func(pod *st.PodWrapper) *st.PodWrapper { return pod }
	for name, tc := range map[string]struct {
		placeholder, consumer func(*st.PodWrapper) *st.PodWrapper
	}{
		"that have the host port": {
			placeholder: func(pod *st.PodWrapper) *st.PodWrapper { return pod.HostPort(80) },
			consumer:    func(pod *st.PodWrapper) *st.PodWrapper { return pod.HostPort(80) },
		},
		"that the pod must not be beside": {placeholder: same, consumer: func(pod *st.PodWrapper) *st.PodWrapper {
			return pod.PodAntiAffinity(corev1.LabelHostname, placeholders, st.PodAntiAffinityWithRequiredReq)
		}},
		"that the pod must not have in its zone": {placeholder: same, consumer: func(pod *st.PodWrapper) *st.PodWrapper {
			return pod.PodAntiAffinity(corev1.LabelTopologyZone, placeholders, st.PodAntiAffinityWithRequiredReq)
		}},
		"that must not be beside the pod": {consumer: same, placeholder: func(pod *st.PodWrapper) *st.PodWrapper {
			return pod.PodAntiAffinity(corev1.LabelHostname, consumers, st.PodAntiAffinityWithRequiredReq)
		}},
		"that must not have the pod in their zone": {consumer: same, placeholder: func(pod *st.PodWrapper) *st.PodWrapper {
			return pod.PodAntiAffinity(corev1.LabelTopologyZone, consumers, st.PodAntiAffinityWithRequiredReq)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for app, entitled := range map[string]bool{"db": false, "web": true} {
				pod := tc.consumer(wants("1").Label("app", app)).Obj()
				f := newFixture(t, cluster{
					nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj()}, pods: []*corev1.Pod{tc.placeholder(unit(web, 0, "a")).Obj()},
					headrooms: []*v1alpha1.Headroom{web}, pending: []*corev1.Pod{pod},
				})
				_, state := f.decided(t, pod)
				require.False(t, f.framework.RunFilterPlugins(t.Context(), state, pod, f.nodes[0]).IsSuccess())
				_, status := f.PostFilter(t.Context(), state, pod, framework.NewDefaultNodeToStatus())
				require.True(t, status.IsRejected())

				// As in DefaultPreemption.
				without, gone := f.nodes[0].Snapshot(), f.nodes[0].GetPods()[0]
				require.NoError(t, without.RemovePod(klog.Background(), gone.GetPod()))
				require.True(t, f.framework.RunPreFilterExtensionRemovePod(t.Context(), state, pod, gone, without).IsSuccess())
				require.Equal(t, entitled, f.framework.RunFilterPlugins(t.Context(), state, pod, without).IsSuccess(), "app %s", app)
			}
		})
	}
}
