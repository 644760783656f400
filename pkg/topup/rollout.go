package topup

import (
	"cmp"
	"slices"
	"time"
)

// A rollout replaces bound units of an old template with maxUnavailable 25 %, rounded down, and at least one:
//
//	max(1, (bound + outstanding) / 4)
//
// Bound + outstanding is what would hold room without the rollout, and never more than Replicas.
//
// "Outstanding" is room that the rollout took and has not given back. It is not the number of units that hold no room: where a
// cluster is full, some units were pending before and will be afterwards. Counting those would stop the rollout forever,
// although each bound unit that goes leaves the room for its successor. Not counting them would take all headroom away when
// the new template fits nowhere. What tells the two apart is history, and the units carry it themselves: a unit created in
// the place of a bound one is marked (FromRollout), and knows when. Each such creation takes one unit of room away; each unit
// of the same template that was bound since, marked or not, has given one back, since units of one template are equal and
// any of them may get the room that another left.
//
// These times are of several clocks, since API servers write them. So the unit that gives its own room back is bound after it was
// created, whatever the times say, and a binding counts as later than a creation if it is earlier by no more than maxSkew, or by what
// the units themselves show: one that was bound before it was created tells how far the clocks are apart. What a clock that is
// further ahead hides keeps its room outstanding until the unit is bound: the rollout then waits, and takes nothing.

// rollOut replaces units of an old template: pending ones all at once (rule 4), bound ones step by step (rule 5).
func (p *plan) rollOut() {
	var pending, bound []*Unit
	holding := 0
	for _, u := range p.live {
		if u.State == Bound {
			holding++
		}
		switch {
		case !p.outdated(u):
		case u.State == Pending:
			pending = append(pending, u)
		default:
			bound = append(bound, u)
		}
	}
	byDesired, byOld := p.outstanding()
	for i, u := range pending {
		p.replace(u, i < byOld) // What a template that was itself rolling out has taken stays taken with its successor.
	}
	outstanding := byDesired + byOld + min(p.desired.PendingReplacements, p.created)
	maxUnavailable := max(1, (holding+outstanding)/4)
	step := newChooser(p.live, p.outdated).choose(without(bound, p.promised()), max(0, maxUnavailable-outstanding))
	for _, u := range step {
		p.replace(u, true)
	}
	p.actions.Outdated = len(bound) - len(step)
}

func (p *plan) replace(u *Unit, fromRollout bool) {
	reason := ReasonOutdated
	if u.Template == p.desired.Template {
		reason = ReasonNonconforming
	}
	p.actions.Replace = append(p.actions.Replace, Replacement{
		Old:    *u,
		New:    Creation{Ordinal: p.freeOrdinal(), FromRollout: fromRollout},
		Reason: reason,
	})
}

// outstanding is the room that rollouts took and have not given back: rollouts to the desired template, and to older ones.
func (p *plan) outstanding() (byDesired, byOld int) {
	templates := map[string][]*Unit{}
	for _, u := range p.live {
		templates[u.Template] = append(templates[u.Template], u)
	}
	for template, units := range templates { // A sum: the order does not matter.
		if template == p.desired.Template {
			byDesired = outstandingOf(units)
		} else {
			byOld += outstandingOf(units)
		}
	}
	return byDesired, byOld
}

// maxSkew is how far the clocks of API servers may be apart, at least. Times have seconds only, so this is one more than it looks.
const maxSkew = 2 * time.Second

// outstandingOf goes through the lives of the units of one template: a creation by a rollout takes room, a binding gives it
// back, and what is given before it was taken does not count.
func outstandingOf(units []*Unit) int {
	type event struct {
		at    time.Time
		taken int
	}
	skew := skewOf(units)
	var events []event
	for _, u := range units {
		if u.FromRollout {
			events = append(events, event{at: u.Created, taken: 1})
		}
		if u.State == Bound {
			events = append(events, event{at: u.BoundAt.Add(skew), taken: -1}) // not before u.Created, whatever the times say
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(b.taken, a.taken))
	})
	outstanding := 0
	for _, e := range events {
		outstanding = max(0, outstanding+e.taken)
	}
	return outstanding
}

// skewOf is how far the clocks that wrote the times of the units are apart, as far as one can tell.
func skewOf(units []*Unit) time.Duration {
	skew := maxSkew
	for _, u := range units {
		if u.State == Bound {
			skew = max(skew, u.Created.Sub(u.BoundAt))
		}
	}
	return skew
}
