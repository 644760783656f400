package headroom

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

const (
	// mostWent is of how many units of a Headroom it is remembered when they went: as many as it can have.
	mostWent = 10000
	// wentMemory is how long it is remembered: the longest spec.refill.delay.
	wentMemory = time.Hour
	// absentMemory is how long a unit that the cache does not show is taken for one whose end was not worked on yet. A watch that broke
	// off can skip the whole life of a unit.
	absentMemory = time.Minute
)

// departures are the units of each Headroom that went, and those whose end the handler of the cache has still to work on: the cache shows
// that a unit is gone before the ledger knows of it. It is safe for concurrent use: reconciles ask, and the handler tells.
type departures struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	// times are when units went that the controller did not delete, the newest last.
	times map[types.NamespacedName][]time.Time
	// known are the units whose end has not been worked on, and since when the cache does not show them; the zero time: it does.
	known map[types.NamespacedName]map[types.UID]time.Time
}

func newDepartures(clock clock.PassiveClock) *departures {
	return &departures{
		clock: clock, times: map[types.NamespacedName][]time.Time{}, known: map[types.NamespacedName]map[types.UID]time.Time{},
	}
}

// came notes a unit that was created, or that the cache has shown.
func (d *departures) came(headroom types.NamespacedName, unit types.UID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known[headroom] == nil {
		d.known[headroom] = map[types.UID]time.Time{}
	}
	d.known[headroom][unit] = time.Time{}
}

// went notes that a unit that held room went, and that the controller did not delete it.
func (d *departures) went(headroom types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	times := append(d.times[headroom], d.clock.Now())
	d.times[headroom] = times[max(0, len(times)-mostWent):]
}

// settled notes that the end of a unit is worked on.
func (d *departures) settled(headroom types.NamespacedName, unit types.UID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known[headroom], unit)
}

// since returns when units went within the memory.
func (d *departures) since(headroom types.NamespacedName) []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock.Now()
	d.times[headroom] = slices.DeleteFunc(d.times[headroom], func(at time.Time) bool { return now.Sub(at) > wentMemory })
	return slices.Clone(d.times[headroom])
}

// unsettled is how many units there were that are not among these, and whose end is not worked on.
func (d *departures) unsettled(headroom types.NamespacedName, units []unit) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	present := make(map[types.UID]bool, len(units))
	for _, u := range units {
		present[u.UID] = true
	}
	n, now := 0, d.clock.Now()
	for uid, absent := range d.known[headroom] {
		switch {
		case present[uid]:
			d.known[headroom][uid] = time.Time{}
		case absent.IsZero():
			d.known[headroom][uid] = now
			n++
		case now.Sub(absent) > absentMemory:
			delete(d.known[headroom], uid)
		default:
			n++
		}
	}
	return n
}

func (d *departures) forget(headroom types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.times, headroom)
	delete(d.known, headroom)
}
