package oracle

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"pgregory.net/rapid"

	pluginconfig "github.com/headroom-dev/headroom/api/config"
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

// tested returns the scheduler under test for a cluster: the shipped profile, or the same without any other Score plugin, with the cluster's
// least number of scored nodes.
func tested(t require.TestingT, c *Cluster, shipped config.KubeSchedulerProfile, server *headroomServer) Scheduler {
	profile := *shipped.DeepCopy()
	if !c.OtherScores {
		profile = withoutOtherScores(profile)
	}
	i := slices.IndexFunc(profile.PluginConfig, func(c config.PluginConfig) bool { return c.Name == headroom.Name })
	require.GreaterOrEqual(t, i, 0)
	args, ok := profile.PluginConfig[i].Args.(*pluginconfig.HeadroomArgs)
	require.True(t, ok)
	args.MinNodesToScore = int32(c.MinScored)
	return Scheduler{Profile: profile, Plugins: pluginBehind, Server: server}
}

// heldBack is the plugin, which has to be the first to bind, behind the gate.
type heldBack struct {
	*headroom.Plugin
	gate *Gate
}

func (h *heldBack) Bind(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	if err := h.gate.Pass(ctx); err != nil {
		return fwk.AsStatus(err)
	}
	return h.Plugin.Bind(ctx, state, pod, node)
}

func pluginBehind(gate *Gate) frameworkruntime.Registry {
	return frameworkruntime.Registry{headroom.Name: func(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		plugin, err := headroom.New(ctx, args, handle)
		if err != nil {
			return nil, err
		}
		return &heldBack{Plugin: plugin.(*headroom.Plugin), gate: gate}, nil
	}, headroom.QueueSortName: headroom.NewQueueSort}
}

// tally counts what the random clusters had in them.
type tally struct{ free, swaps, later, shared, sampled, instead, running, neither atomic.Int64 }

func (n *tally) count(i int, step *Step, promised map[string]bool) {
	switch expected := step.Expected; {
	case len(expected.Free) > 0:
		n.free.Add(1)
	case expected.Swaps():
		n.swaps.Add(1)
		if i > 0 {
			n.later.Add(1)
		}
		if expected.Sampled {
			n.sampled.Add(1)
		}
		if slices.ContainsFunc(expected.Victims, func(name string) bool { return promised[name] }) {
			n.shared.Add(1)
		}
		for _, name := range expected.Victims {
			promised[name] = true
		}
	case expected.InsteadNode != "":
		n.instead.Add(1)
	case expected.RunningGo:
		n.running.Add(1)
	default:
		n.neither.Add(1)
	}
}

// TestPluginDoesWhatTheOracleSays covers P1 (only placeholders), P2 (no needless eviction), P3 (irreducible), P4 (the published order), P6
// (one cycle), P7 (spread kept), P8 (entitlement), P10 (transparent) and P12 (nothing dies for empty room) at once, each by a check of its
// own, so that the message names the property that is broken.
func TestPluginDoesWhatTheOracleSays(t *testing.T) {
	profile, server := shipped(t), startHeadroomServer(t)
	var counts tally
	t.Cleanup(func() {
		t.Logf("pods with free room: %d, with a swap: %d (of these %d after others, %d in room that was promised to another, %d by a sample), "+
			"with others' placeholders in place of running pods: %d, with running pods that may go: %d, with none of these: %d",
			counts.free.Load(), counts.swaps.Load(), counts.later.Load(), counts.shared.Load(), counts.sampled.Load(), counts.instead.Load(),
			counts.running.Load(), counts.neither.Load())
		// Not require: a test that gives up while it cleans up loses what its shards had to say.
		assert.Greater(t, counts.swaps.Load(), counts.free.Load()/5, "the random clusters must have something to swap")
		assert.Positive(t, counts.sampled.Load(), "some pods must meet more ties than are looked at")
		assert.Positive(t, counts.shared.Load(), "some pods must meet what was promised to others")
		assert.Positive(t, counts.instead.Load(), "some pods must take placeholders of others in place of running pods")
	})
	inShards(t, func(t *rapid.T) {
		c := Generate(t)
		run, err := tested(t, c, profile, server).Simulate(c)
		require.NoError(t, err, "%s\n%s", c, run)
		promised := map[string]bool{}
		for i, step := range run.Steps {
			checkStep(t, step, run)
			counts.count(i, step, promised)
		}
		checkEvictions(t, c, run)
	})
}

// checkStep compares where one consumer went with where the rules put it.
func checkStep(t require.TestingT, step *Step, run Run) {
	expected, got := step.Expected, step.Outcome
	require.Empty(t, got.BoundTooEarly, "P5: the consumer was bound before its room was free%s", run)
	switch {
	case len(expected.Free) > 0:
		require.Contains(t, expected.Free, got.Node, "P10: stock kube-scheduler would choose another node%s", run)
		require.Equal(t, 1, got.Attempts, "P10: stock kube-scheduler needs one attempt%s", run)
	case expected.Swaps():
		require.Equal(t, 1, got.Attempts, "P6: one attempt is enough%s", run)
		require.NotEmpty(t, got.Node, "P6: the consumer is bound%s", run)
		require.Equal(t, expected.Node, got.Node, "P4: the rules name another node%s", run)
	default:
		require.Empty(t, got.Node, "bound although no headroom serves%s", run)
	}
}

// checkEvictions compares what was evicted with the victims that the rules name. Those that were being deleted anyway need no eviction by
// the scheduler. If the last consumer could have no swap, kube-scheduler's own preemption may have helped it.
func checkEvictions(t require.TestingT, c *Cluster, run Run) {
	var named []string
	for _, step := range run.Steps {
		if step.Expected.Swaps() {
			named = append(named, step.Expected.Victims...)
		}
	}
	for _, name := range named {
		require.True(t, c.pod(name).Terminating || slices.Contains(run.Evicted, name), "P4: the rules name %s, which stayed%s", name, run)
	}
	last := run.Steps[len(run.Steps)-1]
	var others []string
	for _, name := range run.Evicted {
		if !slices.Contains(named, name) {
			others = append(others, name)
			require.True(t, len(last.Expected.Free) == 0 && !last.Expected.Swaps(), "P2, P3, P4: the rules do not name %s%s", name, run)
			require.True(t, last.Cluster.preemptible(c.pod(name), last.Outcome), "P1: %s must not be preempted%s", name, run)
		}
	}
	// Before another consumer's placeholders have gone, what is left of them is no matter of the rules.
	if c.Pace == WhenBound && last.Outcome.Message != "" {
		checkPreempted(t, last, others, run)
	}
}

// checkPreempted compares what was preempted for a consumer that could have no swap with what the rules allow.
func checkPreempted(t require.TestingT, step *Step, preempted []string, run Run) {
	c, expected := step.Cluster, step.Expected
	isTerminating := func(name string) bool { return c.pod(name).Terminating }
	runs := func(name string) bool { return c.pod(name).Headroom < 0 || c.pod(name).Stray }
	switch {
	case expected.InsteadNode != "":
		require.False(t, slices.ContainsFunc(preempted, runs), "P12: a running pod died where placeholders would have done: %v%s", preempted, run)
		require.ElementsMatch(t, slices.DeleteFunc(slices.Clone(expected.Instead), isTerminating), preempted,
			"P4: the rules name other placeholders%s", run)
	case expected.RunningGo:
		// A running pod that is being deleted anyway may be among those that make the room, and needs no eviction.
		leaving := slices.ContainsFunc(c.Pods, func(p Pod) bool {
			return p.Node == step.Outcome.Nominated && p.Terminating && runs(p.Name)
		})
		require.True(t, len(preempted) == 0 || leaving || slices.ContainsFunc(preempted, runs),
			"P8: only placeholders of others went: %v%s", preempted, run)
	default:
		// Where a running pod that is being deleted anyway makes a part of the room, the consumer may have its own placeholders for the rest.
		isOwn := func(name string) bool {
			return c.pod(name).Node == step.Outcome.Nominated && c.takeable(c.pod(name), ownOnly)
		}
		if slices.Contains(expected.Leaving, step.Outcome.Nominated) {
			preempted = slices.DeleteFunc(slices.Clone(preempted), isOwn)
		}
		require.Empty(t, preempted, "P8: nothing was to go%s", run)
	}
}

// pod returns a pod by its name.
func (c *Cluster) pod(name string) Pod {
	all := slices.Concat(c.Pods, c.consumers())
	return all[slices.IndexFunc(all, func(p Pod) bool { return p.Name == name })]
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

// preemptible reports whether kube-scheduler's own preemption may have taken the pod: it has lower priority, and the consumer was not bound
// at once.
func (c *Cluster) preemptible(victim Pod, got Outcome) bool {
	return got.Message != "" && !c.Consumer.Never && victim.Priority < c.Consumer.Priority
}
