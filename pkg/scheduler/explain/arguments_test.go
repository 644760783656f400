package explain_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/pkg/scheduler/explain"
)

func TestAConfigurationIsReadAlikeFromAFileAndFromAScheduler(t *testing.T) {
	const file = "../../../manifests/scheduler/second-scheduler/scheduler-config.yaml"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	fromFile, err := explain.ReadProfile(t.Context(), file, "headroom-scheduler")
	require.NoError(t, err)
	parsed, err := explain.ParseProfile(text, "the scheduler at x", "headroom-scheduler")
	require.NoError(t, err)
	require.Equal(t, "the scheduler at x", parsed.Source)
	parsed.Source = file
	require.Equal(t, fromFile, parsed)

	_, err = explain.ParseProfile(text, "the scheduler at x", "other")
	require.EqualError(t, err, "the scheduler at x has no profile other, which is the pod's schedulerName; it has headroom-scheduler")
	_, err = explain.ParseProfile([]byte("kind: Pod\napiVersion: v1"), "the scheduler at x", "other")
	require.ErrorContains(t, err, "reading the configuration of the scheduler at x")
}
