package selection

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/message"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

// maxReasons is how many Headrooms a message names.
const maxReasons = 3

// Miss says why no headroom serves a pod, as a reason and as a message. Both are empty if no node holds any, if the pod
// is a placeholder, or if it is bound already and is here for a resize in place, for which no headroom is taken.
// candidates tells on how many nodes placeholders would make the room, objections why those do not suit the pod all the same; they are
// asked only where that matters.
func (s *Selector) Miss(pod *corev1.Pod, candidates func() int, objections func() Objections) (metrics.MissReason, string) {
	if s.Inventory.Placeholders() == 0 || s.isPlaceholder(pod) || IsBound(pod) {
		return "", ""
	}
	identity, critical := s.identityOf(pod), SystemCritical(pod)
	c := &Consumer{Pod: pod, priority: identity.Priority}
	c.entitlements, c.Entitled = s.entitlementsOf(&identity)
	c = s.asItMayTake(c)
	holding, lower, onlyPreempting := 0, false, identity.NonPreempting
	refusals, undeletable := map[int]string{}, map[int]string{}
	nodes := s.Inventory.Nodes()
	for i := range nodes {
		if len(nodes[i].Placeholders) > 0 {
			holding++
		}
		for j := range nodes[i].Placeholders {
			evidence := &nodes[i].Placeholders[j].Evidence
			if _, known := refusals[evidence.Headroom]; !known {
				h := s.Inventory.Headrooms()[evidence.Headroom]
				refusals[evidence.Headroom] = fmt.Sprintf("nothing is known of %s", h.Name)
				if h.Entry != nil {
					refusals[evidence.Headroom] = h.Entry.Rule.WhyNot(&identity)
					onlyPreempting = onlyPreempting && !h.Entry.Rule.AllowsNonPreempting()
				}
				if to := c.entitlements.To(&nodes[i].Placeholders[j]); to == Undeletable && (critical || refusals[evidence.Headroom] == "") {
					undeletable[evidence.Headroom] = refusedFor(h.Name)
				}
			}
			lower = lower || c.mayTake(&nodes[i].Placeholders[j])
		}
	}
	intro := fmt.Sprintf("%d of %d nodes hold headroom, none for this pod: ", holding, len(nodes))
	switch {
	case onlyPreempting:
		return metrics.MissPriority, intro + "its preemptionPolicy is Never"
	case !lower && len(undeletable) > 0:
		return metrics.MissFiltered, intro + join(undeletable)
	case !critical && allRefuse(refusals):
		return metrics.MissConsumers, intro + join(refusals)
	case !lower:
		return metrics.MissPriority, intro + fmt.Sprintf("its priority %d is not above that of the placeholders", identity.Priority)
	}
	enough := candidates()
	if enough == 0 {
		return metrics.MissTooSmall, intro + message.NoneLargeEnough
	}
	reasons := objections().String()
	if reasons == "" {
		reasons = "do not suit it for other reasons" // an extender's, for example
	}
	return metrics.MissFiltered, intro + fmt.Sprintf("%d %s%s", enough, message.DoesNotSuit, reasons)
}

// refusedFor says why no pod takes placeholders of a Headroom that are Undeletable.
func refusedFor(headroom types.NamespacedName) string {
	return fmt.Sprintf("the API server refuses to delete the placeholders of %s", headroom)
}

func allRefuse(refusals map[int]string) bool {
	for _, refusal := range refusals {
		if refusal == "" {
			return false
		}
	}
	return true
}

// join lists the first few refusals in alphabetical order.
func join(refusals map[int]string) string {
	list := make([]string, 0, len(refusals))
	for _, refusal := range refusals {
		list = append(list, refusal)
	}
	slices.Sort(list)
	if more := len(list) - maxReasons; more > 0 {
		list = append(list[:maxReasons], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, "; ")
}

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
