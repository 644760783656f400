package scenario

import (
	"context"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/headroom-dev/headroom/test/cluster"
)

// Karpenter is the real one, with nodes that KWOK simulates.
type Karpenter struct {
	// Version of it, such as v1.14.1.
	Version string
	// Delay is how long a node takes to come after Karpenter has ordered it, in whole seconds.
	Delay time.Duration
}

// Name is Karpenter with its version.
func (k Karpenter) Name() string { return strings.TrimSpace("Karpenter " + k.Version) }

// Check fails when Karpenter is not built.
func (k Karpenter) Check(tools cluster.Tools) error {
	if _, err := tools.Binary("karpenter"); err != nil {
		return err
	}
	_, err := tools.KarpenterCRDs()
	return err
}

// Start runs Karpenter, which may add nodes like the fixed ones, in the same zones. It never takes a node away: what a run
// adds should be seen at its end.
func (k Karpenter) Start(ctx context.Context, c *cluster.Cluster, s Scenario) error {
	node := s.nodes(1, 1)
	_, err := c.RunKarpenter(ctx, cluster.Karpenter{
		RegistrationDelay: k.Delay,
		Region:            region,
		Zones:             s.Zones,
		InstanceTypes:     []cluster.InstanceType{{CPU: node.CPU, Memory: node.Memory, Pods: resource.MustParse("110")}},
		NodePools:         []cluster.NodePool{{Name: "default", ConsolidateAfter: -1}},
	})
	return err
}

// MakeRoom does nothing: the placeholders wait, and Karpenter adds nodes for them.
func (Karpenter) MakeRoom(context.Context, *cluster.Cluster, Scenario) error { return nil }

// Grows is true.
func (Karpenter) Grows() bool { return true }

// StallTimeout is long enough for a node to come on a busy machine.
func (k Karpenter) StallTimeout() time.Duration { return k.Delay + 30*time.Second }
