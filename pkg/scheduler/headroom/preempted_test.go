package headroom

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestPlaceholdersThatArePreemptedGoInTheOrder: by their host port they are in the way on every node, and their sizes differ.
func TestPlaceholdersThatArePreemptedGoInTheOrder(t *testing.T) {
	const nodes = 8
	for name, tc := range map[string]struct {
		near string
		want string
	}{
		"the one that wastes least":      {want: "n7"},
		"the one that is nearest before": {near: "app=db", want: "n3"},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster{}
			for i := range nodes {
				node, h := fmt.Sprintf("n%d", i), hr(fmt.Sprintf("h%d", i), fmt.Sprint(nodes-i))
				c.nodes = append(c.nodes, builders.Node(node, fmt.Sprintf("z-%d", i), res("20")).Obj())
				c.pods = append(c.pods, unit(h, 0, node).HostPort(80).Obj())
			}
			db := wants("1").Name("db").UID("db").Label("app", "db").Node("n3").Obj()
			pod := wants("1").HostPort(80).Priority(1000)
			if tc.near != "" {
				pod.Annotation(v1alpha1.AnnotationNear, tc.near)
			}
			c.pods, c.pending = append(c.pods, db), []*corev1.Pod{pod.Obj()}
			f := newFixture(t, c)
			for range 3 { // the nodes come in no order
				nominated, _ := f.postFiltered(t, pod.Obj())
				require.Equal(t, tc.want, nominated)
			}
		})
	}
}

func TestANodeThatIsNotKnownGoesByTheNumberOfItsVictims(t *testing.T) {
	f := newFixture(t, cluster{})
	pods := []*corev1.Pod{unit(hr("open", "1"), 0, "new").Obj(), unit(hr("open", "1"), 1, "new").Obj()}
	require.Equal(t, evictionorder.Node{Name: "new", Evictions: 2}, f.evidenceOf("new", pods))
}

func TestAUnitThatAGroupPreemptsIsOfOthersIfItIsForNoneOfThem(t *testing.T) {
	web, unentitled := forApp("web"), wants("1").Priority(1000).Obj()
	for name, tc := range map[string]struct {
		pods []*corev1.Pod
		want float64
	}{
		"for none of them": {[]*corev1.Pod{unentitled, unentitled}, 1},
		"for one of them":  {[]*corev1.Pod{unentitled, wants("1").Label("app", "web").Obj()}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{headrooms: []*v1alpha1.Headroom{web}})
			before := unentitledEvictions(t)["running_pods"]
			f.countUnentitledToAll(tc.pods, unit(web, 0, "a").Obj())
			require.InDelta(t, tc.want, unentitledEvictions(t)["running_pods"]-before, 0)
		})
	}
}

func TestWhatIsObjectedToANodeBesideItsResources(t *testing.T) {
	taints := fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "taints").WithPlugin("TaintToleration")
	statuses := framework.NewDefaultNodeToStatus()
	statuses.Set("full", fwk.NewStatus(fwk.Unschedulable, "Insufficient cpu").WithPlugin(Name))
	statuses.Set("tainted", taints)
	statuses.Set("suits", nil)
	require.Nil(t, objectionIn(statuses)("full"), "the others are asked what they say without placeholders")
	require.Equal(t, taints, objectionIn(statuses)("tainted"))
	require.Nil(t, objectionIn(statuses)("suits"))
}

// TestAPodOfWhichNoMissIsKnownIsTriedAgainAllTheSame: what carries the label of a Headroom may turn out to be a placeholder.
func TestAPodOfWhichNoMissIsKnownIsTriedAgainAllTheSame(t *testing.T) {
	stray := builders.Consumer("stray", res("1")).Namespace("default").UID("stray").Label(v1alpha1.LabelHeadroom, "web").Node("a").Obj()
	pod := wants("1").Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{stray}, pending: []*corev1.Pod{pod},
	})
	require.Empty(t, f.missed(t, pod))
	f.shared.waker.HeadroomChanged(t.Context(), nameOfWeb)
	require.Equal(t, activations{"consumer"}, f.activated)
}

func TestAMemberThatOtherPluginsTurnAwayAtOnceGivesItsGroupUp(t *testing.T) {
	c := withGangs(2, map[string]int{"web": 2})
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	_, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	_, status = f.PostFilter(t.Context(), framework.NewCycleState(), c.pending[1], framework.NewDefaultNodeToStatus())
	require.True(t, status.IsRejected())
	require.Nil(t, f.shared.attempts.Of(podGroup("web", 2).Name))
	require.Zero(t, f.reservedUnits(&c))
}

// TestNothingElseIsPreemptedForAResizeForWhichUnitsGo, since the room of both would be more than it asks for.
func TestNothingElseIsPreemptedForAResizeForWhichUnitsGo(t *testing.T) {
	for name, tc := range map[string]struct {
		asks string
		want bool
	}{"units do for it": {asks: "4", want: true}, "they do not": {asks: "5"}} {
		t.Run(name, func(t *testing.T) {
			f, _ := newResizing(t, nil)
			for _, object := range f.shared.pods.List() {
				if pod := object.(*corev1.Pod); pod.Name == "web" {
					pod.Spec.Containers[0].Resources = on("a", "web", tc.asks).Spec.Containers[0].Resources
					state := framework.NewCycleState()
					state.Write(cycleKey, &cycle{})
					result, status := f.PostFilter(t.Context(), state, pod, framework.NewDefaultNodeToStatus())
					require.Nil(t, result)
					require.Equal(t, tc.want, status.IsSuccess(), status.Message())
				}
			}
		})
	}
}

// TestTheFirstPodWaitsForTheHeadroomsToBeKnown, and no other one.
func TestTheFirstPodWaitsForTheHeadroomsToBeKnown(t *testing.T) {
	for name, tc := range map[string]struct {
		after time.Duration
		want  bool
		waits time.Duration
	}{
		"until they are": {after: 4 * time.Second, want: true, waits: 4 * time.Second},
		"not for ever":   {after: time.Hour, waits: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, cluster{
					nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj()},
				})
				known := catalog.New()
				f.shared.catalog = known
				time.AfterFunc(tc.after, func() { _ = known.Follow(t.Context(), nil, func(types.NamespacedName) {}) })
				began := time.Now()
				for range 2 {
					c, _ := f.decided(t, wants("1").Obj())
					require.Equal(t, tc.want, c.swap != nil)
					require.Equal(t, tc.waits, time.Since(began))
				}
			})
		})
	}
}

// TestOnlyUnitsOfTheHeadroomThatLivesAreTaken: what the `consumers` of one say holds for no other of its name, be it gone or not known yet.
func TestOnlyUnitsOfTheHeadroomThatLivesAreTaken(t *testing.T) {
	mine := forApp("web")
	byDaemonSet := unit(mine, 0, "a")
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-headroom", UID: "set"}}
	set.OwnerReferences = byDaemonSet.OwnerReferences
	byDaemonSet.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	for name, held := range map[string]*st.PodWrapper{"by itself": unit(mine, 0, "a"), "by a DaemonSet": byDaemonSet} {
		for uid, want := range map[types.UID]bool{mine.UID: true, "another": false} {
			t.Run(fmt.Sprintf("%s, %s", name, uid), func(t *testing.T) {
				lives := forApp("web")
				lives.UID = uid
				f := newFixture(t, cluster{
					nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{held.Obj()},
					headrooms: []*v1alpha1.Headroom{lives},
				})
				require.NoError(t, f.factory.Apps().V1().DaemonSets().Informer().GetStore().Add(set))
				pod := wants("1").Label("app", "web").Obj()

				c, _ := f.decided(t, pod)
				require.Equal(t, want, c.swap != nil)
				require.Equal(t, want, f.shared.names(held.Obj(), pod))
				require.Equal(t, want, f.unentitled(pod, []*corev1.Pod{held.Obj()}) == 0)
				require.True(t, f.shared.isPlaceholder(held.Obj()), "no running pod, whosever it is")
			})
		}
	}
}

// TestAUnitThatAnotherHeadroomControlsIsNone: the label is anybody's to write.
func TestAUnitThatAnotherHeadroomControlsIsNone(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*st.PodWrapper)
		want   bool
	}{
		"as the controller made it":       {change: func(*st.PodWrapper) {}, want: true},
		"labeled for another Headroom":    {change: func(pod *st.PodWrapper) { pod.Label(v1alpha1.LabelHeadroom, "other") }},
		"controlled by another Headroom":  {change: func(pod *st.PodWrapper) { pod.OwnerReferences[0].Name = "other" }},
		"controlled by another kind":      {change: func(pod *st.PodWrapper) { pod.OwnerReferences[0].Kind = "Deployment" }},
		"owned, and controlled by nobody": {change: func(pod *st.PodWrapper) { pod.OwnerReferences[0].Controller = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			held := unit(hr("open", "1"), 0, "a")
			tc.change(held)
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{held.Obj()},
				headrooms: []*v1alpha1.Headroom{hr("open", "1"), hr("other", "1")},
			})
			c, _ := f.decided(t, wants("1").Obj())
			require.Equal(t, tc.want, c.swap != nil)
			require.Equal(t, tc.want, f.shared.isPlaceholder(held.Obj()))
		})
	}
}
