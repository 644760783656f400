package oracle

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"pgregory.net/rapid"

	pluginconfig "github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/pkg/scheduler/explain"
)

// TestAWhatIfTellsTheTruth covers P19: what "kubectl headroom explain pod" predicts of a quiet cluster is what the scheduler then does.
func TestAWhatIfTellsTheTruth(t *testing.T) {
	profile, server := shipped(t), startHeadroomServer(t)
	var fits, swaps, neither atomic.Int64
	t.Cleanup(func() {
		t.Logf("pods that fit as they are: %d, that take units: %d, that headroom does not serve: %d", fits.Load(), swaps.Load(), neither.Load())
		for _, count := range []*atomic.Int64{&fits, &swaps, &neither} {
			assert.Positive(t, count.Load(), "the random clusters must have all three")
		}
	})
	inShards(t, func(t *rapid.T) {
		c := Generate(t)
		c.Then, c.Pace = nil, WhenBound
		scheduler := tested(t, c, profile, server)
		cluster, err := explain.New(c.explainObjects(), &explain.Profile{Args: argumentsOf(&scheduler.Profile), Scheduler: &scheduler.Profile})
		require.NoError(t, err)
		predicted, err := cluster.Predict(context.Background(), c.object(c.Consumer, scheduler.Profile.SchedulerName))
		require.NoError(t, err, "%s", c)

		run, err := scheduler.Simulate(c)
		require.NoError(t, err, "%s\n%s", c, run)
		got := run.Steps[0].Outcome
		switch {
		case len(predicted.Fits) > 0:
			fits.Add(1)
			require.Contains(t, predicted.Fits, got.Node, "P19: predicted that it fits as it is%s", run)
			require.Equal(t, 1, got.Attempts, "P19%s", run)
			require.Empty(t, run.Evicted, "P19: predicted that nothing goes%s", run)
		case predicted.Swap != nil:
			swaps.Add(1)
			require.Equal(t, predicted.Swap.Node, got.Node, "P19: predicted another node%s", run)
			require.Equal(t, 1, got.Attempts, "P19%s", run)
			victims := []string{}
			for _, victim := range predicted.Swap.Victims {
				if victim.DeletionTimestamp == nil || slices.Contains(run.Evicted, victim.Name) {
					victims = append(victims, victim.Name)
				}
			}
			require.ElementsMatch(t, victims, run.Evicted, "P19: predicted other units%s", run)
		default:
			neither.Add(1)
			require.Empty(t, got.Node, "P19: predicted that no headroom serves it: %s%s", predicted.Message, run)
			require.Len(t, predicted.Misfits, len(c.Nodes), "there is a reason for each node")
		}
	})
}

func argumentsOf(profile *config.KubeSchedulerProfile) *pluginconfig.HeadroomArgs {
	i := slices.IndexFunc(profile.PluginConfig, func(c config.PluginConfig) bool { return c.Name == pluginName })
	args, _ := profile.PluginConfig[i].Args.(*pluginconfig.HeadroomArgs)
	return args
}
