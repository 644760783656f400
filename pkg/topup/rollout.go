package topup

import (
	"cmp"
	"slices"
	"time"
)

// A rollout replaces bound units of an old template, and at most
//
//	max(1, (bound + away) / 4)   rounded down
//
// may be away at once. Bound + away is what would hold room without the rollout, and never more than Replicas.
//
// "Away" is room that the rollout took and has not given back. It is not the number of units that hold no room: where a
// cluster is full, some units were pending before and will be afterwards. Counting those would stop the rollout for ever,
// although each bound unit that goes leaves the room for its successor. Not counting them would take all headroom away when
// the new template fits nowhere. What tells the two apart is history, and the units carry it themselves: a unit created in
// the place of a bound one is marked (Exchange), and knows when. Each such creation takes one unit of room away; each unit
// of the same template that was bound since, marked or not, has given one back, since units of one template are alike and
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
	owed, owedByOld := p.owed()
	for i, u := range pending {
		p.replace(u, i < owedByOld) // The debt of a template that was itself rolling out goes over to its successor.
	}
	away := owed + owedByOld + min(p.desired.Unfinished, p.created)
	budget := max(1, (holding+away)/4)
	step := newChooser(p.live, p.desired.Template).choose(bound, max(0, budget-away))
	for _, u := range step {
		p.replace(u, true)
	}
	p.actions.Outdated = len(bound) - len(step)
}

func (p *plan) replace(u *Unit, exchange bool) {
	p.actions.Replace = append(p.actions.Replace, Replacement{
		Old:    *u,
		New:    Creation{Ordinal: p.name(u.Ordinal), Exchange: exchange},
		Reason: Outdated,
	})
}

// owed is the room that rollouts took and have not given back: rollouts to the desired template, and to older ones.
func (p *plan) owed() (byDesired, byOld int) {
	templates := map[string][]*Unit{}
	for _, u := range p.live {
		templates[u.Template] = append(templates[u.Template], u)
	}
	for template, units := range templates { // A sum: the order does not matter.
		if template == p.desired.Template {
			byDesired = owedBy(units)
		} else {
			byOld += owedBy(units)
		}
	}
	return byDesired, byOld
}

// owedBy goes through the lives of the units of one template: an exchange takes room, a binding gives it back, and what is
// given before it was taken does not count. Times have seconds only; within one second, taking is counted before giving.
func owedBy(units []*Unit) int {
	type event struct {
		at   time.Time
		owes int
	}
	var events []event
	for _, u := range units {
		if u.Exchange {
			events = append(events, event{at: u.Created, owes: 1})
		}
		if u.State == Bound {
			events = append(events, event{at: u.BoundAt, owes: -1})
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(b.owes, a.owes))
	})
	owed := 0
	for _, e := range events {
		owed = max(0, owed+e.owes)
	}
	return owed
}
