package account

import (
	"time"

	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// Demand returns what the sizing by demand stands on. parked says that units are parked. It shares memory with the account, so it must be
// used before that changes.
func (a *Account) Demand(parked bool) demand.History { return a.demandOf(a.hours, parked) }

// RecentDemand returns what demand.Estimate.Size looks at, which is a small part of it: the last two hours.
func (a *Account) RecentDemand(parked bool) demand.History {
	const recent = 2
	return a.demandOf(a.hours[max(0, len(a.hours)-recent):], parked)
}

func (a *Account) demandOf(hours []Hour, parked bool) demand.History {
	history := demand.History{
		Hours: make([]demand.Hour, 0, len(hours)), Takes: make([]time.Time, 0, len(a.takes)),
		RefillBins: refillBins, Missing: a.missing, Parked: parked,
	}
	for i := range hours {
		h := &hours[i]
		history.Hours = append(history.Hours, demand.Hour{
			Hour: h.Hour, Taken: h.Taken, Lacked: h.Lacked, TakenIn: h.TakenIn, LackedIn: h.LackedIn,
			Again: h.Again, AgainIn: h.AgainIn,
			Empty: h.Empty, Seen: h.Seen, NodeRefills: h.NodeRefills,
		})
	}
	for i := range a.takes {
		history.Takes = append(history.Takes, a.takes[i].Time)
	}
	return history
}
