package selection

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/metrics"
)

// maxReasons is how many Headrooms a message names.
const maxReasons = 3

// Miss says why no headroom serves a pod, as a reason and as a message. Both are empty if no node holds any, if the pod
// is a placeholder, or if it is bound already and is here for a resize in place, for which no headroom is taken.
// candidates tells on how many nodes placeholders would make the room; it is asked only where that matters.
func (s *Selector) Miss(pod *corev1.Pod, candidates func() int) (metrics.MissReason, string) {
	if s.Inventory.Placeholders() == 0 || s.isPlaceholder(pod) || pod.Spec.NodeName != "" {
		return "", ""
	}
	identity, critical := s.identityOf(pod), SystemCritical(pod)
	holding, lower := 0, false
	refusals := map[int]string{}
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
				}
			}
			lower = lower || (critical || refusals[evidence.Headroom] == "") && evidence.Priority < identity.Priority
		}
	}
	intro := fmt.Sprintf("%d of %d nodes hold headroom, none for this pod: ", holding, len(nodes))
	switch {
	case !MayPreempt(pod):
		return metrics.MissPriority, intro + "its preemptionPolicy is Never"
	case !critical && allRefuse(refusals):
		return metrics.MissConsumers, intro + join(refusals)
	case !lower:
		return metrics.MissPriority, intro + fmt.Sprintf("its priority %d is not above that of the placeholders", identity.Priority)
	}
	enough := candidates()
	if enough == 0 {
		return metrics.MissTooSmall, intro + "no node holds enough for it"
	}
	return metrics.MissFiltered, intro + fmt.Sprintf("%d would have the room, but do not suit it for other reasons", enough)
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
