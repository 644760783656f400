package selection

import (
	"context"
	"fmt"
	"slices"
	"strings"

	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

// Objections are why the nodes on which placeholders would make the room for a pod do not suit it all the same: on how many of them, by
// the words of the Filter plugins.
type Objections map[string]int

// Objections asks about the nodes on which placeholders would make the room for a consumer. known returns what the cycle's Filter plugins
// said of a node as it is, nil if that was about its resources; only then the plugins are asked once more, without the placeholders.
func (s *Selector) Objections(ctx context.Context, run *dryrun.Run, c *Consumer, known func(node string) *fwk.Status) Objections {
	nodes := s.Inventory.Nodes()
	cache := s.cacheFor(equivalenceClass{}, nodes)
	s.assess(s.asItMayTake(c), cache)
	objections := Objections{}
	var unknown []int
	for i := range cache.nodes {
		if cache.nodes[i].fit != afterEviction {
			continue
		}
		if status := known(nodes[i].Name); status != nil {
			objections.add(status.Reasons())
			continue
		}
		unknown = append(unknown, i)
	}
	if len(unknown) == 0 || !run.Start(ctx) {
		return objections
	}
	reasons := make([][]string, len(nodes))
	run.All(ctx, unknown, func(ctx context.Context, i int) bool {
		reasons[i] = run.Reasons(ctx, nodes[i].Info, podsOf(cache.nodes[i].candidate.victims, &nodes[i]))
		return true
	})
	for _, i := range unknown {
		objections.add(reasons[i])
	}
	return objections
}

func (o Objections) add(reasons []string) {
	for _, reason := range reasons {
		o[reason]++
	}
}

// String counts the reasons as kube-scheduler does: "2 node(s) had volume node affinity conflict, ...". It is empty if no plugin gave any.
func (o Objections) String() string {
	list := make([]string, 0, len(o))
	for reason, nodes := range o {
		list = append(list, fmt.Sprintf("%d %s", nodes, reason))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
