package v1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/config/v1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
)

func scheme(t require.TestingT) *runtime.Scheme {
	s := runtime.NewScheme()
	require.NoError(t, config.AddToScheme(s))
	require.NoError(t, v1.AddToScheme(s))
	return s
}

func TestWhatIsNotSetIsDefaulted(t *testing.T) {
	versioned, args := &v1.HeadroomArgs{}, &config.HeadroomArgs{}
	s := scheme(t)
	s.Default(versioned)
	require.NoError(t, s.Convert(versioned, args, nil))
	require.Equal(t, &config.HeadroomArgs{
		TopologyKeys: evictionorder.DefaultTopologyKeys(),
		NodeRules: []config.NodeRule{
			{Name: "Nearest", Tier: 1, Weight: 1}, {Name: "Spread", Tier: 2, Weight: 1}, {Name: "LeastWaste", Tier: 3, Weight: 1},
			{Name: "FewestEvictions", Tier: 4, Weight: 1}, {Name: "Score", Tier: 5, Weight: 1},
		},
		Swap: true, VictimWaitSeconds: 30, EvictionParallelism: 8, MinNodesToScore: 100, GrowInPlace: true, GuardHoles: config.GuardReserved,
	}, args)
}

func TestWhatIsSetStays(t *testing.T) {
	set := &v1.HeadroomArgs{
		TopologyKeys: []string{}, NodeRules: []v1.NodeRule{{Name: "Score", Tier: ptr.To[int32](9), Weight: ptr.To[int32](7)}, {Name: "Spread"}},
		Swap: ptr.To(false), VictimWaitSeconds: ptr.To[int32](0), EvictionParallelism: ptr.To[int32](0), MinNodesToScore: ptr.To[int32](0),
		HideNamesOfOtherNamespaces: ptr.To(true), GrowInPlace: ptr.To(false), GuardHoles: "Never", GuardNamespace: "spare",
		IgnoredResources: []string{"a"}, IgnoredResourceGroups: []string{"b"},
	}
	defaulted := set.DeepCopy()
	scheme(t).Default(defaulted)
	set.NodeRules[1].Tier, set.NodeRules[1].Weight = ptr.To[int32](2), ptr.To[int32](1) // the place in the list
	require.Empty(t, cmp.Diff(set, defaulted))
}

// TestNoRuleAtAllIsNotTheDefaultOrder: it is refused, and the default order is asked for by leaving the field out.
func TestNoRuleAtAllIsNotTheDefaultOrder(t *testing.T) {
	args := &v1.HeadroomArgs{NodeRules: []v1.NodeRule{}}
	scheme(t).Default(args)
	require.Empty(t, args.NodeRules)
}

func TestArgumentsSurviveTheRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom(config.RuleNames()), 1, 5, rapid.ID).Draw(t, "rules")
		args := &config.HeadroomArgs{
			TopologyKeys:               rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b.c/d"}), 1, 3).Draw(t, "keys"),
			Swap:                       rapid.Bool().Draw(t, "swap"),
			VictimWaitSeconds:          rapid.Int32().Draw(t, "wait"),
			EvictionParallelism:        rapid.Int32().Draw(t, "parallelism"),
			MinNodesToScore:            rapid.Int32().Draw(t, "nodes"),
			HideNamesOfOtherNamespaces: rapid.Bool().Draw(t, "hide"),
			GrowInPlace:                rapid.Bool().Draw(t, "grow"),
			GuardHoles:                 rapid.SampledFrom([]config.GuardHoles{config.GuardReserved, config.GuardAll, config.GuardNever}).Draw(t, "guards"),
			GuardNamespace:             rapid.String().Draw(t, "namespace"),
			IgnoredResources:           rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "resources"),
			IgnoredResourceGroups:      rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "groups"),
		}
		for _, name := range names {
			args.NodeRules = append(args.NodeRules, config.NodeRule{
				Name: name, Tier: rapid.Int32().Draw(t, "tier"), Weight: rapid.Int32().Draw(t, "weight"),
			})
		}
		s := scheme(t)
		versioned, back := &v1.HeadroomArgs{}, &config.HeadroomArgs{}
		require.NoError(t, s.Convert(args.DeepCopy(), versioned, nil))
		s.Default(versioned)
		require.NoError(t, s.Convert(versioned.DeepCopy(), back, nil))
		require.Empty(t, cmp.Diff(args, back))
	})
}

func TestRulesReplaceThoseThatWereThere(t *testing.T) {
	s := scheme(t)
	args := &config.HeadroomArgs{NodeRules: []config.NodeRule{{Name: "Score", Tier: 1, Weight: 1}}}
	versioned := &v1.HeadroomArgs{NodeRules: []v1.NodeRule{{Name: "Spread"}, {Name: "Nearest"}}}
	require.NoError(t, s.Convert(args, versioned, nil))
	require.Equal(t, []v1.NodeRule{{Name: "Score", Tier: ptr.To[int32](1), Weight: ptr.To[int32](1)}}, versioned.NodeRules)
	require.NoError(t, s.Convert(versioned, args, nil))
	require.Equal(t, []config.NodeRule{{Name: "Score", Tier: 1, Weight: 1}}, args.NodeRules)
}
