// Package chaos runs a short chaos with fixed seeds. `make chaos` runs long ones with random seeds.
package chaos

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/test/chaos"
	"github.com/headroom-dev/headroom/test/chaos/plan"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// length of the traffic.
const length = 15 * time.Second

func TestMain(m *testing.M) {
	ctrllog.SetLogger(klog.Background())
	os.Exit(m.Run())
}

func TestChaosWithAFixedSeed(t *testing.T) {
	for _, tc := range []struct {
		way  chaos.Way
		seed uint64
	}{{chaos.Beside, 109}, {chaos.Alone, 183}} {
		t.Run("way "+string(tc.way), func(t *testing.T) {
			requireWild(t, tc.seed)
			report, err := chaos.Run(t.Context(), chaos.Options{
				Seed: tc.seed, Way: tc.way, Length: length, Idle: 5 * time.Second, LogDir: logDir(t), Out: t.Output(),
			})
			require.NoError(t, err)
			t.Log(report.Summary())
			require.Positive(t, report.Numbers["binds"])
			require.Empty(t, report.Failure())
		})
	}
}

// requireWild fails the test if the seed, which was chosen for that, no longer kills both components, spoils requests, takes a node and a
// Headroom away, has pods grow and holds reserved units and some on a ladder within so short a time: choose another then.
func requireWild(t *testing.T, seed uint64) {
	t.Helper()
	kills, faults, others := map[plan.Component]bool{}, map[plan.FaultKind]bool{}, map[string]bool{}
	p := plan.Generate(seed, length)
	headrooms := p.Headrooms
	for _, action := range p.Actions {
		switch step := action.Step.(type) {
		case plan.Kill:
			kills[step.Component] = true
		case plan.Fault:
			faults[step.Kind] = true
		case plan.Vanish:
			others["vanish"] = true
		case plan.Drop:
			others["drop"] = true
		case plan.Grow:
			others["grow"] = true
		case plan.Keep:
			headrooms = append(headrooms, step.Headroom)
		}
	}
	for _, h := range headrooms {
		if h.Reserved {
			others["reserved"] = true
		}
		if h.Ladder {
			others["ladder"] = true
		}
	}
	require.Len(t, kills, 2)
	require.GreaterOrEqual(t, len(faults), 3)
	require.Len(t, others, 5, "%v", others)
}

// logDir is a folder for the logs of one run, which stays if the run fails or HEADROOM_LOGS asks for it.
func logDir(t *testing.T) string {
	t.Helper()
	parent := os.Getenv(clustertest.LogsEnv)
	if parent != "" {
		require.NoError(t, os.MkdirAll(parent, 0o700))
	}
	dir, err := os.MkdirTemp(parent, "headroom-chaos-") //nolint:usetesting // what a failure leaves behind is read later
	require.NoError(t, err)
	t.Cleanup(func() {
		if parent == "" && !t.Failed() {
			require.NoError(t, os.RemoveAll(dir))
		}
	})
	return dir
}
