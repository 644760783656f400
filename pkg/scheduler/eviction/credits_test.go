package eviction

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
)

func TestCredits(t *testing.T) {
	gone := func(*corev1.Pod) bool { return true }
	there := func(*corev1.Pod) bool { return false }
	for name, tc := range map[string]struct {
		do   func(c *Credits, clock *testingclock.FakeClock)
		node string
		gone func(*corev1.Pod) bool
		want int
	}{
		"an eviction is credited to its consumer": {
			do: func(c *Credits, _ *testingclock.FakeClock) { c.evicted("p", victims("v")[0], false) }, want: 1,
		},
		"not to another one":         {do: func(c *Credits, _ *testingclock.FakeClock) { c.evicted("q", victims("v")[0], false) }},
		"nor if the answer was lost": {do: func(c *Credits, _ *testingclock.FakeClock) { c.evicted("q", victims("v")[0], true) }},
		"not if the consumer went to another node": {
			do: func(c *Credits, _ *testingclock.FakeClock) { c.evicted("p", victims("v")[0], false) }, node: "elsewhere",
		},
		"for as long as a consumer may take to be bound": {do: func(c *Credits, clock *testingclock.FakeClock) {
			c.evicted("p", victims("v")[0], false)
			clock.Step(CreditLifetime)
		}, want: 1},
		"and no longer": {do: func(c *Credits, clock *testingclock.FakeClock) {
			c.evicted("p", victims("v")[0], false)
			clock.Step(CreditLifetime + time.Nanosecond)
		}},
		"from the moment in which the placeholder is gone": {do: func(c *Credits, clock *testingclock.FakeClock) {
			c.evicted("p", victims("v")[0], false)
			clock.Step(10 * time.Minute) // finalizers keep it
			c.Gone(victims("v")[0].UID)
			clock.Step(CreditLifetime)
		}, want: 1},
		"which says nothing of one that nobody evicted": {do: func(c *Credits, _ *testingclock.FakeClock) { c.Gone(victims("v")[0].UID) }},
		"until it is settled": {do: func(c *Credits, _ *testingclock.FakeClock) {
			c.evicted("p", victims("v")[0], false)
			c.Settle("p")
		}},
		"another one's settlement leaves it": {do: func(c *Credits, _ *testingclock.FakeClock) {
			c.evicted("p", victims("v")[0], false)
			c.Settle("q")
		}, want: 1},
		"the later of two evictions of one placeholder counts": {do: func(c *Credits, _ *testingclock.FakeClock) {
			c.evicted("q", victims("v")[0], true)
			c.evicted("p", victims("v")[0], false)
		}, want: 1},
		"one that was answered counts while the scheduler's cache has the placeholder": {
			do: func(c *Credits, _ *testingclock.FakeClock) { c.evicted("p", victims("v")[0], false) }, gone: there, want: 1,
		},
		"one without an answer counts if the placeholder is gone": {
			do: func(c *Credits, _ *testingclock.FakeClock) { c.evicted("p", victims("v")[0], true) }, want: 1,
		},
		"and does not if it is there": {
			do: func(c *Credits, _ *testingclock.FakeClock) { c.evicted("p", victims("v")[0], true) }, gone: there,
		},
	} {
		t.Run(name, func(t *testing.T) {
			clock := testingclock.NewFakeClock(time.Unix(1, 0))
			credits := NewCredits(clock)
			tc.do(credits, clock)
			if tc.node == "" {
				tc.node = "n"
			}
			if tc.gone == nil {
				tc.gone = gone
			}
			require.Len(t, credits.Of("p", tc.node, tc.gone), tc.want)
		})
	}
}

func TestAnEvictionIsKnownToBelongToItsConsumerUntilThatIsSettled(t *testing.T) {
	c := NewCredits(testingclock.NewFakeClock(time.Time{}))
	placeholder := &corev1.Pod{}
	placeholder.UID = "unit"
	c.Gone("unit")
	_, known := c.To("unit")
	require.False(t, known, "nobody evicted it")
	c.evicted("web", placeholder, false)
	consumer, known := c.To("unit")
	require.True(t, known)
	require.EqualValues(t, "web", consumer)
	c.Settle("web")
	_, known = c.To("unit")
	require.False(t, known)
}

func TestAllEvictionsOfAConsumerOnItsNodeAreCredited(t *testing.T) {
	c := NewCredits(testingclock.NewFakeClock(time.Unix(1, 0)))
	own, elsewhere, others := victims("a", "b", "c"), victims("d")[0], victims("e")[0]
	elsewhere.Spec.NodeName = "m"
	for _, placeholder := range append(own, elsewhere) {
		c.evicted("p", placeholder, false)
	}
	c.evicted("q", others, false)
	require.ElementsMatch(t, own, c.Of("p", "n", func(*corev1.Pod) bool { return true }))
	require.Equal(t, []*corev1.Pod{elsewhere}, c.Of("p", "m", func(*corev1.Pod) bool { return true }))
	require.Equal(t, []*corev1.Pod{others}, c.Of("q", "n", func(*corev1.Pod) bool { return true }))
}

// TestASettlementDropsTheCreditsOfItsConsumerAlone, however old those of others are: who evicted a placeholder is asked until its
// consumer is settled.
func TestASettlementDropsTheCreditsOfItsConsumerAlone(t *testing.T) {
	clock := testingclock.NewFakeClock(time.Unix(1, 0))
	c := NewCredits(clock)
	for consumer, placeholders := range map[types.UID][]*corev1.Pod{"p": victims("a", "b"), "q": victims("c", "d")} {
		for _, placeholder := range placeholders {
			c.evicted(consumer, placeholder, false)
		}
	}
	clock.Step(2 * CreditLifetime)
	c.Settle("p")
	for placeholder, want := range map[types.UID]bool{"a": false, "b": false, "c": true, "d": true} {
		_, known := c.To(placeholder)
		require.Equal(t, want, known, placeholder)
	}
}
