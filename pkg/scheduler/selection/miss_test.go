package selection

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/apis/scheduling"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/message"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestAMissNamesThreeHeadroomsAndCountsTheOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		refusals map[int]string
		want     string
	}{
		"one":                  {refusals: map[int]string{7: "x"}, want: "x"},
		"three, in order":      {refusals: map[int]string{0: "c", 1: "a", 2: "b"}, want: "a; b; c"},
		"one more":             {refusals: map[int]string{0: "d", 1: "a", 2: "b", 3: "c"}, want: "a; b; c; and 1 more"},
		"as many as there are": {refusals: map[int]string{0: "e", 1: "a", 2: "b", 3: "c", 4: "d"}, want: "a; b; c; and 2 more"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, join(tc.refusals)) })
	}
}

func TestWhoIsToldThatTheAPIServerRefuses(t *testing.T) {
	const refused = "1 of 1 nodes hold headroom, none for this pod: the API server refuses to delete the placeholders of default/open"
	shut := forApp("open", "nobody")
	for name, tc := range map[string]struct {
		headroom *v1alpha1.Headroom
		priority int32
		reason   metrics.MissReason
		want     string
	}{
		"a pod that the Headroom entitles": {headroom: hr("open", "1"), reason: metrics.MissFiltered, want: refused},
		"not one that it does not": {
			headroom: shut, reason: metrics.MissConsumers,
			want: "1 of 1 nodes hold headroom, none for this pod: consumers.podSelector of default/open does not match",
		},
		"but a system-critical one": {
			headroom: shut, priority: scheduling.SystemCriticalPriority, reason: metrics.MissFiltered, want: refused,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
			require.NoError(t, f.Catalog.Set(tc.headroom))
			f.Undeletable = func(types.NamespacedName) bool { return true }
			pod := wants("1").Priority(tc.priority).Obj()
			f.consumer(t, pod)
			reason, text := f.Miss(pod, func() int { return 0 }, func() Objections { return nil })
			require.Equal(t, tc.reason, reason)
			require.Equal(t, tc.want, text)
		})
	}
}

func TestWhyNoHeadroomServesAPod(t *testing.T) {
	const intro = "1 of 2 nodes hold headroom, none for this pod: "
	never := func() *corev1.Pod { return wants("1").PreemptionPolicy(corev1.PreemptNever).Obj() }
	polite := hr("polite", "1")
	polite.Spec.Consumers = &v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow}
	suits := func(n int) func() int { return func() int { return n } }
	for name, tc := range map[string]struct {
		pod      *corev1.Pod
		units    []*corev1.Pod
		headroom []*v1alpha1.Headroom
		unknown  bool
		// candidates and objections must not be asked for if they are nil.
		candidates func() int
		objections Objections
		reason     metrics.MissReason
		want       string
	}{
		"there is none":              {pod: wants("1").Obj(), units: []*corev1.Pod{}},
		"it is a placeholder":        {pod: important(unit(1, ""))},
		"it is bound and is to grow": {pod: on("a", "x", "1").Obj()},
		"it never preempts":          {pod: never(), reason: metrics.MissPriority, want: intro + "its preemptionPolicy is Never"},
		"its priority is that of the units": {
			pod: wants("1").Priority(builders.PlaceholderPriority).Obj(), reason: metrics.MissPriority,
			want: intro + "its priority -5 is not above that of the placeholders",
		},
		"its labels are others": {
			pod: wants("1").Obj(), headroom: []*v1alpha1.Headroom{forApp("open", "web")}, reason: metrics.MissConsumers,
			want: intro + "consumers.podSelector of default/open does not match",
		},
		"nobody knows who may": {
			pod: wants("1").Obj(), unknown: true, reason: metrics.MissConsumers, want: intro + "nothing is known of default/open",
		},
		"it never preempts, and where it need not its labels are others": {
			pod: never(), units: []*corev1.Pod{unit(0, "a"), unitOf("polite", 0, "a").Obj()}, reason: metrics.MissConsumers,
			headroom: []*v1alpha1.Headroom{func() *v1alpha1.Headroom {
				h := forApp("polite", "web")
				h.Spec.Consumers.NonPreempting = v1alpha1.NonPreemptingAllow
				return h
			}()},
			want: intro + "consumers.podSelector of default/polite does not match; default/open is not for pods whose preemptionPolicy is Never",
		},
		"it never preempts, and what it need not preempt is too small": {
			pod: never(), units: []*corev1.Pod{unit(0, "a"), unitOf("polite", 0, "a").Obj()}, headroom: []*v1alpha1.Headroom{polite},
			candidates: suits(0), reason: metrics.MissTooSmall, want: intro + message.NoneLargeEnough,
		},
		"it never preempts, and what it need not preempt comes first": {
			pod: never(), units: []*corev1.Pod{unitOf("polite", 0, "a").Obj(), unit(0, "b")}, headroom: []*v1alpha1.Headroom{polite},
			candidates: suits(0), reason: metrics.MissTooSmall, want: "2 of 2 nodes hold headroom, none for this pod: " + message.NoneLargeEnough,
		},
		"it is too small": {pod: wants("1").Obj(), candidates: suits(0), reason: metrics.MissTooSmall, want: intro + message.NoneLargeEnough},
		"it is too small for a system-critical pod, whoever may have it": {
			pod: wants("1").Priority(scheduling.SystemCriticalPriority).Obj(), headroom: []*v1alpha1.Headroom{forApp("open", "web")},
			candidates: suits(0), reason: metrics.MissTooSmall, want: intro + message.NoneLargeEnough,
		},
		"only others of several Headrooms refuse": {
			pod: wants("1").Obj(), units: []*corev1.Pod{unit(0, "a"), unitOf("web", 0, "a").Obj()},
			headroom:   []*v1alpha1.Headroom{forApp("web", "web")},
			candidates: suits(0), reason: metrics.MissTooSmall, want: intro + message.NoneLargeEnough,
		},
		"it does not suit": {
			pod: wants("1").Obj(), candidates: suits(2), objections: Objections{"node(s) said no": 2}, reason: metrics.MissFiltered,
			want: intro + "2 would have the room, but 2 node(s) said no",
		},
		"nobody says why it does not suit": {
			pod: wants("1").Obj(), candidates: suits(1), objections: Objections{}, reason: metrics.MissFiltered,
			want: intro + "1 would have the room, but do not suit it for other reasons",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.units == nil {
				tc.units = []*corev1.Pod{unit(0, "a")}
			}
			f := newFixture(t, []*corev1.Node{node("a", "z", "1"), node("b", "z", "1")}, tc.units...)
			for _, h := range tc.headroom {
				require.NoError(t, f.Catalog.Set(h))
			}
			if tc.unknown {
				f.Catalog.Delete(types.NamespacedName{Namespace: "default", Name: "open"})
			}
			f.refresh(t)
			candidates, objections := 0, 0
			reason, text := f.Miss(tc.pod, func() int {
				candidates++
				return tc.candidates()
			}, func() Objections {
				objections++
				return tc.objections
			})
			require.Equal(t, tc.want, text)
			require.Equal(t, tc.reason, reason)
			require.Equal(t, tc.candidates != nil, candidates > 0, "whether nodes were counted")
			require.Equal(t, tc.objections != nil, objections > 0, "whether plugins were asked")
		})
	}
}

func TestWhatIsRefusedMattersOnlyIfNothingElseIsToBeHad(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "2")}, unit(0, "a"), unitOf("stuck", 0, "a").Obj())
	f.Undeletable = func(headroom types.NamespacedName) bool { return headroom.Name == "stuck" }
	pod := wants("1").Obj()
	f.consumer(t, pod)
	reason, _ := f.Miss(pod, func() int { return 0 }, nil)
	require.Equal(t, metrics.MissTooSmall, reason)
	pod = wants("1").Priority(builders.PlaceholderPriority).Obj()
	reason, _ = f.Miss(pod, func() int { return 0 }, nil)
	require.Equal(t, metrics.MissFiltered, reason)
}

// TestWhatNodesSayAgainstAPod has units on three nodes: two say the same, one has more to say, and one has nothing against the pod.
func TestWhatNodesSayAgainstAPod(t *testing.T) {
	cordoned := &st.NodeWrapper{Node: *node("c", "z", "1")}
	f := newFixture(t, []*corev1.Node{
		node("free", "z", "1"), node("a", "z", "1"), node("b", "z", "1"), cordoned.Unschedulable(true).Obj(), node("d", "z", "1"),
	},
		unit(0, "a"), unit(1, "b"), unit(2, "c"), unit(3, "d"))
	pod := wants("1").HostPort(80).Obj()
	for _, name := range []string{"a", "b"} {
		f.assume(t, builders.Consumer("port-"+name, nil).Namespace("default").UID("port-"+name).Node(name).HostPort(80).Obj())
	}
	objections := f.Objections(t.Context(), f.run(t, pod), f.consumer(t, pod), func(string) *fwk.Status { return nil })
	require.Equal(t, Objections{"node(s) didn't have free ports for the requested pod ports": 2, "node(s) were unschedulable": 1}, objections)
	require.Equal(t, "1 node(s) were unschedulable, 2 node(s) didn't have free ports for the requested pod ports", objections.String())
	require.Empty(t, Objections{}.String())
}

func TestObjectionsAreThoseToAllThatAPodMayTake(t *testing.T) {
	for name, tc := range map[string]struct {
		priority int32
		want     Objections
	}{
		"what it is entitled to": {want: Objections{}},
		"what it may take as a system-critical one": {
			priority: scheduling.SystemCriticalPriority, want: Objections{"node(s) said no": 1, "node(s) said why": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("free", "z", "1"), node("a", "z", "1")}, unit(0, "a"))
			require.NoError(t, f.Catalog.Set(forApp("open", "nobody")))
			pod := wants("1").Priority(tc.priority).Obj()
			objections := f.Objections(t.Context(), f.run(t, pod), f.consumer(t, pod), func(string) *fwk.Status {
				return fwk.NewStatus(fwk.Unschedulable, "node(s) said no", "node(s) said why")
			})
			require.Equal(t, tc.want, objections)
		})
	}
}

// TestAllThatANodeSaysAgainstAPodIsCounted where another pod is nominated to the room of a unit.
func TestAllThatANodeSaysAgainstAPodIsCounted(t *testing.T) {
	all := builders.Resources{"cpu": "1", "memory": "1Gi"}
	h := builders.Headroom("open", all).Namespace("default").UID("uid-open").Obj()
	f := newFixture(t, []*corev1.Node{builders.Node("a", "z", all).Obj()}, builders.Placeholder(h, 0).Node("a").UID("open-headroom-0").Obj())
	f.nominate(t, builders.Consumer("other", all).Namespace("default").UID("other").Obj(), "a")
	pod := builders.Consumer("consumer", all).Namespace("default").UID("consumer").Obj()
	objections := f.Objections(t.Context(), f.run(t, pod), f.consumer(t, pod), func(string) *fwk.Status { return nil })
	require.Equal(t, Objections{"Insufficient cpu": 1, "Insufficient memory": 1}, objections)
}
