package holes

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

const (
	// HoleLasts is how long a hole is kept for a pod that nobody knows yet.
	HoleLasts = 30 * time.Second
	// NominationLasts is how long a nomination counts on which nothing changes.
	NominationLasts = 5 * time.Minute
	// nominatedBefore is how long before the last of its victims is marked a pod may be nominated: kube-scheduler marks them one after
	// another, and nominates meanwhile.
	nominatedBefore = 5 * time.Second
)

// hole is the room of one victim of a preemption.
type hole struct {
	victim *framework.PodInfo
	amount *framework.Resource
	mark
	priority int32
	at       time.Time
}

// mark is what is known of the preemption that made a hole.
type mark struct {
	// scheduler is the one that preempted, empty if that is not known.
	scheduler string
	// unseen says that the victim went while nothing was heard of pods, and may have been none.
	unseen bool
}

// cover is a pod that was nominated or bound to the node.
type cover struct {
	uid       types.UID
	amount    *framework.Resource
	scheduler string
	priority  int32
	at        time.Time
	// bound is when it was bound to the node, zero if it was not yet.
	bound time.Time
}

// uncovered returns the holes for which no pod is known yet. Each pod covers, of the holes that may have been made for it, as many as make
// its requests full, the oldest first. holes and covers are in the order of their times.
func uncovered(holes []hole, covers []cover, now time.Time) []hole {
	covered := make([]bool, len(holes))
	for i := range covers {
		sum := &framework.Resource{}
		for j := range holes {
			if within(covers[i].amount, sum) {
				break
			}
			if !covered[j] && holes[j].mayBeFor(&covers[i]) {
				covered[j] = true
				add(sum, holes[j].amount, 1)
			}
		}
	}
	var open []hole
	for j := range holes {
		if !covered[j] && now.Sub(holes[j].at) < HoleLasts {
			open = append(open, holes[j])
		}
	}
	return open
}

// mayBeFor reports whether the hole may have been made for the pod.
func (h *hole) mayBeFor(c *cover) bool {
	return (h.scheduler == "" || c.scheduler == h.scheduler) && (h.unseen || c.priority > h.priority) &&
		!c.at.Before(h.at.Add(-nominatedBefore)) && !c.at.After(h.at.Add(HoleLasts)) && (c.bound.IsZero() || !c.bound.Before(h.at))
}
