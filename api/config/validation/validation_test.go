package validation_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/config/validation"
)

// valid are arguments with which nothing is wrong, each rule in a tier of its own.
func valid() *config.HeadroomArgs {
	args := &config.HeadroomArgs{
		TopologyKeys: keys(3), VictimWaitSeconds: 30, EvictionParallelism: 8, MinNodesToScore: 100, GuardHoles: config.GuardReserved,
	}
	for i, name := range config.RuleNames() {
		args.NodeRules = append(args.NodeRules, config.NodeRule{Name: name, Tier: int32(i + 1), Weight: 1})
	}
	return args
}

func keys(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("example.com/key-%d", i))
	}
	return all
}

func TestWhatIsWithinTheBoundsIsAccepted(t *testing.T) {
	for name, change := range map[string]func(*config.HeadroomArgs){
		"the usual":         func(*config.HeadroomArgs) {},
		"the least of each": func(a *config.HeadroomArgs) { a.VictimWaitSeconds, a.EvictionParallelism, a.MinNodesToScore = 0, 1, 1 },
		"the most of each": func(a *config.HeadroomArgs) {
			a.VictimWaitSeconds, a.EvictionParallelism, a.MinNodesToScore = 600, 256, 1_000_000
		},
		"no topology keys":                         func(a *config.HeadroomArgs) { a.TopologyKeys = nil },
		"sixteen topology keys":                    func(a *config.HeadroomArgs) { a.TopologyKeys = keys(16) },
		"the highest tier":                         func(a *config.HeadroomArgs) { a.NodeRules[4].Tier = 100 },
		"the largest weight, with the rule before": func(a *config.HeadroomArgs) { a.NodeRules[4].Tier, a.NodeRules[4].Weight = 4, 1000 },
		"the largest weight, with the rule after":  func(a *config.HeadroomArgs) { a.NodeRules[0].Tier, a.NodeRules[0].Weight = 2, 1000 },
		"one rule":            func(a *config.HeadroomArgs) { a.NodeRules = a.NodeRules[:1] },
		"guards of all swaps": func(a *config.HeadroomArgs) { a.GuardHoles, a.GuardNamespace = config.GuardAll, "spare-system" },
		"guards of no swap":   func(a *config.HeadroomArgs) { a.GuardHoles = config.GuardNever },
		"ignored resources":   func(a *config.HeadroomArgs) { a.IgnoredResources = []string{"example.com/licence", "cpu"} },
		"ignored groups":      func(a *config.HeadroomArgs) { a.IgnoredResourceGroups = []string{"example.org"} },
	} {
		t.Run(name, func(t *testing.T) {
			args := valid()
			change(args)
			require.Empty(t, validation.ValidateHeadroomArgs(field.NewPath("args"), args))
		})
	}
}

func TestEveryBadValueIsRefusedWithItsPath(t *testing.T) {
	tests := map[string]struct {
		change func(*config.HeadroomArgs)
		want   []string
	}{
		"guards for swaps that there are not": {
			func(a *config.HeadroomArgs) { a.GuardHoles = "Some" }, []string{"args.guardHoles"},
		},
		"a namespace for guards that is none": {
			func(a *config.HeadroomArgs) { a.GuardNamespace = "Spare_System" }, []string{"args.guardNamespace"},
		},
		"a namespace for guards that is the beginning of one": {
			func(a *config.HeadroomArgs) { a.GuardNamespace = "spare-" }, []string{"args.guardNamespace"},
		},
		"a topology key twice, after others": {
			func(a *config.HeadroomArgs) { a.TopologyKeys = []string{"host", "rack", "zone", "rack", "host"} },
			[]string{"args.topologyKeys[3]", "args.topologyKeys[4]"},
		},
		"a rule without a name":       {func(a *config.HeadroomArgs) { a.NodeRules[2].Name = "" }, []string{"args.nodeRules[2].name"}},
		"a rule twice, after another": {func(a *config.HeadroomArgs) { a.NodeRules[4].Name = "Spread" }, []string{"args.nodeRules[4].name"}},
		"a topology key that is no label": {
			func(a *config.HeadroomArgs) { a.TopologyKeys = []string{"zone", "not a label"} }, []string{"args.topologyKeys[1]"},
		},
		"a topology key twice": {
			func(a *config.HeadroomArgs) { a.TopologyKeys = []string{"zone", "zone"} }, []string{"args.topologyKeys[1]"},
		},
		"too many topology keys": {
			func(a *config.HeadroomArgs) { a.TopologyKeys = keys(17) }, []string{"args.topologyKeys"},
		},
		"no rule at all":  {func(a *config.HeadroomArgs) { a.NodeRules = nil }, []string{"args.nodeRules"}},
		"an unknown rule": {func(a *config.HeadroomArgs) { a.NodeRules[2].Name = "LestWaste" }, []string{"args.nodeRules[2].name"}},
		"a rule twice":    {func(a *config.HeadroomArgs) { a.NodeRules[2].Name = "Nearest" }, []string{"args.nodeRules[2].name"}},
		"a weight that has no effect": {
			func(a *config.HeadroomArgs) { a.NodeRules[0].Weight = 5 }, []string{"args.nodeRules[0].weight"},
		},
		"a weight that has none on the last rule": {
			func(a *config.HeadroomArgs) { a.NodeRules[4].Weight = 5 }, []string{"args.nodeRules[4].weight"},
		},
		"a weight that has none between others": {
			func(a *config.HeadroomArgs) { a.NodeRules[2].Weight = 2 }, []string{"args.nodeRules[2].weight"},
		},
		"a weight of zero": {func(a *config.HeadroomArgs) { a.NodeRules[2].Weight = 0 }, []string{"args.nodeRules[2].weight"}},
		"a weight out of bounds": {
			func(a *config.HeadroomArgs) { a.NodeRules[1].Tier, a.NodeRules[1].Weight = 1, 1001 }, []string{"args.nodeRules[1].weight"},
		},
		"tiers that decrease": {
			func(a *config.HeadroomArgs) { a.NodeRules[1].Tier = 7 }, []string{"args.nodeRules[2].tier"},
		},
		"a tier of zero":       {func(a *config.HeadroomArgs) { a.NodeRules[0].Tier = 0 }, []string{"args.nodeRules[0].tier"}},
		"a tier too high":      {func(a *config.HeadroomArgs) { a.NodeRules[4].Tier = 101 }, []string{"args.nodeRules[4].tier"}},
		"a negative wait":      {func(a *config.HeadroomArgs) { a.VictimWaitSeconds = -1 }, []string{"args.victimWaitSeconds"}},
		"a wait that is long":  {func(a *config.HeadroomArgs) { a.VictimWaitSeconds = 601 }, []string{"args.victimWaitSeconds"}},
		"no parallelism":       {func(a *config.HeadroomArgs) { a.EvictionParallelism = 0 }, []string{"args.evictionParallelism"}},
		"too much parallelism": {func(a *config.HeadroomArgs) { a.EvictionParallelism = 257 }, []string{"args.evictionParallelism"}},
		"no node to score":     {func(a *config.HeadroomArgs) { a.MinNodesToScore = 0 }, []string{"args.minNodesToScore"}},
		"too many nodes":       {func(a *config.HeadroomArgs) { a.MinNodesToScore = 1_000_001 }, []string{"args.minNodesToScore"}},
		"an ignored resource that is none": {
			func(a *config.HeadroomArgs) { a.IgnoredResources = []string{"a b"} }, []string{"args.ignoredResources[0]"},
		},
		"an ignored group with a slash": {
			func(a *config.HeadroomArgs) { a.IgnoredResourceGroups = []string{"a/b"} }, []string{"args.ignoredResourceGroups[0]"},
		},
		"an ignored group that is none": {
			func(a *config.HeadroomArgs) { a.IgnoredResourceGroups = []string{"example.org", "a b"} }, []string{"args.ignoredResourceGroups[1]"},
		},
		"two at once": {
			func(a *config.HeadroomArgs) { a.EvictionParallelism, a.VictimWaitSeconds = 0, -1 },
			[]string{"args.victimWaitSeconds", "args.evictionParallelism"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			args := valid()
			tt.change(args)
			var got []string
			for _, err := range validation.ValidateHeadroomArgs(field.NewPath("args"), args) {
				got = append(got, err.Field)
			}
			require.Equal(t, tt.want, got)
		})
	}
}
