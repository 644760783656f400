// Package report makes one page of HTML, which needs nothing from elsewhere, about the Headrooms of a cluster: how they are, and what
// became
// of their units in the last days. It is pure.
package report

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/view/advice"
	"github.com/headroom-dev/headroom/pkg/view/ledger"
	"github.com/headroom-dev/headroom/pkg/view/nodes"
	"github.com/headroom-dev/headroom/pkg/view/status"
)

// Input is what the page is made of.
type Input struct {
	// Where says which cluster and which part of it this is, for people.
	Where string
	// Status of the Headrooms.
	Status status.Report
	// Accounts of the same.
	Accounts []v1alpha1.HeadroomAccount
	// Ledger of the same.
	Ledger ledger.Report
	// Advice about the same, where there is an account.
	Advice []advice.Advice
	// Nodes, nil if they could not be looked at.
	Nodes *nodes.Report
	// Days is how many days are drawn, at most account.Days.
	Days int
	// Now is the time, and Version that of the program.
	Now     time.Time
	Version string
}

// history is what became of the units of one Headroom, hour by hour.
type history struct {
	// hours has one entry for each hour that is drawn, the present one last.
	hours []hour
	usage account.Usage
}

// hour is one hour. lowest is the smallest number of ready units, -1 if nobody looked.
type hour struct {
	taken, lacked, lowest int
}

// historyOf returns the last hours of an account, false if it cannot be read.
func historyOf(stored *v1alpha1.HeadroomAccount, hours int, now time.Time) (history, bool) {
	a, err := account.Decode(&stored.Record)
	if err != nil {
		return history{}, false
	}
	h := history{hours: make([]hour, hours), usage: a.Usage(now, time.Duration(hours)*time.Hour)}
	for i := range h.hours {
		h.hours[i].lowest = -1
	}
	present := now.Truncate(time.Hour)
	kept := a.Hours()
	for i := range kept {
		back := int(present.Sub(kept[i].Start()) / time.Hour)
		if back < 0 || back >= hours {
			continue
		}
		one := &h.hours[hours-1-back]
		one.taken, one.lacked = kept[i].Taken, kept[i].Lacked
		if kept[i].Lowest != nil {
			one.lowest = *kept[i].Lowest
		}
	}
	return h, true
}

// histories are those of all accounts, by Headroom.
func histories(in *Input) map[types.NamespacedName]history {
	found := map[types.NamespacedName]history{}
	for i := range in.Accounts {
		if h, ok := historyOf(&in.Accounts[i], in.hours(), in.Now); ok {
			found[types.NamespacedName{Namespace: in.Accounts[i].Namespace, Name: in.Accounts[i].Name}] = h
		}
	}
	return found
}

// hours is how many are drawn.
func (in *Input) hours() int { return 24 * min(max(1, in.Days), account.Days) }

// worst are the Headrooms with those first that need somebody: not full, then the ones that lacked most.
func worst(headrooms []status.Headroom) []status.Headroom {
	sorted := slices.Clone(headrooms)
	lacked := func(h *status.Headroom) int {
		if h.Lately == nil {
			return 0
		}
		return h.Lately.Lacked
	}
	slices.SortStableFunc(sorted, func(a, b status.Headroom) int {
		return cmp.Or(cmp.Compare(b.Wanted-b.Ready, a.Wanted-a.Ready), cmp.Compare(lacked(&b), lacked(&a)))
	})
	return sorted
}
