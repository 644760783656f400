// Package demo plays an act of the demo in small, on fixed nodes.
package demo

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/hack/demo/play"
	"github.com/headroom-dev/headroom/hack/demo/summary"
)

const (
	nodes    = 3
	nodeCPU  = 4
	headroom = nodes * nodeCPU
	burst    = 6
)

func scenario() play.Scenario {
	return play.Scenario{
		Nodes: nodes, Zones: nodes, NodeCPU: nodeCPU, Burst: burst, Headroom: headroom, Autoscaler: play.Fixed{}, Clock: clock.RealClock{},
	}
}

// audience looks on, and leaves when a step begins that it does not care for.
type audience struct {
	t       *testing.T
	leaveAt string
	leave   func()
}

func (a audience) Doing(what string) {
	a.t.Log(what)
	if what == a.leaveAt {
		a.leave()
	}
}

func (audience) Showing(play.View) {}

func TestABurstIntoHeadroomIsPlayedAndTold(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	act := play.Acts()[2]
	require.True(t, act.Headroom && act.Plugin)
	record, err := scenario().Play(t.Context(), act, audience{t: t})
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

func TestAPlayThatIsStoppedLeavesNothing(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	record, err := scenario().Play(ctx, play.Acts()[0], audience{t: t, leaveAt: "adding full nodes, a scheduler and the controller", leave: cancel})
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
