package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/test/chaos/plan"
)

func lines(p plan.Plan) []string {
	text := []string{fmt.Sprint(p.Seed, p.Headrooms, p.Skews)}
	for _, action := range p.Actions {
		text = append(text, action.String())
	}
	return text
}

func TestTheSameSeedGivesTheSameActionsAtTheSameTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, length := rapid.Uint64().Draw(t, "seed"), time.Duration(rapid.IntRange(0, 300).Draw(t, "seconds"))*time.Second
		first, again := plan.Generate(seed, length), plan.Generate(seed, length)
		require.Equal(t, first, again)
	})
}

func TestALongerRunBeginsWithTheActionsOfAShorterOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		short := time.Duration(rapid.IntRange(0, 60).Draw(t, "short")) * time.Second
		long := short + time.Duration(rapid.IntRange(0, 240).Draw(t, "more"))*time.Second
		a, b := lines(plan.Generate(seed, short)), lines(plan.Generate(seed, long))
		require.Equal(t, a, b[:len(a)])
	})
}

func TestSeedsDiffer(t *testing.T) {
	require.NotEqual(t, lines(plan.Generate(1, time.Minute))[1:], lines(plan.Generate(2, time.Minute))[1:])
}

func TestActionsAreDueInOrderAndWithinTheRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.IntRange(1, 120).Draw(t, "seconds")) * time.Second
		p := plan.Generate(rapid.Uint64().Draw(t, "seed"), length)
		for i, action := range p.Actions {
			require.GreaterOrEqual(t, action.At, time.Duration(0))
			require.Less(t, action.At, length)
			if i > 0 {
				require.LessOrEqual(t, p.Actions[i-1].At, action.At)
			}
		}
	})
}

// TestNothingIsDoneToWhatIsNotThere: a step that names what no earlier step has made would do nothing, and the run would be weaker than it
// looks.
func TestNothingIsDoneToWhatIsNotThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan.Generate(rapid.Uint64().Draw(t, "seed"), 3*time.Minute)
		bursts, headrooms, away := map[string]int{}, map[string]bool{}, map[string]bool{}
		for _, h := range p.Headrooms {
			headrooms[h.Name] = true
		}
		for _, action := range p.Actions {
			switch step := action.Step.(type) {
			case plan.Burst:
				require.NotContains(t, bursts, step.Name)
				require.Positive(t, step.Count)
				bursts[step.Name] = 0
			case plan.End:
				require.Contains(t, bursts, step.Burst.Name)
				require.Equal(t, bursts[step.Burst.Name], step.From, "%s", action)
				require.LessOrEqual(t, step.To, step.Burst.Count)
				bursts[step.Burst.Name] = step.To
			case plan.Grow:
				require.Contains(t, bursts, step.Burst.Name)
				require.False(t, step.Burst.Deployment)
				require.LessOrEqual(t, step.CPU, plan.NodeCPU)
			case plan.Keep:
				headrooms[step.Headroom.Name] = true
			case plan.Drop:
				require.True(t, headrooms[step.Headroom.Name], "%s", action)
			case plan.Vanish:
				require.False(t, away[step.Node])
				away[step.Node] = true
			case plan.Return:
				require.True(t, away[step.Node])
				away[step.Node] = false
			}
		}
	})
}

// TestHeadroomsAreSpecialOnlyAsTheAPIAllows: one that the API server refused would end the run.
func TestHeadroomsAreSpecialOnlyAsTheAPIAllows(t *testing.T) {
	reserved, ladders, refills := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := plan.Generate(rapid.Uint64().Draw(t, "seed"), 3*time.Minute)
		all := p.Headrooms
		for _, action := range p.Actions {
			if keep, ok := action.Step.(plan.Keep); ok {
				all = append(all, keep.Headroom)
			}
		}
		for _, h := range all {
			require.False(t, h.Reserved && (h.App == "" || h.Ladder), "%s", h)
			require.False(t, h.PerNode && (h.Ladder || h.Refill != plan.Refill{}), "%s", h)
			for n, is := range map[*int]bool{&reserved: h.Reserved, &ladders: h.Ladder, &refills: h.Refill != plan.Refill{}} {
				if is {
					*n++
				}
			}
		}
	})
	require.NotZero(t, min(reserved, ladders, refills))
}

func TestAMinuteHasEveryKindOfStepInSomeSeed(t *testing.T) {
	var kinds []string
	for seed := range uint64(20) {
		for _, action := range plan.Generate(seed, time.Minute).Actions {
			kind := fmt.Sprintf("%T", action.Step)
			if fault, ok := action.Step.(plan.Fault); ok {
				kind += " " + string(fault.Kind)
			}
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	slices.Sort(kinds)
	require.Equal(t, []string{
		"plan.Burst", "plan.Class", "plan.Cordon", "plan.Drop", "plan.End",
		"plan.Fault 409", "plan.Fault 429", "plan.Fault 500", "plan.Fault away", "plan.Fault cut-watches", "plan.Fault lag", "plan.Fault slow",
		"plan.Grow", "plan.Keep", "plan.Kill", "plan.Relabel", "plan.Resize", "plan.Return", "plan.Vanish",
	}, kinds)
}
