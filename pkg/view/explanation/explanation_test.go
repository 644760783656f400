package explanation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/view/table"
	"github.com/headroom-dev/headroom/test/golden"
)

var now = time.Date(2026, time.March, 2, 15, 30, 0, 0, time.UTC)

var assumptions = []string{
	"nothing else happens meanwhile: no other pod comes or goes, no preemption is under way, and no unit is reserved",
	"the cluster is as it was at 2026-03-02T15:29:58Z",
}

func examples() map[string]Explanation {
	refused := Prediction{
		Nodes: 9, Reason: metrics.MissTooSmall, Refusal: "3 of 9 nodes hold headroom, none for this pod: no node holds enough for it",
		Remedies: Remedies(metrics.MissTooSmall, false),
	}
	for i := range 9 {
		misfit := Misfit{Node: fmt.Sprintf("node-%d", i), Why: "it does not hold enough headroom"}
		if i < 3 {
			misfit.Why = "node(s) had untolerated taint(s)\x1b[2J"
		}
		refused.Misfits = append(refused.Misfits, misfit)
	}
	return map[string]Explanation{
		"took": {
			Pod: "shop/web-7d9f8c-abcde", State: "It is on node node-3.", Rule: "rule 2 Spread: zone a has 4 units of shop/web left, zone b has 2",
			Took: []Taken{{Headroom: "shop/web", Placeholder: "web-headroom-3", Node: "node-3", Time: now.Add(-4 * time.Minute), How: "Swap"}},
			Now:  &Prediction{Fits: []string{"node-1", "node-2", "node-3", "node-4", "node-5", "node-6"}, Nodes: 9}, Assumptions: assumptions,
		},
		"takes": {
			Pod: "shop/new", Assumptions: assumptions,
			Now: &Prediction{Nodes: 9, Node: "node-3", Takes: []string{"shop/web-headroom-3", "shop/web-headroom-4"}, Why: "rule 6 Name: node-3 comes first"},
		},
		"refused": {
			Pod: "shop/big", State: "It is on no node. The scheduler headroom-scheduler says: 0/9 nodes are available.", Now: &refused,
			Assumptions: assumptions,
		},
		"history": {Pod: "shop/web-1", State: "It is on node node-3."},
	}
}

func TestTheTextIsTheOneOnRecord(t *testing.T) {
	for name, told := range examples() {
		for _, width := range []int{0, 40, 80, 200} {
			t.Run(fmt.Sprintf("%s %d", name, width), func(t *testing.T) {
				text := told.Text(table.Style{Width: width}, now)
				golden.Check(t, fmt.Sprintf("%s-%d.txt", name, width), text)
				require.NotContains(t, text, "\x1b")
				for line := range strings.SplitSeq(text, "\n") {
					require.True(t, width == 0 || ansi.StringWidth(line) <= width, "%q", line)
				}
			})
		}
	}
}

func TestEveryReasonHasARemedy(t *testing.T) {
	seen := map[string]bool{}
	for _, reason := range []metrics.MissReason{
		metrics.MissConsumers, metrics.MissPriority, metrics.MissTooSmall, metrics.MissFiltered, "",
	} {
		remedies := strings.Join(Remedies(reason, false), "; ")
		require.NotEmpty(t, remedies)
		require.False(t, seen[remedies], "another reason has another remedy")
		seen[remedies] = true
	}
	require.Contains(t, Remedies(metrics.MissPriority, true)[0], "nonPreempting")
}

func TestFiveNodesAreNamedAndMoreAreCounted(t *testing.T) {
	require.Equal(t, "a, b, c, d, e", some([]string{"a", "b", "c", "d", "e"}))
	require.Equal(t, "a, b, c, d, e and 1 more", some([]string{"a", "b", "c", "d", "e", "f"}))
}

// TestReasonsAreToldTheMostFrequentFirst: up to twelve one by one.
func TestReasonsAreToldTheMostFrequentFirst(t *testing.T) {
	for reasons, want := range map[int]string{maxGroups: "", maxGroups + 2: "and 2 more reasons: -o json has all"} {
		p := Prediction{Refusal: "there is none."}
		for i := range reasons {
			p.Misfits = append(p.Misfits, Misfit{Node: fmt.Sprintf("node-%02d", i), Why: fmt.Sprintf("reason %02d", i)})
		}
		p.Misfits = append(p.Misfits, Misfit{Node: "another", Why: "reason 07"})
		told := Explanation{Pod: "shop/web", Now: &p}
		text := told.Text(table.Style{}, now)
		first := strings.Index(text, "node-07, another: reason 07")
		require.Positive(t, first)
		require.Less(t, first, strings.Index(text, "node-00: reason 00"))
		require.Less(t, strings.Index(text, "node-00: reason 00"), strings.Index(text, "node-01: reason 01"))
		require.Equal(t, maxGroups, strings.Count(text, ": reason "))
		require.Equal(t, want != "", strings.Contains(text, " more reasons"))
		require.Contains(t, text, want)
		require.Contains(t, text, "No headroom serves it: there is none.\n")
	}
}

func TestTheColorsSayWhetherThePodHasRoom(t *testing.T) {
	for name, want := range map[string][]string{
		"took": {"\x1b[32mIt took ", "\x1b[32mIt fits as it is "}, "takes": {"\x1b[32mIt takes "}, "refused": {"\x1b[31mNo headroom serves it"},
	} {
		told := examples()[name]
		text := told.Text(table.Style{Color: true}, now)
		for _, one := range want {
			require.Contains(t, text, one)
		}
	}
}

func TestAClockThatIsAheadMakesNoTimeNegative(t *testing.T) {
	told := Explanation{Pod: "shop/web", State: "It is on node n.", Took: []Taken{{Time: now.Add(time.Minute)}}}
	require.Contains(t, told.Text(table.Style{}, now), ", 0s ago")
}

func TestAPodThatNeverPreemptsIsToldWhatServesIt(t *testing.T) {
	require.NotContains(t, strings.Join(Remedies(metrics.MissPriority, false), ""), "nonPreempting")
	require.Equal(t, Remedies(metrics.MissTooSmall, false), Remedies(metrics.MissTooSmall, true), "that is not what it lacks")
}

func TestEachUnitThatThePodTookIsTold(t *testing.T) {
	told := Explanation{Pod: "shop/web", State: "It is on node n.", Took: []Taken{
		{Headroom: "shop/web", Placeholder: "web-headroom-3", Node: "n", Time: now.Add(-time.Minute), How: "Swap"},
		{Headroom: "ci/runners", Placeholder: "runners-headroom-0", Node: "m", Time: now.Add(-time.Hour), How: "Preemption"},
	}}
	require.Equal(t, `Pod shop/web
  It is on node n.
  It took web-headroom-3 of Headroom shop/web on node n, 60s ago (Swap).
  It took runners-headroom-0 of Headroom ci/runners on node m, 60m ago (Preemption).
`, told.Text(table.Style{}, now))
}

func TestAPodThatTakesUnitsIsToldEachOfThem(t *testing.T) {
	for want, takes := range map[string][]string{
		"It takes shop/a on node n, and is bound there by its first attempt.":         {"shop/a"},
		"It takes shop/a, shop/b on node n, and is bound there by its first attempt.": {"shop/a", "shop/b"},
	} {
		told := Explanation{Pod: "shop/web", Now: &Prediction{Node: "n", Takes: takes, Why: "rule 6 Name: n comes first"}}
		require.Contains(t, told.Text(table.Style{}, now), want+"\n  Why there: rule 6 Name: n comes first\n")
	}
}

func TestOneReasonMoreThanIsToldIsCounted(t *testing.T) {
	p := Prediction{Refusal: "there is none"}
	for i := range maxGroups + 1 {
		p.Misfits = append(p.Misfits, Misfit{Node: fmt.Sprint(i), Why: fmt.Sprintf("reason %02d", i)})
	}
	told := Explanation{Pod: "shop/web", Now: &p}
	require.Contains(t, told.Text(table.Style{}, now), "and 1 more reason")
	p.Misfits = nil
	require.NotContains(t, told.Text(table.Style{}, now), "Why not on the nodes", "there is nothing to say of them")
}

func TestAPodThatFitsOnOneNodeAloneFits(t *testing.T) {
	told := Explanation{Pod: "shop/web", Now: &Prediction{Fits: []string{"node-1"}, Nodes: 9}}
	require.Contains(t, told.Text(table.Style{}, now), "It fits as it is on 1 of 9 nodes (node-1), so it takes no unit.")
}
