package headroom

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodeaffinity"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// keepsOff is a pod that wants none beside it from namespaces of a team.
func keepsOff(team, node string) *corev1.Pod {
	pod := on(node, "loner", "1")
	pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			LabelSelector:     &metav1.LabelSelector{},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": team}},
			TopologyKey:       corev1.LabelHostname,
		}},
	}}
	return pod
}

func TestAnswersAreNotReusedForANamespaceWithOtherLabels(t *testing.T) {
	for name, signed := range map[string]bool{"for pods with a signature": true, "for pods without": false} {
		t.Run(name, func(t *testing.T) {
			open := hr("open", "1")
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
			f := newFixture(t, cluster{
				nodes:  []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj(), builders.Node("b", "z-1", res("2")).Obj()},
				pods:   []*corev1.Pod{unit(open, 0, "a").Obj(), keepsOff("web", "a"), unit(open, 1, "b").Obj(), on("b", "y", "1")},
				others: []runtime.Object{namespace}, signed: signed,
			})
			c, _ := f.decided(t, wants("1").Obj())
			require.Equal(t, "a", c.swap.Node)

			labeled := namespace.DeepCopy()
			labeled.Labels = map[string]string{"team": "web"}
			require.NoError(t, f.handle.SharedInformerFactory().Core().V1().Namespaces().Informer().GetStore().Update(labeled))

			c, _ = f.decided(t, wants("1").Obj())
			require.NotNil(t, c.swap)
			require.Equal(t, "b", c.swap.Node)
		})
	}
}

func TestPodsAlikeThatMustSpreadTakeTurns(t *testing.T) {
	open := hr("open", "1")
	c := cluster{headrooms: []*v1alpha1.Headroom{open}}
	for i, zone := range []string{"z-1", "z-1", "z-2", "z-2"} {
		name := fmt.Sprint("n-", i)
		c.nodes = append(c.nodes, builders.Node(name, zone, res("1")).Obj())
		c.pods = append(c.pods, unit(open, i, name).Obj())
	}
	f := newFixture(t, c)
	zones := map[string]int{}
	for i := range 4 {
		name := fmt.Sprint("web-", i)
		pod := builders.Consumer(name, res("1")).Namespace("default").UID(name).Label("app", "web").SpreadConstraint(
			1, corev1.LabelTopologyZone, corev1.DoNotSchedule, metav1.AddLabelToSelector(&metav1.LabelSelector{}, "app", "web"),
			nil, nil, nil, nil).Obj()
		decided, state := f.decided(t, pod)
		require.NotNil(t, decided.swap)
		f.take(t, pod, decided, state)

		node, err := f.snapshot.NodeInfos().Get(decided.swap.Node)
		require.NoError(t, err)
		zones[node.Node().Labels[corev1.LabelTopologyZone]]++
		require.LessOrEqual(t, max(zones["z-1"], zones["z-2"])-min(zones["z-1"], zones["z-2"]), 1)
	}
	// No caller has a use for the number of caches, so the selector does not tell it.
	require.Equal(t, 1, reflect.ValueOf(f.selector).Elem().FieldByName("caches").Len(), "pods alike share what is known of the nodes")
}

func TestWhatAPodWantsToBeNearToIsNotTakenFromOneThatWantsSomethingElse(t *testing.T) {
	open := hr("open", "1")
	db := on("b", "db", "0")
	db.Labels = map[string]string{"app": "db"}
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-2", res("1")).Obj()},
		pods:  []*corev1.Pod{unit(open, 0, "a").Obj(), unit(open, 1, "b").Obj(), db},
		// Without these plugins nobody but this one reads the affinity, so that it is in no signature.
		signed: true, arrange: func(plugins *schedulerconfig.Plugins) {
			plugins.MultiPoint.Enabled = slices.DeleteFunc(plugins.MultiPoint.Enabled, func(plugin schedulerconfig.Plugin) bool {
				return plugin.Name == interpodaffinity.Name || plugin.Name == nodeaffinity.Name
			})
		},
	})
	c, _ := f.decided(t, wants("1").Obj())
	require.Equal(t, "a", c.swap.Node)

	elsewhere := wants("1").Obj()
	elsewhere.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{
			Weight: 1, Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{
				Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"z-1"},
			}}},
		}},
	}}
	c, _ = f.decided(t, elsewhere)
	require.Equal(t, "a", c.swap.Node)

	near := wants("1").PodAffinity(corev1.LabelTopologyZone, metav1.SetAsLabelSelector(db.Labels), st.PodAffinityWithPreferredReq)
	c, _ = f.decided(t, near.Obj())
	require.Equal(t, "b", c.swap.Node)
}

// TestPodsThatRequestSomethingElseAreOfAnotherKind: a ranking of nodes for one is none for the other, since the plugin's Filter goes by what
// they request.
func TestPodsThatRequestSomethingElseAreOfAnotherKind(t *testing.T) {
	f := newFixture(t, freeNode())
	sign := func(pod *corev1.Pod) []fwk.SignFragment {
		fragments, status := f.SignPod(t.Context(), pod)
		require.True(t, status.IsSuccess(), status.Message())
		require.NotEmpty(t, fragments)
		return fragments
	}
	whole := wants("1").Obj()
	whole.Spec.Resources = &corev1.ResourceRequirements{Requests: builders.Headroom("", res("3")).Obj().Spec.Requests}
	require.Equal(t, sign(wants("1").Obj()), sign(wants("1").Name("another").UID("another").Obj()))
	require.NotEqual(t, sign(wants("1").Obj()), sign(wants("2").Obj()))
	require.NotEqual(t, sign(wants("1").Obj()), sign(whole), "what it requests as a whole counts")
}
