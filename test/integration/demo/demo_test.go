// Package demo carries out a run of the demo in small, on fixed nodes.
package demo

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/hack/demo/scenario"
	"github.com/headroom-dev/headroom/hack/demo/summary"
)

const (
	nodes    = 3
	nodeCPU  = 4
	headroom = nodes * nodeCPU
	burst    = 6
)

func small() scenario.Scenario {
	return scenario.Scenario{
		Nodes: nodes, Zones: nodes, NodeCPU: nodeCPU, Burst: burst, Headroom: headroom, Autoscaler: scenario.Fixed{}, Clock: clock.RealClock{},
	}
}

// display logs the steps, and stops the run when the step stopAt begins.
type display struct {
	t      *testing.T
	stopAt string
	stop   func()
}

func (d display) Step(name string) {
	d.t.Log(name)
	if name == d.stopAt {
		d.stop()
	}
}

func (display) Progress(scenario.Progress) {}

func TestABurstIntoHeadroomIsRunAndRecorded(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	run := scenario.Runs()[2]
	require.True(t, run.Headroom && run.Plugin)
	record, err := small().Run(t.Context(), run, display{t: t})
	require.NoError(t, err)

	got := summary.Of(record)
	require.Equal(t, burst, got.Running)
	require.Equal(t, burst, got.FirstAttempt)
	require.False(t, got.Worst.Never)
	require.LessOrEqual(t, got.Median.Duration, got.Worst.Duration)
	require.Equal(t, [3]int{headroom, burst, burst}, [3]int{got.Held, got.Taken, got.Refilled})
	require.Equal(t, [2]int{2 * nodes, 0}, [2]int{got.NodesBefore, got.NodesAdded})
	require.Equal(t, []summary.Zone{
		{Name: "zone-a", Held: nodeCPU, Left: 2}, {Name: "zone-b", Held: nodeCPU, Left: 2}, {Name: "zone-c", Held: nodeCPU, Left: 2},
	}, got.Zones)
	requireNothingLeft(t, temporary)
}

func TestARunThatIsStoppedLeavesNothing(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	record, err := small().Run(ctx, scenario.Runs()[0], display{t: t, stopAt: "adding full nodes, a scheduler and the controller", stop: cancel})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, history.Record{}, record)
	requireNothingLeft(t, temporary)
}

func requireNothingLeft(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
