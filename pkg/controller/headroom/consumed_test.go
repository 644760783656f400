package headroom

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// consumer is a pod of the namespace whose annotation says that it took a unit.
func consumer(name string, unit types.UID) consumption.Bound {
	return consumption.Bound{
		Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: "shop", Name: name}, UID: types.UID(name)},
		Took:     swapevent.Took{Placeholders: []types.UID{unit}},
	}
}

// told returns the notes of the events of a reason, and forgets all events.
func (s *scene) told(reason string) []string {
	var notes []string
	for len(s.recorder.Events) > 0 {
		if event := <-s.recorder.Events; strings.Contains(event, reason+" ") {
			notes = append(notes, event)
		}
	}
	return notes
}

// label returns the samples of a counter by one of its labels, without those that have counted nothing.
func (s *scene) label(name, label string) map[string]float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	require.NoError(s.t, err)
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				if family.GetName() == name && pair.GetName() == label && metric.GetCounter().GetValue() > 0 {
					values[pair.GetValue()] += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return values
}

func TestAConsumptionWhoseStatusCannotBeWrittenIsToldWithTheNext(t *testing.T) {
	h := webOf(2)
	s := newScene(t, h, placeholderOf(h, 0, nil), placeholderOf(h, 1, nil))
	s.reconcile()
	unit := s.pods()["web-headroom-1"]
	require.NoError(t, s.api.Delete(t.Context(), unit))
	s.gone(unit)
	s.ledger.Looked("n1", s.clock.Now(), []consumption.Bound{consumer("api-1", unit.UID)}, false)
	took := s.clock.Now()
	require.Equal(t, map[string]float64{"web": 1}, s.label("headroom_consumed_total", "headroom"), "this does not wait for the status")

	s.answers["report Headroom"] = apierrors.NewInternalError(errors.New("etcd"))
	_, err := s.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
	require.ErrorContains(t, err, "writing the status")
	require.Empty(t, s.told(EventConsumed))

	clear(s.answers)
	s.clock.Step(time.Minute)
	s.reconcile()
	notes := s.told(EventConsumed)
	require.Len(t, notes, 1)
	require.Contains(t, notes[0], "shop/api-1 took web-headroom-1 on node n1")
	require.True(t, took.Equal(s.headroom().Status.LastConsumedTime.Time), "when it went, and not when it was told")
	s.reconcile()
	require.Empty(t, s.told(EventConsumed), "once")
	require.Equal(t, map[string]float64{"web": 1}, s.label("headroom_consumed_total", "headroom"))
}

// TestADeletionThatTheCacheShowsBeforeItIsAnsweredIsTheControllersOwn: the API server answers last.
func TestADeletionThatTheCacheShowsBeforeItIsAnsweredIsTheControllersOwn(t *testing.T) {
	unit := placeholderOf(webOf(0), 0, nil)
	s := newScene(t, webOf(0), unit)
	told := &toldAccounts{Accounts: s.Accounts}
	s.Accounts = told
	s.deleted = func(client.Object) { s.gone(unit) }
	s.reconcile()
	require.Equal(t, map[string]float64{string(account.LossScaledDown): 1}, s.label("headroom_lost_total", "reason"))
	s.ledger.Snapshot(web, func(open []consumption.Departure) { require.Empty(t, open, "nobody is looked for who took it") })
	require.Empty(t, s.departures.since(web), "nor is another one due for it")
	require.Empty(t, told.went, "nor missed")
}

// TestAUnitThatFailedIsMissedAlsoIfTheCacheShowsItsDeletionBeforeTheAnswer: the next one that is bound refills it.
func TestAUnitThatFailedIsMissedAlsoIfTheCacheShowsItsDeletionBeforeTheAnswer(t *testing.T) {
	h := webOf(1)
	unit := placeholderOf(h, 0, fail)
	s := newScene(t, h, unit)
	s.deleted = func(client.Object) { s.gone(unit) }
	s.reconcile()
	require.Equal(t, map[string]float64{string(account.LossFailed): 1}, s.label("headroom_lost_total", "reason"))
	require.Empty(t, s.departures.since(web), "the controller deleted it")
	s.bound(placeholderOf(h, 1, nil))
	_, refills := s.counted("headroom_refill_duration_seconds")
	require.Equal(t, 1, refills)
}

// TestAUnitThatSomebodyElseDeletesFirstIsOfThePodThatSaysSo has a scheduler evict a unit that the controller is about to delete, and the
// cache show it before the controller's own deletion is answered.
func TestAUnitThatSomebodyElseDeletesFirstIsOfThePodThatSaysSo(t *testing.T) {
	for name, answer := range map[string]error{
		"it is gone":           apierrors.NewNotFound(podResource, "web-headroom-0"),
		"it is another one":    apierrors.NewConflict(podResource, "web-headroom-0", errBroken),
		"nobody knows the end": errBroken,
	} {
		t.Run(name, func(t *testing.T) {
			for _, claimed := range []bool{true, false} {
				unit := placeholderOf(webOf(0), 0, nil)
				s := newScene(t, webOf(0), unit)
				told := &toldAccounts{Accounts: s.Accounts}
				s.Accounts = told
				s.answers["delete Pod"] = answer
				s.deleting = func(client.Object) {
					require.NoError(t, s.api.Delete(t.Context(), unit))
					s.gone(unit)
				}
				_, err := s.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
				require.Equal(t, errors.Is(answer, errBroken) && !apierrors.IsConflict(answer), err != nil)
				require.Empty(t, s.label("headroom_lost_total", "reason"), "a pod may say that it took it")
				require.Equal(t, 1, s.opened())
				require.Len(t, s.departures.since(web), 1)

				s.clock.Step(account.Patience)
				if claimed {
					s.ledger.Looked("n1", s.clock.Now(), []consumption.Bound{consumer("api", unit.UID)}, false)
					require.Equal(t, map[string]float64{"web": 1}, s.label("headroom_consumed_total", "headroom"))
					require.Empty(t, s.label("headroom_lost_total", "reason"))
				} else {
					s.ledger.Looked("n1", s.clock.Now(), nil, false)
					require.Equal(t, map[string]float64{string(account.LossScaledDown): 1}, s.label("headroom_lost_total", "reason"))
				}
				require.Equal(t, []time.Time{epoch}, told.went, "since it went, it is missed as any other")
			}
		})
	}
}

// TestWhyTheControllerDeletedAUnitIsInItsAccount: nobody took these, whatever a pod of the node says.
func TestWhyTheControllerDeletedAUnitIsInItsAccount(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(s *scene)
		want   account.Loss
	}{
		"one that was too many": {
			func(s *scene) { s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](0) }) }, account.LossScaledDown,
		},
		"one that failed": {func(s *scene) { s.all(fail) }, account.LossFailed},
		"one whose node is gone": {
			func(s *scene) { require.NoError(s.t, s.api.Delete(s.t.Context(), readyNode("n1"))) }, account.LossNode,
		},
		"one of an older spec": {
			func(s *scene) { s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Image = "example.com/other" }) }, account.LossReplaced,
		},
		"one that admission changed": {
			func(s *scene) { s.all(func(pod *corev1.Pod) { pod.Spec.Priority = ptr.To[int32](-9) }) }, account.LossReplaced,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := webOf(1)
			s := newScene(t, h, placeholderOf(h, 0, nil))
			s.reconcile()
			tc.change(s)
			unit := s.pods()["web-headroom-0"]
			s.reconcile()
			require.Contains(t, s.deletions, "web-headroom-0")
			s.gone(unit)
			require.Equal(t, map[string]float64{string(tc.want): 1}, s.label("headroom_lost_total", "reason"))

			s.ledger.Looked("n1", s.clock.Now(), []consumption.Bound{consumer("liar", unit.UID)}, false)
			require.Empty(t, s.label("headroom_consumed_total", "headroom"))
			require.Empty(t, s.ledger.Report(web))
		})
	}
}

// toldAccounts note what the handler of the cache tells them.
type toldAccounts struct {
	Accounts
	processed    []uint64
	nodesCreated []time.Time
	went         []time.Time
}

func (a *toldAccounts) Went(headroom types.NamespacedName, at time.Time) {
	a.went = append(a.went, at)
	a.Accounts.Went(headroom, at)
}

func (a *toldAccounts) Processed(headroom types.NamespacedName, resourceVersion uint64) {
	a.processed = append(a.processed, resourceVersion)
	a.Accounts.Processed(headroom, resourceVersion)
}

func (a *toldAccounts) Bound(headroom types.NamespacedName, nodeCreated time.Time) (time.Duration, bool) {
	a.nodesCreated = append(a.nodesCreated, nodeCreated)
	return a.Accounts.Bound(headroom, nodeCreated)
}

// TestAccountsAreToldHowFarTheyHaveCome: what happened after that is read again by the next controller.
func TestAccountsAreToldHowFarTheyHaveCome(t *testing.T) {
	s := newScene(t, webOf(1))
	told := &toldAccounts{Accounts: s.Accounts}
	s.Accounts = told
	at := func(version string) *corev1.Pod {
		return placeholderOf(webOf(1), 0, func(pod *corev1.Pod) { pod.ResourceVersion = version })
	}
	h := podHandler{s.Reconciler}
	h.Create(t.Context(), event.TypedCreateEvent[*corev1.Pod]{Object: at("5")}, newQueue(t))
	h.Update(t.Context(), event.TypedUpdateEvent[*corev1.Pod]{ObjectOld: at("5"), ObjectNew: at("6")}, newQueue(t))
	h.Delete(t.Context(), event.TypedDeleteEvent[*corev1.Pod]{Object: at("7")}, newQueue(t))
	require.Equal(t, []uint64{5, 6, 7}, told.processed)
}

// TestAnAccountIsToldWhenTheNodeOfAUnitCame: one that the cache does not have yet came just now.
func TestAnAccountIsToldWhenTheNodeOfAUnitCame(t *testing.T) {
	old := readyNode("old")
	old.CreationTimestamp = metav1.NewTime(epoch.Add(-time.Hour))
	s := newScene(t, webOf(1), old)
	told := &toldAccounts{Accounts: s.Accounts}
	s.Accounts = told
	s.clock.Step(time.Minute)
	for _, node := range []string{"old", "new"} {
		s.bound(placeholderOf(webOf(1), 0, func(pod *corev1.Pod) { pod.Spec.NodeName = node }))
	}
	require.Len(t, told.nodesCreated, 2)
	require.True(t, told.nodesCreated[0].Equal(epoch.Add(-time.Hour)))
	require.Equal(t, epoch.Add(time.Minute), told.nodesCreated[1])
}
