package headroom

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/allotment"
	"github.com/headroom-dev/headroom/pkg/topup"
)

func TestWhatIsNotGrantedIsLeftForLater(t *testing.T) {
	replacement := func(state topup.State, reason topup.Reason) topup.Replacement {
		return topup.Replacement{Old: topup.Unit{State: state}, Reason: reason}
	}
	waits := replacement(topup.Pending, topup.ReasonOutdated)
	old, lost := replacement(topup.Bound, topup.ReasonOutdated), replacement(topup.Lost, topup.ReasonLost)
	actions := topup.Actions{
		Replace: []topup.Replacement{lost, old, waits, old}, Create: make([]topup.Creation, 5), Outdated: 4,
	}
	require.Equal(t, topup.Actions{
		Replace: []topup.Replacement{lost, waits}, Create: make([]topup.Creation, 2), Outdated: 6,
	}, within(actions, allotment.Grant{Replace: 1, Create: 2}))
	require.Zero(t, within(topup.Actions{Replace: []topup.Replacement{old, lost}}, allotment.Grant{Replace: 1}).Outdated,
		"a lost one that has to wait is none of an older spec")
	require.Equal(t, 3, requestOf(&observation{}, plan{actions: actions}).replacing, "one that waits takes the place of another")
}

func TestTheLastOfTheUnitsThatWaitAreGivenBack(t *testing.T) {
	numbered := func(ordinal int, state topup.State) unit {
		return unit{Unit: topup.Unit{UID: types.UID(rune('a' + ordinal)), Ordinal: ordinal, State: state}}
	}
	units := []unit{numbered(0, topup.Pending), numbered(3, topup.Pending), numbered(2, topup.Bound), numbered(1, topup.Pending)}
	uids := func(deletions []topup.Deletion) (all []types.UID) {
		for _, d := range deletions {
			require.Equal(t, topup.ReasonGivenBack, d.Reason)
			all = append(all, d.Old.UID)
		}
		return all
	}
	require.Empty(t, givenBack(units, topup.Actions{}, 0))
	require.Equal(t, []types.UID{"d", "b"}, uids(givenBack(units, topup.Actions{}, 2)))
	surplus := topup.Actions{Delete: []topup.Deletion{{Old: units[1].Unit}}}
	require.Equal(t, []types.UID{"b"}, uids(givenBack(units, surplus, 2)), "one goes anyway")
	replaced := topup.Actions{Replace: []topup.Replacement{{Old: units[1].Unit}}}
	require.Equal(t, []types.UID{"b", "a"}, uids(givenBack(units, replaced, 9)))
}

func TestNoMoreUnitsWaitThanTheWindowHasPlaces(t *testing.T) {
	s := newScene(t, webOf(5))
	s.allotments = newAllotments(allotment.Limits{Pending: 2}, s.clock, s.allotments.wake)
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-0", "create Pod web-headroom-1"}, slices.Sorted(slices.Values(s.writes())))
	require.Equal(t, v1alpha1.ReasonToppingUp, s.reason(v1alpha1.ConditionFilled))
	s.reconcile()
	require.Empty(t, s.writes(), "both wait")
	s.all(bind)
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-2", "create Pod web-headroom-3"}, slices.Sorted(slices.Values(s.writes())))
}

func TestTheLimitOnUnitsIsToldAndHealed(t *testing.T) {
	s := newScene(t, webOf(3))
	s.allotments = newAllotments(allotment.Limits{PerHeadroom: 2}, s.clock, s.allotments.wake)
	s.reconcile()
	require.Len(t, s.writes(), 2)
	require.Equal(t, v1alpha1.ReasonLimitReached, s.reason(v1alpha1.ConditionReady))
	require.NotContains(t, s.message(v1alpha1.ConditionFilled), "it is their turn", "no turn comes")
	s.change(func(spec *v1alpha1.HeadroomSpec) { *spec.Replicas = 2 })
	s.reconcile()
	require.Empty(t, s.writes())
	require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))
}

func TestALimitIsToldByItsNumberAndItsOption(t *testing.T) {
	limits := allotment.Limits{PerHeadroom: 1, PerNamespace: 2, Total: 3}
	for limit, want := range map[allotment.Limit]struct{ allowed, option string }{
		allotment.LimitHeadroom:  {"allows a Headroom 1 units", "--max-units-per-headroom"},
		allotment.LimitNamespace: {"allows the namespace shop 2 units", "--max-units-per-namespace"},
		allotment.LimitTotal:     {"allows all Headrooms together 3 units", "--max-units"},
	} {
		found := limitReached(limit, limits, "shop")
		require.Equal(t, v1alpha1.ReasonLimitReached, found.reason)
		require.Equal(t, "The operator "+want.allowed+", and so many exist. Ask for fewer, or have the operator raise "+want.option+".",
			found.message)
	}
}

// TestAHeadroomThatIsRefusedTakesNothingFromOthers: the quota of the shop is used up. Units of db wait, and fill the window.
func TestAHeadroomThatIsRefusedTakesNothingFromOthers(t *testing.T) {
	s := newScene(t, webOf(2))
	s.allotments = newAllotments(allotment.Limits{Pending: 2}, s.clock, s.allotments.wake)
	s.answers["create Pod"] = quotaExceeded()
	for range 4 {
		s.clock.Step(s.reconcile())
	}
	wait := s.reconcile()
	require.Greater(t, wait, 2*overdueAfter, "it is refused for long enough")
	db := types.NamespacedName{Namespace: "bank", Name: "db"}
	require.Equal(t, 2, s.allotments.ask(db, request{units: map[types.UID]bool{}, missing: 2}).Create, "both places are free")
	s.allotments.made(db, []types.UID{"db-0", "db-1"}, nil)

	s.writes()
	for ; wait > time.Second; wait -= time.Second {
		s.reconcile()
		require.NotContains(t, s.allotments.all, web, "it could make none, and waits for no place")
		require.Zero(t, s.allotments.all[db].giveBack, "nor does anybody give one back for it")
		s.clock.Step(time.Second)
	}
	require.Empty(t, s.writes())
}

// TestAHeadroomWhoseSpecIsRefusedWaitsForNoPlace: nobody gives a unit back for a DaemonSet that is not made.
func TestAHeadroomWhoseSpecIsRefusedWaitsForNoPlace(t *testing.T) {
	s := newScene(t, perNode())
	require.NoError(t, s.api.Delete(t.Context(), &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "headroom"}}))
	s.allotments = newAllotments(allotment.Limits{Pending: 1}, s.clock, s.allotments.wake)
	s.allotments.ask(named("db"), request{units: map[types.UID]bool{}, missing: 1})
	s.allotments.made(named("db"), []types.UID{"db-0"}, nil)
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonUnknownPriorityClass, s.reason(v1alpha1.ConditionReady))
	require.NotContains(t, s.allotments.all, web)
}

// TestAHeadroomGivesUnitsThatWaitToOneThatWaitsForItsShare plays the other one, which asks, and asks again when it is overdue.
func TestAHeadroomGivesUnitsThatWaitToOneThatWaitsForItsShare(t *testing.T) {
	s := newScene(t, webOf(2))
	var woken []types.NamespacedName
	s.allotments = newAllotments(allotment.Limits{Pending: 2}, s.clock, func(headroom types.NamespacedName) { woken = append(woken, headroom) })
	s.reconcile()
	require.Len(t, s.writes(), 2)
	asks := func() {
		s.allotments.ask(named("db"), request{missing: 1})
		s.allotments.made(named("db"), nil, nil)
	}
	asks()
	s.clock.Step(overdueAfter)
	asks()
	require.Equal(t, []types.NamespacedName{web}, woken)
	s.reconcile()
	require.Equal(t, []string{"delete Pod web-headroom-1"}, s.writes())
	require.Equal(t, map[string]float64{string(topup.ReasonGivenBack): 1}, s.label("headroom_placeholders_deleted_total", "reason"))
	require.Equal(t, []types.NamespacedName{web, named("db")}, woken)
	require.Equal(t, 1, s.allotments.ask(named("db"), request{missing: 1}).Create)
}

func TestAHeadroomAsksAgainForItsShareWhenItIsOverdue(t *testing.T) {
	s := newScene(t, webOf(1))
	s.allotments = newAllotments(allotment.Limits{Pending: 1}, s.clock, s.allotments.wake)
	s.allotments.observed(named("db"), "uid-db", true)
	require.Equal(t, overdueAfter, s.reconcile())
	require.Empty(t, s.writes())
	require.Contains(t, s.message(v1alpha1.ConditionFilled), "1 more are made when it is their turn")
	s.clock.Step(overdueAfter / 2)
	require.Equal(t, overdueAfter/2, s.reconcile())
}

// TestPodsThatOnlyCarryTheLabelAreNoUnitsOfALimit: nobody but their owner can delete them.
func TestPodsThatOnlyCarryTheLabelAreNoUnitsOfALimit(t *testing.T) {
	h := webOf(2)
	stranger := func(i int, node string) *corev1.Pod {
		return placeholderOf(h, i, func(pod *corev1.Pod) { pod.OwnerReferences, pod.Spec.NodeName = nil, node })
	}
	s := newScene(t, h, stranger(7, "n1"), stranger(8, ""))
	s.allotments = newAllotments(allotment.Limits{PerHeadroom: 2, Pending: 2}, s.clock, s.allotments.wake)
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-0", "create Pod web-headroom-1"}, slices.Sorted(slices.Values(s.writes())))
}

// TestHeadroomsShareInTheOrderOfTheirNames also where those of several namespaces have one name: nothing else decides between equals.
func TestHeadroomsShareInTheOrderOfTheirNames(t *testing.T) {
	s := newSharers(t, 1)
	want := []types.NamespacedName{{Namespace: "bank", Name: "web"}, {Namespace: "shop", Name: "api"}, {Namespace: "shop", Name: "web"}}
	for _, namespace := range []string{"a", "b", "c", "d", "e", "f"} {
		want = append(want, types.NamespacedName{Namespace: "zoo-" + namespace, Name: "api"})
	}
	for _, key := range want {
		s.observed(key, types.UID(key.String()), true)
	}
	keys, _ := s.list()
	require.Equal(t, want, keys)
}

// TestAllUnitsCountForTheLimitsAndThoseThatWaitInTheWindow: those of a DaemonSet wait in none.
func TestAllUnitsCountForTheLimitsAndThoseThatWaitInTheWindow(t *testing.T) {
	of := func(uid types.UID, state topup.State) unit { return unit{Unit: topup.Unit{UID: uid, State: state}} }
	seen := &observation{
		units: []unit{
			of("bound", topup.Bound), of("waits", topup.Pending), of("lost", topup.Lost), of("leaving", topup.Terminating),
			of("no unit", topup.Foreign),
		},
		perNode: []unit{of("on its node", topup.Bound), of("for its node", topup.Pending)},
	}
	require.Equal(t, map[types.UID]bool{
		"bound": false, "waits": true, "lost": false, "leaving": false, "on its node": false, "for its node": false,
	}, requestOf(seen, plan{}).units)
}

// TestAHeadroomThatIsRefusedReplacesNothingAndWaitsForNoPlace: it could not make the new one.
func TestAHeadroomThatIsRefusedReplacesNothingAndWaitsForNoPlace(t *testing.T) {
	h := webOf(2)
	s := newScene(t, h, placeholderOf(h, 0, fail), placeholderOf(h, 1, fail))
	s.allotments = newAllotments(allotment.Limits{Pending: 1}, s.clock, s.allotments.wake)
	s.allotments.observed(named("db"), "uid-db", true)
	s.refusals.failed(web, 1, &problem{reason: v1alpha1.ReasonQuotaExceeded})
	s.reconcile()
	require.Empty(t, s.writes())
	require.Zero(t, s.allotments.all[web].missing+s.allotments.all[web].replacing)
}
