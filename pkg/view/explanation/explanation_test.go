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
