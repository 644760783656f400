package topup

import (
	"cmp"
	"slices"
	"time"
)

// A rollout replaces bound units of an old template with maxUnavailable 25 %, rounded down, and at least one:
//
//	max(1, (bound + unavailable) / 4)
//
// Bound + unavailable is what would hold room without the rollout, and never more than Replicas.
//
// "Unavailable" is room that the rollout took and has not given back. It is not the number of units that hold no room: where a
// cluster is full, some units were pending before and will be afterwards. Counting those would stop the rollout forever,
// although each bound unit that goes leaves the room for its successor. Not counting them would take all headroom away when
// the new template fits nowhere. What tells the two apart is history, and the units carry it themselves: a unit created in
// the place of a bound one is marked (FromRollout), and knows when. Each such creation takes one unit of room away; each unit
// of the same template that was bound since, marked or not, has given one back, since units of one template are equal and
// any of them may get the room that another left.

// rollOut replaces units of an old template: pending ones all at once (rule 4), bound ones step by step (rule 5).
func (p *plan) rollOut() {
	var pending, bound []*Unit
	holding := 0
	for _, u := range p.live {
		if u.State == Bound {
			holding++
		}
		switch {
		case u.Template == p.desired.Template:
		case u.State == Pending:
			pending = append(pending, u)
		default:
			bound = append(bound, u)
		}
	}
	byDesired, byOld := p.unavailable()
	for i, u := range pending {
		p.replace(u, i < byOld) // What a template that was itself rolling out made unavailable stays so with its successor.
	}
	unavailable := byDesired + byOld + min(p.desired.PendingReplacements, p.created)
	maxUnavailable := max(1, (holding+unavailable)/4)
	step := newChooser(p.live, p.desired.Template).choose(bound, max(0, maxUnavailable-unavailable))
	for _, u := range step {
		p.replace(u, true)
	}
	p.actions.Outdated = len(bound) - len(step)
}

func (p *plan) replace(u *Unit, fromRollout bool) {
	p.actions.Replace = append(p.actions.Replace, Replacement{
		Old:    *u,
		New:    Creation{Ordinal: p.name(u.Ordinal), FromRollout: fromRollout},
		Reason: ReasonOutdated,
	})
}

// unavailable is the room that rollouts took and have not given back: rollouts to the desired template, and to older ones.
func (p *plan) unavailable() (byDesired, byOld int) {
	templates := map[string][]*Unit{}
	for _, u := range p.live {
		templates[u.Template] = append(templates[u.Template], u)
	}
	for template, units := range templates { // A sum: the order does not matter.
		if template == p.desired.Template {
			byDesired = unavailableBy(units)
		} else {
			byOld += unavailableBy(units)
		}
	}
	return byDesired, byOld
}

// unavailableBy goes through the lives of the units of one template: a creation by a rollout takes room, a binding gives it
// back, and what is given before it was taken does not count. Times have seconds only; within one second, taking is counted
// before giving.
func unavailableBy(units []*Unit) int {
	type event struct {
		at    time.Time
		taken int
	}
	var events []event
	for _, u := range units {
		if u.FromRollout {
			events = append(events, event{at: u.Created, taken: 1})
		}
		if u.State == Bound {
			events = append(events, event{at: u.BoundAt, taken: -1})
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(b.taken, a.taken))
	})
	unavailable := 0
	for _, e := range events {
		unavailable = max(0, unavailable+e.taken)
	}
	return unavailable
}
