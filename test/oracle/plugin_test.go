package oracle

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"pgregory.net/rapid"

	_ "github.com/headroom-dev/headroom/api/config/scheme"
	"github.com/headroom-dev/headroom/pkg/scheduler/headroom"
)

// shipped is the profile with the plugin as the manifests ship it.
func shipped(t testing.TB) config.KubeSchedulerProfile {
	file := filepath.Join("..", "..", "manifests", "scheduler", "second-scheduler", "scheduler-config.yaml")
	cfg, err := options.LoadConfigFromFile(klog.Background(), file)
	require.NoError(t, err)
	require.Len(t, cfg.Profiles, 1)
	return cfg.Profiles[0]
}

// plugins returns the schedulers under test: the shipped profile, and the same without any other Score plugin.
func plugins(t testing.TB) (scored, unscored Scheduler) {
	profile, server := shipped(t), startHeadroomServer(t)
	registry := frameworkruntime.Registry{headroom.Name: headroom.New}
	return Scheduler{Profile: profile, Registry: registry, Server: server},
		Scheduler{Profile: WithoutOtherScores(profile), Registry: registry, Server: server}
}

// run puts the cluster before the plugin and explains any disagreement.
func run(t *rapid.T, scored, unscored Scheduler, c *Cluster) (Expectation, Outcome, string) {
	s := unscored
	if c.OtherScores {
		s = scored
	}
	expected, got, err := s.Simulate(c)
	story := "\n" + c.String() + "\nexpected: " + expected.String() + "\ngot:      " + got.String()
	require.NoError(t, err, story)
	return expected, got, story
}

// TestPluginDoesWhatTheOracleSays covers P1 (only placeholders), P2 (no needless eviction), P3 (irreducible), P4 (the published order), P6
// (one cycle), P7 (spread kept), P8 (entitlement) and P10 (transparent) at once, each by a check of its own, so that the message
// names the property that is broken.
func TestPluginDoesWhatTheOracleSays(t *testing.T) {
	scored, unscored := plugins(t)
	var free, swaps, neither atomic.Int64
	t.Cleanup(func() {
		t.Logf("clusters with free room: %d, with a swap: %d, with neither: %d", free.Load(), swaps.Load(), neither.Load())
		require.Greater(t, swaps.Load(), free.Load()/5, "the random clusters must have something to swap")
	})
	inShards(t, func(t *rapid.T) {
		c := Generate(t)
		expected, got, story := run(t, scored, unscored, c)
		for _, name := range got.Evicted {
			victim := c.Pods[slices.IndexFunc(c.Pods, func(p Pod) bool { return p.Name == name })]
			require.True(t, victim.Headroom >= 0 && !victim.Stray && victim.Priority < c.Consumer.Priority || c.preemptible(victim, got),
				"P1: %s is no placeholder below the consumer%s", name, story)
			if victim.Headroom >= 0 && !victim.Stray && got.Attempts == 1 {
				require.True(t, c.admits(c.Headrooms[victim.Headroom]), "P8: the consumer may not take %s%s", name, story)
			}
		}
		require.Empty(t, got.BoundTooEarly, "P5: the consumer was bound before its room was free%s", story)
		switch {
		case len(expected.Free) > 0:
			free.Add(1)
			require.Empty(t, got.Evicted, "P2: there is free room%s", story)
			require.Contains(t, expected.Free, got.Node, "P10: stock kube-scheduler would choose another node%s", story)
			require.Equal(t, 1, got.Attempts, "P10: stock kube-scheduler needs one attempt%s", story)
		case expected.Swaps():
			swaps.Add(1)
			c.checkSwap(t, expected, got, story)
		default:
			neither.Add(1)
			require.False(t, got.Node != "" && got.Attempts == 1, "bound although no headroom serves%s", story)
		}
	})
}

// shards is in how many parts a property is checked at the same time: a simulation waits more than it works.
const shards = 8

func inShards(t *testing.T, property func(*rapid.T)) {
	for i := range shards {
		t.Run(fmt.Sprintf("shard %d", i), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, property)
		})
	}
}

// checkSwap compares a swap with the one that the rules name. Victims that were being deleted anyway need no eviction by the scheduler.
func (c *Cluster) checkSwap(t *rapid.T, expected Expectation, got Outcome, story string) {
	require.Equal(t, 1, got.Attempts, "P6: one attempt is enough%s", story)
	require.NotEmpty(t, got.Node, "P6: the consumer is bound%s", story)
	require.Equal(t, expected.Node, got.Node, "P4: the rules name another node%s", story)
	isTerminating := func(name string) bool {
		return slices.ContainsFunc(c.Pods, func(p Pod) bool { return p.Name == name && p.Terminating })
	}
	must := slices.DeleteFunc(slices.Clone(expected.Victims), isTerminating)
	evicted := slices.DeleteFunc(slices.Clone(got.Evicted), func(name string) bool {
		return isTerminating(name) && slices.Contains(expected.Victims, name)
	})
	require.Subset(t, expected.Victims, evicted, "P3, P4: more victims than the rules name%s", story)
	require.True(t, slices.Equal(must, evicted), "P4: the rules name other victims%s", story)
}

// preemptible tells whether kube-scheduler's own preemption may have taken the pod: it has lower priority, and the consumer was not bound
// at once.
func (c *Cluster) preemptible(victim Pod, got Outcome) bool {
	return got.Message != "" && !c.Consumer.Never && victim.Priority < c.Consumer.Priority
}
