package headroom

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/headroom-dev/headroom/pkg/allotment"
)

// sharers are Headrooms that ask for units by hand.
type sharers struct {
	*allotments
	*testing.T
	clock *testingclock.FakeClock
	// woken are the Headrooms that were woken since the last look.
	woken []string
	units map[string]map[types.UID]bool
	next  int
}

func newSharers(t *testing.T, window int) *sharers {
	t.Helper()
	s := &sharers{T: t, clock: testingclock.NewFakeClock(epoch), units: map[string]map[types.UID]bool{}}
	s.allotments = newAllotments(allotment.Limits{Pending: window}, s.clock, func(headroom types.NamespacedName) {
		s.woken = append(s.woken, headroom.Name)
	})
	return s
}

func named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

// reconcile has a Headroom ask for what it misses of so many units, and make what it is granted; it returns how many that were, and how
// many it gave back.
func (s *sharers) reconcile(name string, replicas int) (made, back int) {
	s.Helper()
	if s.units[name] == nil {
		s.units[name] = map[types.UID]bool{}
	}
	units := map[types.UID]bool{}
	for uid, waits := range s.units[name] {
		units[uid] = waits
	}
	given := s.ask(named(name), request{units: units, missing: max(0, replicas-len(units))})
	var created, deleted []types.UID
	for uid, waits := range s.units[name] {
		if waits && len(deleted) < given.giveBack {
			deleted = append(deleted, uid)
		}
	}
	for _, uid := range deleted {
		delete(s.units[name], uid)
	}
	for range given.Create {
		s.next++
		uid := types.UID(fmt.Sprint("uid-", s.next))
		s.units[name][uid] = true
		created = append(created, uid)
	}
	s.made(named(name), created, deleted)
	return given.Create, given.giveBack
}

// bind has the cache show that so many of the units that wait are bound.
func (s *sharers) bind(name string, n int) {
	s.Helper()
	for uid, waits := range s.units[name] {
		if waits && n > 0 {
			n--
			s.units[name][uid] = false
			s.observed(named(name), uid, false)
		}
	}
	require.Zero(s, n)
}

// takeWoken returns who was woken since the last call.
func (s *sharers) takeWoken() []string {
	woken := s.woken
	s.woken = nil
	return woken
}

func TestPlacesThatComeFreeWakeWhoIsNext(t *testing.T) {
	s := newSharers(t, 10)
	made, _ := s.reconcile("large", 100)
	require.Equal(t, 10, made)
	made, _ = s.reconcile("small", 3)
	require.Zero(t, made, "the window is full")
	require.Empty(t, s.takeWoken())

	s.bind("large", 1)
	require.Equal(t, []string{"small"}, s.takeWoken(), "it has fewer waiting")
	s.bind("large", 1)
	require.Empty(t, s.takeWoken(), "it is about to ask")
	made, _ = s.reconcile("small", 3)
	require.Equal(t, 2, made)
	s.bind("large", 1)
	require.Equal(t, []string{"small"}, s.takeWoken())
	made, _ = s.reconcile("small", 3)
	require.Equal(t, 1, made)
	s.bind("small", 3)
	require.Equal(t, []string{"large"}, s.takeWoken())
	made, _ = s.reconcile("large", 100)
	require.Equal(t, 3, made)
}

// Several Headrooms are reconciled at once, and creations take a while.
func TestUnitsThatAreAboutToBeMadeCountForTheLimits(t *testing.T) {
	for name, limits := range map[string]allotment.Limits{"of the namespace": {PerNamespace: 5}, "of all": {Total: 5}} {
		t.Run(name, func(t *testing.T) {
			a := newAllotments(limits, testingclock.NewFakeClock(epoch), func(types.NamespacedName) {})
			require.Equal(t, 4, a.ask(named("web"), request{missing: 4}).Create)
			require.Equal(t, 1, a.ask(named("batch"), request{missing: 4}).Create)
		})
	}
}

func TestWhoCannotUseAPlaceKeepsItFromNobody(t *testing.T) {
	s := newSharers(t, 10)
	require.Equal(t, 10, s.ask(named("refused"), request{missing: 50}).Create)
	made, _ := s.reconcile("web", 50)
	require.Zero(t, made, "all places are about to be used")
	s.made(named("refused"), nil, nil) // a quota refuses its units
	require.Equal(t, []string{"web"}, s.takeWoken())
	made, _ = s.reconcile("web", 50)
	require.Equal(t, 10, made)
}

// TestWhoOnlyReplacesUnitsWaitsForPlacesAsOthersDo, and keeps none that it cannot use.
func TestWhoOnlyReplacesUnitsWaitsForPlacesAsOthersDo(t *testing.T) {
	s := newSharers(t, 1)
	s.reconcile("web", 1)
	old := request{units: map[types.UID]bool{"old-0": false, "old-1": false}, replacing: 2}
	require.Zero(t, s.ask(named("old"), old).Replace)
	s.made(named("old"), nil, nil)
	s.bind("web", 1)
	require.Equal(t, []string{"old"}, s.takeWoken())
	require.Equal(t, 1, s.ask(named("old"), old).Replace)
	s.made(named("old"), nil, nil) // a quota refuses the new one
	require.Empty(t, s.takeWoken(), "it is not called to what is refused")
	made, _ := s.reconcile("web", 2)
	require.Equal(t, 1, made)
}

func TestWhoHasItsFairShareIsNotOverdue(t *testing.T) {
	s := newSharers(t, 4)
	s.reconcile("db", 2)
	s.reconcile("web", 2)
	units := maps.Clone(s.units["web"])
	require.Zero(t, s.ask(named("web"), request{units: units, missing: 3}).again, "places come free by themselves, or not")
	s.made(named("web"), nil, nil)
	s.clock.Step(overdueAfter)
	s.reconcile("web", 5)
	require.Empty(t, s.takeWoken(), "the other one keeps its own")
}

func TestUnitsThatWaitInVainGoForOthers(t *testing.T) {
	s := newSharers(t, 10)
	s.reconcile("hopeless", 100)
	require.Equal(t, overdueAfter, s.ask(named("web"), request{missing: 3}).again)
	s.made(named("web"), nil, nil)
	s.clock.Step(overdueAfter - time.Millisecond)
	require.Equal(t, time.Millisecond, s.ask(named("web"), request{missing: 3}).again, "what is left of it")
	s.made(named("web"), nil, nil)
	require.Empty(t, s.takeWoken(), "places may come free by themselves")

	s.clock.Step(time.Millisecond)
	s.reconcile("web", 3)
	require.Equal(t, []string{"hopeless"}, s.takeWoken())
	s.reconcile("web", 3)
	require.Empty(t, s.takeWoken(), "once")
	_, back := s.reconcile("hopeless", 100)
	require.Equal(t, 3, back)
	require.Equal(t, []string{"web"}, s.takeWoken())
	made, _ := s.reconcile("hopeless", 100)
	require.Zero(t, made, "not these places")
	made, _ = s.reconcile("web", 3)
	require.Equal(t, 3, made)
	require.Empty(t, s.takeWoken())
}

func TestNobodyElseIsAskedForPlacesWhileSomeAreGivenBack(t *testing.T) {
	s := newSharers(t, 10)
	s.reconcile("large", 6)
	s.reconcile("medium", 4)
	s.reconcile("web", 2)
	s.clock.Step(overdueAfter / 2)
	s.reconcile("api", 2)
	s.clock.Step(overdueAfter / 2)
	s.reconcile("web", 2)
	require.Equal(t, []string{"large"}, s.takeWoken())
	s.clock.Step(overdueAfter / 2)
	s.reconcile("api", 2)
	require.Empty(t, s.takeWoken(), "the places that come may be enough")

	_, back := s.reconcile("large", 6)
	require.Equal(t, 2, back)
	require.Contains(t, s.takeWoken(), "medium", "they are not")
}

func TestAHeadroomThatIsGoneLeavesItsPlacesWhenItsUnitsAreGone(t *testing.T) {
	s := newSharers(t, 2)
	s.reconcile("gone", 5)
	s.reconcile("web", 2)
	s.forget(named("gone"))
	require.Empty(t, s.takeWoken(), "its units are still there")
	for uid := range s.units["gone"] {
		s.gone(named("gone"), uid)
	}
	require.Equal(t, []string{"web"}, s.takeWoken())
	require.NotContains(t, s.all, named("gone"), "nothing is remembered of it")
	s.reconcile("web", 2)
	s.forget(named("web"))
	for uid := range s.units["web"] {
		s.gone(named("web"), uid)
	}
	require.Empty(t, s.all)
	s.ask(named("busy"), request{missing: 1})
	s.forget(named("busy"))
	require.Empty(t, s.all, "also of one that went while it was making units")
}

func TestWhoGotSomeOfItsShareWaitsAnewForTheRest(t *testing.T) {
	s := newSharers(t, 10)
	s.reconcile("hopeless", 100)
	s.reconcile("web", 5)
	s.clock.Step(overdueAfter / 2)
	s.bind("hopeless", 1)
	require.Equal(t, []string{"web"}, s.takeWoken())
	made, _ := s.reconcile("web", 5)
	require.Equal(t, 1, made)
	s.clock.Step(overdueAfter / 2)
	s.reconcile("web", 5)
	require.Empty(t, s.takeWoken(), "places come free by themselves")
	s.clock.Step(overdueAfter / 2)
	s.reconcile("web", 5)
	require.Equal(t, []string{"hopeless"}, s.takeWoken())
}

func TestWhoWantedNothingInBetweenWaitsAnew(t *testing.T) {
	s := newSharers(t, 10)
	s.reconcile("web", 1)
	s.bind("web", 1)
	s.reconcile("hopeless", 100)
	s.reconcile("web", 3)
	s.clock.Step(overdueAfter / 2)
	s.reconcile("web", 1)
	s.clock.Step(overdueAfter)
	require.Equal(t, overdueAfter, s.ask(named("web"), request{units: maps.Clone(s.units["web"]), missing: 2}).again)
	s.made(named("web"), nil, nil)
	require.Empty(t, s.takeWoken())
}

func TestUnitsThatWaitForANodeHoldPlacesOfTheWindow(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*corev1.Pod)
		want   bool
	}{
		"one that waits":             {change: func(*corev1.Pod) {}, want: true},
		"one that is bound":          {change: bind},
		"one that is being deleted":  {change: func(pod *corev1.Pod) { pod.DeletionTimestamp = ptr.To(metav1.NewTime(epoch)) }},
		"one that failed":            {change: fail},
		"one that ended":             {change: func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodSucceeded }},
		"one that a DaemonSet makes": {change: func(pod *corev1.Pod) { pod.OwnerReferences[0].Kind = "DaemonSet" }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSharers(t, 10)
			unit := placeholderOf(webOf(1), 0, func(pod *corev1.Pod) {
				pod.Spec.NodeName = ""
				tc.change(pod)
			})
			s.note(web, unit)
			require.Equal(t, map[types.UID]bool{unit.UID: tc.want}, s.all[web].units)
		})
	}
}

// TestWhoHadATurnLastIsNextLast: as many units of each wait.
func TestWhoHadATurnLastIsNextLast(t *testing.T) {
	s := newSharers(t, 2)
	s.reconcile("a", 9)
	s.reconcile("b", 9)
	s.bind("a", 2)
	made, _ := s.reconcile("b", 9)
	require.Equal(t, 1, made)
	made, _ = s.reconcile("a", 9)
	require.Equal(t, 1, made)
	s.takeWoken()
	s.bind("a", 1)
	require.Equal(t, []string{"a"}, s.takeWoken(), "b has one that waits")
	made, _ = s.reconcile("a", 9)
	require.Equal(t, 1, made)
	s.bind("b", 1)
	s.takeWoken()
	made, _ = s.reconcile("b", 9)
	require.Equal(t, 1, made)
}

// TestOfTwoThatWaitAlikeTheOneWhoseTurnIsLongerAgoIsNext, whatever their names are, and of two that had none the first by name.
func TestOfTwoThatWaitAlikeTheOneWhoseTurnIsLongerAgoIsNext(t *testing.T) {
	for name, tc := range map[string]struct {
		// turns are who makes a unit, in this order.
		turns []string
		want  string
	}{
		"of the first by name": {turns: []string{"a", "b"}, want: "a"},
		"of the last by name":  {turns: []string{"b", "a"}, want: "b"},
		"also of many":         {turns: []string{"c", "a", "d", "b"}, want: "c"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSharers(t, len(tc.turns)+1)
			s.reconcile("holds the last place", 1)
			for _, who := range tc.turns {
				made, _ := s.reconcile(who, 1)
				require.Equal(t, 1, made)
			}
			for _, who := range []string{"a", "b", "c", "d"} { // all that is asked from here on is in the order of names
				if slices.Contains(tc.turns, who) {
					made, _ := s.reconcile(who, 9)
					require.Zero(t, made)
				}
			}
			s.bind("holds the last place", 1)
			require.Equal(t, []string{tc.want}, s.takeWoken())
			made, _ := s.reconcile(tc.want, 9)
			require.Equal(t, 1, made)
		})
	}
}

func TestHeadroomsOfOneNameInTwoNamespacesAreTwo(t *testing.T) {
	a := newAllotments(allotment.Limits{PerNamespace: 3}, testingclock.NewFakeClock(epoch), func(types.NamespacedName) {})
	for _, namespace := range []string{"shop", "bank"} {
		require.Equal(t, 3, a.ask(types.NamespacedName{Namespace: namespace, Name: "web"}, request{missing: 5}).Create, namespace)
	}
}

// TestTheCacheTellsOfPlacesThatAreTakenAndComeFree: a unit that waits takes one, and a bound one gives it to who is next.
func TestTheCacheTellsOfPlacesThatAreTakenAndComeFree(t *testing.T) {
	s := newScene(t, webOf(1))
	var woken []types.NamespacedName
	s.allotments = newAllotments(allotment.Limits{Pending: 1}, s.clock, func(headroom types.NamespacedName) { woken = append(woken, headroom) })
	unit := placeholderOf(webOf(1), 0, nil)
	waiting := unit.DeepCopy()
	waiting.Spec.NodeName = ""
	podHandler{s.Reconciler}.Create(t.Context(), event.TypedCreateEvent[*corev1.Pod]{Object: waiting}, newQueue(t))
	require.Zero(t, s.allotments.ask(named("db"), request{missing: 1}).Create)
	s.allotments.made(named("db"), nil, nil)
	require.Empty(t, woken)
	s.bound(unit)
	require.Equal(t, []types.NamespacedName{named("db")}, woken)
	require.Equal(t, 1, s.allotments.ask(named("db"), request{missing: 1}).Create)
}
