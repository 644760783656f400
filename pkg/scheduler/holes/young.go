package holes

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// FreeFor is how long room must have been free before a placeholder takes it, where other schedulers schedule pods, too: they may be about
// to use it, and a placeholder is in no hurry.
const FreeFor = 2 * time.Second

// change is that a pod came to a node or went from it.
type change struct {
	uid    types.UID
	amount *framework.Resource
	at     time.Time
	came   bool
	// own says that the scheduler itself binds the pod, so that its view of the node shows it before the change is heard of.
	own bool
}

// young returns how much more than now was taken of a node at some time since then, for each resource the most. "Now" is what the pods take
// that are present in the scheduler's view of the node; what others have bound and that does not show there yet counts as well. changes
// are in the order of their times.
func young(changes []change, present func(types.UID) bool, since time.Time) *framework.Resource {
	gone := sets.New[types.UID]()
	for i := range changes {
		if !changes[i].came {
			gone.Insert(changes[i].uid)
		}
	}
	// beyond is by how much what was taken at the time that the loops have reached is more than what the pods present take.
	beyond := &framework.Resource{}
	for i := range changes {
		if c := &changes[i]; c.came && !c.own && !gone.Has(c.uid) && !present(c.uid) {
			add(beyond, c.amount, 1)
		}
	}
	most := &framework.Resource{}
	grow(most, beyond)
	for i := len(changes) - 1; i >= 0 && !changes[i].at.Before(since); i-- {
		c := &changes[i]
		here := present(c.uid)
		switch {
		case !c.came && !here:
			add(beyond, c.amount, 1)
		case c.came && (here || gone.Has(c.uid) || !c.own):
			add(beyond, c.amount, -1)
		}
		grow(most, beyond)
	}
	return most
}
