package headroom

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/metrics"
)

// mostRefusals is how many Headrooms a message names.
const mostRefusals = 3

// miss says why no headroom serves the pod. The message is empty if no node holds any, if the pod holds headroom itself, or if it is
// bound already and is here for a resize in place, for which no headroom is taken.
func (p *Plugin) miss(c *cycle, pod *corev1.Pod) (metrics.MissReason, string) {
	inv := p.shared.inventory
	if inv.Placeholders() == 0 || p.isPlaceholder(pod) || pod.Spec.NodeName != "" {
		return "", ""
	}
	holding, lower := 0, false
	refusals := map[int]string{}
	identity := identityOf(p.handle, pod)
	nodes := inv.Nodes()
	for i := range nodes {
		if len(nodes[i].Placeholders) > 0 {
			holding++
		}
		for j := range nodes[i].Placeholders {
			evidence := &nodes[i].Placeholders[j].Evidence
			if _, known := refusals[evidence.Headroom]; !known {
				h := inv.Headrooms()[evidence.Headroom]
				refusals[evidence.Headroom] = fmt.Sprintf("nothing is known of %s", h.Name)
				if h.Entry != nil {
					refusals[evidence.Headroom] = h.Entry.Rule.WhyNot(&identity)
				}
			}
			lower = lower || refusals[evidence.Headroom] == "" && evidence.Priority < identity.Priority
		}
	}
	intro := fmt.Sprintf("%d of %d nodes hold headroom, none for this pod: ", holding, len(nodes))
	switch {
	case !mayPreempt(pod):
		return metrics.MissPriority, intro + "its preemptionPolicy is Never"
	case allRefuse(refusals):
		return metrics.MissConsumers, intro + join(refusals)
	case !lower:
		return metrics.MissPriority, intro + fmt.Sprintf("its priority %d is not above that of the placeholders", identity.Priority)
	}
	candidates := p.candidates(c)
	if candidates == 0 {
		return metrics.MissTooSmall, intro + "no node holds enough for it"
	}
	return metrics.MissFiltered, intro + fmt.Sprintf("%d would have the room, but do not suit it for other reasons", candidates)
}

// candidates is on how many nodes placeholders would make the room. PreFilter did not count if swaps are off, or if the pod fitted
// nearby.
func (p *Plugin) candidates(c *cycle) int {
	if !c.surveyed {
		c.surveyed = true
		c.candidates = p.survey(c.consumer, p.memoFor(likeness{}, p.shared.inventory.Nodes())).candidates
	}
	return c.candidates
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
	if more := len(list) - mostRefusals; more > 0 {
		list = append(list[:mostRefusals], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, "; ")
}
