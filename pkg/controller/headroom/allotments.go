package headroom

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/pkg/allotment"
)

// overdueAfter is how long a Headroom waits for its fair share of the window until others give places back. While units are bound, places
// come free by themselves, much sooner.
const overdueAfter = 2 * time.Second

// allotments are the units of all Headrooms, as far as the operator's limits go: who has how many, and who wants more. A reconcile asks
// for what it wants, makes what it is granted, and says so. In between, the handler of the cache tells of units that are bound or gone.
// It is safe for concurrent use.
//
// What it counts is never less than what waits: a unit counts from the grant on until the cache shows it bound or gone, and every
// reconcile of its Headroom counts anew.
type allotments struct {
	limits allotment.Limits
	clock  clock.PassiveClock
	// wake has a Headroom reconciled.
	wake func(types.NamespacedName)

	mu   sync.Mutex
	all  map[types.NamespacedName]*holding
	turn uint64
}

// holding is what one Headroom has and wants.
type holding struct {
	// units are those that exist, and whether they are in the window.
	units   map[types.UID]bool
	pending int // of the units
	// granted is what a reconcile is about to make.
	granted allotment.Grant
	// missing and replacing are what it wants beyond that.
	missing, replacing int
	turn               uint64
	// since is when it began to wait for its fair share, or got some of it; zero if it does not wait.
	since time.Time
	// giveBack is how many units that wait it has to delete, until it has.
	giveBack int
	// busy says that it is about to ask, or has not said yet what it made.
	busy bool
}

func newAllotments(limits allotment.Limits, clock clock.PassiveClock, wake func(types.NamespacedName)) *allotments {
	return &allotments{limits: limits, clock: clock, wake: wake, all: map[types.NamespacedName]*holding{}}
}

// request is what a reconcile found, and wants.
type request struct {
	// units are those that exist, and whether they wait in the window.
	units map[types.UID]bool
	// missing and replacing are what allotment.Headroom calls so.
	missing, replacing int
}

// answer is what a reconcile may do.
type answer struct {
	allotment.Grant
	// giveBack is how many units that wait it has to delete.
	giveBack int
	// again is when to ask again even if nobody wakes it; zero: no need.
	again time.Duration
}

// ask says how many units a Headroom may make now. Every call has to be followed by made.
func (a *allotments) ask(headroom types.NamespacedName, r request) answer {
	a.mu.Lock()
	h := a.of(headroom)
	h.units, h.pending = r.units, 0
	for _, waits := range r.units {
		if waits {
			h.pending++
		}
	}
	h.missing, h.replacing, h.granted, h.busy = r.missing, r.replacing, allotment.Grant{}, true
	if r.missing+r.replacing > 0 { // which is rare, and to look at all takes longer the more there are
		keys, headrooms := a.list()
		h.granted = allotment.Grants(a.limits, headrooms)[slices.Index(keys, headroom)]
	}
	h.missing -= h.granted.Create
	h.replacing -= h.granted.Replace
	if h.granted.Create+h.granted.Replace > 0 {
		a.turn++
		h.turn = a.turn
	}
	result := answer{Grant: h.granted, giveBack: h.giveBack, again: a.wait(h)}
	due := a.due()
	a.mu.Unlock()
	a.wakeAll(due)
	return result
}

// wait notes how long a Headroom has been waiting for its fair share, and returns when it is overdue, upon which it has to ask again, so
// that others give places back; zero if it is not waiting, or overdue already.
func (a *allotments) wait(h *holding) time.Duration {
	if h.missing+h.replacing == 0 {
		h.since = time.Time{}
		return 0
	}
	_, headrooms := a.list()
	now := a.clock.Now()
	switch {
	case h.waiting() >= allotment.FairShare(a.limits, headrooms):
		h.since = time.Time{}
		return 0
	case h.since.IsZero() || h.granted.Create+h.granted.Replace > 0:
		h.since = now
	}
	return max(0, overdueAfter-now.Sub(h.since))
}

// made notes what a reconcile has made of what it was granted, and what it deleted. A Headroom that could not use all wants no more until
// it asks again, so that it keeps no place from others.
func (a *allotments) made(headroom types.NamespacedName, created, deleted []types.UID) {
	a.mu.Lock()
	h := a.of(headroom)
	if len(created) < h.granted.Create+h.granted.Replace {
		h.missing, h.replacing, h.since = 0, 0, time.Time{}
	}
	h.granted, h.giveBack, h.busy = allotment.Grant{}, 0, false
	for _, uid := range created {
		h.set(uid, true)
	}
	for _, uid := range deleted {
		h.drop(uid)
	}
	a.tidy(headroom)
	due := a.due()
	a.mu.Unlock()
	a.wakeAll(due)
}

// observed notes that the cache has shown a unit, and whether it waits in the window.
func (a *allotments) observed(headroom types.NamespacedName, unit types.UID, waits bool) {
	a.mu.Lock()
	a.of(headroom).set(unit, waits)
	due := a.due()
	a.mu.Unlock()
	a.wakeAll(due)
}

// gone notes that the cache has shown that a unit is gone.
func (a *allotments) gone(headroom types.NamespacedName, unit types.UID) {
	a.mu.Lock()
	a.of(headroom).drop(unit)
	a.tidy(headroom)
	due := a.due()
	a.mu.Unlock()
	a.wakeAll(due)
}

// forget notes that a Headroom is gone, and wants nothing. Its units may still be there.
func (a *allotments) forget(headroom types.NamespacedName) {
	a.mu.Lock()
	h := a.of(headroom)
	h.missing, h.replacing, h.since, h.giveBack, h.busy = 0, 0, time.Time{}, 0, false
	a.tidy(headroom)
	due := a.due()
	a.mu.Unlock()
	a.wakeAll(due)
}

// of returns what a Headroom has. The lock must be held, as for all methods below.
func (a *allotments) of(headroom types.NamespacedName) *holding {
	if a.all[headroom] == nil {
		a.all[headroom] = &holding{units: map[types.UID]bool{}}
	}
	return a.all[headroom]
}

// tidy drops a Headroom that has nothing and wants nothing.
func (a *allotments) tidy(headroom types.NamespacedName) {
	h := a.all[headroom]
	if len(h.units) == 0 && h.missing+h.replacing == 0 && !h.busy {
		delete(a.all, headroom)
	}
}

// due are the Headrooms that have to be reconciled: they may make units that they want, or have to give places back. They are busy until
// they said what they made. While some are giving back, no others are asked to.
func (a *allotments) due() []types.NamespacedName {
	waiting, giving := false, false
	for _, h := range a.all {
		waiting = waiting || h.missing+h.replacing > 0 && !h.busy
		giving = giving || h.giveBack > 0
	}
	if !waiting {
		return nil
	}
	keys, headrooms := a.list()
	grants, back := allotment.Grants(a.limits, headrooms), make([]int, len(keys))
	if !giving {
		back = allotment.GiveBack(a.limits, headrooms)
	}
	var due []types.NamespacedName
	for i, key := range keys {
		h := a.all[key]
		if h.busy || grants[i].Create+grants[i].Replace+back[i] == 0 {
			continue
		}
		h.busy, h.giveBack = true, back[i]
		due = append(due, key)
	}
	return due
}

func (a *allotments) wakeAll(headrooms []types.NamespacedName) {
	for _, headroom := range headrooms {
		a.wake(headroom)
	}
}

// list returns all Headrooms as allotment sees them, in the order of their names.
func (a *allotments) list() ([]types.NamespacedName, []allotment.Headroom) {
	keys := make([]types.NamespacedName, 0, len(a.all))
	for key := range a.all {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(x, y types.NamespacedName) int {
		return cmp.Or(cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Name, y.Name))
	})
	headrooms := make([]allotment.Headroom, len(keys))
	now := a.clock.Now()
	for i, key := range keys {
		h := a.all[key]
		headrooms[i] = allotment.Headroom{
			Namespace: key.Namespace, Units: len(h.units) + h.granted.Create, Pending: h.waiting(),
			Missing: h.missing, Replacing: h.replacing, Turn: h.turn,
			Overdue: !h.since.IsZero() && now.Sub(h.since) >= overdueAfter,
		}
	}
	return keys, headrooms
}

// waiting is how many places of the window the Headroom has.
func (h *holding) waiting() int { return h.pending + h.granted.Create + h.granted.Replace }

// set notes a unit.
func (h *holding) set(unit types.UID, waits bool) {
	if h.units[unit] {
		h.pending--
	}
	h.units[unit] = waits
	if waits {
		h.pending++
	}
}

// drop forgets a unit.
func (h *holding) drop(unit types.UID) {
	if h.units[unit] {
		h.pending--
	}
	delete(h.units, unit)
}
