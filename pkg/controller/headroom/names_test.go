package headroom

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/topup"
)

func TestNameThatAnotherPodHasIsTriedAgainLater(t *testing.T) {
	clock := testingclock.NewFakeClock(epoch)
	n := newNames(clock)
	n.nameTaken(web, podAt("web-headroom-0", 10))
	require.Len(t, n.pods(web), 1)
	n.nameTaken(web, podAt("web-headroom-1", 10))
	require.Len(t, n.pods(web), 2)
	clock.Step(takenMemory)
	require.Len(t, n.pods(web), 2)
	clock.Step(time.Second)
	require.Empty(t, n.pods(web))
}

func TestNameOfAPodThatIsGoneCoolsDown(t *testing.T) {
	clock := testingclock.NewFakeClock(epoch)
	n := newNames(clock)
	n.nameVacated(web, "web-headroom-3")
	n.nameVacated(web, "web-headroom-x")
	clock.Step(coolDown)
	n.nameVacated(web, "web-headroom-1")
	require.Equal(t, []int{1, 3}, n.coolingDown(web, nil))
	clock.Step(time.Second)
	require.Equal(t, []int{1}, n.coolingDown(web, nil))
	n.forget(web)
	require.Equal(t, []int{1}, n.coolingDown(web, nil), "a Headroom that is made anew has the same names")
}

// TestNameOfAPodThatNobodySaidIsGoneCoolsDown: the cache lacks a pod a moment before its handler is told.
func TestNameOfAPodThatNobodySaidIsGoneCoolsDown(t *testing.T) {
	clock := testingclock.NewFakeClock(epoch)
	n := newNames(clock)
	numbered := func(ordinals ...int) (units []unit) {
		for _, ordinal := range ordinals {
			units = append(units, unit{Unit: topup.Unit{Name: fmt.Sprint("web-headroom-", ordinal), Ordinal: ordinal}})
		}
		return units
	}
	stranger := podAt("web-headroom-8", 10)
	n.nameTaken(web, stranger)
	require.Empty(t, n.coolingDown(web, numbered(-1, 0, 1, 8)))
	n.nameGiven(web, 2)
	clock.Step(time.Second)
	require.Equal(t, []int{1, 2}, n.coolingDown(web, numbered(0, 3)), "not that of a stranger, which is tried again in time")
	require.Equal(t, []int{1, 2}, n.coolingDown(web, numbered(0, 3)))
	n.forget(web)
	require.Equal(t, []int{0, 1, 2, 3}, n.coolingDown(web, nil), "who is left goes with the Headroom")
}

func TestNamesOfHeadroomsThatAreGoneAreForgottenInTheEnd(t *testing.T) {
	clock := testingclock.NewFakeClock(epoch)
	n := newNames(clock)
	for i := range 10 {
		headroom := types.NamespacedName{Namespace: "shop", Name: fmt.Sprint("h", i)}
		n.nameGiven(headroom, 0)
		n.nameTaken(headroom, podAt(headroom.Name+"-headroom-1", 1))
		n.forget(headroom)
		n.nameVacated(headroom, headroom.Name+"-headroom-0")
		clock.Step(coolDown / 2)
	}
	require.Empty(t, n.held)
	require.Empty(t, n.taken)
	require.LessOrEqual(t, len(n.vacated), 5)
}

func TestAUnitThatTheCacheLacksBeforeItsHandlerIsToldHasLeftItsNameAMomentAgo(t *testing.T) {
	s := newScene(t, webOf(1))
	s.reconcile()
	pod := s.pods()["web-headroom-0"]
	podHandler{s.Reconciler}.Create(t.Context(), event.TypedCreateEvent[*corev1.Pod]{Object: pod}, newQueue(t))
	s.writes()
	require.NoError(t, s.api.Delete(t.Context(), pod))
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-1"}, s.writes())
}

// TestAControllerThatStartsLearnsFirstWhichNamesWereVacated: a unit went while none ran. A Headroom that is new does not wait.
func TestAControllerThatStartsLearnsFirstWhichNamesWereVacated(t *testing.T) {
	s := newScene(t, webOf(2))
	s.reconcile()
	s.all(bind)
	s.reconcile()
	s.writes()
	went := s.pods()["web-headroom-0"]
	require.NoError(t, s.api.Delete(t.Context(), went))

	s.Reconciler = New(s.Options)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Image = "example.com/other" })
	require.Equal(t, recallFor, s.reconcile())
	require.Empty(t, s.writes())
	require.Equal(t, v1alpha1.ReasonToppingUp, s.reason(v1alpha1.ConditionFilled))
	require.Equal(t, int32(1), s.headroom().Status.OutdatedReplicas)
	fresh := neighbor()
	fresh.Name, fresh.Spec.Replicas = "fresh", ptr.To[int32](1)
	require.NoError(t, s.api.Create(t.Context(), fresh))
	for range 2 {
		_, err := s.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(fresh)})
		require.NoError(t, err)
	}
	require.Equal(t, []string{"create Pod fresh-headroom-0"}, s.writes())

	s.Vacated(went)
	s.clock.Step(recallFor)
	s.reconcile()
	require.Equal(t, []string{
		"try Pod web-headroom-1048576", "delete Pod web-headroom-1", "create Pod web-headroom-3", "create Pod web-headroom-2",
	}, s.writes())
}

func TestARolloutDoesNotWaitForAUnitThatAFinalizerKeeps(t *testing.T) {
	h := webOf(1)
	s := newScene(t, h, placeholderOf(h, 0, func(pod *corev1.Pod) { pod.Finalizers = []string{"example.com/hold"} }))
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Image = "example.com/other" })
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576", "delete Pod web-headroom-0", "create Pod web-headroom-1"}, s.writes())
	require.Zero(t, s.rollouts.pendingReplacements(web))
	s.reconcile()
	require.Empty(t, s.writes())
	require.Len(t, s.pods(), 2)
}

func TestAReplacementWhoseNameIsAStrangersIsMadeUnderAnother(t *testing.T) {
	h := webOf(1)
	other := stranger()
	other.Name = "web-headroom-1"
	s := newScene(t, h, placeholderOf(h, 0, nil), other)
	s.unseen[other.UID] = true
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Image = "example.com/other" })
	require.Equal(t, again, s.reconcile(), "nobody tells of what becomes of the stranger")
	s.reconcile()
	require.Equal(t, []string{
		"try Pod web-headroom-1048576", "delete Pod web-headroom-0", "create Pod web-headroom-1", "create Pod web-headroom-2",
	}, s.writes())
	require.Equal(t, "true", s.pods()["web-headroom-2"].Annotations[v1alpha1.AnnotationFromRollout])
}

// TestNoNameIsGivenAgainBeforeItHasCooledDown has units fail, be taken and be rolled out, and their Headroom be deleted and made anew, by
// turns, for some minutes.
func TestNoNameIsGivenAgainBeforeItHasCooledDown(t *testing.T) {
	s := newScene(t, webOf(4))
	holders, seen := map[string]types.UID{}, map[string]time.Time{}
	reused := 0
	for second := range 200 {
		s.happens(second)
		before := s.pods()
		s.reconcile()
		now := s.pods()
		for name, pod := range before {
			if now[name] == nil || now[name].UID != pod.UID {
				s.gone(pod)
			}
		}
		for name, pod := range now {
			if holder, had := holders[name]; had && holder != pod.UID {
				require.Greater(t, s.clock.Since(seen[name]), coolDown, name)
				reused++
			}
			holders[name], seen[name] = pod.UID, s.clock.Now()
		}
		for _, pod := range now {
			if pod.Spec.NodeName == "" {
				bind(pod)
				require.NoError(t, s.api.Update(t.Context(), pod))
			}
		}
		s.told(EventConsumed) // or the recorder would be full
		s.clock.Step(time.Second)
	}
	require.NotZero(t, reused, "names come back")
	require.Less(t, len(holders), 60, "and there are few")
}

// happens does one of the things that end units, to the first of them.
func (s *scene) happens(second int) {
	s.t.Helper()
	first := ""
	for name := range s.pods() {
		if first == "" || name < first {
			first = name
		}
	}
	switch {
	case second%60 == 39:
		require.NoError(s.t, s.api.Delete(s.t.Context(), s.headroom()))
		s.reconcile()
		for name := range s.pods() {
			s.goes(name)
		}
		h := webOf(4)
		h.UID = types.UID(fmt.Sprint("uid-web-", second))
		require.NoError(s.t, s.api.Create(s.t.Context(), h))
	case second%5 == 1 && first != "":
		s.takes(first)
	case second%5 == 2 && first != "":
		pod := s.pods()[first]
		fail(pod)
		require.NoError(s.t, s.api.Status().Update(s.t.Context(), pod))
	case second%20 == 3:
		s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Image = fmt.Sprint("example.com/pause:", second) })
	}
}

// TestAPodOfTheSameNameIsAnotherOne: the cache still shows the one that went while the one that came is not in it yet.
func TestAPodOfTheSameNameIsAnotherOne(t *testing.T) {
	h := webOf(1)
	before := placeholderOf(h, 0, nil)
	after := before.DeepCopy()
	after.UID, after.ResourceVersion = "uid-zzz", "999999999"
	s := newScene(t, h, before)
	s.expectations.expectCreated(web, after)
	seen := func() (uids []types.UID) {
		pods, err := s.podsOf(t.Context(), h)
		require.NoError(t, err)
		return uidsOf(pods)
	}
	require.Equal(t, []types.UID{before.UID, after.UID}, seen())
	require.NoError(t, s.api.Delete(t.Context(), before))
	cached := after.DeepCopy()
	cached.ResourceVersion = ""
	require.NoError(t, s.api.Create(t.Context(), cached))
	require.Equal(t, []types.UID{after.UID}, seen(), "once, also as long as nobody was told that the cache shows it")
}

// TestANameCoolsDownFromTheEndOfItsPodOn, however late the next look is.
func TestANameCoolsDownFromTheEndOfItsPodOn(t *testing.T) {
	clock := testingclock.NewFakeClock(epoch)
	n := newNames(clock)
	n.nameGiven(web, 0)
	n.nameVacated(web, "web-headroom-0")
	clock.Step(coolDown)
	require.Equal(t, []int{0}, n.coolingDown(web, nil))
	clock.Step(time.Second)
	require.Empty(t, n.coolingDown(web, nil))
}
