package topup

import (
	"cmp"
	"slices"
)

// Plan says what leads from the observed units to the desired ones. It is deterministic and does not depend on the order
// of units. Carried out again and again on a cluster in which units may be bound, taken or lost at any time, it ends with
// Replicas units of the desired template, those of a surge beside them, and nothing to do, once none is promised that is too many or
// outdated.
func Plan(desired Desired, units []Unit) Actions {
	p := observe(desired, units)
	p.shrink()
	p.fill()
	p.rollOut()
	return p.actions
}

// plan is the work in progress: each step takes units out of live and lost, or leaves them, and adds to actions.
type plan struct {
	desired Desired
	live    []*Unit      // Pending or Bound, ordered by ordinal
	lost    []*Unit      // Lost, ordered by ordinal
	taken   map[int]bool // ordinals whose name is in use, was given by this plan, or cools down
	lowest  int          // no ordinal below is free
	created int          // units that take the place of missing ones, in Create or Replace
	actions Actions
}

func observe(desired Desired, units []Unit) *plan {
	desired.Replicas = max(0, desired.Replicas)
	p := &plan{desired: desired, taken: make(map[int]bool, len(units))}
	units = slices.Clone(units)
	slices.SortFunc(units, byOrdinal)
	for i := range units {
		u := &units[i]
		if u.Ordinal < 0 || p.taken[u.Ordinal] {
			u.Ordinal = -1 // Two objects cannot share a name: one of them was misread.
		} else {
			p.taken[u.Ordinal] = true
		}
		switch u.State {
		case Pending, Bound:
			p.live = append(p.live, u)
		case Lost:
			p.lost = append(p.lost, u)
		case Terminating, Foreign:
		}
	}
	for _, ordinal := range desired.CoolingDown {
		p.taken[ordinal] = true
	}
	return p
}

// shrink deletes what is more than desired (rule 2).
func (p *plan) shrink() {
	surplus := len(p.live) - p.desired.Replicas - p.desired.Surge.Keep
	if surplus <= 0 {
		return
	}
	gone := newChooser(p.live, p.outdated).choose(without(p.live, p.promised()), surplus)
	for _, u := range gone {
		p.actions.Delete = append(p.actions.Delete, Deletion{Old: *u, Reason: ReasonSurplus})
	}
	p.live = without(p.live, gone)
}

// fill replaces what is lost and creates what is missing (rule 3).
func (p *plan) fill() {
	missing := p.desired.Replicas + p.desired.Surge.Create - len(p.live)
	for _, u := range p.lost {
		if p.created < missing {
			p.actions.Replace = append(p.actions.Replace, Replacement{Old: *u, New: p.creation(), Reason: ReasonLost})
		} else {
			p.actions.Delete = append(p.actions.Delete, Deletion{Old: *u, Reason: ReasonLost})
		}
	}
	for p.created < missing {
		p.actions.Create = append(p.actions.Create, p.creation())
	}
}

// creation is the next unit in the place of a missing one. The first are those that a rollout took.
func (p *plan) creation() Creation {
	p.created++
	return Creation{Ordinal: p.freeOrdinal(), FromRollout: p.created <= p.desired.PendingReplacements}
}

// freeOrdinal is the lowest free ordinal, which is free no more.
func (p *plan) freeOrdinal() int {
	for p.taken[p.lowest] {
		p.lowest++
	}
	p.taken[p.lowest] = true
	return p.lowest
}

// byOrdinal is a total order of units as they can occur in one namespace.
func byOrdinal(a, b Unit) int {
	return cmp.Or(cmp.Compare(a.Ordinal, b.Ordinal), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
}

// outdated reports whether a unit has to be replaced.
func (p *plan) outdated(u *Unit) bool { return u.Template != p.desired.Template || u.Nonconforming }

// promised are the units that are promised to pods that wait.
func (p *plan) promised() []*Unit {
	return slices.DeleteFunc(slices.Clone(p.live), func(u *Unit) bool { return u.State != Bound || !u.Promised })
}

// without leaves out the units of gone, which are all in units.
func without(units, gone []*Unit) []*Unit {
	skip := make(map[*Unit]bool, len(gone))
	for _, u := range gone {
		skip[u] = true
	}
	return slices.DeleteFunc(slices.Clone(units), func(u *Unit) bool { return skip[u] })
}
