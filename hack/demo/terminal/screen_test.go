package terminal_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/hack/demo/scenario"
	"github.com/headroom-dev/headroom/hack/demo/summary"
	"github.com/headroom-dev/headroom/hack/demo/terminal"
)

func took(d time.Duration) summary.Wait { return summary.Wait{Duration: d} }

func runs() []summary.Run {
	zones := func(left ...int) []summary.Zone {
		names := []string{"zone-a", "zone-b", "zone-c"}
		all := make([]summary.Zone, len(left))
		for i := range left {
			all[i] = summary.Zone{Name: names[i], Held: 36, Left: left[i]}
		}
		return all
	}
	return []summary.Run{
		{Title: "no headroom", Scheduler: "kube-scheduler", Summary: summary.Summary{
			Pods: 72, Median: summary.Wait{Duration: 15 * time.Second, Never: true}, P99: summary.Wait{Duration: 15 * time.Second, Never: true},
			Worst: summary.Wait{Duration: 15 * time.Second, Never: true}, NodesBefore: 9, Zones: zones(0, 0, 0),
		}},
		{Title: "headroom", Scheduler: "kube-scheduler", Headroom: true, Summary: summary.Summary{
			Pods: 72, Running: 72, Median: took(2150 * time.Millisecond), P99: took(3 * time.Second), Worst: took(3200 * time.Millisecond),
			NodesBefore: 18, NodesAdded: 6, Held: 108, Taken: 72, Refilled: 72, Refill: took(23 * time.Second), Zones: zones(30, 6, 0),
		}},
		{Title: "headroom", Scheduler: "headroom-scheduler", Headroom: true, Summary: summary.Summary{
			Pods: 72, Running: 72, FirstAttempt: 72, Median: took(265 * time.Millisecond), P99: took(478 * time.Millisecond),
			Worst: took(480 * time.Millisecond), NodesBefore: 18, NodesAdded: 6, Held: 108, Taken: 72, Refilled: 70,
			Refill: summary.Wait{Duration: time.Minute, Never: true}, Zones: zones(12, 12, 12),
		}},
	}
}

const table = `
                              no headroom,          headroom,          headroom,
                            kube-scheduler     kube-scheduler headroom-scheduler
Pods: created to running
  median                          > 15.0 s             2.15 s             265 ms
  99 %                            > 15.0 s             3.00 s             478 ms
  worst                           > 15.0 s             3.20 s             480 ms
  running                          0 of 72           72 of 72           72 of 72
  bound at first try               0 of 72            0 of 72           72 of 72
Nodes
  before the burst                       9                 18                 18
  added after                            0                  6                  6
Placeholders
  taken                                  -          72 of 108          72 of 108
  refilled                               -           72 of 72           70 of 72
  refilled within                        -             23.0 s           > 60.0 s
Headroom left by the burst
  zone-a                                 -           30 of 36           12 of 36
  zone-b                                 -            6 of 36           12 of 36
  zone-c                                 -            0 of 36           12 of 36`

func TestTheTableHasAColumnAnActAndFitsEightyCharacters(t *testing.T) {
	got := terminal.Table(runs(), func(text string) string { return text })
	require.Equal(t, strings.TrimPrefix(table, "\n"), got)
	for line := range strings.Lines(got) {
		require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 80)
	}
}

func TestALineOfProgressFitsEightyCharacters(t *testing.T) {
	long := 1234567 * time.Millisecond
	for name, tc := range map[string]struct {
		step, want string
		view       scenario.Progress
	}{
		"a quarter is done": {
			"burst of 1000 pods", "  burst of 1000 pods             █████░░░░░░░░░░░░░░░  250/1000 run  1234.6 s",
			scenario.Progress{Done: 250, Of: 1000, Unit: "run", Elapsed: long},
		},
		"all is done": {
			"holding headroom for 1000 pods", "  holding headroom for 1000 pods ████████████████████ 1000/1000 held 1234.6 s",
			scenario.Progress{Done: 1000, Of: 1000, Unit: "held", Elapsed: long},
		},
		"nothing to count": {
			"letting things settle", "  letting things settle                                              1234.6 s",
			scenario.Progress{Elapsed: long},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := terminal.Line(tc.step, tc.view)
			require.Equal(t, tc.want, got)
			require.LessOrEqual(t, utf8.RuneCountInString(got), 80)
		})
	}
}

func TestWhatIsNoTerminalGetsALineAStepAndNoEscapeSequence(t *testing.T) {
	var out bytes.Buffer
	clk := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	screen := terminal.New(&out, clk)
	screen.Heading("Run 1 of 3")
	screen.Step("starting a control plane")
	clk.SetTime(time.Unix(8, 0))
	screen.Step("burst of 4 pods")
	screen.Progress(scenario.Progress{Done: 1, Of: 4, Unit: "run", Elapsed: time.Second})
	screen.Progress(scenario.Progress{Done: 4, Of: 4, Unit: "run", Elapsed: 2 * time.Second})
	screen.Done()
	screen.Done()
	screen.Say("over")
	require.Equal(t, `
Run 1 of 3
  starting a control plane                                              8.0 s
  burst of 4 pods                ████████████████████    4/4    run     2.0 s
over
`, out.String())
}
