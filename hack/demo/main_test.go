package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/hack/demo/scenario"
	"github.com/headroom-dev/headroom/test/cluster"
)

func TestFlagsThatMakeNoSenseAreRefusedInOneSentence(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"an argument":            {[]string{"fast"}, `demo takes flags only, not "fast"`},
		"an unknown flag":        {[]string{"--pods", "12"}, "unknown flag: --pods"},
		"fewer nodes than zones": {[]string{"--nodes", "2"}, "--nodes must be from 3 to 300, not 2"},
		"no burst":               {[]string{"--burst", "0"}, "--burst must be from 1 to 1000, not 0"},
		"too much headroom":      {[]string{"--headroom", "1001"}, "--headroom must be from 1 to 1000, not 1001"},
		"another autoscaler":     {[]string{"--autoscaler", "magic"}, `--autoscaler must be karpenter or none, not "magic"`},
		"half a second":          {[]string{"--node-delay", "500ms"}, "--node-delay must be from 0s to 5m0s in whole seconds, not 500ms"},
		"a long time":            {[]string{"--node-delay", "6m"}, "--node-delay must be from 0s to 5m0s in whole seconds, not 6m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseOptions(tc.args, io.Discard)
			require.EqualError(t, err, tc.want)
		})
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var help strings.Builder
	_, err := parseOptions([]string{"--help"}, &help)
	require.ErrorIs(t, err, pflag.ErrHelp)
	for _, flag := range []string{"out", "autoscaler", "node-delay", "nodes", "burst", "headroom"} {
		require.Contains(t, help.String(), "--"+flag)
	}
}

func TestTheAutoscalerIsTheOneAskedFor(t *testing.T) {
	for name, want := range map[string]scenario.Autoscaler{
		"none": scenario.Fixed{}, "karpenter": scenario.Karpenter{Delay: 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			opts, err := parseOptions([]string{"--autoscaler", name, "--node-delay", "7s"}, io.Discard)
			require.NoError(t, err)
			require.Equal(t, want, opts.scenario(clock.RealClock{}).Autoscaler)
		})
	}
}

func TestWhatIsMissingIsSaidBeforeAnythingIsStarted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(cluster.ToolsEnv, filepath.Join(dir, "tools"))
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	var out strings.Builder
	err := run(t.Context(), []string{"--out", filepath.Join(file, "below")}, &out, clock.RealClock{})
	require.ErrorContains(t, err, "making the folder for the report (--out chooses another): ")
	err = run(t.Context(), []string{"--out", filepath.Join(dir, "out")}, &out, clock.RealClock{})
	require.ErrorContains(t, err, " is missing in ")
	require.Empty(t, out.String())
}

func TestAfterCtrlCOnlyOtherErrorsAreReported(t *testing.T) {
	require.NoError(t, onlyLeaks(context.Canceled))
	require.ErrorIs(t, onlyLeaks(io.ErrUnexpectedEOF), io.ErrUnexpectedEOF)
}

func TestPodsThatNeverRanAreExplained(t *testing.T) {
	now := time.Unix(1, 0)
	waits := history.Pod{Created: now, Refused: now, Why: "0/3 nodes are available: 3 Insufficient cpu. preemption: no victims"}
	for name, tc := range map[string]struct {
		burst []history.Pod
		want  string
	}{
		"all run": {[]history.Pod{{Running: now}}, ""},
		"two wait": {
			[]history.Pod{{Running: now}, waits, {Created: now}},
			"2 do not run; of the first it is said: 0/3 nodes are available: 3 Insufficient cpu.",
		},
		"one is not started": {
			[]history.Pod{{Bound: now, Node: "node-1"}}, "1 do not run; of the first it is said: bound to node-1, but not started there",
		},
		"one is not tried": {[]history.Pod{{Created: now}}, "1 do not run; of the first it is said: the scheduler has not tried it"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, waiting(history.Record{Burst: tc.burst}))
		})
	}
}
