package gang

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
	"github.com/headroom-dev/headroom/test/builders"
)

func named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "default", Name: name}
}

func TestWhatAPodGroupSays(t *testing.T) {
	object := &schedulingv1alpha1.PodGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	require.Equal(t, Group{Name: named("web"), MinMember: 1, Timeout: DefaultTimeout}, GroupOf(object), "nothing is said")
	object.Spec = schedulingv1alpha1.PodGroupSpec{MinMember: 6, ScheduleTimeoutSeconds: ptr.To[int32](10)}
	object.CreationTimestamp = metav1.NewTime(builders.Epoch())
	require.Equal(t, Group{Name: named("web"), MinMember: 6, Timeout: 10 * time.Second, Created: builders.Epoch()}, GroupOf(object))
	object.Spec.ScheduleTimeoutSeconds = ptr.To[int32](1)
	require.Equal(t, time.Second, GroupOf(object).Timeout)
	object.Spec.ScheduleTimeoutSeconds = ptr.To[int32](0)
	require.Equal(t, DefaultTimeout, GroupOf(object).Timeout, "no time at all would be of no use")
}

func TestWhichMembersWaitAndWhichCount(t *testing.T) {
	pod := func(name string, change func(*corev1.Pod)) *corev1.Pod {
		p := builders.Consumer(name, builders.Resources{"cpu": "1"}).UID(name).SchedulerName("ours").Obj()
		p.CreationTimestamp = metav1.NewTime(builders.Epoch())
		change(p)
		return p
	}
	pods := []*corev1.Pod{
		pod("z", func(*corev1.Pod) {}),
		pod("y", func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(builders.Epoch().Add(time.Second)) }),
		pod("x", func(p *corev1.Pod) {
			p.Spec.Priority, p.CreationTimestamp = ptr.To[int32](7), metav1.NewTime(builders.Epoch().Add(time.Hour))
		}),
		pod("a", func(*corev1.Pod) {}),
		pod("bound", func(p *corev1.Pod) { p.Spec.NodeName = "n" }),
		pod("assumed", func(*corev1.Pod) {}),
		pod("leaving", func(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(metav1.Now()) }),
		pod("bound and leaving", func(p *corev1.Pod) { p.Spec.NodeName, p.DeletionTimestamp = "n", ptr.To(metav1.Now()) }),
		pod("gated", func(p *corev1.Pod) { p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "quota"}} }),
		pod("another's", func(p *corev1.Pod) { p.Spec.SchedulerName = "default-scheduler" }),
	}
	members := MembersOf(pods, "ours", func(uid types.UID) bool { return uid == "assumed" })
	var waiting []string
	for _, member := range members.Waiting {
		waiting = append(waiting, member.Name)
	}
	require.Equal(t, []string{"x", "a", "z", "y"}, waiting, "by priority, then age, then name")
	require.Equal(t, 2, members.Placed)
	require.Equal(t, 4, members.Lacking(6))
	require.Zero(t, members.Lacking(2))
	require.Zero(t, members.Lacking(1))
}

func TestWhatIsMissingIsSaidInSums(t *testing.T) {
	pods := []*corev1.Pod{
		builders.Consumer("a", builders.Resources{"cpu": "500m", "memory": "1Gi"}).Obj(),
		builders.Consumer("b", builders.Resources{"cpu": "1", "memory": "3Gi", "example.org/gpu": "2"}).Obj(),
	}
	require.Equal(t, "cpu 1500m, example.org/gpu 2, memory 4Gi", Missing(pods))
	require.Equal(t, "pods 2", Missing([]*corev1.Pod{builders.Consumer("c", nil).Obj(), builders.Consumer("d", nil).Obj()}))
}

// TestNoMoreMembersCanBePlacedThanTheBoundSays places members of different sizes greedily, each on the first node where it fits once all
// placeholders are gone that may be taken: however that turns out, the bound is not below it.
func TestNoMoreMembersCanBePlacedThanTheBoundSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := make([]inventory.Node, rapid.IntRange(1, 4).Draw(t, "nodes"))
		room := make([]evictionorder.Resources, len(nodes))
		for i := range nodes {
			n := &nodes[i]
			n.Allocatable = evictionorder.Resources{rapid.Int64Range(0, 5).Draw(t, "pods"), rapid.Int64Range(0, 8).Draw(t, "cpu")}
			n.Requested = evictionorder.Resources{rapid.Int64Range(0, 5).Draw(t, "pods used"), rapid.Int64Range(0, 8).Draw(t, "cpu used")}
			room[i] = evictionorder.Resources{n.Allocatable[0] - n.Requested[0], n.Allocatable[1] - n.Requested[1]}
			for j := range rapid.IntRange(0, 3).Draw(t, "placeholders") {
				requests := evictionorder.Resources{1, rapid.Int64Range(0, 3).Draw(t, "unit")}
				n.Placeholders = append(n.Placeholders, inventory.Placeholder{Evidence: evictionorder.Placeholder{
					UID: fmt.Sprint(j), Requests: requests, Headroom: rapid.IntRange(0, 1).Draw(t, "headroom"),
				}})
				if n.Placeholders[j].Evidence.Headroom == 0 {
					room[i][0], room[i][1] = room[i][0]+1, room[i][1]+requests[1]
				}
			}
		}
		members := rapid.SliceOfN(rapid.Int64Range(0, 4), 1, 8).Draw(t, "members")
		smallest := evictionorder.Resources{1, members[0]}
		for _, cpu := range members {
			smallest[1] = min(smallest[1], cpu)
		}
		takeable := func(p *inventory.Placeholder) bool { return p.Evidence.Headroom == 0 }
		most := Most(nodes, smallest, takeable, len(members))
		require.LessOrEqual(t, most, len(members), "it stops at enough")
		placed := 0
		for _, cpu := range members {
			for i := range room {
				if room[i][0] >= 1 && (cpu == 0 || room[i][1] >= cpu) {
					room[i][0], room[i][1] = room[i][0]-1, room[i][1]-cpu
					placed++
					break
				}
			}
		}
		require.GreaterOrEqual(t, most, placed)
	})
}

func TestTheBoundIsExactForMembersOfOneSize(t *testing.T) {
	unit := inventory.Placeholder{Evidence: evictionorder.Placeholder{Requests: evictionorder.Resources{1, 1000}}}
	full := inventory.Node{
		Allocatable: evictionorder.Resources{110, 1000}, Requested: evictionorder.Resources{1, 1000}, Placeholders: []inventory.Placeholder{unit},
	}
	member := Smallest([]*corev1.Pod{builders.Consumer("a", builders.Resources{"cpu": "1"}).Obj()})
	all, none := func(*inventory.Placeholder) bool { return true }, func(*inventory.Placeholder) bool { return false }
	require.Equal(t, 2, Most([]inventory.Node{full, full}, member, all, 3))
	require.Zero(t, Most([]inventory.Node{full, full}, member, none, 3))
	require.Equal(t, 1, Most([]inventory.Node{full, full}, member, all, 1))
	half := full
	half.Allocatable = evictionorder.Resources{110, 1999}
	require.Equal(t, 1, Most([]inventory.Node{half}, member, all, 3), "what is left of a node is no room for half a member")
	half.Allocatable = evictionorder.Resources{110, 2000}
	require.Equal(t, 2, Most([]inventory.Node{half}, member, all, 3))
	half.Allocatable, half.Requested = evictionorder.Resources{110, 1000}, evictionorder.Resources{1, 3000}
	require.Zero(t, Most([]inventory.Node{half}, member, all, 3), "a node may have less than is requested of it")
}

func TestAPodWithoutANameOfAGroupIsOfNone(t *testing.T) {
	for name, tc := range map[string]struct {
		pod *corev1.Pod
		of  string
	}{
		"it has no label":            {builders.Consumer("a", nil).Namespace("default").Obj(), ""},
		"the label says nothing":     {builders.Consumer("a", nil).Namespace("default").Label(Label, "").Obj(), ""},
		"the label names a group":    {builders.Consumer("a", nil).Namespace("default").Label(Label, "web").Obj(), "web"},
		"another label says \"web\"": {builders.Consumer("a", nil).Namespace("default").Label("pod-group", "web").Obj(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			of, ok := NameOf(tc.pod)
			require.Equal(t, tc.of != "", ok)
			require.Equal(t, named(tc.of), of)
		})
	}
}

func TestTurnsGoByPriorityThenAge(t *testing.T) {
	now := builders.Epoch()
	old, young := now, now.Add(time.Second)
	important := Rank{Name: named("z"), Priority: 2, Created: young}
	older := Rank{Name: named("y"), Priority: 1, Created: old}
	younger := Rank{Name: named("x"), Priority: 1, Created: young}
	require.Negative(t, important.Compare(older))
	require.Negative(t, older.Compare(younger))
	require.Negative(t, Rank{Name: named("a"), Created: old}.Compare(Rank{Name: named("b"), Created: old}), "by name at last")

	turns, wants := &Turns{}, sets.New(named("spare"))
	turns.Hold(named("first"), []types.NamespacedName{named("spare")})
	for _, rank := range []Rank{younger, important, older} {
		other, until, some := turns.Before(rank, named("spare"), now)
		require.True(t, some)
		require.Equal(t, named("first"), other)
		require.Zero(t, until, "one that holds is waited for until it is through")
		turns.Wait(rank, wants)
	}
	_, _, some := turns.Before(younger, named("other"), now)
	require.False(t, some, "nobody holds that one")

	require.Equal(t, []types.NamespacedName{named("z"), named("y"), named("x")}, turns.Release(named("first"), now))
	other, until, _ := turns.Before(younger, named("spare"), now)
	require.Equal(t, named("z"), other)
	require.Equal(t, now.Add(Turn), until)
	_, _, some = turns.Before(younger, named("spare"), now.Add(Turn))
	require.False(t, some, "a turn that nobody takes is over")

	require.Equal(t, []types.NamespacedName{named("y"), named("x")}, turns.Failed(named("z"), now), "it found no room: the next ones may try")
	turns.Hold(named("y"), []types.NamespacedName{named("spare")})
	other, _, _ = turns.Before(younger, named("spare"), now)
	require.Equal(t, named("y"), other)
}

func TestAGroupThatFailsOutOfItsTurnCallsNobody(t *testing.T) {
	turns, wants, now := &Turns{}, sets.New(named("spare")), builders.Epoch()
	turns.Hold(named("holder"), wants.UnsortedList())
	for _, name := range []string{"a", "b"} {
		turns.Wait(Rank{Name: named(name)}, wants)
	}
	require.Empty(t, turns.Failed(named("a"), now), "nobody waited for it")
	require.Equal(t, []types.NamespacedName{named("b")}, turns.Release(named("holder"), now), "and it waits no longer")
}

func TestAGroupThatGotWhatItWaitedForIsNotCalledAgain(t *testing.T) {
	turns, wants := &Turns{}, sets.New(named("spare"))
	turns.Wait(Rank{Name: named("a")}, wants)
	turns.Hold(named("a"), wants.UnsortedList())
	require.Empty(t, turns.Release(named("a"), builders.Epoch()))
}

func TestAHeadroomIsHeldByTheFirstThatTookOfIt(t *testing.T) {
	turns, now, spare := &Turns{}, builders.Epoch(), []types.NamespacedName{named("spare")}
	turns.Hold(named("first"), spare)
	turns.Hold(named("second"), spare)
	turns.Release(named("second"), now)
	other, _, some := turns.Before(Rank{Name: named("third")}, named("spare"), now)
	require.True(t, some)
	require.Equal(t, named("first"), other)
	turns.Release(named("first"), now)
	_, _, some = turns.Before(Rank{Name: named("third")}, named("spare"), now)
	require.False(t, some)
}

// TestTurnsHoldNobodyUp has groups come in any order, find room or not, and hold what they want for a while. No two hold one Headroom, and
// when nobody holds or tries anything any more, none of them still waits.
func TestTurnsHoldNobodyUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		turns, now := &Turns{}, builders.Epoch()
		headrooms := []types.NamespacedName{named("h0"), named("h1")}
		wants, fits, ranks := map[int]sets.Set[types.NamespacedName]{}, map[int]bool{}, map[int]Rank{}
		queue, holding := []int{}, map[int][]types.NamespacedName{}
		for i := range rapid.IntRange(1, 5).Draw(t, "groups") {
			wants[i] = sets.New(rapid.SliceOfNDistinct(rapid.SampledFrom(headrooms), 1, 2, rapid.ID).Draw(t, "wants")...)
			fits[i] = rapid.Bool().Draw(t, "fits")
			ranks[i] = Rank{Name: named(fmt.Sprint(i)), Priority: rapid.Int32Range(0, 1).Draw(t, "priority"), Created: now}
			queue = append(queue, i)
		}
		wake := func(names []types.NamespacedName) {
			for i := range ranks {
				for _, name := range names {
					if ranks[i].Name == name {
						queue = append(queue, i)
					}
				}
			}
		}
		served := sets.New[int]()
		for steps := 0; len(queue)+len(holding) > 0; steps++ {
			require.Less(t, steps, 1000, "they are tried for ever")
			if len(queue) == 0 || len(holding) > 0 && rapid.Bool().Draw(t, "one is through") {
				for i := range holding {
					delete(holding, i)
					wake(turns.Release(ranks[i].Name, now))
					break
				}
				continue
			}
			at := rapid.IntRange(0, len(queue)-1).Draw(t, "who is tried")
			i := queue[at]
			queue = append(queue[:at:at], queue[at+1:]...)
			if served.Has(i) {
				continue
			}
			withheld := sets.New[types.NamespacedName]()
			for headroom := range wants[i] {
				if _, until, some := turns.Before(ranks[i], headroom, now); some {
					withheld.Insert(headroom)
					if !until.IsZero() {
						queue = append(queue, i) // it is tried again when the other's turn is over
					}
				}
			}
			switch {
			case withheld.Len() > 0:
				turns.Wait(ranks[i], withheld)
			case fits[i]:
				for _, held := range holding {
					require.False(t, wants[i].HasAny(held...), "two hold one Headroom")
				}
				holding[i] = wants[i].UnsortedList()
				turns.Hold(ranks[i].Name, holding[i])
				served.Insert(i)
			default:
				wake(turns.Failed(ranks[i].Name, now))
				served.Insert(i)
			}
		}
		require.Len(t, served, len(ranks))
	})
}

// unitsOf are the placeholders that go for an attempt of a group, two of one node and one of another.
func unitsOf(group string) []types.UID {
	return []types.UID{types.UID("unit-of-" + group), types.UID("second-of-" + group), types.UID("third-of-" + group)}
}

func attempt(group string, pods ...types.UID) *Attempt {
	a := &Attempt{
		Group: named(group), Places: map[types.UID]*Place{}, Headrooms: []types.NamespacedName{named("spare")},
		Units:    map[string][]*corev1.Pod{},
		Deadline: time.Now().Add(time.Hour),
	}
	for i, uid := range unitsOf(group) {
		node := []string{"n", "n", "m"}[i]
		a.Units[node] = append(a.Units[node], builders.Consumer(string(uid), nil).UID(string(uid)).Obj())
	}
	for _, pod := range pods {
		a.Places[pod] = &Place{Pod: builders.Consumer(string(pod), nil).UID(string(pod)).Obj(), Node: "n"}
	}
	return a
}

func TestAnAttemptIsOverWithItsLastMember(t *testing.T) {
	as, a := NewAttempts(), attempt("web", "x", "y", "z")
	as.Begin(a, func() {})
	require.Same(t, a, as.Of(named("web")))
	require.Same(t, a, as.WithPod("y"))
	for _, unit := range unitsOf("web") {
		require.Same(t, a, as.WithUnit(unit), unit)
	}
	for _, uid := range []types.UID{"x", "y"} {
		others, complete, ok := as.Arrive(a, uid)
		require.True(t, ok)
		require.False(t, complete)
		require.Empty(t, others, "they wait on")
	}
	others, complete, ok := as.Arrive(a, "z")
	require.True(t, ok)
	require.True(t, complete)
	require.ElementsMatch(t, []types.UID{"x", "y"}, others)
	require.Nil(t, as.Of(named("web")))
	require.Nil(t, as.WithPod("x"))
	for _, unit := range unitsOf("web") {
		require.Nil(t, as.WithUnit(unit), unit)
	}
	_, _, ok = as.End(a)
	require.False(t, ok, "what is over cannot be given up")
}

func TestAnAttemptThatIsGivenUpIsTriedAgainEverLater(t *testing.T) {
	as := NewAttempts()
	var waits []time.Duration
	for range 7 {
		a := attempt("web", "x", "y")
		as.Begin(a, func() {})
		_, _, ok := as.Arrive(a, "x")
		require.True(t, ok)
		arrived, again, ok := as.End(a)
		require.True(t, ok)
		require.Equal(t, sets.New[types.UID]("x"), arrived)
		waits = append(waits, again)
		_, _, ok = as.Arrive(a, "y")
		require.False(t, ok, "it came too late")
	}
	require.Equal(t, []time.Duration{
		time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second,
	}, waits)
	a := attempt("web", "x")
	as.Begin(a, func() {})
	_, complete, _ := as.Arrive(a, "x")
	require.True(t, complete)
	a = attempt("web", "x")
	as.Begin(a, func() {})
	_, again, _ := as.End(a)
	require.Equal(t, time.Second, again, "once a group was served, it begins anew")
}

func TestAGroupThatIsGoneHasNoTurn(t *testing.T) {
	for name, tc := range map[string]struct {
		gone bool
		want []types.NamespacedName
	}{"there": {want: []types.NamespacedName{named("waits")}}, "gone": {gone: true, want: []types.NamespacedName{}}} {
		t.Run(name, func(t *testing.T) {
			as, a := NewAttempts(), attempt("web", "x")
			as.Begin(a, func() {})
			as.Turns(func(turns *Turns) { turns.Wait(Rank{Name: named("waits")}, sets.New(named("spare"))) })
			if tc.gone {
				as.ForgetGroup(named("waits"))
			}
			_, _, ok := as.End(a)
			require.True(t, ok)
			as.Turns(func(turns *Turns) { require.Equal(t, tc.want, turns.Release(named("web"), builders.Epoch())) })
		})
	}
}

func TestAnAttemptHasADeadline(t *testing.T) {
	as, a, over := NewAttempts(), attempt("web", "x"), make(chan struct{})
	a.Deadline = time.Now()
	as.Begin(a, func() { close(over) })
	<-over
}

func TestWhereThereAreNoPodGroupsTheLabelMeansNothing(t *testing.T) {
	pod := builders.Consumer("a", nil).Namespace("default").Label(Label, "web").Obj()
	groups := NewGroups()
	require.False(t, groups.Await(t.Context(), time.Millisecond))
	require.False(t, groups.Await(t.Context(), time.Hour), "only the first one waits")
	require.NoError(t, groups.Follow(t.Context(), nil, Listener{}))
	require.True(t, groups.Await(t.Context(), 0))
	group, missing := groups.Of(t.Context(), pod)
	require.Nil(t, group)
	require.False(t, missing)
	groups.begin(nil)
	group, missing = groups.Of(t.Context(), pod)
	require.Nil(t, group)
	require.True(t, missing)
	require.True(t, groups.Set(Group{Name: named("web"), MinMember: 2}))
	require.False(t, groups.Set(Group{Name: named("web"), MinMember: 2}), "nothing changed")
	require.True(t, groups.Set(Group{Name: named("web"), MinMember: 3}))
	group, _ = groups.Of(t.Context(), pod)
	require.Equal(t, 3, group.MinMember)
	group, missing = groups.Of(t.Context(), builders.Consumer("b", nil).Namespace("default").Obj())
	require.Nil(t, group)
	require.False(t, missing, "it names none")
	groups.end()
	group, missing = groups.Of(t.Context(), pod)
	require.Nil(t, group)
	require.False(t, missing)
}
