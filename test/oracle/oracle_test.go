package oracle

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// envClusters is how many random clusters each shard of a property looks at.
const envClusters = "HEADROOM_ORACLE_CLUSTERS"

// defaultClusters makes thousands in all shards together, in less than half a minute.
const defaultClusters = "300"

func TestMain(m *testing.M) {
	silence := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(silence)
	_ = silence.Parse([]string{"-logtostderr=false", "-stderrthreshold=FATAL"})
	klog.SetOutput(io.Discard) //nolint:logcheck // of the whole process, before there is any context
	clustertest.SetParallel(shards)
	if err := flag.Set("rapid.checks", cmp.Or(os.Getenv(envClusters), defaultClusters)); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", envClusters, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

func stock(t testing.TB) config.KubeSchedulerProfile {
	cfg, err := latest.Default()
	require.NoError(t, err)
	return cfg.Profiles[0]
}

func TestTheOracleAgreesWithStockKubeSchedulerOnWhatIsFree(t *testing.T) {
	profile := stock(t)
	rapid.Check(t, func(t *rapid.T) {
		c := Generate(t)
		c.Consumer.Never = true // preemption is not what this is about
		for i := range c.Headrooms {
			if c.Headrooms[i].Consumers != nil {
				c.Headrooms[i].Consumers.Polite = false
			}
		}
		for i := range c.Then {
			c.Then[i].Never = true
		}
		run, err := Scheduler{Profile: profile}.Simulate(c)
		require.NoError(t, err)
		for _, step := range run.Steps {
			expected, got := step.Expected, step.Outcome
			require.False(t, expected.Swaps(), "who never preempts takes nothing where nothing says that they may")
			require.Equal(t, len(expected.Free) > 0, got.Node != "", "%s", run)
			if got.Node != "" {
				require.Contains(t, expected.Free, got.Node, "%s", run)
			}
			require.Empty(t, got.BoundTooEarly, "%s", run)
		}
	})
}

func TestTheOracleAgreesWithThePublishedOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Generate(t)
		c.Consumer.Never = false
		within := rapid.SampledFrom([]reach{ownOnly, everybodys}).Draw(t, "within reach")
		var mine []evidence
		var theirs []evictionorder.Node
		for _, node := range c.Nodes {
			victims, fits := c.victims(node, within)
			picked, ok := pickByPackage(c, node, within)
			require.Equal(t, fits, ok, "does it fit on %s?\n%s", node.Name, c)
			require.Equal(t, namesOf(victims), picked, "victims on %s\n%s", node.Name, c)
			if !fits || len(victims) == 0 {
				continue
			}
			e := evidence{node: node, victims: victims, distance: c.distance(node), left: c.left(node, victims),
				waste: c.shortfall(node).waste(victims, node), score: rapid.Int64Range(0, 3).Draw(t, "score")}
			mine = append(mine, e)
			theirs = append(theirs, evictionorder.Node{
				Name: node.Name, Distance: e.distance, Left: e.left, Waste: e.waste, Evictions: len(victims), Score: e.score,
			})
		}
		slices.SortFunc(mine, compareEvidence)
		slices.SortFunc(theirs, evictionorder.DefaultOrder().Compare)
		for i := range mine {
			require.Equal(t, mine[i].node.Name, theirs[i].Name, "node %d\n%s", i, c)
		}
	})
}

func pickByPackage(c *Cluster, node Node, within reach) ([]string, bool) {
	resources := func(a Amounts, pods int64) evictionorder.Resources {
		return evictionorder.Resources{pods, a.CPU, a.Memory << 20, 0, a.GPU}
	}
	used, count := Amounts{}, int64(0)
	var candidates []evictionorder.Placeholder
	for i, p := range c.Pods {
		if p.Node != node.Name {
			continue
		}
		used, count = used.plus(p.Size), count+1
		if c.takeable(p, within) {
			entitled := c.entitles(c.Headrooms[p.Headroom])
			candidates = append(candidates, evictionorder.Placeholder{
				UID: p.UID, Index: i, Requests: resources(p.Size, 1), Created: int64(p.Created), Priority: p.Priority, Leaving: p.Terminating,
				NamesConsumer: entitled && c.Headrooms[p.Headroom].Consumers.name(), Unentitled: !entitled,
			})
		}
	}
	short := evictionorder.Shortfall(nil, resources(c.Consumer.Size, 1), resources(used, count), resources(node.Size, node.Pods))
	picked, ok := evictionorder.Pick(candidates, short, resources(node.Size, node.Pods))
	names := []string{}
	for _, p := range picked {
		names = append(names, c.Pods[p.Index].Name)
	}
	slices.Sort(names)
	return names, ok
}
