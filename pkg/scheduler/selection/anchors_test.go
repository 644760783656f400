package selection

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
)

func TestWhatPreferredPodAffinityNamesIsNear(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "x-1", "1"), node("b", "y-1", "1"), node("c", "y-1", "1")},
		unit(0, "a"), unit(1, "b"), on("c", "db", "1").Label("app", "db").Obj())
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}
	c := f.consumer(t, wants("1").PodAffinity(corev1.LabelTopologyZone, selector, st.PodAffinityWithPreferredReq).Obj())
	anchors := f.Anchors(c)
	require.Less(t, anchors.Distance(f.Inventory.Node("b").Info.Node().Labels), anchors.Distance(f.Inventory.Node("a").Info.Node().Labels))
}

func TestANodeThatOthersAreNominatedToIsNoNearerThanBefore(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "y-1", "2"), node("b", "y-1", "1"), node("c", "y-1", "1"), node("d", "x-1", "1")},
		unit(0, "a"), unit(1, "a"), unit(2, "b"), unit(3, "d"), on("c", "db", "1").Label("app", "db").Obj())
	near := wants("1").Annotation(v1alpha1.AnnotationNear, "app=db").Obj()
	f.requireSwap(t, near, "a", "open-headroom-0")
	f.nominate(t, wants("1").Name("other").UID("other").Obj(), "a")
	f.requireSwap(t, near, "b", "open-headroom-2") // as near, and one goes rather than two
}

func TestAPodIsNearToPodsOfItsOwnNamespace(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "x-1", "1"), node("b", "y-1", "1"), node("c", "y-1", "1")},
		unit(0, "a"), unit(1, "b"), on("c", "db", "1").Namespace("elsewhere").Label("app", "db").Obj())
	f.requireSwap(t, wants("1").Annotation(v1alpha1.AnnotationNear, "app=db").Obj(), "a", "open-headroom-0")
}

func TestWhatAPodIsNearToMovesWithItsNode(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "x-1", "1"), node("b", "y-1", "1"), node("c", "y-1", "1")},
		unit(0, "a"), unit(1, "b"), on("c", "db", "1").Label("app", "db").Obj())
	near := wants("1").Annotation(v1alpha1.AnnotationNear, "app=db").Obj()
	f.requireSwap(t, near, "b", "open-headroom-1")
	f.move(t, "c", "x-1")
	info, err := f.snapshot.NodeInfos().Get("c")
	require.NoError(t, err)
	info.Node().Labels[corev1.LabelTopologyRegion] = "x"
	f.requireSwap(t, near, "a", "open-headroom-0")
}

func TestEvidenceTellsHowFarANodeIs(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "x-1", "1"), node("b", "y-1", "1"), node("c", "y-1", "1")},
		unit(0, "a"), unit(1, "b"), on("c", "db", "1").Label("app", "db").Obj())
	c := f.consumer(t, wants("1").Annotation(v1alpha1.AnnotationNear, "app=db").Obj())
	distance := func(name string) int {
		node := f.Inventory.Node(name)
		return f.Evidence(c, node, c.takeable(nil, node), f.Anchors(c)).Distance
	}
	require.Less(t, distance("b"), distance("a"))
}

// prefers is a consumer that would rather run on nodes with one of these values of a label.
func prefers(key string, values ...string) *st.PodWrapper {
	pod := wants("1")
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{
			Weight: 1, Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values},
			}},
		}},
	}}
	return pod
}

// prefersAlso is a consumer that would also rather run on nodes with one of these values of a label.
func prefersAlso(pod *st.PodWrapper, key string, values ...string) *st.PodWrapper {
	terms := &pod.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	*terms = append(*terms, prefers(key, values...).Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution...)
	return pod
}

// TestWhatAPodIsNearTo has pods of three kinds, each in a zone of its own, where there is a node with headroom beside it, and node a, which
// is near to nothing.
func TestWhatAPodIsNearTo(t *testing.T) {
	apps := func(app string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	}
	inTeam := func() *corev1.Pod {
		pod := wants("1").PodAffinity(corev1.LabelTopologyZone, apps("db"), st.PodAffinityWithPreferredReq).Obj()
		term := &pod.Spec.Affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].PodAffinityTerm
		term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
		return pod
	}
	uncounted := func(f *fixture) error {
		f.Args.TopologyKeys = nil
		return nil
	}
	for name, tc := range map[string]struct {
		pod    *corev1.Pod
		change func(*fixture) error
		want   string // no node if there is nothing to be near to, whatever the pod says
	}{
		"nothing":            {pod: wants("1").Obj(), want: "a"},
		"its preferred zone": {pod: prefers(corev1.LabelTopologyZone, "y-1").Obj(), want: "b"},
		"its preferred zone by another word than the first": {
			pod: prefersAlso(prefers("disk", "ssd"), corev1.LabelTopologyZone, "y-1").Obj(), want: "b",
		},
		"not pods that it would rather keep off": {
			pod: wants("1").PodAffinity(corev1.LabelTopologyZone, apps("none"), st.PodAffinityWithPreferredReq).
				PodAntiAffinity(corev1.LabelTopologyZone, apps("cache"), st.PodAntiAffinityWithPreferredReq).Obj(), want: "a",
		},
		"pods by affinity": {
			pod: wants("1").PodAffinity(corev1.LabelTopologyZone, apps("cache"), st.PodAffinityWithPreferredReq).Obj(), want: "d",
		},
		"pods that it needs": {
			pod: wants("1").PodAffinity(corev1.LabelTopologyZone, apps("db"), st.PodAffinityWithRequiredReq).Obj(), want: "c",
		},
		"pods by its own word": {pod: wants("1").Annotation(v1alpha1.AnnotationNear, "app=cache").Obj(), want: "d"},
		"its own word first": {
			pod: wants("1").Annotation(v1alpha1.AnnotationNear, "app=cache").PodAffinity(corev1.LabelTopologyZone, apps("db"),
				st.PodAffinityWithPreferredReq).Obj(), want: "d",
		},
		"pods before its preferred zone": {
			pod: prefers(corev1.LabelTopologyZone, "y-1").
				PodAffinity(corev1.LabelTopologyZone, apps("cache"), st.PodAffinityWithPreferredReq).Obj(), want: "d",
		},
		"pods by the second of its affinities": {
			pod: wants("1").PodAffinity(corev1.LabelTopologyZone, apps("none"), st.PodAffinityWithPreferredReq).
				PodAffinity(corev1.LabelTopologyZone, apps("cache"), st.PodAffinityWithPreferredReq).Obj(), want: "d",
		},
		"its affinity if its own word is about nobody": {
			pod: wants("1").Annotation(v1alpha1.AnnotationNear, "app=none").PodAffinity(corev1.LabelTopologyZone, apps("db"),
				st.PodAffinityWithPreferredReq).Obj(), want: "c",
		},
		"pods of the one of two namespaces that is of the team": {
			pod: inTeam(), want: "b",
			change: func(f *fixture) error { return errors.Join(f.namespace("default", "b"), f.namespace("elsewhere", "a")) },
		},
		"pods of another namespace by its labels": {
			pod: inTeam(), change: func(f *fixture) error { return f.namespace("elsewhere", "a") }, want: "b",
		},
		"not those of a namespace with others": {
			pod: inTeam(), change: func(f *fixture) error { return f.namespace("elsewhere", "b") }, want: "a",
		},
		"no zone where distances do not count": {pod: prefers(corev1.LabelTopologyZone, "y-1").Obj(), change: uncounted},
		"no pods by its own word there":        {pod: wants("1").Annotation(v1alpha1.AnnotationNear, "app=cache").Obj(), change: uncounted},
		"no pods by affinity there": {
			pod: wants("1").PodAffinity(corev1.LabelTopologyZone, apps("db"), st.PodAffinityWithRequiredReq).Obj(), change: uncounted,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{
				node("a", "x-1", "1"), node("b", "y-1", "1"), node("c", "z-1", "1"), node("d", "w-1", "1"),
				node("b-2", "y-1", "1"), node("c-2", "z-1", "1"), node("d-2", "w-1", "1"),
			}, unit(0, "a"), unit(1, "b"), unit(2, "c"), unit(3, "d"), on("c-2", "db", "1").Label("app", "db").Obj(),
				on("d-2", "cache", "1").Label("app", "cache").Obj(), on("b-2", "elsewhere", "1").Namespace("elsewhere").Label("app", "db").Obj())
			if tc.change != nil {
				require.NoError(t, tc.change(f))
			}
			if tc.want == "" {
				require.True(t, f.Anchors(f.consumer(t, tc.pod)).None())
				return
			}
			anchors := f.Anchors(f.consumer(t, tc.pod))
			require.Equal(t, tc.want == "a", anchors.None())
			for _, other := range []string{"a", "b", "c", "d"} {
				if tc.want != "a" && other != tc.want {
					distance := func(name string) int { return anchors.Distance(f.Inventory.Node(name).Info.Node().Labels) }
					require.Less(t, distance(tc.want), distance(other), "not by the score alone, which is higher near what the pod prefers, too")
				}
			}
			for range 2 { // the second time from what is remembered
				require.Equal(t, tc.want, f.selected(t.Context(), t, tc.pod).Node)
			}
		})
	}
}

// namespace lets informers have a namespace of a team.
func (f *fixture) namespace(name, team string) error {
	n := &corev1.Namespace{}
	n.Name, n.Labels = name, map[string]string{"team": team}
	return f.Handle.SharedInformerFactory().Core().V1().Namespaces().Informer().GetStore().Add(n)
}

func TestAPodThatComesToAnotherZoneIsSomethingToBeNearTo(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "x-1", "1"), node("b", "y-1", "1"), node("c", "y-1", "0")}, unit(0, "a"), unit(1, "b"))
	near := wants("1").Annotation(v1alpha1.AnnotationNear, "app=db").Obj()
	f.requireSwap(t, near, "a", "open-headroom-0")
	f.assume(t, on("c", "db", "0").Label("app", "db").Obj())
	f.requireSwap(t, near, "b", "open-headroom-1")
}

// TestAPodIsNearToAllThatItNames by the annotation, by what it needs, and by what it prefers.
func TestAPodIsNearToAllThatItNames(t *testing.T) {
	apps := func(app string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	}
	for name, pod := range map[string]*corev1.Pod{
		"by its own word": wants("1").Annotation(v1alpha1.AnnotationNear, "app in (db,cache)").Obj(),
		"by affinity": wants("1").PodAffinity(corev1.LabelTopologyZone, apps("db"), st.PodAffinityWithRequiredReq).
			PodAffinity(corev1.LabelTopologyZone, apps("cache"), st.PodAffinityWithPreferredReq).Obj(),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "x-1", "1"), node("b", "y-1", "1"), node("c", "z-1", "1")},
				unit(0, "a"), on("b", "db", "1").Label("app", "db").Obj(), on("c", "cache", "1").Label("app", "cache").Obj())
			anchors := f.Anchors(f.consumer(t, pod))
			distance := func(name string) int { return anchors.Distance(f.Inventory.Node(name).Info.Node().Labels) }
			require.Less(t, distance("b"), distance("a"))
			require.Less(t, distance("c"), distance("a"))
		})
	}
}

// TestWhatAPodIsNearToComesAndGoes in the zone of node b, by the annotation and by an affinity.
func TestWhatAPodIsNearToComesAndGoes(t *testing.T) {
	db := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}
	for name, near := range map[string]*corev1.Pod{
		"by its own word": wants("1").Annotation(v1alpha1.AnnotationNear, "app=db").Obj(),
		"by affinity":     wants("1").PodAffinity(corev1.LabelTopologyZone, db, st.PodAffinityWithPreferredReq).Obj(),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "x-1", "1"), node("b", "y-1", "1"), node("c", "y-1", "0")}, unit(0, "a"), unit(1, "b"))
			for range 2 {
				swap := f.selected(t.Context(), t, near)
				require.Equal(t, "a", swap.Node)
				require.NotContains(t, swap.Why, evictionorder.NodeNearest.String())
				pod := on("c", "db", "0").Label("app", "db").Obj()
				f.assume(t, pod)
				swap = f.selected(t.Context(), t, near)
				require.Equal(t, "b", swap.Node)
				require.Contains(t, swap.Why, evictionorder.NodeNearest.String())
				require.NoError(t, f.snapshot.ForgetPod(klog.Background(), pod))
			}
		})
	}
}

func TestANodeThatMovesIsAsFarAsItIsNow(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "x-1", "1"), node("b", "y-1", "1"), node("c", "y-1", "1")},
		unit(0, "a"), unit(1, "b"), on("c", "db", "1").Label("app", "db").Obj())
	near := wants("1").Annotation(v1alpha1.AnnotationNear, "app=db").Obj()
	f.requireSwap(t, near, "b", "open-headroom-1")
	f.move(t, "b", "x-2")
	f.relabel(t, "b", corev1.LabelTopologyRegion, "x")
	f.requireSwap(t, near, "a", "open-headroom-0")
}

func TestDistancesCountByOneTopologyKeyAsByMany(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "x-1", "1"), node("b", "y-1", "1"), node("c", "y-1", "1")},
		unit(0, "a"), unit(1, "b"), on("c", "db", "1").Label("app", "db").Obj())
	f.Args.TopologyKeys = []string{corev1.LabelTopologyZone}
	f.requireSwap(t, wants("1").Annotation(v1alpha1.AnnotationNear, "app=db").Obj(), "b", "open-headroom-1")
}
