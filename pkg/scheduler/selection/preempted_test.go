package selection

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/apis/scheduling"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// low is a running pod of a priority below that of consumers.
func low(name, cpu string) *corev1.Pod { return on("a", name, cpu).Priority(-1).Obj() }

// going marks a pod as one that is being deleted.
func going(pod *corev1.Pod) *corev1.Pod {
	pod.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	return pod
}

// nodeNow returns node a as a dry run has it from which these pods are gone.
func (f *fixture) nodeNow(t *testing.T, gone ...string) fwk.NodeInfo {
	t.Helper()
	now := framework.NewNodeInfo()
	for _, info := range f.Inventory.Node("a").Info.GetPods() {
		if !slices.Contains(gone, info.GetPod().Name) {
			now.AddPod(info.GetPod())
		}
	}
	return now
}

func namesOf(pods []*corev1.Pod) []string {
	var names []string
	for _, pod := range pods {
		names = append(names, pod.Name)
	}
	return names
}

func TestWhichPlaceholdersPreemptionMayTake(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "4"), node("b", "z", "1"), node("c", "z", "3"), node("d", "z", "4")},
		unit(0, "a"), unitOf("closed", 0, "a").Obj(), unitOf("open", 1, "a").Priority(0).Obj(), reservedUnitOf("kept", 0, "a").Obj(),
		unit(2, "b"), on("c", "x", "1").Obj(), unit(3, "c"), unit(4, "c"), on("d", "y", "4").Obj())
	require.NoError(t, f.Catalog.Set(forApp("closed", "nobody")))
	require.NoError(t, f.Catalog.Set(forApp("kept", "web")))
	victims := func(cpu string) Victims {
		return f.PossibleVictims(f.consumer(t, wants(cpu).Label("app", "web").Obj()))
	}

	one := victims("1")
	require.ElementsMatch(t, []string{"open-headroom-0", "open-headroom-2", "open-headroom-3", "open-headroom-4"}, namesOf(one.Pods),
		"none to which it is not entitled, or whose priority is not lower, also where consumers may take it by a swap")
	require.ElementsMatch(t, []string{"a", "b", "c"}, one.Nodes.UnsortedList())
	require.Len(t, one.Evidence, 4)
	require.Equal(t, "default/open-headroom-2", one.Evidence["open-headroom-2"].Name)

	require.ElementsMatch(t, []string{"open-headroom-3", "open-headroom-4"}, namesOf(victims("2").Pods), "the others are too small")
	require.Empty(t, victims("3").Pods)
	require.EqualValues(t, 500_000, victims("500m").Evidence["open-headroom-2"].Surplus, "half of the node is more than is missing there")
	require.Empty(t, victims("3").Nodes)
}

func TestPlaceholdersAreWithheldFromAPodThatCouldHaveThemByItsPriority(t *testing.T) {
	for name, tc := range map[string]struct {
		unit     *corev1.Pod
		headroom *v1alpha1.Headroom
		priority int32
		refused  bool
		want     bool
	}{
		"those of a Headroom that does not entitle it": {unit: unit(0, "a"), headroom: forApp("open", "nobody"), want: true},
		"not those of one that does":                   {unit: unit(0, "a"), headroom: hr("open", "1")},
		"not those of as high a priority":              {unit: unitOf("open", 0, "a").Priority(0).Obj(), headroom: forApp("open", "nobody")},
		"those of the next lower priority": {
			unit: unitOf("open", 0, "a").Priority(-1).Obj(), headroom: forApp("open", "nobody"), want: true,
		},
		"not those that the API server does not delete": {unit: unit(0, "a"), headroom: forApp("open", "nobody"), refused: true},
		"not reserved units": {
			unit: reservedUnitOf("open", 0, "a").Obj(), headroom: forApp("open", "nobody"), priority: builders.ReservedPriority + 1,
		},
		"but from a system-critical pod": {
			unit: reservedUnitOf("open", 0, "a").Obj(), headroom: forApp("open", "nobody"), priority: scheduling.SystemCriticalPriority, want: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("empty", "z", "1"), node("a", "z", "1")}, tc.unit)
			require.NoError(t, f.Catalog.Set(tc.headroom))
			f.Undeletable = func(types.NamespacedName) bool { return tc.refused }
			require.Equal(t, tc.want, f.Withheld(f.consumer(t, wants("1").Priority(tc.priority).Obj())))
		})
	}
}

func TestWhereRunningPodsWouldGoForAPod(t *testing.T) {
	for name, tc := range map[string]struct {
		pods    []*corev1.Pod
		asked   []string
		rejects bool
		want    bool
	}{
		"one of lower priority in the way":           {pods: []*corev1.Pod{low("x", "2")}, want: true},
		"none of its own priority":                   {pods: []*corev1.Pod{on("a", "x", "2").Obj()}},
		"none that goes already":                     {pods: []*corev1.Pod{going(low("x", "2"))}},
		"none without which it still does not fit":   {pods: []*corev1.Pod{low("x", "500m"), on("a", "y", "1500m").Obj()}},
		"none on a node that it does not suit":       {pods: []*corev1.Pod{low("x", "2")}, rejects: true},
		"none on a node that is out of the question": {pods: []*corev1.Pod{low("x", "2")}, asked: []string{"b"}},
		"no placeholders alone":                      {pods: []*corev1.Pod{unit(0, "a"), unit(1, "a")}},
		"one beside placeholders that it may take": {
			pods: []*corev1.Pod{unit(0, "a"), low("x", "500m"), on("a", "y", "500m").Obj()}, want: true,
		},
		"none beside placeholders that it may not take": {
			pods: []*corev1.Pod{unitOf("closed", 0, "a").Obj(), low("x", "500m"), on("a", "y", "500m").Obj()},
		},
		"one that alone is enough, whatever it may take": {pods: []*corev1.Pod{unitOf("closed", 0, "a").Obj(), low("x", "1")}, want: true},
		"none beside placeholders that matter as much": {
			pods: []*corev1.Pod{unitOf("open", 0, "a").Priority(0).Obj(), low("x", "500m"), on("a", "y", "500m").Obj()},
		},
		"one that has no more than the label of a unit": {pods: []*corev1.Pod{labeled(low("x", "2"), "open")}, want: true},
		"one that has no more than the label of a unit beside it": {
			pods: []*corev1.Pod{unitOf("closed", 0, "a").Obj(), labeled(low("x", "1"), "closed")}, want: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "2"), node("b", "z", "0")}, append(tc.pods, unitOf("closed", 9, "b").Obj())...)
			require.NoError(t, f.Catalog.Set(forApp("closed", "nobody")))
			f.prober.rejects["a"] = tc.rejects
			pod := wants("1").Obj()
			c := f.consumer(t, pod)
			var asked []fwk.NodeInfo
			for _, node := range f.Inventory.Nodes() {
				if tc.asked == nil || slices.Contains(tc.asked, node.Name) {
					asked = append(asked, node.Info)
				}
			}
			require.Equal(t, tc.want, f.RunningPodsWouldGo(t.Context(), f.run(t, pod), c, asked))
		})
	}
}

// labeled gives a pod the label of a Headroom's placeholders, which does not make it one.
func labeled(pod *corev1.Pod, headroom string) *corev1.Pod {
	pod.Labels = map[string]string{v1alpha1.LabelHeadroom: headroom}
	return pod
}

func TestWhichPodsPreemptionMayTakeForAGroup(t *testing.T) {
	web, db := wants("1").Name("web").UID("web").Label("app", "web").Obj(), wants("1").Name("db").UID("db").Label("app", "db").Obj()
	all := []*corev1.Pod{
		low("x", "1"), on("a", "y", "1").Obj(), unit(0, "a"), unitOf("web", 0, "a").Obj(), unitOf("web", 1, "a").Priority(0).Obj(),
		unitOf("db", 0, "b").Obj(), unitOf("nobody", 0, "b").Obj(),
	}
	for name, tc := range map[string]struct {
		pods    []*corev1.Pod
		group   []*corev1.Pod
		want    []string
		running bool
	}{
		"of one pod": {pods: all, group: []*corev1.Pod{web}, want: []string{"x", "open-headroom-0", "web-headroom-0"}, running: true},
		"of two pods, what any of them may take": {
			pods: all, group: []*corev1.Pod{web, db}, want: []string{"x", "open-headroom-0", "web-headroom-0", "db-headroom-0"}, running: true,
		},
		"where none is running": {
			pods: []*corev1.Pod{unit(0, "a"), on("a", "y", "1").Obj()}, group: []*corev1.Pod{web}, want: []string{"open-headroom-0"},
		},
		"where one is running that goes already": {
			pods: []*corev1.Pod{unit(0, "a"), going(low("x", "1"))}, group: []*corev1.Pod{web}, want: []string{"open-headroom-0", "x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "9"), node("b", "z", "9")}, tc.pods...)
			for _, app := range []string{"web", "db", "nobody"} {
				require.NoError(t, f.Catalog.Set(forApp(app, app)))
			}
			f.consumer(t, web)
			var group []*Preemptor
			for _, pod := range tc.group {
				group = append(group, &Preemptor{Pod: pod, Entitlements: f.Entitlements(pod)})
			}
			pods, running := f.Preemptable(group)
			require.ElementsMatch(t, tc.want, namesOf(pods))
			require.Equal(t, tc.running, running)
		})
	}
}

func TestWhatADryRunOfPreemptionMayNotHave(t *testing.T) {
	const closed, open = "closed-headroom-0", "open-headroom-0"
	for name, tc := range map[string]struct {
		gone       []string
		byPriority bool
		change     func(*Preemptor)
		want       []string
	}{
		"nothing if nothing is gone":                          {},
		"nothing that it may take":                            {gone: []string{open, "x"}},
		"what it may not take":                                {gone: []string{closed, open}, want: []string{closed}},
		"that also beside a running pod":                      {gone: []string{closed, "x"}, want: []string{closed}},
		"by priority: that, unless a running pod goes, too":   {gone: []string{closed}, byPriority: true, want: []string{closed}},
		"by priority: nothing beside a running pod":           {gone: []string{closed, "x"}, byPriority: true},
		"by priority: not beside one of its priority":         {gone: []string{closed, "y"}, byPriority: true, want: []string{closed}},
		"by priority: not beside a placeholder that it takes": {gone: []string{closed, open}, byPriority: true, want: []string{closed}},
		"by priority: none of as high a priority": {
			gone: []string{closed, "x"}, byPriority: true, want: []string{closed},
			change: func(p *Preemptor) { p.Pod = wants("1").Priority(builders.PlaceholderPriority).Obj() },
		},
		"by priority: none that the API server does not delete": {
			gone: []string{closed, "x"}, byPriority: true, want: []string{closed},
			change: func(p *Preemptor) {
				for i, entitlement := range p.Entitlements {
					if entitlement == NotEntitled {
						p.Entitlements[i] = Undeletable
					}
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "9")},
				unit(0, "a"), unitOf("closed", 0, "a").Obj(), on("a", "x", "1").Priority(-9).Obj(), on("a", "y", "1").Obj())
			require.NoError(t, f.Catalog.Set(forApp("closed", "nobody")))
			pod := wants("1").Obj()
			f.consumer(t, pod)
			p := &Preemptor{Pod: pod, Entitlements: f.Entitlements(pod), ByPriority: tc.byPriority}
			if tc.change != nil {
				tc.change(p)
			}
			var denied []string
			for _, info := range p.Denied(f.Inventory.Node("a"), f.nodeNow(t, tc.gone...)) {
				denied = append(denied, info.GetPod().Name)
			}
			require.Equal(t, tc.want, denied)
		})
	}
}

func TestWhatADryRunOfPreemptionLeavesIsNotTaken(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "9")}, going(unitOf("closed", 0, "a").Obj()), unitOf("closed", 1, "a").Obj())
	require.NoError(t, f.Catalog.Set(forApp("closed", "nobody")))
	pod := wants("1").Obj()
	f.consumer(t, pod)
	p := &Preemptor{Pod: pod, Entitlements: f.Entitlements(pod)}
	require.Empty(t, p.Denied(f.Inventory.Node("a"), f.nodeNow(t)), "also what is being deleted is there")
	require.Len(t, p.Denied(f.Inventory.Node("a"), f.nodeNow(t, "closed-headroom-0")), 1)
}

// TestPreemptionTakesNoReservedUnitsOfAsHighAPriority that a swap may take.
func TestPreemptionTakesNoReservedUnitsOfAsHighAPriority(t *testing.T) {
	for name, tc := range map[string]struct {
		priority int32
		want     int
	}{"the same": {}, "a lower one": {priority: -1, want: 1}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, reservedUnitOf("kept", 0, "a").Priority(tc.priority).Obj())
			require.NoError(t, f.Catalog.Set(forApp("kept", "web")))
			c := f.consumer(t, wants("1").Label("app", "web").Obj())
			require.Len(t, c.takeable(nil, f.Inventory.Node("a")), 1)
			require.Len(t, f.PossibleVictims(c).Pods, tc.want)
		})
	}
}

func TestAPlaceholderOutlivesARunningPod(t *testing.T) {
	const unit0 = "open-headroom-0"
	x := func(priority int32) *corev1.Pod { return on("a", "x", "1").Priority(priority).Obj() }
	kept := unitOf("closed", 0, "a").Priority(-2).Obj()
	for name, tc := range map[string]struct {
		pods       []*corev1.Pod
		gone       []string
		byPriority bool
		want       bool
	}{
		"of lower priority":          {pods: []*corev1.Pod{unit(0, "a"), x(-6)}, gone: []string{"x"}, want: true},
		"of the same priority":       {pods: []*corev1.Pod{unit(0, "a"), x(-5)}, gone: []string{"x"}, want: true},
		"not one of higher priority": {pods: []*corev1.Pod{unit(0, "a"), x(-4), low("z", "1")}, gone: []string{"x"}},
		"not one of higher priority beside a lower one": {
			pods: []*corev1.Pod{unit(0, "a"), x(-4), on("a", "z", "1").Priority(-9).Obj()}, gone: []string{"x"},
		},
		"not one that is there": {pods: []*corev1.Pod{unit(0, "a"), x(-6)}},
		"not one that is there while another unit went": {
			pods: []*corev1.Pod{unit(0, "a"), unit(1, "a"), x(-6)}, gone: []string{"open-headroom-1"},
		},
		"not one that goes already": {
			pods: []*corev1.Pod{unit(0, "a"), going(x(-6)), on("a", "z", "1").Priority(-9).Obj()}, gone: []string{"x"},
		},
		"not if it went, too":          {pods: []*corev1.Pod{unit(0, "a"), x(-6)}, gone: []string{"x", unit0}},
		"not if it is not for the pod": {pods: []*corev1.Pod{kept, x(-6)}, gone: []string{"x"}},
		"if it is the pod's by priority": {
			pods: []*corev1.Pod{kept, x(-6)}, gone: []string{"x"}, byPriority: true, want: true,
		},
		"not if it matters as much as the pod": {
			pods: []*corev1.Pod{unitOf("open", 0, "a").Priority(0).Obj(), x(-6)}, gone: []string{"x"},
		},
		"if the most important of several does": {
			pods: []*corev1.Pod{unitOf("open", 1, "a").Priority(-2).Obj(), unit(0, "a"), x(-3)}, gone: []string{"x"}, want: true,
		},
		"if it is a reserved unit for all of lower priority": {
			pods: []*corev1.Pod{reservedUnitOf("open", 0, "a").Priority(-5).Obj(), x(-6)}, gone: []string{"x"}, byPriority: true, want: true,
		},
		"not if it is a reserved unit for the pod that matters as much": {
			pods: []*corev1.Pod{reservedUnitOf("web", 0, "a").Priority(0).Obj(), x(-6)}, gone: []string{"x"},
		},
		"not if the most important of several is another's": {pods: []*corev1.Pod{kept, unit(0, "a"), x(-3)}, gone: []string{"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "9")}, tc.pods...)
			require.NoError(t, f.Catalog.Set(forApp("closed", "nobody")))
			require.NoError(t, f.Catalog.Set(forApp("web", "web")))
			pod := wants("1").Label("app", "web").Obj()
			f.consumer(t, pod)
			p := &Preemptor{Pod: pod, Entitlements: f.Entitlements(pod), ByPriority: tc.byPriority}
			require.Equal(t, tc.want, p.Outlives(f.Inventory.Node("a"), f.nodeNow(t, tc.gone...)))
		})
	}
}

func TestReservedUnitsAreOutOfReachThatAreInTheWayByMoreThanTheirRoom(t *testing.T) {
	port := func() *corev1.Pod { return reservedUnitOf("web", 0, "a").HostPort(80).Obj() }
	for name, tc := range map[string]struct {
		pods     []*corev1.Pod
		app      string
		priority int32
		cpu      string
		want     bool
	}{
		"by a host port":                          {pods: []*corev1.Pod{port()}, want: true},
		"not by those of another":                 {pods: []*corev1.Pod{port()}, app: "db"},
		"not if their priority is lower":          {pods: []*corev1.Pod{port()}, priority: builders.ReservedPriority + 1},
		"if their priority is the same":           {pods: []*corev1.Pod{port()}, priority: builders.ReservedPriority, want: true},
		"not if they are not reserved":            {pods: []*corev1.Pod{unitOf("web", 0, "a").Priority(7).HostPort(80).Obj()}},
		"not if a running pod is in the way, too": {pods: []*corev1.Pod{port(), on("a", "x", "1").HostPort(80).Obj()}},
		"not if a placeholder that stays is in the way, too": {
			pods: []*corev1.Pod{port(), unitOf("other", 0, "a").HostPort(80).Obj()},
		},
		"not if reserved ones of another are in the way, too": {
			pods: []*corev1.Pod{port(), reservedUnitOf("db", 0, "a").HostPort(80).Obj()},
		},
		"not if there is no room without them": {pods: []*corev1.Pod{port()}, cpu: "4"},
		"not where there are none beside one there": {
			pods: []*corev1.Pod{on("a", "x", "1").HostPort(80).Obj(), reservedUnitOf("web", 0, "b").Obj()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "3"), node("b", "z", "1")}, append(tc.pods, on("b", "w", "1").HostPort(80).Obj())...)
			h := forApp("web", "web")
			h.Spec.Reserved = true
			require.NoError(t, f.Catalog.Set(h))
			app, cpu := "web", "1"
			if tc.app != "" {
				app = tc.app
			}
			if tc.cpu != "" {
				cpu = tc.cpu
			}
			pod := wants(cpu).Label("app", app).Priority(tc.priority).HostPort(80).Obj()
			c := f.consumer(t, pod)
			require.Equal(t, tc.want, f.OutOfReach(t.Context(), f.run(t, pod), c))
		})
	}
}
