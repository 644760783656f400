package account

import (
	"time"

	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// Demand returns what the sizing by demand stands on. parked says that units are parked. It shares memory with the account, so it must be
// used before that changes.
func (a *Account) Demand(parked bool) demand.History {
	history := demand.History{
		Hours: make([]demand.Hour, 0, len(a.hours)), Takes: make([]time.Time, 0, len(a.takes)),
		RefillBins: refillBins, Missing: a.missing, Parked: parked,
	}
	for i := range a.hours {
		h := &a.hours[i]
		history.Hours = append(history.Hours, demand.Hour{
			Hour: h.Hour, Taken: h.Taken, Lacked: h.Lacked, TakenIn: h.TakenIn, LackedIn: h.LackedIn,
			Empty: h.Empty, Seen: h.Seen, NodeRefills: h.NodeRefills,
		})
	}
	for i := range a.takes {
		history.Takes = append(history.Takes, a.takes[i].Time)
	}
	return history
}
