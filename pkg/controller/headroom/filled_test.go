package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// TestWhatKeepsAHeadroomFromBeingFilledIsToldInOrder: what somebody has to do something about comes before what only takes time.
func TestWhatKeepsAHeadroomFromBeingFilledIsToldInOrder(t *testing.T) {
	gated, waits := obstacle{reason: v1alpha1.ReasonGated}, obstacle{reason: v1alpha1.ReasonWaitingForRoom}
	for name, tc := range map[string]struct {
		tally tally
		want  string
	}{
		"units that fail, though all are there": {tally{settled: true, failing: &problem{reason: "X"}}, "X"},
		"a problem before units that fail": {
			tally{problem: &problem{reason: "P"}, failing: &problem{reason: "X"}}, v1alpha1.ReasonNotReady,
		},
		"units that fail before a gate":           {tally{desired: 1, failing: &problem{reason: "X"}, obstacle: gated}, "X"},
		"the ceiling of units that nothing holds": {tally{settled: true, desired: 1, atCeiling: true}, v1alpha1.ReasonAtCeiling},
		"the ceiling of units without room": {
			tally{settled: true, desired: 1, atCeiling: true, obstacle: waits}, v1alpha1.ReasonAtCeiling,
		},
		"a gate on the probes of a parked one": {tally{settled: true, desired: 1, atCeiling: true, obstacle: gated}, v1alpha1.ReasonGated},
		"a gate":                               {tally{settled: true, desired: 1, obstacle: gated}, v1alpha1.ReasonGated},
		"a rollout, when all can be taken": {
			tally{settled: true, rolling: 1, bound: 1, ready: 1, desired: 1}, v1alpha1.ReasonRollingOut,
		},
		"units on their way before a rollout":     {tally{settled: true, rolling: 1, desired: 2, bound: 1, ready: 1}, v1alpha1.ReasonToppingUp},
		"those that hold room and none can take":  {tally{settled: true, desired: 1, bound: 1, unavailable: 1}, v1alpha1.ReasonUnavailable},
		"nothing while it is not known how many":  {tally{bound: 1, unavailable: 1}, v1alpha1.ReasonToppingUp},
		"not that units of an unknown number are": {tally{bound: 1, ready: 1}, v1alpha1.ReasonToppingUp},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, filledCondition(tc.tally, readyCondition(tc.tally)).Reason)
		})
	}
}

// TestHowAUnitDeviatesIsToldOfTheCurrentSpecAlone: one of an older spec is replaced for that.
func TestHowAUnitDeviatesIsToldOfTheCurrentSpecAlone(t *testing.T) {
	var got tally
	for _, u := range []unit{
		{Unit: topup.Unit{Template: "old", Nonconforming: true}, deviation: "of an older spec"},
		{Unit: topup.Unit{Template: "new"}},
		{Unit: topup.Unit{Template: "new", Nonconforming: true}, deviation: "the first", unavailable: "u"},
		{Unit: topup.Unit{Template: "new", Nonconforming: true}, deviation: "the second", unavailable: "v"},
	} {
		got.addBound(u, "new")
	}
	require.Equal(t, tally{bound: 4, ready: 2, unavailable: 2, outdated: 3, deviation: "the first", trouble: "u"}, got)
}

// TestOnlyAnAnswerOfTheAPIServerCountsAsRefused, and not what was known before it was asked.
func TestOnlyAnAnswerOfTheAPIServerCountsAsRefused(t *testing.T) {
	invalid, reached := &problem{reason: v1alpha1.ReasonInvalidSpec}, &problem{reason: v1alpha1.ReasonLimitReached}
	p := plan{refused: invalid, allotted: allotted{limited: reached}}
	require.False(t, p.refusedNow(nil))
	require.False(t, p.refusedNow(invalid))
	require.False(t, p.refusedNow(reached))
	require.False(t, p.refusedNow(&problem{reason: v1alpha1.ReasonAnotherController}))
	require.True(t, p.refusedNow(&problem{reason: v1alpha1.ReasonInvalidSpec}), "this time the API server says so")
	require.True(t, plan{}.refusedNow(&problem{reason: v1alpha1.ReasonQuotaExceeded}))
}

// TestOfUnitsThatFindNoRoomTheFirstIsTold, of those of which the scheduler says anything.
func TestOfUnitsThatFindNoRoomTheFirstIsTold(t *testing.T) {
	says := func(message string) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message,
		}}}}
	}
	got, again := obstacleOf([]*corev1.Pod{says(""), says("too little cpu"), says("no such zone"), says("")}, epoch)
	require.Equal(t, obstacle{v1alpha1.ReasonWaitingForRoom, "The scheduler says: too little cpu"}, got)
	require.Zero(t, again)
}
