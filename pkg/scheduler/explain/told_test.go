package explain

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/test/builders"
)

// withUnit returns what is said of some nodes of one CPU, where one unit of one CPU is on node a.
func withUnit(t *testing.T, nodes []string, change func(*Profile)) *Cluster {
	t.Helper()
	h := builders.Headroom("spare", cpu("1")).Namespace("shop").UID("spare").Obj()
	return explained(t, []*v1alpha1.Headroom{h}, nodes, []*corev1.Pod{builders.Placeholder(h, 0).Node("a").UID("unit").Obj()}, change)
}

// TestUnitsThatASchedulerHasReservedLeave, but for those of which it has given up to wait until they are gone: they are as any other pod.
func TestUnitsThatASchedulerHasReservedLeave(t *testing.T) {
	h := builders.Headroom("spare", cpu("100m")).Namespace("shop").UID("spare").Obj()
	profile, err := ReadProfile(t.Context(), "", "")
	require.NoError(t, err)
	objects := Objects{
		Headrooms: []*v1alpha1.Headroom{h}, Nodes: []*corev1.Node{builders.Node("a", "z-1", cpu("1")).Obj()},
		Reserved: map[types.UID]bool{"reserved": false, "stays": true},
	}
	for i, uid := range []string{"free", "reserved", "stays"} {
		objects.Pods = append(objects.Pods, builders.Placeholder(h, i).Node("a").UID(uid).Obj())
	}
	cluster, err := New(objects, profile)
	require.NoError(t, err)
	leaving := map[string]bool{}
	for _, p := range cluster.Placeholders()[0].Placeholders {
		leaving[p.UID] = p.Leaving
	}
	require.Equal(t, map[string]bool{"free": false, "reserved": true}, leaving)
}

func TestNodesAreToldInTheOrderInWhichTheyAreChosen(t *testing.T) {
	cluster := withUnit(t, []string{"c", "a", "b"}, func(*Profile) {})
	options, misfits := cluster.Nodes(dns(1))
	require.Empty(t, misfits)
	require.Len(t, options, 3)
	require.Equal(t, "a", options[2].Evidence.Name, "a node on which units have to go is the last")
	predicted, err := cluster.Predict(t.Context(), dns(1))
	require.NoError(t, err)
	require.Equal(t, []string{"b", "c"}, predicted.Fits, "in the order of names")
}

// TestASystemCriticalPodIsToldWhatKeepsItFromANode, where consumers do not, and other pods are told of those.
func TestASystemCriticalPodIsToldWhatKeepsItFromANode(t *testing.T) {
	h := builders.Headroom("web", cpu("100m")).Namespace("shop").UID("web").Consumers(v1alpha1.Consumers{
		PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
	}).Obj()
	pods := []*corev1.Pod{
		builders.Placeholder(h, 0).Node("small").UID("unit").Obj(),
		builders.Consumer("most", cpu("900m")).Namespace("shop").UID("most").Node("small").Obj(),
	}
	for priority, want := range map[int32]string{
		2_000_000_000: "it does not hold enough headroom", 1: "consumers.podSelector of shop/web does not match",
	} {
		_, misfits := explained(t, []*v1alpha1.Headroom{h}, []string{"free", "small"}, pods, func(*Profile) {}).Nodes(dns(priority))
		require.Equal(t, []Misfit{{Node: "small", Why: want}}, misfits, "where another node serves it")
		alone := explained(t, []*v1alpha1.Headroom{h}, []string{"small"}, pods, func(*Profile) {})
		_, misfits = alone.Nodes(dns(priority))
		require.Equal(t, []Misfit{{Node: "small", Why: want}}, misfits, "where none does")
		predicted, err := alone.Predict(t.Context(), dns(priority))
		require.NoError(t, err)
		require.Equal(t, []Misfit{{Node: "small", Why: want}}, predicted.Misfits)
	}
}

func TestAPodThatPluginsKeepFromTheUnitsIsToldThatTheyWouldBeEnough(t *testing.T) {
	cluster := withUnit(t, []string{"a"}, func(*Profile) {})
	cluster.objects.Nodes[0].Spec.Taints = []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}
	predicted, err := cluster.Predict(t.Context(), dns(1))
	require.NoError(t, err)
	require.Nil(t, predicted.Swap)
	require.Equal(t, metrics.MissFiltered, predicted.Reason)
	require.Contains(t, predicted.Message, "1 of 1 nodes hold headroom, none for this pod: 1 ")
	require.Contains(t, predicted.Message, "untolerated taint")
}

// TestAPredictionNeedsOfAProfileOnlyWhatSaysSomethingOfNodes: how a queue is sorted, and what becomes of a pod later, does not matter.
func TestAPredictionNeedsOfAProfileOnlyWhatSaysSomethingOfNodes(t *testing.T) {
	theirs, fit := []schedulerconfig.Plugin{{Name: "Theirs"}}, []schedulerconfig.Plugin{{Name: "NodeResourcesFit"}}
	fromFile, err := ReadProfile(t.Context(), configuration(t, ""), "ours")
	require.NoError(t, err)
	for name, change := range map[string]func(*Profile){
		"it has the plugin":             func(p *Profile) { *p = *fromFile },
		"its queue is sorted otherwise": func(p *Profile) { p.Scheduler.Plugins.QueueSort.Enabled = theirs },
		"it preempts otherwise":         func(p *Profile) { p.Scheduler.Plugins.PostFilter.Enabled = theirs },
		"it reserves otherwise":         func(p *Profile) { p.Scheduler.Plugins.Reserve.Enabled = theirs },
		"it permits otherwise":          func(p *Profile) { p.Scheduler.Plugins.Permit.Enabled = theirs },
		"it prepares the binding":       func(p *Profile) { p.Scheduler.Plugins.PreBind.Enabled = theirs },
		"it binds otherwise":            func(p *Profile) { p.Scheduler.Plugins.Bind.Enabled = theirs },
		"it does something after it":    func(p *Profile) { p.Scheduler.Plugins.PostBind.Enabled = theirs },
		"NodeResourcesFit filters by name": func(p *Profile) {
			p.Scheduler.Plugins.Filter.Enabled = fit
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := withUnit(t, []string{"a"}, change)
			predicted, err := cluster.Predict(t.Context(), dns(1))
			require.NoError(t, err)
			require.NotNil(t, predicted.Swap)
			large := builders.Consumer("large", cpu("2")).Namespace("shop").UID("large").Priority(1).Obj()
			predicted, err = cluster.Predict(t.Context(), large)
			require.NoError(t, err)
			require.Equal(t, []Misfit{{Node: "a", Why: "it does not hold enough headroom"}}, predicted.Misfits)
		})
	}
	cluster := explained(t, nil, []string{"a"}, nil, func(p *Profile) { p.Scheduler.Plugins.Filter.Enabled = theirs })
	_, err = cluster.Predict(t.Context(), dns(1))
	require.ErrorContains(t, err, "making the plugins of the profile default-scheduler (a what-if knows kube-scheduler's own plugins")
}

func TestWithoutAConfigurationTheArgumentsAreTheDefaults(t *testing.T) {
	profile, err := ReadProfile(t.Context(), "", "any")
	require.NoError(t, err)
	require.True(t, profile.Args.Swap)
	require.NotEmpty(t, profile.Args.NodeRules)
	require.NotEmpty(t, profile.Args.TopologyKeys)
	require.Empty(t, profile.Source)
	require.Equal(t, "default-scheduler", profile.Scheduler.SchedulerName)
}

func TestThePriorityClassThatAPodGetsIsNamedInIt(t *testing.T) {
	usual := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "usual"}, Value: 3, GlobalDefault: true}
	high := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "high"}, Value: 7, PreemptionPolicy: ptr.To(corev1.PreemptNever)}
	preempts := ptr.To(corev1.PreemptLowerPriority)
	for name, tc := range map[string]struct {
		names  string
		want   string
		value  int32
		policy *corev1.PreemptionPolicy
	}{
		"the default one":           {"", "usual", 3, nil},
		"one after the default one": {"high", "high", 7, ptr.To(corev1.PreemptNever)},
		"one of the system":         {"system-cluster-critical", "system-cluster-critical", 2_000_000_000, preempts},
		"one of the system's nodes": {"system-node-critical", "system-node-critical", 2_000_001_000, preempts},
	} {
		t.Run(name, func(t *testing.T) {
			given := &corev1.Pod{Spec: corev1.PodSpec{PriorityClassName: tc.names}}
			before := given.DeepCopy()
			pod, err := Future(given, []*schedulingv1.PriorityClass{usual, high})
			require.NoError(t, err)
			require.Equal(t, tc.want, pod.Spec.PriorityClassName)
			require.Equal(t, ptr.To(tc.value), pod.Spec.Priority)
			require.Equal(t, tc.policy, pod.Spec.PreemptionPolicy)
			require.Equal(t, before, given, "the pod itself is left alone")
		})
	}
}
