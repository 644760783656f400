package scenario

import (
	"context"
	"time"

	"github.com/headroom-dev/headroom/test/cluster"
)

// Autoscaler is what adds nodes for pods that wait, as far as the runs need to know it.
type Autoscaler interface {
	// Name for people, with the version.
	Name() string
	// Check fails, before anything is started, when something is missing.
	Check(tools cluster.Tools) error
	// Start runs the autoscaler on a cluster whose fixed nodes are there.
	Start(ctx context.Context, c *cluster.Cluster, s Scenario) error
	// MakeRoom is called before the headroom is asked for, for an autoscaler that does not make room because of it.
	MakeRoom(ctx context.Context, c *cluster.Cluster, s Scenario) error
	// Grows reports whether nodes are added for pods that wait.
	Grows() bool
	// StallTimeout is how long nothing may happen until it is clear that a pod without room will get none.
	StallTimeout() time.Duration
}

// Fixed is no autoscaler: the nodes are what they are. Those that hold the headroom are added before the burst.
type Fixed struct{}

// Name says that the nodes are fixed.
func (Fixed) Name() string { return "none" }

// Check finds nothing missing.
func (Fixed) Check(cluster.Tools) error { return nil }

// Start does nothing.
func (Fixed) Start(context.Context, *cluster.Cluster, Scenario) error { return nil }

// MakeRoom adds as many nodes as the headroom needs, the same number in each zone.
func (Fixed) MakeRoom(ctx context.Context, c *cluster.Cluster, s Scenario) error {
	unit := s.NodeCPU * s.Zones
	return c.AddNodes(ctx, s.nodes(s.Nodes+1, (s.Headroom+unit-1)/unit*s.Zones))
}

// Grows is false.
func (Fixed) Grows() bool { return false }

// StallTimeout is short: what does not happen soon does not happen.
func (Fixed) StallTimeout() time.Duration { return 12 * time.Second }
