package gang

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// Turn is how long a group whose turn it is keeps others from a Headroom before it has been tried.
const Turn = 2 * time.Second

// Rank tells which of two groups has its turn first.
type Rank struct {
	// Name of the group.
	Name types.NamespacedName
	// Priority of its members.
	Priority int32
	// Created is when the group was created.
	Created time.Time
}

// Compare is negative if a has its turn first: by higher priority, then by age, then by name.
func (a Rank) Compare(b Rank) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), a.Created.Compare(b.Created), cmp.Compare(a.Name.String(), b.Name.String()))
}

// Turns decide which group may take units of a Headroom: one at a time. Groups wait for each other only if they could take units of the
// same Headroom. The zero value is ready to use. Methods may not be called concurrently.
type Turns struct {
	// holders are the groups that hold reservations, by Headroom.
	holders map[types.NamespacedName]types.NamespacedName
	waiting map[types.NamespacedName]*waitingGroup
}

// waitingGroup is a group that was turned away because of others.
type waitingGroup struct {
	rank  Rank
	wants sets.Set[types.NamespacedName]
	// due is until when it has its turn, zero if it has none.
	due time.Time
}

// Before returns which other group keeps a group from a Headroom, and until when at most if that one has not been tried yet: zero if it
// holds reservations, until these end.
func (t *Turns) Before(group Rank, headroom types.NamespacedName, now time.Time) (other types.NamespacedName, until time.Time, some bool) {
	if holder, held := t.holders[headroom]; held && holder != group.Name {
		return holder, time.Time{}, true
	}
	var first *waitingGroup
	for _, w := range t.waiting {
		if w.due.After(now) && w.rank.Name != group.Name && w.wants.Has(headroom) && w.rank.Compare(group) < 0 &&
			(first == nil || w.rank.Compare(first.rank) < 0) {
			first = w
		}
	}
	if first == nil {
		return other, until, false
	}
	return first.rank.Name, first.due, true
}

// Wait notes that a group was turned away from some Headrooms because of others.
func (t *Turns) Wait(group Rank, headrooms sets.Set[types.NamespacedName]) {
	if t.waiting == nil {
		t.waiting = map[types.NamespacedName]*waitingGroup{}
	}
	t.waiting[group.Name] = &waitingGroup{rank: group, wants: headrooms}
}

// Hold notes that a group holds reservations of some Headrooms. It waits no longer.
func (t *Turns) Hold(group types.NamespacedName, headrooms []types.NamespacedName) {
	if t.holders == nil {
		t.holders = map[types.NamespacedName]types.NamespacedName{}
	}
	delete(t.waiting, group)
	for _, headroom := range headrooms {
		if _, held := t.holders[headroom]; !held {
			t.holders[headroom] = group
		}
	}
}

// Release notes that a group holds nothing any more, and returns the groups that wait for what it held, the first one first: it is their
// turn now.
func (t *Turns) Release(group types.NamespacedName, now time.Time) []types.NamespacedName {
	released := sets.New[types.NamespacedName]()
	for headroom, holder := range t.holders {
		if holder == group {
			delete(t.holders, headroom)
			released.Insert(headroom)
		}
	}
	return t.call(released, now)
}

// Failed notes that a group was tried and found no room, and returns the groups whose turn it is now because of that. It waits no longer.
func (t *Turns) Failed(group types.NamespacedName, now time.Time) []types.NamespacedName {
	w := t.waiting[group]
	delete(t.waiting, group)
	if w == nil || w.due.IsZero() {
		return nil
	}
	return t.call(w.wants, now)
}

// call gives the groups their turn that want any of some Headrooms.
func (t *Turns) call(headrooms sets.Set[types.NamespacedName], now time.Time) []types.NamespacedName {
	var called []*waitingGroup
	for _, w := range t.waiting {
		if w.wants.HasAny(headrooms.UnsortedList()...) {
			w.due = now.Add(Turn)
			called = append(called, w)
		}
	}
	slices.SortFunc(called, func(a, b *waitingGroup) int { return a.rank.Compare(b.rank) })
	names := make([]types.NamespacedName, 0, len(called))
	for _, w := range called {
		names = append(names, w.rank.Name)
	}
	return names
}

// Forget drops a group that is gone.
func (t *Turns) Forget(group types.NamespacedName) {
	delete(t.waiting, group)
}
