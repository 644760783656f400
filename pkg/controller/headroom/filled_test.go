package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// TestWhatKeepsAHeadroomFromBeingFilledIsToldInOrder: what somebody has to do something about comes before what only takes time.
func TestWhatKeepsAHeadroomFromBeingFilledIsToldInOrder(t *testing.T) {
	gated, waits := obstacle{reason: v1alpha1.ReasonGated, message: "g"}, obstacle{reason: v1alpha1.ReasonWaitingForRoom, message: "w"}
	for name, tc := range map[string]struct {
		tally tally
		want  string
	}{
		"units that fail, though all are there":   {tally{settled: true, failing: &problem{reason: "X"}}, "X"},
		"a problem before units that fail":        {tally{problem: &problem{reason: "P"}, failing: &problem{reason: "X"}}, v1alpha1.ReasonNotReady},
		"units that fail before a gate":           {tally{desired: 1, failing: &problem{reason: "X"}, obstacle: gated}, "X"},
		"the ceiling of units that nothing holds": {tally{settled: true, desired: 1, atCeiling: true}, v1alpha1.ReasonAtCeiling},
		"the ceiling of units without room":       {tally{settled: true, desired: 1, atCeiling: true, obstacle: waits}, v1alpha1.ReasonAtCeiling},
		"a gate on the probes of a parked one":    {tally{settled: true, desired: 1, atCeiling: true, obstacle: gated}, v1alpha1.ReasonGated},
		"a gate":                                  {tally{settled: true, desired: 1, obstacle: gated}, v1alpha1.ReasonGated},
		"a rollout, when all can be taken":        {tally{settled: true, rolling: 1, bound: 1, ready: 1, desired: 1}, v1alpha1.ReasonRollingOut},
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
