package nodes

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/view/table"
)

// textLines are the lines of the report on a wide terminal, without the last line feed.
func textLines(r *Report) []string {
	return strings.Split(strings.TrimSuffix(r.Text(table.Style{Width: 200}), "\n"), "\n")
}

func room(allocatable, used, headroom string) Room {
	r := Room{Allocatable: resource.MustParse(allocatable), Used: resource.MustParse(used), Headroom: resource.MustParse(headroom)}
	r.settle()
	return r
}

func TestABarIsInProportionAndShowsWhatThereIsAtAll(t *testing.T) {
	for name, tc := range map[string]struct {
		room Room
		want string
	}{
		"nothing":                     {room("10", "0", "0"), "··········"},
		"some of each":                {room("10", "5", "2"), "█████▒▒···"},
		"rounded down":                {room("100", "54", "24"), "█████▒▒···"},
		"rounded up":                  {room("100", "55", "25"), "██████▒▒▒·"},
		"a little of each":            {room("1000", "1", "1"), "█▒········"},
		"full of pods":                {room("10", "10", "0"), "██████████"},
		"full of units":               {room("10", "0", "10"), "▒▒▒▒▒▒▒▒▒▒"},
		"a unit on a full node":       {room("1000", "999", "1"), "█████████▒"},
		"more than full":              {room("10", "15", "0"), "██████████"},
		"more than full, with a unit": {room("10", "15", "1"), "█████████▒"},
		"more units than there is":    {room("10", "5", "20"), "█████▒▒▒▒▒"},
		"nothing of it is there":      {room("0", "0", "0"), ""},
		"its size is not known":       {room("0", "5", "1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			for _, span := range bar(&tc.room, 10) {
				text.WriteString(span.Text)
			}
			require.Equal(t, tc.want, text.String())
		})
	}
	colors := bar(&Room{Allocatable: resource.MustParse("1")}, 10)
	require.Equal(t, []table.Color{table.Busy, table.Good, table.Faint}, []table.Color{colors[0].Color, colors[1].Color, colors[2].Color})
}

func TestABarIsAlwaysAsWide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := func(name string) resource.Quantity {
			return *resource.NewMilliQuantity(rapid.Int64Range(0, 20_000).Draw(t, name), resource.DecimalSI)
		}
		r := Room{Allocatable: amount("allocatable"), Used: amount("used"), Headroom: amount("headroom")}
		r.Allocatable.Add(resource.MustParse("1m"))
		r.settle()
		width := rapid.IntRange(narrowestBar, widestBar).Draw(t, "width")
		sum := 0
		for i, part := range bar(&r, width) {
			length := strings.Count(part.Text, []string{usedMark, headroomMark, freeMark}[i])
			sum += length
			if there := []resource.Quantity{r.Used, r.Headroom}; i < len(there) {
				require.Equal(t, there[i].IsZero(), length == 0, "what is there shows, and nothing else")
			}
		}
		require.Equal(t, width, sum)
	})
}

func TestABarGrowsWithTheTerminalBetweenItsLimits(t *testing.T) {
	in := input()
	in.Pods = nil
	report := New(in)
	for width, want := range map[int]int{40: 8, 69: 8, 70: 8, 71: 9, 100: 38, 122: 60, 123: 60, 300: 60} {
		all := strings.Split(report.Text(table.Style{Width: width}), "\n")[1]
		require.Equal(t, want, strings.Count(all, freeMark), "%d", width)
	}
}

func TestASharePercentIsThatOfWhatIsAllocatable(t *testing.T) {
	all := textLines(&Report{Resource: corev1.ResourceMemory, Total: room("200Gi", "50Gi", "10Gi")})
	require.Contains(t, all[0], "  MEMORY  ")
	fields := strings.Fields(all[1])
	require.Equal(t, []string{"25%", "5%", "70%", "0", "200Gi", "0", "nodes"}, fields[2:])
}

func TestOnlyNodesThatTakePodsDoNotStandOut(t *testing.T) {
	for s, want := range map[State]table.Color{
		Ready: table.Faint, NotReady: table.Bad, Cordoned: table.Bad, Leaving: table.Bad, Unknown: table.Bad,
	} {
		require.Equal(t, table.In(want, string(s)), state(s))
	}
}

func TestOneIsANodeAndMoreAreNodes(t *testing.T) {
	for n, want := range map[int]string{0: "0 nodes", 1: "1 node", 2: "2 nodes"} {
		require.Equal(t, table.Of(want), count(n))
	}
}

// TestHostNamesStandAloneOnlyIfTheyDifferEverywhere: two zones may have a node of one host name each.
func TestHostNamesStandAloneOnlyIfTheyDifferEverywhere(t *testing.T) {
	for name, tc := range map[string]struct {
		nodes []*corev1.Node
		want  []string
	}{
		"they differ":          {[]*corev1.Node{node("a.eu", "1", "1"), node("b.eu", "2", "1")}, []string{"a", "b"}},
		"the same, one zone":   {[]*corev1.Node{node("a.eu", "1", "1"), node("a.us", "1", "1")}, []string{"a.eu", "a.us"}},
		"the same, two zones":  {[]*corev1.Node{node("a.eu", "1", "1"), node("a.us", "2", "1")}, []string{"a.eu", "a.us"}},
		"one without a domain": {[]*corev1.Node{node("a", "1", "1"), node("a.us", "2", "1")}, []string{"a", "a.us"}},
		"none has a domain":    {[]*corev1.Node{node("a", "1", "1"), node("b", "2", "1")}, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := input()
			in.Nodes, in.Pods = tc.nodes, nil
			report := New(in)
			var got []string
			for _, line := range textLines(&report) {
				if strings.HasPrefix(line, "  ") {
					got = append(got, strings.Fields(line)[0])
				}
			}
			require.Equal(t, tc.want, got)
			for i, line := range strings.Split(strings.TrimSpace(report.Text(table.Style{})), "\n")[1:] {
				require.Equal(t, tc.nodes[i].Name, strings.Fields(line)[1], "a pipe has whole names always")
			}
		})
	}
}

func TestAPipeHasEveryColumnOfANodeOnOneLine(t *testing.T) {
	in := input()
	report := New(in)
	lines := strings.Split(report.Text(table.Style{}), "\n")
	require.Equal(t, []string{"ZONE", "NODE", "USED", "HEADROOM", "FREE", "ALLOCATABLE", "UNITS", "STATE"}, strings.Fields(lines[0]))
	require.Equal(t, []string{"-", "edge", "0", "0", "2", "2", "0", "NotReady"}, strings.Fields(lines[1]), "no zone is a word too")
	require.Equal(t, []string{"eu-1a", "ip-10-0-1-1.eu.internal", "5", "2", "1", "8", "2", "Ready"}, strings.Fields(lines[2]))
	in.Nodes, in.NodesSeen = nil, false
	report = New(in)
	lines = strings.Split(report.Text(table.Style{}), "\n")
	require.Equal(t, []string{"-", "ip-10-0-1-1.eu.internal", "5", "2", "?", "?", "2", "Unknown"}, strings.Fields(lines[1]),
		"of a node that was not looked at only what is on it is known")
}

func TestColumnsOfNodesGoInTheOrderOfTheirWorth(t *testing.T) {
	report := New(input())
	columns := []string{"SIZE", "STATE", "USED", "FREE"}
	var gone []string
	for width := 120; width >= 30; width-- {
		header, _, _ := strings.Cut(report.Text(table.Style{Width: width}), "\n")
		for _, column := range columns {
			if !strings.Contains(header, column) && !slices.Contains(gone, column) {
				gone = append(gone, column)
			}
		}
		for _, stays := range []string{"NODE", "CPU", "HEADROOM", "UNITS"} {
			require.Contains(t, header, stays)
		}
	}
	require.Equal(t, columns, gone)
}

func TestThatUnitsWaitStandsOut(t *testing.T) {
	report := New(input())
	require.Contains(t, report.Text(table.Style{Width: 80, Color: true}), "\x1b[33m1 unit waits for a node\x1b[0m\n")
}
