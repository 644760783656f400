package account

import (
	"cmp"
	"slices"
	"time"

	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

const (
	// Slot is the width of the windows in which demand is counted.
	Slot = demand.Slot
	// Slots is how many of them an hour has.
	Slots = demand.Slots

	secondsPerHour = int64(time.Hour / time.Second)
	// most bounds what one slot or bin counts, so that the stored form is bounded.
	most = 999_999
)

// Hour is what happened in one hour. Slices end with their last value that is not zero.
type Hour struct {
	// Hour is the number of hours from 1970 to its beginning, in UTC.
	Hour int64 `json:"h"`
	// Taken and Lacked are units.
	Taken  int `json:"t,omitempty"`
	Lacked int `json:"l,omitempty"`
	// TakenIn and LackedIn are the same by slot. They are missing in old hours of accounts that grew too large.
	TakenIn  []int `json:"ts,omitempty"`
	LackedIn []int `json:"ls,omitempty"`
	// Again are units that are in Lacked and in Taken, since a pod that lacked them took them later. Each is demand once. AgainIn is the same
	// by slot.
	Again   int   `json:"a,omitempty"`
	AgainIn []int `json:"as,omitempty"`
	// Empty are the slots, one bit each, in which no unit was ready at some moment: what was taken then is less than what was wanted.
	Empty uint32 `json:"e,omitempty"`
	// Seen are the slots in which the account was kept: in the others, nothing was recorded because nobody looked.
	Seen uint32 `json:"s,omitempty"`
	// Lowest is the smallest number of units that were ready, nil if nobody looked.
	Lowest *int `json:"lo,omitempty"`
	// Refills and NodeRefills count the refills that found room, and those that needed a new node, by RefillBins.
	Refills     []int `json:"r,omitempty"`
	NodeRefills []int `json:"rn,omitempty"`
	// Lost are units by reason.
	Lost map[Loss]int `json:"x,omitempty"`
	// Missed are pods by reason.
	Missed map[Miss]int `json:"m,omitempty"`
}

// Start is when the hour begins.
func (h *Hour) Start() time.Time { return time.Unix(h.Hour*secondsPerHour, 0).UTC() }

// RefillBins returns the upper bounds of the bins in which refills are counted. One more bin holds those that took longer.
func RefillBins() []time.Duration { return slices.Clone(refillBins) }

var refillBins = func() []time.Duration {
	var bins []time.Duration
	for _, seconds := range []int{1, 2, 5, 10, 20, 30, 45, 60, 75, 90, 120, 150, 180, 240, 300, 600, 1800} {
		bins = append(bins, time.Duration(seconds)*time.Second)
	}
	return bins
}()

func binOf(refill time.Duration) int {
	bin, _ := slices.BinarySearch(refillBins, refill)
	return bin
}

// at returns the hour and the slot of a time. Hours that are too old go, and what is older than they are counts for the first that is left.
func (a *Account) at(at time.Time) (hour *Hour, slot int) {
	number := floorDiv(at.Unix(), secondsPerHour)
	slot = int(at.Unix()-number*secondsPerHour) / int(Slot/time.Second)
	if len(a.hours) > 0 {
		if oldest := a.hours[len(a.hours)-1].Hour - Days*24 + 1; number < oldest {
			number, slot = oldest, 0
		}
	}
	i, found := slices.BinarySearchFunc(a.hours, number, func(h Hour, n int64) int { return cmp.Compare(h.Hour, n) })
	if !found {
		a.hours = slices.Insert(a.hours, i, Hour{Hour: number})
	}
	first := 0
	for a.hours[first].Hour <= a.hours[len(a.hours)-1].Hour-Days*24 {
		first++
	}
	a.hours = slices.Delete(a.hours, 0, first)
	return &a.hours[i-first], slot
}

// add adds to one of the values of a slice, which is made as long as needed.
func add(values []int, i, n int) []int {
	if n <= 0 {
		return values
	}
	for len(values) <= i {
		values = append(values, 0)
	}
	values[i] = min(values[i]+n, most)
	return values
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
