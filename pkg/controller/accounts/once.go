package accounts

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// askMemory is for how long it is remembered what a pod took or lacked, after it took a unit and after it no longer waits: longer than
// news of the one and of the other come apart, and longer than a take may remain undecided.
const askMemory = 10 * time.Minute

// once remembers what pods lacked and took, so that what one pod first lacked and then took is demand once: a pod that waits takes a unit
// as soon as one comes, and where kube-scheduler preempts units for it, it lacks them first. The Keeper's lock guards it.
type once struct {
	pods  map[types.UID]*ask
	swept time.Time
}

// ask is what one pod asked a Headroom for.
type ask struct {
	headroom types.NamespacedName
	// owed are units that it lacked and has not taken, paid are those that it took and was not told yet that it lacks them.
	owed, paid int
	// until is for how long it is remembered; zero: as long as the pod waits.
	until time.Time
}

// Counted notes that a pod which waits is in the account of a Headroom already, with as many units as it lacks.
func (k *Keeper) Counted(headroom types.NamespacedName, pod types.UID, units int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked.lacks(headroom, pod, units, k.Clock.Now())
}

// Gone notes that a pod does not wait any more.
func (k *Keeper) Gone(pod types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked.gone(pod, k.Clock.Now())
}

// took notes that a pod took a unit, and reports whether that unit is demand already. A pod without a UID is not known.
func (o *once) took(headroom types.NamespacedName, pod types.UID, now time.Time) (again bool) {
	a := o.of(headroom, pod, now)
	switch {
	case a == nil:
		return false
	case a.owed > 0:
		a.owed--
		return true
	default:
		a.paid++
		return false
	}
}

// lacks notes that a pod which waits lacks units, and returns how many of them are demand already, since it took them.
func (o *once) lacks(headroom types.NamespacedName, pod types.UID, units int, now time.Time) (again int) {
	a := o.of(headroom, pod, now)
	if a == nil {
		return 0
	}
	again = min(units, a.paid)
	a.paid -= again
	a.owed += units - again
	a.until = time.Time{}
	return again
}

// of returns what a pod asked a Headroom for; nil if the pod asked another one.
func (o *once) of(headroom types.NamespacedName, pod types.UID, now time.Time) *ask {
	o.sweep(now)
	if pod == "" {
		return nil
	}
	a := o.pods[pod]
	if a == nil {
		if o.pods == nil {
			o.pods = map[types.UID]*ask{}
		}
		a = &ask{headroom: headroom, until: now.Add(askMemory)}
		o.pods[pod] = a
	}
	if a.headroom != headroom {
		return nil
	}
	return a
}

// gone notes that a pod does not wait any more.
func (o *once) gone(pod types.UID, now time.Time) {
	if a := o.pods[pod]; a != nil {
		a.until = now.Add(askMemory)
	}
}

func (o *once) sweep(now time.Time) {
	if now.Sub(o.swept) < askMemory/10 {
		return
	}
	o.swept = now
	maps.DeleteFunc(o.pods, func(_ types.UID, a *ask) bool { return !a.until.IsZero() && now.After(a.until) })
}
