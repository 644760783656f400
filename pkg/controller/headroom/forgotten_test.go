package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// opened is how many units went of which it is not decided whether a pod took them.
func (s *scene) opened() (n int) {
	s.ledger.Snapshot(web, func(open []consumption.Departure) { n = len(open) })
	return n
}

// TestNothingIsRememberedOfAHeadroomThatIsGone: what stays would count for the next one of its name, and become more and more.
func TestNothingIsRememberedOfAHeadroomThatIsGone(t *testing.T) {
	s := newScene(t, webOf(0))
	pod := podAt("web-headroom-0", 10)
	s.expectations.observedPod(web, podAt("a", 5))
	s.expectations.expectCreated(web, pod)
	s.expectations.expectStatus(s.headroom())
	s.names.nameTaken(web, pod)
	s.names.begin()
	require.NotZero(t, s.names.recalling(web, true))
	s.names.nameGiven(web, 7)
	s.rollouts.rolloutStep(web, 1)
	s.refusals.failed(web, 1, nil)
	s.losses.failed(web, 1, nil)
	s.deviations.failed(web, 1, nil)
	s.relapses.allow(web, "template", 1)
	s.changes.note(web, nil)
	s.surges.next(s.headroom(), &observation{at: epoch})
	s.departures.came(web, "a")
	s.departures.went(web)
	s.parkings.bound(web, epoch)
	s.allotments.ask(web, request{missing: 1})
	s.daemonSetsSeen.put(web, &appsv1.DaemonSet{})
	s.rivals.look(web, &v1alpha1.HeadroomStatus{Controller: &v1alpha1.ControllerRecord{}, OtherController: &v1alpha1.ControllerRecord{}})
	s.Accounts.Took(web, account.Take{Time: epoch})
	s.Accounts.Lost(web, account.LossDrained, epoch)
	s.ledger.Departed(web, placeholderOf(webOf(1), 0, nil), account.LossAbandoned)

	require.NoError(t, s.api.Delete(t.Context(), s.headroom()))
	s.reconcile()

	for name, memory := range map[string]any{
		"created": s.expectations.created, "observed": s.expectations.observed, "reported": s.expectations.reported,
		"taken": s.names.taken, "older": s.names.older, "held": s.names.held, "rollouts": s.rollouts.pending,
		"refusals": s.refusals.entries, "losses": s.losses.entries, "deviations": s.deviations.entries, "relapses": s.relapses.entries,
		"changes": s.changes.entries, "surges": s.surges.memory, "times": s.departures.times, "known": s.departures.known,
		"parkings": s.parkings.all, "allotments": s.allotments.all, "daemonSets": s.daemonSetsSeen.seen,
		"first": s.rivals.first, "other": s.rivals.other,
		"consumed": s.label("headroom_consumed_total", "headroom"), "lost": s.label("headroom_lost_total", "headroom"),
	} {
		require.Empty(t, memory, name)
	}
	require.Zero(t, s.opened())
	s.Accounts.Read(web, func(a *account.Account) { require.Nil(t, a) })
}

func TestAnInstallationThatDoesNotActAccountsNothing(t *testing.T) {
	h := webOf(1)
	s := newScene(t, h, placeholderOf(h, 0, nil))
	s.reconcile()
	s.Accounts.Leave(web, "another")
	s.gone(s.pods()["web-headroom-0"])
	require.Zero(t, s.opened())
}

func TestAUnitThatWentWhileNoControllerRanIsMissingSinceItIsKnown(t *testing.T) {
	h := webOf(1)
	unit := placeholderOf(h, 0, nil)
	s := newScene(t, h)
	s.expectations.expectDeleted(unit.UID, topup.ReasonSurplus)
	s.Departed(t.Context(), unit, account.LossAbandoned)
	require.Zero(t, s.opened(), "this controller deletes it itself")

	s.expectations.deletionFailed(unit.UID)
	for range 2 { // it may be told again
		s.Departed(t.Context(), unit, account.LossAbandoned)
		require.Equal(t, 1, s.opened())
	}
	s.clock.Step(5 * time.Second)
	for i := range 2 {
		s.bound(placeholderOf(h, i+1, nil))
	}
	seconds, times := s.counted("headroom_refill_duration_seconds")
	require.Equal(t, 1, times)
	require.InDelta(t, 5, seconds, 0)
}
