package sizing

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, time.November, 26, 12, 0, 0, 0, time.UTC)

const tenMinutes = 10 * time.Minute

func proposals(units ...int) []Proposal {
	var all []Proposal
	for i, n := range units {
		all = append(all, Proposal{Rule: string(rune('a' + i)), Units: n})
	}
	return all
}

func TestWhichNumberCounts(t *testing.T) {
	held := Memory{Last: Asked{"b", 3}, Recent: []Recent{{Asked{"a", 20}, noon.Add(-5 * time.Minute)}}}
	for name, tc := range map[string]struct {
		units  []int
		before Memory
		bounds Bounds
		want   Result
	}{
		"the largest rule": {
			units: []int{3, 14, 5}, bounds: Bounds{Floor: 2, Max: 40, Fit: -1},
			want: Result{Units: 14, Rule: "b", Message: "14 units: rule b asks for 14 and no rule for more."},
		},
		"the first of two that are as large": {
			units: []int{3, 3}, bounds: Bounds{Max: 40, Fit: -1},
			want: Result{Units: 3, Rule: "a", Message: "3 units: rule a asks for 3 and no rule for more."},
		},
		"the floor": {
			units: []int{3, 1}, bounds: Bounds{Floor: 4, Max: 40, Fit: -1},
			want: Result{Units: 4, Message: "4 units: spec.replicas asks for 4 and no rule for more."},
		},
		"no rule asks for any": {
			units: []int{0}, bounds: Bounds{Floor: 1, Max: 40, Fit: -1},
			want: Result{Units: 1, Message: "1 unit: spec.replicas asks for 1 and no rule for more."},
		},
		"nothing at all": {
			bounds: Bounds{Max: 40, Fit: -1}, want: Result{Message: "0 units: spec.replicas asks for 0 and no rule for more."},
		},
		"the maximum": {
			units: []int{55}, bounds: Bounds{Floor: 2, Max: 40, Fit: -1},
			want: Result{Units: 40, Rule: "a", LimitedBy: LimitMax, Message: "40 units: max is 40; rule a asks for 55 and no rule for more."},
		},
		"the most that a Headroom may have": {
			units: []int{math.MaxInt32}, bounds: Bounds{Max: math.MaxInt32, Fit: -1},
			want: Result{Units: 10000, Rule: "a", LimitedBy: LimitMax, Message: "10000 units: max is 10000; rule a asks for 2147483647 and no rule for more."},
		},
		"a maximum below the floor goes before it": {
			units: []int{1}, bounds: Bounds{Floor: 5, Max: 4, Fit: -1},
			want: Result{Units: 4, LimitedBy: LimitMax, Message: "4 units: max is 4; spec.replicas asks for 5 and no rule for more."},
		},
		"resources go before the floor too": {
			units: []int{9}, bounds: Bounds{Floor: 5, Max: 8, Fit: 3, FitMessage: "maxResources of 6 cpu holds 3 units of 2"},
			want: Result{
				Units: 3, Rule: "a", LimitedBy: LimitMaxResources,
				Message: "3 units: maxResources of 6 cpu holds 3 units of 2; rule a asks for 9 and no rule for more.",
			},
		},
		"resources for less than one unit leave none": {
			units: []int{9}, bounds: Bounds{Floor: 5, Max: 8, Fit: 0, FitMessage: "maxResources of 1 cpu holds 0 units of 2"},
			want: Result{
				Rule: "a", LimitedBy: LimitMaxResources,
				Message: "0 units: maxResources of 1 cpu holds 0 units of 2; rule a asks for 9 and no rule for more.",
			},
		},
		"the largest of the window": {
			units: []int{0, 3}, before: held, bounds: Bounds{Floor: 2, Max: 40, Fit: -1, Window: tenMinutes},
			want: Result{
				Units: 20, Rule: "a", Recheck: 5 * time.Minute,
				Message: "20 units: rule a came to 20 until 2026-11-26T11:55:00Z, which counts for 10m (scaleDown.stabilizationWindow); now rule b asks for 3.",
			},
		},
		"the largest of the window, and no rule asks for any": {
			units: []int{0, 0}, before: held, bounds: Bounds{Max: 40, Fit: -1, Window: tenMinutes},
			want: Result{
				Units: 20, Rule: "a", Recheck: 5 * time.Minute,
				Message: "20 units: rule a came to 20 until 2026-11-26T11:55:00Z, which counts for 10m (scaleDown.stabilizationWindow); " +
					"now no rule asks for any.",
			},
		},
		"the floor above the largest of the window": {
			units: []int{0, 3}, before: held, bounds: Bounds{Floor: 21, Max: 40, Fit: -1, Window: tenMinutes},
			want: Result{Units: 21, Recheck: 5 * time.Minute, Message: "21 units: spec.replicas asks for 21 and no rule for more."},
		},
		"a maximum that is lowered counts at once": {
			units: []int{0, 3}, before: held, bounds: Bounds{Max: 10, Fit: -1, Window: tenMinutes},
			want: Result{
				Units: 10, Rule: "a", LimitedBy: LimitMax, Recheck: 5 * time.Minute,
				Message: "10 units: max is 10; rule a came to 20 until 2026-11-26T11:55:00Z, which counts for 10m (scaleDown.stabilizationWindow); now rule b asks for 3.",
			},
		},
		"a window of zero": {
			units: []int{0, 3}, before: held, bounds: Bounds{Max: 40, Fit: -1},
			want: Result{Units: 3, Rule: "b", Message: "3 units: rule b asks for 3 and no rule for more."},
		},
		"a window that is over": {
			units: []int{0, 3}, before: held, bounds: Bounds{Max: 40, Fit: -1, Window: 5 * time.Minute},
			want: Result{Units: 3, Rule: "b", Message: "3 units: rule b asks for 3 and no rule for more."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(proposals(tc.units...), tc.before, tc.bounds, noon)
			got.Memory = Memory{}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestTheFloorSaysWhyTheLargestRuleAsksForNoMore(t *testing.T) {
	rules := []Proposal{{"gone", 0, "It counts as 0 units: there is no Deployment gone."}, {"tenth", 2, "10 % of 20 pods is 2."}}
	bounds := Bounds{Floor: 2, Max: 40, Fit: -1}
	require.Equal(t, "2 units: spec.replicas asks for 2 and no rule for more. Rule tenth: 10 % of 20 pods is 2.",
		Decide(rules, Memory{}, bounds, noon).Message)
	require.Equal(t, "2 units: spec.replicas asks for 2 and no rule for more. Rule gone: It counts as 0 units: there is no Deployment gone.",
		Decide(rules[:1], Memory{}, bounds, noon).Message)
	smaller := append(rules, Proposal{"fifth", 1, "5 % of 20 pods is 1."}, Proposal{"other", 2, "1 % of 200 pods is 2."})
	require.Equal(t, "2 units: spec.replicas asks for 2 and no rule for more. Rule tenth: 10 % of 20 pods is 2.",
		Decide(smaller, Memory{}, bounds, noon).Message, "the first of those that ask for most")
}

func TestTimesAreRoundedUpToASixteenthOfTheWindow(t *testing.T) {
	for window, want := range map[time.Duration][2]time.Duration{16 * time.Second: {0, time.Second}, 32 * time.Second: {0, 2 * time.Second}} {
		require.Equal(t, noon.Add(want[0]).Unix(), roundUp(noon, window).Unix())
		require.Equal(t, noon.Add(want[1]).Unix(), roundUp(noon.Add(1), window).Unix())
	}
}

func TestDurationsHaveNoPartsThatAreZero(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Second: "10s", tenMinutes: "10m", 90 * time.Second: "1m30s", 2 * time.Hour: "2h", 20 * time.Hour: "20h",
		90 * time.Minute: "1h30m", time.Hour + 5*time.Second: "1h0m5s", 100 * time.Millisecond: "100ms",
	} {
		require.Equal(t, want, Duration(d))
	}
}

// The window begins when the rules come to less, however long ago they were last asked.
func TestWhatCountedUntilNowCountsForTheWindow(t *testing.T) {
	bounds := Bounds{Max: 40, Fit: -1, Window: tenMinutes}
	r := Decide(proposals(20), Memory{}, bounds, noon)
	require.Equal(t, 20, r.Units)
	require.Zero(t, r.Recheck)

	later := noon.Add(time.Hour)
	r = Decide(proposals(5), r.Memory, bounds, later)
	require.Equal(t, 20, r.Units)
	require.LessOrEqual(t, r.Recheck, tenMinutes+tenMinutes/16)

	r = Decide(proposals(5), r.Memory, bounds, later.Add(tenMinutes-time.Second))
	require.Equal(t, 20, r.Units)
	r = Decide(proposals(5), r.Memory, bounds, later.Add(tenMinutes+tenMinutes/16))
	require.Equal(t, 5, r.Units)
	require.Empty(t, r.Memory.Recent)
}

func TestAClockThatIsPutBackHoldsNothingForLongerThanTheWindow(t *testing.T) {
	bounds := Bounds{Max: 40, Fit: -1, Window: tenMinutes}
	r := Decide(proposals(20), Memory{}, bounds, noon)
	r = Decide(proposals(5), r.Memory, bounds, noon)
	yesterday := noon.AddDate(0, 0, -1)
	r = Decide(proposals(5), r.Memory, bounds, yesterday)
	require.Equal(t, 20, r.Units)
	r = Decide(proposals(5), r.Memory, bounds, yesterday.Add(tenMinutes+tenMinutes/16))
	require.Equal(t, 5, r.Units)
}

func TestOfEachPartOfTheWindowOnlyTheLargestNumberIsRemembered(t *testing.T) {
	memory := Memory{}
	for _, units := range []int{20, 12, 8, 3} {
		memory = memory.Next(Asked{"a", units}, tenMinutes, noon)
	}
	require.Equal(t, []Recent{{Asked{"a", 20}, roundUp(noon, tenMinutes)}}, memory.Recent)
}

func TestOfTwoNumbersThatAreAsLargeTheNewerIsRemembered(t *testing.T) {
	memory, now := Memory{}, noon
	for _, units := range []int{20, 3, 20, 3} {
		memory = memory.Next(Asked{"a", units}, tenMinutes, now)
		now = now.Add(time.Minute)
	}
	require.Equal(t, []Recent{{Asked{"a", 20}, roundUp(noon.Add(3*time.Minute), tenMinutes)}}, memory.Recent)
	again := Memory{Last: Asked{"a", 20}, Recent: []Recent{{Asked{"a", 20}, noon.Add(-5 * time.Minute)}}}
	require.Len(t, again.Next(Asked{"a", 3}, tenMinutes, noon).Recent, 1)
}

func TestTheNextMemoryLeavesTheOneBeforeAlone(t *testing.T) {
	held := func() Memory {
		return Memory{Last: Asked{"a", 3}, Recent: []Recent{{Asked{"a", 20}, noon}, {Asked{"b", 9}, noon.Add(time.Minute)}}}
	}
	before := held()
	before.Next(Asked{"a", 2}, tenMinutes, noon.Add(-time.Hour)) // the clock was put back
	require.Equal(t, held(), before)
}

func TestWhatEndsInLessThanASecondIsLookedAtAgainAfterOne(t *testing.T) {
	held := Memory{Last: Asked{"a", 3}, Recent: []Recent{{Asked{"a", 20}, noon.Add(100*time.Millisecond - tenMinutes)}}}
	r := Decide(proposals(3), held, Bounds{Max: 40, Fit: -1, Window: tenMinutes}, noon)
	require.Equal(t, 20, r.Units)
	require.Equal(t, time.Second, r.Recheck)
}

// P18: the message alone says why it is N: it names N, and the rule or field that asks for it or cuts it off.
func TestTheMessageNamesWhatDecided(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.SliceOfN(rapid.IntRange(0, 20_000), 0, 8).Draw(t, "units")
		bounds := Bounds{
			Floor: rapid.IntRange(0, 100).Draw(t, "floor"), Max: rapid.IntRange(0, 12_000).Draw(t, "max"),
			Fit: rapid.IntRange(-1, 12_000).Draw(t, "fit"), FitMessage: "maxResources hold that", Window: tenMinutes,
		}
		r := Decide(proposals(units...), Memory{}, bounds, noon)
		require.Contains(t, r.Message, Units(r.Units)+": ")
		require.LessOrEqual(t, r.Units, bounds.Max)
		if bounds.Fit >= 0 {
			require.LessOrEqual(t, r.Units, bounds.Fit)
		}
		switch {
		case r.LimitedBy == LimitMax:
			require.Contains(t, r.Message, fmt.Sprintf("max is %d", r.Units))
		case r.LimitedBy == LimitMaxResources:
			require.Contains(t, r.Message, "maxResources hold that")
		case r.Rule == "":
			require.Contains(t, r.Message, fmt.Sprintf("spec.replicas asks for %d", r.Units))
		default:
			require.Contains(t, r.Message, fmt.Sprintf("rule %s asks for %d", r.Rule, r.Units))
		}
	})
}

// Whatever rules, floor and limits do over time: never above the limits, never below the floor unless they say so, and never below what the
// rules came to within the window; what counts after it is at most a sixteenth of the window older. One and the same history comes
// to one and the same number, whether memory is kept or written down, and its size is bounded.
func TestTheWindowIsRespected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.IntRange(0, 24*3600).Draw(t, "window")) * time.Second
		type past struct {
			units int
			from  time.Time
		}
		var history []past
		memory, now := Memory{}, noon
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(window/4)+int64(time.Minute)).Draw(t, "wait")))
			asked := rapid.IntRange(0, 200).Draw(t, "asked")
			bounds := Bounds{Floor: rapid.IntRange(0, 50).Draw(t, "floor"), Max: rapid.IntRange(0, 220).Draw(t, "max"), Fit: -1, Window: window}
			r := Decide(proposals(asked), memory, bounds, now)
			require.Equal(t, r, Decide(proposals(asked), memory, bounds, now), "deterministic")
			require.LessOrEqual(t, r.Units, bounds.Max)
			require.GreaterOrEqual(t, r.Units, min(bounds.Floor, bounds.Max))

			history = append(history, past{asked, now})
			// The number of each step counted until the next step.
			within, most := asked, asked
			for i, h := range history[:len(history)-1] {
				until := history[i+1].from
				if window > 0 && until.Add(window).After(now) {
					within = max(within, h.units)
				}
				if until.Add(window + window/16 + 2*time.Second).After(now) {
					most = max(most, h.units)
				}
			}
			require.GreaterOrEqual(t, r.Units, min(within, bounds.Max))
			require.LessOrEqual(t, r.Units, max(most, bounds.Floor))
			require.LessOrEqual(t, len(r.Memory.Recent), cells+2)
			require.GreaterOrEqual(t, r.Recheck, time.Duration(0))
			if largest, held := r.Memory.Largest(); held {
				require.Greater(t, largest.Units, asked)
				require.Positive(t, r.Recheck)
			}
			memory = r.Memory
		}
	})
}

// A window that is made longer and longer leaves more numbers than one window does. What makes room for others is no number that counts.
func TestOfMoreNumbersThanAreRememberedTheLargestStays(t *testing.T) {
	memory, most := Memory{}, 0
	for i := range 200 {
		passed := time.Duration(i) * time.Second
		window := passed + 16*time.Second // so that all numbers are within it
		memory = memory.Next(Asked{"a", 1000 - i}, window, noon.Add(passed))
		most = max(most, len(memory.Recent))
		require.LessOrEqual(t, len(memory.Recent), maxRecent)
		largest, _ := memory.Largest()
		require.Equal(t, 1000, largest.Units, "after %s", passed)
	}
	require.Equal(t, maxRecent, most, "or nothing had to make room")
}
