package gang

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestAnAttemptIsTimedOutAtItsDeadlineUnlessItIsOver counts how often that is done.
func TestAnAttemptIsTimedOutAtItsDeadlineUnlessItIsOver(t *testing.T) {
	const deadline = 5*time.Minute + time.Second // by what the group says
	for name, tc := range map[string]struct {
		over func(*Attempts, *Attempt)
		want int64
	}{
		"its members wait on": {over: func(*Attempts, *Attempt) {}, want: 1},
		"its last member came": {over: func(as *Attempts, a *Attempt) {
			_, complete, _ := as.Arrive(a, "x")
			require.True(t, complete)
		}},
		"it was given up": {over: func(as *Attempts, a *Attempt) {
			_, _, ok := as.End(a)
			require.True(t, ok)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				as, a, timedOut := NewAttempts(), attempt("web", "x"), atomic.Int64{}
				a.Deadline = time.Now().Add(deadline)
				as.Begin(a, func() { timedOut.Add(1) })
				time.Sleep(deadline - time.Nanosecond) //nolint:forbidigo // the clock is synctest's
				synctest.Wait()
				require.Zero(t, timedOut.Load(), "it has time")
				tc.over(as, a)
				time.Sleep(time.Nanosecond) //nolint:forbidigo // the clock is synctest's
				synctest.Wait()
				require.Equal(t, tc.want, timedOut.Load())
				time.Sleep(time.Hour) //nolint:forbidigo // the clock is synctest's
				synctest.Wait()
				require.Equal(t, tc.want, timedOut.Load(), "once")
			})
		})
	}
}

func TestAnAttemptThatIsGivenUpHoldsNothing(t *testing.T) {
	as, web, db := NewAttempts(), attempt("web", "x", "y"), attempt("db", "z")
	as.Begin(web, func() {})
	as.Begin(db, func() {})
	_, _, ok := as.End(web)
	require.True(t, ok)
	require.Nil(t, as.Of(named("web")))
	require.Nil(t, as.WithPod("x"))
	require.Nil(t, as.WithPod("y"))
	require.Same(t, db, as.Of(named("db")), "another one goes on")
	require.Same(t, db, as.WithPod("z"))
	for i := range unitsOf("web") {
		require.Nil(t, as.WithUnit(unitsOf("web")[i]))
		require.Same(t, db, as.WithUnit(unitsOf("db")[i]))
	}
}

// TestWhatComesOfAnAttemptThatIsOverDoesNotTouchTheNextOneOfTheGroup, as a timeout that comes late.
func TestWhatComesOfAnAttemptThatIsOverDoesNotTouchTheNextOneOfTheGroup(t *testing.T) {
	as, first, second := NewAttempts(), attempt("web", "x"), attempt("web", "x")
	as.Begin(first, func() {})
	_, _, ok := as.End(first)
	require.True(t, ok)
	as.Begin(second, func() {})
	_, _, ok = as.End(first)
	require.False(t, ok)
	_, complete, ok := as.Arrive(first, "x")
	require.False(t, complete)
	require.False(t, ok)
	require.Same(t, second, as.Of(named("web")))
	require.Same(t, second, as.WithPod("x"))
}

func TestAMemberThatWaitsForTheOthersHasItsPlaceStill(t *testing.T) {
	as, a := NewAttempts(), attempt("web", "x", "y")
	as.Begin(a, func() {})
	_, complete, _ := as.Arrive(a, "x")
	require.False(t, complete)
	require.Same(t, a, as.WithPod("x"), "if it goes, the others wait in vain")
	require.Same(t, a, as.WithPod("y"))
}

func TestAMemberThatComesTwiceCountsOnce(t *testing.T) {
	as, a := NewAttempts(), attempt("web", "x", "y")
	as.Begin(a, func() {})
	for range 3 {
		_, complete, ok := as.Arrive(a, "x")
		require.True(t, ok)
		require.False(t, complete, "the other one is not there")
	}
}

func TestAGroupThatHasItsPlacesKeepsOthersFromItsHeadrooms(t *testing.T) {
	as := NewAttempts()
	as.Begin(attempt("web", "x"), func() {})
	before := func(group string) (other types.NamespacedName, some bool) {
		as.Turns(func(turns *Turns) {
			other, _, some = turns.Before(Rank{Name: named(group)}, named("spare"), builders.Epoch())
		})
		return other, some
	}
	other, some := before("db")
	require.True(t, some)
	require.Equal(t, named("web"), other)
	_, some = before("web")
	require.False(t, some, "not itself")
}

func TestAGroupThatNeverGetsWhereItIsToGoIsTriedTwiceAMinute(t *testing.T) {
	as := NewAttempts()
	for failures := range 100 {
		a := attempt("web", "x")
		as.Begin(a, func() {})
		_, again, ok := as.End(a)
		require.True(t, ok)
		if failures >= 5 {
			require.Equal(t, lastDelay, again, "after %d failures", failures)
		}
	}
}

func TestAGroupIsKeptByTheFirstOfThoseThatComeBeforeIt(t *testing.T) {
	turns, now, wants := &Turns{}, builders.Epoch(), sets.New(named("spare"))
	turns.Hold(named("holder"), wants.UnsortedList())
	for i := range 20 {
		turns.Wait(Rank{Name: named(fmt.Sprintf("%02d", i)), Priority: int32(20 - i)}, wants) //nolint:gosec // a handful
	}
	turns.Wait(Rank{Name: named("elsewhere"), Priority: 100}, sets.New(named("other")))
	require.NotContains(t, turns.Release(named("holder"), now), named("elsewhere"), "it waits for another Headroom")
	other, _, _ := turns.Before(Rank{Name: named("last")}, named("spare"), now)
	require.Equal(t, named("00"), other)
}

// TestAGroupIsNotKeptByItself has it tried by a member of a lower priority than the one by which it was turned away.
func TestAGroupIsNotKeptByItself(t *testing.T) {
	turns, now, wants := &Turns{}, builders.Epoch(), sets.New(named("spare"))
	turns.Hold(named("holder"), wants.UnsortedList())
	turns.Wait(Rank{Name: named("web"), Priority: 2}, wants)
	require.Equal(t, []types.NamespacedName{named("web")}, turns.Release(named("holder"), now))
	_, _, some := turns.Before(Rank{Name: named("web"), Priority: 1}, named("spare"), now)
	require.False(t, some)
}

func TestTheSmallestMemberIsSoOfEachResource(t *testing.T) {
	pods := []*corev1.Pod{
		builders.Consumer("a", builders.Resources{"cpu": "2", "memory": "1", "ephemeral-storage": "7"}).Obj(),
		builders.Consumer("b", builders.Resources{"cpu": "1", "memory": "3", "ephemeral-storage": "5", "example.com/gpu": "1"}).Obj(),
		builders.Consumer("c", builders.Resources{"cpu": "3", "memory": "2", "ephemeral-storage": "6"}).Obj(),
	}
	require.Equal(t, evictionorder.Resources{
		evictionorder.Pods: 1, evictionorder.MilliCPU: 1000, evictionorder.Memory: 1, evictionorder.EphemeralStorage: 5,
	}, Smallest(pods))
	require.Empty(t, Smallest(nil))
}

func TestAGroupIsOnlyKeptByTheTurnOfOneThatComesBeforeIt(t *testing.T) {
	turns, now := &Turns{}, builders.Epoch()
	high, low := Rank{Name: named("high"), Priority: 2}, Rank{Name: named("low"), Priority: 1}
	turns.Hold(named("holder"), []types.NamespacedName{named("spare"), named("other")})
	turns.Wait(high, sets.New(named("spare")))
	turns.Wait(low, sets.New(named("spare")))
	turns.Release(named("holder"), now)
	_, _, some := turns.Before(high, named("spare"), now)
	require.False(t, some, "the other one comes after it")
	_, _, some = turns.Before(low, named("other"), now)
	require.False(t, some, "nobody waits for that Headroom")
	other, until, some := turns.Before(low, named("spare"), now.Add(Turn-time.Nanosecond))
	require.True(t, some)
	require.Equal(t, named("high"), other)
	require.Equal(t, now.Add(Turn), until)
}

func TestAGroupThatIsGoneIsNotTriedEverLater(t *testing.T) {
	as := NewAttempts()
	fail := func() time.Duration {
		a := attempt("web", "x")
		as.Begin(a, func() {})
		_, again, ok := as.End(a)
		require.True(t, ok)
		return again
	}
	require.Equal(t, firstDelay, fail())
	require.Equal(t, 2*firstDelay, fail())
	as.ForgetGroup(named("other"))
	require.Equal(t, 4*firstDelay, fail())
	as.ForgetGroup(named("web"))
	require.Equal(t, firstDelay, fail(), "one that is made anew under the name begins anew")
}

func TestWhatIsKnownOfAPodIsForgottenWithIt(t *testing.T) {
	as := NewAttempts()
	pods := []*corev1.Pod{builders.Consumer("x", nil).UID("x").Obj(), builders.Consumer("y", nil).UID("y").Obj()}
	require.False(t, as.Assumed("x"))
	require.False(t, as.Fitting("x"))
	as.NoteFitting(pods)
	for _, uid := range []types.UID{"x", "y"} {
		as.Assume(uid)
		require.True(t, as.WarnOnce(uid))
		require.False(t, as.WarnOnce(uid), "it was told already")
	}
	as.ForgetPod("x")
	require.False(t, as.Assumed("x"))
	require.False(t, as.Fitting("x"))
	require.True(t, as.WarnOnce("x"), "a pod of the UID would be another one")
	require.True(t, as.Assumed("y"))
	require.True(t, as.Fitting("y"))
	require.False(t, as.WarnOnce("y"))
	as.Unassume("y")
	require.False(t, as.Assumed("y"))
	require.True(t, as.Fitting("y"), "it was not bound, and its group still fits")
}

// TestMembersCountForTheirOwnGroup, however many of others have their places, or are in Permit, when it gets its own.
func TestMembersCountForTheirOwnGroup(t *testing.T) {
	as, web, db := NewAttempts(), attempt("web", "x", "y", "z"), attempt("db", "u", "v")
	as.Begin(web, func() {})
	for _, uid := range []types.UID{"x", "y"} {
		_, _, ok := as.Arrive(web, uid)
		require.True(t, ok)
	}
	as.Begin(db, func() {})
	_, complete, ok := as.Arrive(db, "u")
	require.True(t, ok)
	require.False(t, complete, "its other member is not there")
	others, complete, ok := as.Arrive(db, "v")
	require.True(t, ok)
	require.True(t, complete)
	require.Equal(t, []types.UID{"u"}, others)
	arrived, _, ok := as.End(web)
	require.True(t, ok)
	require.Equal(t, sets.New[types.UID]("x", "y"), arrived)
}

func TestOverheadAndAllContainersAreWhatAMemberRequests(t *testing.T) {
	pod := builders.Consumer("a", builders.Resources{"cpu": "1", "memory": "1Gi"}).Obj()
	pod.Spec.Containers = append(pod.Spec.Containers, builders.Consumer("b", builders.Resources{"cpu": "2"}).Obj().Spec.Containers...)
	pod.Spec.Overhead = corev1.ResourceList{"cpu": resource.MustParse("250m")}
	require.Equal(t, int64(3250), Smallest([]*corev1.Pod{pod}).At(evictionorder.MilliCPU))
	require.Equal(t, "cpu 3250m, memory 1Gi", Missing([]*corev1.Pod{pod}))
}

// TestTheBoundIsThatOfTheScarcestResource that all members request, whichever that is.
func TestTheBoundIsThatOfTheScarcestResource(t *testing.T) {
	all := func(*inventory.Placeholder) bool { return true }
	for scarce := range 4 {
		n := inventory.Node{Allocatable: evictionorder.Resources{9, 9, 9, 9}, Requested: evictionorder.Resources{0, 0, 0, 0}}
		n.Allocatable[scarce] = 2
		require.Equal(t, 2, Most([]inventory.Node{n}, evictionorder.Resources{1, 1, 1, 1}, all, 5), "resource %d", scarce)
		alone := make(evictionorder.Resources, 4)
		alone[scarce] = 1
		require.Equal(t, 2, Most([]inventory.Node{n}, alone, all, 5), "resource %d, and nothing else", scarce)
	}
}
