package v1

import (
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/config"
)

func toInternal(in *HeadroomArgs, out *config.HeadroomArgs, _ conversion.Scope) error {
	out.TopologyKeys = in.TopologyKeys
	out.NodeRules = nil
	for _, rule := range in.NodeRules {
		out.NodeRules = append(out.NodeRules, config.NodeRule{
			Name: rule.Name, Tier: ptr.Deref(rule.Tier, 0), Weight: ptr.Deref(rule.Weight, 0),
		})
	}
	out.Swap = ptr.Deref(in.Swap, false)
	out.VictimWaitSeconds = ptr.Deref(in.VictimWaitSeconds, 0)
	out.EvictionParallelism = ptr.Deref(in.EvictionParallelism, 0)
	out.MinNodesToScore = ptr.Deref(in.MinNodesToScore, 0)
	out.HideNamesOfOtherNamespaces = ptr.Deref(in.HideNamesOfOtherNamespaces, false)
	out.GrowInPlace = ptr.Deref(in.GrowInPlace, false)
	out.GuardHoles = config.GuardHoles(in.GuardHoles)
	out.GuardNamespace = in.GuardNamespace
	out.IgnoredResources = in.IgnoredResources
	out.IgnoredResourceGroups = in.IgnoredResourceGroups
	return nil
}

func fromInternal(in *config.HeadroomArgs, out *HeadroomArgs, _ conversion.Scope) error {
	out.TopologyKeys = in.TopologyKeys
	out.NodeRules = nil
	for _, rule := range in.NodeRules {
		out.NodeRules = append(out.NodeRules, NodeRule{
			Name: rule.Name, Tier: ptr.To(rule.Tier), Weight: ptr.To(rule.Weight),
		})
	}
	out.Swap = ptr.To(in.Swap)
	out.VictimWaitSeconds = ptr.To(in.VictimWaitSeconds)
	out.EvictionParallelism = ptr.To(in.EvictionParallelism)
	out.MinNodesToScore = ptr.To(in.MinNodesToScore)
	out.HideNamesOfOtherNamespaces = ptr.To(in.HideNamesOfOtherNamespaces)
	out.GrowInPlace = ptr.To(in.GrowInPlace)
	out.GuardHoles = string(in.GuardHoles)
	out.GuardNamespace = in.GuardNamespace
	out.IgnoredResources = in.IgnoredResources
	out.IgnoredResourceGroups = in.IgnoredResourceGroups
	return nil
}
