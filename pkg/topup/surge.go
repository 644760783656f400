package topup

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// surgeAfter is how long a unit has to be unavailable, without a break, until another one is made in its place: longer than a
	// kubelet that restarts, or a node that comes and goes.
	surgeAfter = time.Minute
	// surgeStays is how long units that a surge made stay when they are not needed any more, so that a node that comes back and
	// goes again does not have them made anew.
	surgeStays = 5 * time.Minute
)

// Surge is how many units there may be beside Replicas.
type Surge struct {
	// Create is how many more units than Replicas have to exist now.
	Create int
	// Keep is how many more are left alone. It is never below Create.
	Keep int
	// Recheck is after how long the answer may be another one although nothing changed; zero: it will not.
	Recheck time.Duration
}

// SurgeMemory is what NextSurge has to know of the past. The zero value knows nothing, as after a restart: then a minute has to pass
// anew.
type SurgeMemory struct {
	since  map[types.UID]time.Time // since when each unit is unavailable
	create int
	keep   int
	until  time.Time // when keep falls to create; zero if they are equal
}

// NextSurge decides on the surge: for each unit that is unavailable for a minute one more, with maxSurge 25 % of the replicas rounded
// down, and at least one. Units whose node an autoscaler is taking away get none: it has made room for them elsewhere already.
func NextSurge(memory SurgeMemory, now time.Time, replicas int, units []Unit) (SurgeMemory, Surge) {
	next := SurgeMemory{since: map[types.UID]time.Time{}, keep: memory.keep, until: memory.until}
	overdue, recheck := 0, time.Duration(0)
	for _, u := range units {
		if u.State != Bound || !u.Unavailable || u.NodeLeaving {
			continue
		}
		since, known := memory.since[u.UID]
		if !known || since.After(now) {
			since = now
		}
		next.since[u.UID] = since
		if wait := surgeAfter - now.Sub(since); wait > 0 {
			recheck = earlier(recheck, wait)
		} else {
			overdue++
		}
	}
	maxSurge := 0
	if replicas > 0 {
		maxSurge = max(1, replicas/4)
	}
	next.create = min(overdue, maxSurge)
	next.keep = min(next.keep, maxSurge)
	switch {
	case next.create >= next.keep:
		next.keep, next.until = next.create, time.Time{}
	case memory.until.IsZero() || next.create < memory.create:
		next.until = now.Add(surgeStays)
	case !now.Before(next.until):
		next.keep, next.until = next.create, time.Time{}
	}
	if !next.until.IsZero() {
		recheck = earlier(recheck, next.until.Sub(now))
	}
	return next, Surge{Create: next.create, Keep: next.keep, Recheck: recheck}
}

// earlier is the shorter of two waits, where zero means that there is none.
func earlier(a, b time.Duration) time.Duration {
	if a == 0 || b < a {
		return b
	}
	return a
}
