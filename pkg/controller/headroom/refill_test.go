package headroom

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/refill"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// knownAccounts are accounts that are complete.
type knownAccounts struct {
	Accounts
	complete, stored bool
}

func (a *knownAccounts) Taken(headroom types.NamespacedName) (units int64, complete, stored bool) {
	units, _, _ = a.Accounts.Taken(headroom)
	return units, a.complete, a.stored
}

// Demand reads the account, as the keeper does when it has read what is stored.
func (a *knownAccounts) Demand(headroom types.NamespacedName, parked bool, use func(demand.History, time.Time)) bool {
	a.Read(headroom, func(known *account.Account) {
		if known == nil {
			known = account.New(epoch)
		}
		use(known.Demand(parked), known.Opened())
	})
	return true
}

// refilled is a scene with the Headroom web of that many units, refilled so, and accounts that are complete.
func refilled(t *testing.T, units int32, spec v1alpha1.Refill) (*scene, *knownAccounts) {
	t.Helper()
	h := webOf(units)
	h.Spec.Refill = &spec
	h.CreationTimestamp = metav1.NewTime(epoch)
	s := newScene(t, h)
	known := &knownAccounts{Accounts: s.Accounts, complete: true, stored: true}
	s.Accounts = known
	return s, known
}

// goes has a unit go that the controller does not delete.
func (s *scene) goes(name string) types.UID {
	s.t.Helper()
	pod := s.pods()[name]
	require.NotNil(s.t, pod, name)
	require.NoError(s.t, s.api.Delete(s.t.Context(), pod))
	s.gone(pod)
	return pod.UID
}

// takes has a pod take a unit, and the ledger know it.
func (s *scene) takes(name string) {
	s.t.Helper()
	uid := s.goes(name)
	s.ledger.Looked("n1", s.clock.Now(), []consumption.Bound{consumer("of-"+name, uid)}, false)
}

// settle reconciles as long as it is asked to come back at once.
func (s *scene) settle() time.Duration {
	s.t.Helper()
	for range 100 {
		if next := s.reconcile(); next == 0 || next > again {
			return next
		}
		s.clock.Step(again)
	}
	s.t.Fatal("it does not come to rest")
	return 0
}

func TestAUnitThatWentIsMadeAnewAfterTheDelay(t *testing.T) {
	s, _ := refilled(t, 3, v1alpha1.Refill{Delay: &metav1.Duration{Duration: 30 * time.Second}})
	s.settle()
	s.all(bind)
	s.settle()
	require.Len(t, s.pods(), 3, "the first are made at once")

	s.takes("web-headroom-0")
	require.Equal(t, 30*time.Second, s.settle())
	require.Len(t, s.pods(), 2)
	require.Equal(t, v1alpha1.ReasonToppingUp, s.reason(v1alpha1.ConditionFilled))
	require.Contains(t, s.message(v1alpha1.ConditionFilled), "1 more are made after spec.refill.delay")
	require.Equal(t, int32(3), s.headroom().Status.ScaleReplicas, "an autoscaler sees no loss")
	s.clock.Step(10 * time.Second)
	s.takes("web-headroom-1")
	require.Equal(t, 20*time.Second, s.settle())
	s.clock.Step(20 * time.Second)
	require.Equal(t, 10*time.Second, s.settle(), "each has its own time")
	require.Len(t, s.pods(), 2)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](5) })
	s.settle()
	require.Len(t, s.pods(), 4, "what is new in the spec does not wait")
	s.clock.Step(10 * time.Second)
	s.settle()
	require.Len(t, s.pods(), 5)
}

func TestNoMoreUnitsWaitThanMaxPending(t *testing.T) {
	s, _ := refilled(t, 7, v1alpha1.Refill{MaxPending: ptr.To[int32](3)})
	for _, want := range []int{3, 6, 7} {
		s.settle()
		require.Len(t, s.pods(), want)
		require.Equal(t, int32(7), s.headroom().Status.ScaleReplicas)
		s.settle()
		require.Len(t, s.pods(), want, "others are made when these are bound")
		s.all(bind)
	}
	s.settle()
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))

	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](10) })
	s.settle()
	require.Len(t, s.pods(), 10)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Refill.MaxPending = ptr.To[int32](1) })
	s.settle()
	require.Len(t, s.pods(), 8, "those that are more go")
	require.NotNil(t, s.pods()["web-headroom-7"], "the last first")
	require.Contains(t, s.message(v1alpha1.ConditionFilled), "2 more are made when others are bound")
	require.Equal(t, map[string]float64{"HeldBack": 2}, s.label("headroom_placeholders_deleted_total", "reason"))
	for _, asked := range s.allotments.all {
		require.Zero(t, asked.missing, "it keeps no place of the window from others")
	}
}

func TestAUnitThatWasTakenIsNotMadeAnewWithOnce(t *testing.T) {
	s, known := refilled(t, 3, v1alpha1.Refill{Policy: v1alpha1.RefillOnce})
	known.complete = false
	require.Equal(t, accountsGlance, s.reconcile())
	require.Empty(t, s.pods(), "what was taken before is not known")
	known.complete = true
	s.reconcile()
	require.Empty(t, s.pods(), "no kill may come between the first unit and the number from which on takes count")
	require.Equal(t, &v1alpha1.RefillStatus{}, s.headroom().Status.Refill)
	s.settle()
	s.all(bind)
	s.settle()
	require.Len(t, s.pods(), 3)

	uid := s.goes("web-headroom-0")
	require.Equal(t, time.Second, s.settle())
	require.Len(t, s.pods(), 2, "nobody knows yet whether it was taken")
	require.Equal(t, int32(3), s.headroom().Status.DesiredReplicas)
	s.ledger.Looked("n1", s.clock.Now(), []consumption.Bound{consumer("api", uid)}, false)
	s.settle()
	require.Len(t, s.pods(), 2)
	require.Equal(t, &v1alpha1.RefillStatus{TakenReplicas: 1}, s.headroom().Status.Refill)
	require.Equal(t, int32(2), s.headroom().Status.DesiredReplicas)
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))
	require.Contains(t, s.message(v1alpha1.ConditionFilled), "1 were taken and are not made anew")

	s.goes("web-headroom-1")
	s.settle()
	require.Len(t, s.pods(), 1)
	s.clock.Step(time.Minute)
	s.ledger.Looked("n1", s.clock.Now(), nil, false)
	s.settle()
	require.Len(t, s.pods(), 2, "nobody took it, so it is made anew")

	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](4) })
	s.settle()
	require.Len(t, s.pods(), 3, "one more in all")
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Refill.Policy = v1alpha1.RefillAlways })
	s.settle()
	require.Len(t, s.pods(), 4)
	require.Nil(t, s.headroom().Status.Refill)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Refill.Policy = v1alpha1.RefillOnce })
	s.settle()
	require.Len(t, s.pods(), 4)
	require.Equal(t, &v1alpha1.RefillStatus{TakenBefore: 1}, s.headroom().Status.Refill, "it counts from now on")
}

// A refill that is awaited counts with its age. With Once nobody awaits the units that were taken, however long ago.
func TestUnitsThatAreNotMadeAnewMakeNoRefillTimeLonger(t *testing.T) {
	for policy, want := range map[v1alpha1.RefillPolicy]string{
		v1alpha1.RefillOnce: "(a refill takes 2m)", v1alpha1.RefillAlways: "(a refill takes 20m)",
	} {
		t.Run(string(policy), func(t *testing.T) {
			s, _ := refilled(t, 3, v1alpha1.Refill{Policy: policy})
			s.change(func(spec *v1alpha1.HeadroomSpec) {
				spec.Sizing = &v1alpha1.Sizing{
					Max:   ptr.To[int32](3),
					Rules: []v1alpha1.SizingRule{{Name: "learned", Demand: &v1alpha1.Demand{Served: "99.9", Season: v1alpha1.SeasonNone}}},
				}
			})
			s.settle()
			s.all(bind)
			s.settle()
			s.takes("web-headroom-0")
			s.takes("web-headroom-1")
			s.settle()
			s.clock.SetTime(epoch.Add(20 * time.Minute)) // without room for others
			s.reconcile()
			rule := s.headroom().Status.Sizing.Rules[0]
			require.Contains(t, rule.Message, want)
		})
	}
}

// losesFromCache has two units bound, and the cache show that the first is gone before its handler is told: nothing is made for it.
func (s *scene) losesFromCache(t *testing.T) *corev1.Pod {
	t.Helper()
	s.settle()
	s.all(bind)
	s.settle()
	for _, pod := range s.pods() {
		podHandler{s.Reconciler}.Create(t.Context(), event.TypedCreateEvent[*corev1.Pod]{Object: pod}, newQueue(t))
	}
	pod := s.pods()["web-headroom-0"]
	require.NoError(t, s.api.Delete(t.Context(), pod))
	s.settle()
	require.Len(t, s.pods(), 1)
	return pod
}

// TestAUnitThatTheCacheHasLostIsNotMadeAnewBeforeTheLedgerKnows has the cache show that a unit is gone before its handler is told.
func TestAUnitThatTheCacheHasLostIsNotMadeAnewBeforeTheLedgerKnows(t *testing.T) {
	s, _ := refilled(t, 2, v1alpha1.Refill{Policy: v1alpha1.RefillOnce})
	pod := s.losesFromCache(t)
	s.gone(pod)
	s.ledger.Looked("n1", s.clock.Now(), []consumption.Bound{consumer("api", pod.UID)}, false)
	s.settle()
	require.Len(t, s.pods(), 1)
	require.Equal(t, int32(1), s.headroom().Status.Refill.TakenReplicas)
}

// makesTheSecondAfter has the controller make the second of two units anew when that time has passed, and not before.
func (s *scene) makesTheSecondAfter(t *testing.T, delay time.Duration) {
	t.Helper()
	s.settle()
	require.Len(t, s.pods(), 1)
	s.clock.Step(delay)
	s.settle()
	require.Len(t, s.pods(), 2)
}

// TestAUnitThatTheCacheHasLostIsNotMadeAnewBeforeItsDelayBegins is the same of spec.refill.delay.
func TestAUnitThatTheCacheHasLostIsNotMadeAnewBeforeItsDelayBegins(t *testing.T) {
	s, _ := refilled(t, 2, v1alpha1.Refill{Delay: &metav1.Duration{Duration: 30 * time.Second}})
	pod := s.losesFromCache(t)
	s.gone(pod)
	s.makesTheSecondAfter(t, 30*time.Second)
}

// TestAUnitOfWhoseEndTheHistoryTellsFirstIsMadeAnewAfterTheDelay: a controller that starts reads both.
func TestAUnitOfWhoseEndTheHistoryTellsFirstIsMadeAnewAfterTheDelay(t *testing.T) {
	s, _ := refilled(t, 2, v1alpha1.Refill{Delay: &metav1.Duration{Duration: 30 * time.Second}})
	s.settle()
	s.all(bind)
	s.settle()
	pod := s.pods()["web-headroom-0"]
	require.NoError(t, s.api.Delete(t.Context(), pod))
	s.Departed(t.Context(), pod, account.LossOther)
	s.gone(pod)
	s.makesTheSecondAfter(t, 30*time.Second)
}

func TestOnceWithoutAccountsIsRefused(t *testing.T) {
	s, known := refilled(t, 2, v1alpha1.Refill{Policy: v1alpha1.RefillOnce})
	known.stored = false
	s.settle()
	require.Empty(t, s.pods())
	require.Equal(t, v1alpha1.ReasonNoAccounts, s.reason(v1alpha1.ConditionReady))
	known.stored = true
	s.settle()
	require.Len(t, s.pods(), 2)
}

func TestTheUnitsGoWhenTheTimeOfTheHeadroomIsOver(t *testing.T) {
	s, _ := refilled(t, 2, v1alpha1.Refill{TTL: &metav1.Duration{Duration: time.Hour}})
	s.settle()
	s.all(bind)
	require.Equal(t, time.Hour, s.settle())
	s.clock.Step(time.Hour - time.Second)
	require.Equal(t, time.Second, s.settle())
	require.Len(t, s.pods(), 2)
	s.clock.Step(time.Second)
	s.settle()
	require.Empty(t, s.pods())
	status := s.headroom().Status
	require.Zero(t, status.DesiredReplicas)
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))
	require.Contains(t, s.message(v1alpha1.ConditionFilled), "spec.refill.ttl ended at 2026-01-01T01:00:00Z")
	require.Len(t, s.told(EventExpired), 1)
	s.settle()
	require.Empty(t, s.told(EventExpired), "once")
}

// TestWhatWaitsIsBounded has topup plan for units in any state, and hold take out of it what must wait.
func TestWhatWaitsIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var units []unit
		for i, state := range rapid.SliceOfN(rapid.SampledFrom([]topup.State{topup.Pending, topup.Bound, topup.Terminating, topup.Lost}), 0, 12).Draw(t, "states") {
			units = append(units, unit{pod: &corev1.Pod{}, Unit: topup.Unit{
				Name: fmt.Sprint(i), UID: types.UID(fmt.Sprint(i)), Ordinal: i, State: state,
				Template: rapid.SampledFrom([]string{"old", "new"}).Draw(t, "template"), FromRollout: rapid.Bool().Draw(t, "of a rollout"),
			}})
		}
		desired := topup.Desired{Replicas: rapid.IntRange(0, 15).Draw(t, "replicas"), Template: "new"}
		plan := topup.Plan(desired, topupUnits(units))
		d := refill.Decision{
			Replicas: desired.Replicas, MaxPending: rapid.OneOf(rapid.Just(refill.Unbounded), rapid.IntRange(1, 12)).Draw(t, "may wait"),
			Hold: rapid.IntRange(0, 12).Draw(t, "hold"),
		}
		got, h := hold(plan, units, d)

		used, waits := map[types.UID]bool{}, 0
		for _, u := range units {
			if u.State == topup.Pending && !u.FromRollout {
				waits++
			}
		}
		ordinary := func(uid types.UID) bool {
			for _, u := range units {
				if u.UID == uid {
					return u.State == topup.Pending && !u.FromRollout
				}
			}
			return false
		}
		for _, deletion := range got.Delete {
			require.False(t, used[deletion.Old.UID], "nothing is done twice to a unit")
			used[deletion.Old.UID] = true
			if ordinary(deletion.Old.UID) {
				waits--
			}
		}
		rolled := 0
		for _, replacement := range got.Replace {
			require.False(t, used[replacement.Old.UID])
			used[replacement.Old.UID] = true
			switch {
			case replacement.Reason == topup.ReasonLost:
				waits++
			case replacement.Old.State == topup.Bound:
				rolled++
			}
		}
		for _, creation := range got.Create {
			if !creation.FromRollout {
				waits++
			}
		}
		require.LessOrEqual(t, waits, d.MaxPending)
		require.Equal(t, rolled, bounds(plan.Replace), "a rollout goes on")
		require.Equal(t, len(plan.Create)+lostOf(plan.Replace)-len(got.Create)-lostOf(got.Replace)+len(got.Delete)-len(plan.Delete)-lostGone(plan, got),
			h.delayed+h.queued, "what is not made is counted")
		if d.MaxPending == refill.Unbounded && d.Hold == 0 {
			require.Equal(t, plan, got)
		}
	})
}

// bounds counts the replacements of bound units, lostOf those of lost ones, and lostGone the lost ones that go instead.
func bounds(replacements []topup.Replacement) (n int) {
	for _, r := range replacements {
		if r.Old.State == topup.Bound {
			n++
		}
	}
	return n
}

func lostOf(replacements []topup.Replacement) (n int) {
	for _, r := range replacements {
		if r.Reason == topup.ReasonLost {
			n++
		}
	}
	return n
}

func lostGone(before, after topup.Actions) int { return lostOf(before.Replace) - lostOf(after.Replace) }

func TestEachPartOfSpecRefillCountsBesideTheOthers(t *testing.T) {
	require.Equal(t, refill.Policy{}, policyOf(&v1alpha1.Refill{Policy: v1alpha1.RefillAlways}))
	require.Equal(t, refill.Policy{Once: true, Delay: time.Second, TTL: time.Hour, MaxPending: 3}, policyOf(&v1alpha1.Refill{
		Policy: v1alpha1.RefillOnce, Delay: &metav1.Duration{Duration: time.Second}, TTL: &metav1.Duration{Duration: time.Hour},
		MaxPending: ptr.To[int32](3),
	}))
}
