package refill

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func TestDecide(t *testing.T) {
	for name, tc := range map[string]struct {
		policy Policy
		facts  Facts
		want   Decision
	}{
		"nothing is said": {facts: Facts{Wanted: 5, Went: []time.Time{at(100)}}, want: Decision{Replicas: 5, MaxPending: Unbounded}},
		"few may wait":    {policy: Policy{MaxPending: 2}, facts: Facts{Wanted: 5}, want: Decision{Replicas: 5, MaxPending: 2}},
		"one may wait":    {policy: Policy{MaxPending: 1}, facts: Facts{Wanted: 5}, want: Decision{Replicas: 5, MaxPending: 1}},
		"less than none was taken": {
			policy: Policy{Once: true}, facts: Facts{Wanted: 5, Counting: true, Taken: -2}, want: Decision{Replicas: 5, MaxPending: Unbounded},
		},
		"its time is over for long": {
			policy: Policy{TTL: 10 * time.Second}, facts: Facts{Wanted: 5}, want: Decision{Expired: true, MaxPending: Unbounded},
		},
		"its time is not over yet":  {policy: Policy{TTL: 101 * time.Second}, facts: Facts{Wanted: 5}, want: Decision{Replicas: 5, MaxPending: Unbounded, Recheck: time.Second}},
		"its time is over":          {policy: Policy{TTL: 100 * time.Second}, facts: Facts{Wanted: 5}, want: Decision{Expired: true, MaxPending: Unbounded}},
		"one went a moment ago":     {policy: Policy{Delay: 30 * time.Second}, facts: Facts{Wanted: 5, Went: []time.Time{at(60), at(80), at(90)}}, want: Decision{Replicas: 5, Hold: 2, MaxPending: Unbounded, Recheck: 10 * time.Second}},
		"the wait ends now":         {policy: Policy{Delay: 30 * time.Second}, facts: Facts{Wanted: 5, Went: []time.Time{at(70)}}, want: Decision{Replicas: 5, MaxPending: Unbounded}},
		"the clock was put back":    {policy: Policy{Delay: 30 * time.Second}, facts: Facts{Wanted: 5, Went: []time.Time{at(9000)}}, want: Decision{Replicas: 5, Hold: 1, MaxPending: Unbounded, Recheck: 30 * time.Second}},
		"takes are not counted yet": {policy: Policy{Once: true}, facts: Facts{Wanted: 5, Taken: 2}, want: Decision{Replicas: 3, Hold: math.MaxInt, MaxPending: Unbounded, Recheck: countingBegins}},
		"some were taken":           {policy: Policy{Once: true}, facts: Facts{Wanted: 5, Counting: true, Taken: 2}, want: Decision{Replicas: 3, MaxPending: Unbounded}},
		"more were taken than the spec asks for by now": {
			policy: Policy{Once: true}, facts: Facts{Wanted: 1, Counting: true, Taken: 2}, want: Decision{MaxPending: Unbounded},
		},
		"of one it is not known": {
			policy: Policy{Once: true}, facts: Facts{Wanted: 5, Counting: true, Taken: 1, Undecided: 1},
			want: Decision{Replicas: 4, Hold: 1, MaxPending: Unbounded, Recheck: decisionsCome},
		},
		"with Always nobody asks": {facts: Facts{Wanted: 5, Taken: 1, Undecided: 1}, want: Decision{Replicas: 5, MaxPending: Unbounded}},
		"one that is not known went a moment ago": {
			policy: Policy{Once: true, Delay: time.Minute}, facts: Facts{Wanted: 5, Counting: true, Undecided: 1, Went: []time.Time{at(99)}},
			want: Decision{Replicas: 5, Hold: 1, MaxPending: Unbounded, Recheck: decisionsCome},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.facts.Now, tc.facts.Created = at(100), epoch
			require.Equal(t, tc.want, Decide(tc.policy, tc.facts))
		})
	}
}

func TestTheCountTakesNothingBackWhenTheAccountBeginsAnew(t *testing.T) {
	c := Count{Before: 100}
	c = c.Next(103)
	require.Equal(t, Count{Before: 100, Taken: 3}, c)
	c = c.Next(0)
	require.Equal(t, Count{Before: -3, Taken: 3}, c, "somebody deleted the account")
	require.Equal(t, Count{Before: -3, Taken: 5}, c.Next(2))
}
