package headroom

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	testclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func TestARolloutIsNotSlowedDown(t *testing.T) {
	r := newRelapses(testclock.NewFakeClock(epoch))
	for left := 100; left > 0; left -= 25 {
		n, _ := r.allow(web, "new", left)
		require.GreaterOrEqual(t, n, 25)
		r.replaced(web, 25)
	}
	n, _ := r.allow(web, "newer", 100)
	require.Equal(t, 100, n, "the next spec has a rollout of its own")
}

// TestWhatIsOutdatedAgainIsReplacedEverMoreSlowly plays somebody who makes every unit outdated as soon as it is replaced: with ten units
// and a reconcile each tenth of a second, ten minutes see the ten of the first round, and then one round after 1, 2, 4 ... 60 seconds.
func TestWhatIsOutdatedAgainIsReplacedEverMoreSlowly(t *testing.T) {
	clock := testclock.NewFakeClock(epoch)
	r := newRelapses(clock)
	replaced := 0
	for range 6000 {
		n, wait := r.allow(web, "mine", 10)
		require.NotEqual(t, n > 0, wait > 0)
		if n > 0 {
			replaced += n
			r.replaced(web, n)
		}
		clock.Step(100 * time.Millisecond)
	}
	require.LessOrEqual(t, replaced, 10*(1+7+10))
	require.GreaterOrEqual(t, replaced, 10*(1+7+8), "but it does not give up")

	clock.Step(lastRetry + retryMemory + time.Second)
	for _, want := range []int{10, 5} { // long after, it counts as the first time again
		n, _ := r.allow(web, "mine", 10)
		require.Equal(t, want, n)
		r.replaced(web, 5)
	}
}

func TestReplacementsBackOffWhateverComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := testclock.NewFakeClock(epoch)
		r := newRelapses(clock)
		rounds := 0
		for range rapid.IntRange(1, 200).Draw(t, "looks") {
			if n, _ := r.allow(web, "mine", 1); n > 0 {
				rounds++
				r.replaced(web, 1)
			}
			clock.Step(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * time.Millisecond)
		}
		require.LessOrEqual(t, rounds, 2+7+int(clock.Since(epoch)/lastRetry), "one for the first, seven while the wait grows")
	})
}

func TestWhatAdmissionChangedIsRemembered(t *testing.T) {
	clock := testclock.NewFakeClock(epoch)
	r := &Reconciler{Options: Options{Clock: clock}, changes: newChanges(clock)}
	h := headroomOf(1)
	require.Nil(t, r.tellChange(context.Background(), h, outcome{}).problem)
	r.changes.note(web, &placeholder.Change{Field: "spec.containers[mesh-proxy]", How: "was added"})
	clock.Step(20 * time.Second)
	got := r.tellChange(context.Background(), h, outcome{})
	require.Equal(t, v1alpha1.ReasonAdmissionChanged, got.problem.reason)
	require.Contains(t, got.problem.message, "spec.containers[mesh-proxy] was added")
	require.Equal(t, 40*time.Second, got.retry, "then it is asked again")
	worse := &problem{reason: v1alpha1.ReasonQuotaExceeded}
	require.Equal(t, worse, r.tellChange(context.Background(), h, outcome{problem: worse}).problem)
}
