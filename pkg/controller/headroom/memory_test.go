package headroom

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/topup"
)

var (
	epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	web   = types.NamespacedName{Namespace: "shop", Name: "web"}
)

func podAt(uid string, version int) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: uid, UID: types.UID(uid), ResourceVersion: strconv.Itoa(version)}}
}

func TestCreatedPodIsKnownUntilTheCacheShowsIt(t *testing.T) {
	e := newExpectations()
	e.expectCreated(web, podAt("a", 10))
	e.expectCreated(web, podAt("b", 12))
	require.Len(t, e.pods(web), 2)
	e.observedPod(web, podAt("other", 11)) // all up to 11 was shown, "a" included
	require.Equal(t, []*corev1.Pod{podAt("b", 12)}, e.pods(web))
	e.observedDelete(web, podAt("b", 13))
	require.Empty(t, e.pods(web))
}

func TestPodThatTheCacheShowedBeforeTheAnswerCame(t *testing.T) {
	e := newExpectations()
	e.observedPod(web, podAt("a", 10))
	e.expectCreated(web, podAt("a", 10))
	require.Empty(t, e.pods(web), "it would never be shown again")
}

// TestWhatTheCacheHasShownStaysShown: a list, and the states of pods that are looked at anew, come in no order of their versions.
func TestWhatTheCacheHasShownStaysShown(t *testing.T) {
	e := newExpectations()
	e.observedPod(web, podAt("a", 12))
	e.observedPod(web, podAt("b", 10))
	e.expectCreated(web, podAt("c", 11))
	require.Empty(t, e.pods(web), "it would never be shown again")
}

func TestOwnDeletionsAreTold(t *testing.T) {
	e := newExpectations()
	e.expectDeleted("a", topup.ReasonSurplus)
	e.expectDeleted("b", topup.ReasonSurplus)
	e.deletionFailed("b")
	require.True(t, e.isDeleting("a"))
	asked, own := e.observedDelete(web, podAt("a", 10))
	require.True(t, own)
	require.Equal(t, deletion{reason: topup.ReasonSurplus}, asked, "it is not answered")
	_, own = e.observedDelete(web, podAt("b", 10))
	require.False(t, own)
	require.False(t, e.isDeleting("a"))

	e.expectDeleted("c", topup.ReasonLost)
	e.deletionDone("c")
	asked, own = e.observedDelete(web, podAt("c", 10))
	require.True(t, own)
	require.Equal(t, deletion{reason: topup.ReasonLost, done: true}, asked)
}

func TestPendingReplacementsNeverFallBelowZero(t *testing.T) {
	r := newRollouts()
	r.rolloutStep(web, -1)
	require.Zero(t, r.pendingReplacements(web))
	r.rolloutStep(web, 1)
	r.rolloutStep(web, 1)
	r.rolloutStep(web, -1)
	require.Equal(t, 1, r.pendingReplacements(web))
	r.forget(web)
	require.Zero(t, r.pendingReplacements(web))
}

func TestRetriesDoubleUpToAMinute(t *testing.T) {
	clock := testingclock.NewFakeClock(epoch)
	r := newRetries(clock)
	what := &problem{reason: "QuotaExceeded"}
	wait, last := r.due(web, 1)
	require.Zero(t, wait)
	require.Nil(t, last)

	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		require.Equal(t, want*time.Second, r.failed(web, 1, what))
		wait, last = r.due(web, 1)
		require.Equal(t, want*time.Second, wait)
		require.Equal(t, what, last)
		wait, last = r.due(web, 2)
		require.Zero(t, wait, "a new spec may try at once")
		require.Nil(t, last, "nothing is known of it")
		wait, _ = r.due(web, 1)
		clock.Step(wait)
		wait, _ = r.due(web, 1)
		require.Zero(t, wait)
	}
	require.Equal(t, firstRetry, r.failed(web, 2, what))
	clock.Step(retryMemory + time.Minute)
	require.Equal(t, firstRetry, r.failed(web, 2, what), "old trouble is forgotten")
	r.succeeded(web)
	wait, _ = r.due(web, 2)
	require.Zero(t, wait)
}

func TestBatchesGrowAndStopAtTheFirstFailure(t *testing.T) {
	calls := make(chan int, 100)
	done, err := inBatches(10, func(i int) error {
		calls <- i
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 10, done)
	require.Len(t, calls, 10)

	calls = make(chan int, 100)
	done, err = inBatches(100, func(i int) error {
		calls <- i
		if i == 4 {
			return errBroken
		}
		return nil
	})
	require.ErrorIs(t, err, errBroken)
	require.Equal(t, 3, done, "the batches of 1 and 2")
	require.Len(t, calls, 7, "and the one of 4 that failed")
}

func TestStatusIsWrittenOnTopOfTheLastOne(t *testing.T) {
	e := newExpectations()
	at := func(uid, version string) *v1alpha1.Headroom {
		return &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web", UID: types.UID(uid), ResourceVersion: version,
		}}
	}
	require.Equal(t, at("a", "9"), e.newest(at("a", "9")))
	e.expectStatus(at("a", "10"))
	require.Equal(t, at("a", "10"), e.newest(at("a", "9")), "the cache is behind")
	require.Equal(t, at("a", "11"), e.newest(at("a", "11")), "the cache is ahead")
	e.expectStatus(at("a", "12"))
	require.Equal(t, at("b", "9"), e.newest(at("b", "9")), "another Headroom of the name")
	e.expectStatus(at("a", "13"))
	cached := at("a", "13")
	require.Same(t, cached, e.newest(cached), "the cache has caught up")
	require.Empty(t, e.reported, "which ends it")
}
