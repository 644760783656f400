package v1

import (
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
)

// Defaults of HeadroomArgs.
const (
	defaultVictimWaitSeconds   = 30
	defaultEvictionParallelism = 8
	defaultWeight              = 1
	defaultMinNodesToScore     = 100
)

// SetDefaultsHeadroomArgs fills in what is not set.
func SetDefaultsHeadroomArgs(args *HeadroomArgs) {
	if args.TopologyKeys == nil {
		args.TopologyKeys = evictionorder.DefaultTopologyKeys()
	}
	if args.NodeRules == nil {
		for _, name := range config.RuleNames() {
			args.NodeRules = append(args.NodeRules, NodeRule{Name: name})
		}
	}
	for i := range args.NodeRules {
		setDefault(&args.NodeRules[i].Tier, int32(i+1))
		setDefault(&args.NodeRules[i].Weight, defaultWeight)
	}
	setDefault(&args.Swap, true)
	setDefault(&args.VictimWaitSeconds, defaultVictimWaitSeconds)
	setDefault(&args.EvictionParallelism, defaultEvictionParallelism)
	setDefault(&args.MinNodesToScore, defaultMinNodesToScore)
	setDefault(&args.HideNamesOfOtherNamespaces, false)
	setDefault(&args.GrowInPlace, true)
	if args.GuardHoles == "" {
		args.GuardHoles = string(config.GuardReserved)
	}
}

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = ptr.To(value)
	}
}
