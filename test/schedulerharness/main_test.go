package schedulerharness

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
)

// TestLogsAreLetThroughWhereFlagsOfThatNameExist: packages that a test imports have their own flag -v.
func TestLogsAreLetThroughWhereFlagsOfThatNameExist(t *testing.T) {
	commandLine := flag.NewFlagSet("test", flag.ContinueOnError)
	theirs := commandLine.Int("v", 0, "somebody else's")
	run := commandLine.String("test.run", "", "the testing package's")
	t.Cleanup(func() {
		logs := flag.NewFlagSet("klog", flag.ContinueOnError)
		klog.InitFlags(logs)
		require.NoError(t, logs.Parse([]string{"-v=0", "-skip_headers=false"}))
	})

	letLogsThrough(commandLine, []string{"-test.run=X", "-v=4", "-skip_headers"})

	require.Equal(t, "X", *run)
	require.Equal(t, 4, *theirs)
	logs := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(logs)
	require.Equal(t, "4", logs.Lookup("v").Value.String())
	require.Equal(t, "true", logs.Lookup("skip_headers").Value.String())
}
