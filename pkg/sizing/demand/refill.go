package demand

import (
	"slices"
	"time"
)

const (
	// oneIn so many refills may take longer than the 90th percentile.
	oneIn = 10
	// youngest is how old a unit that is missing has to be for its age to say anything: less takes a refill into room that is free.
	youngest = 10 * time.Second
)

// refill is how long one takes.
type refill struct {
	time     time.Duration
	finished int
}

// slots is in how many slots it fits.
func (r refill) slots() int { return max(1, int((r.time+Slot-1)/Slot)) }

// refillTime returns the 90th percentile of the refills that needed a node, in whole bins. Those that are awaited may raise it.
func refillTime(history *History, now time.Time) refill {
	counts := make([]int, len(history.RefillBins)+1)
	r := refill{}
	for i := range history.Hours {
		for bin, n := range history.Hours[i].NodeRefills {
			if bin < len(counts) && n > 0 {
				n = min(n, MaxReplicas)
				counts[bin] += n
				r.finished += n
			}
		}
	}
	r.time = DefaultRefill
	if r.finished > 0 {
		r.time = slowest(counts, history.RefillBins, allowedRefills(r.finished))
	}
	if !history.Parked {
		r.time = max(r.time, awaited(counts, history, now, r.finished))
	}
	r.time = min(max(r.time, time.Second), MaxRefill)
	return r
}

// allowedRefills is how many refills may take longer than the percentile.
func allowedRefills(finished int) int { return finished / oneIn }

// slowest returns the upper bound of the bin that at most so many refills exceed.
func slowest(counts []int, bins []time.Duration, allowed int) time.Duration {
	longer := 0
	for bin := len(counts) - 1; bin >= 0; bin-- {
		longer += counts[bin]
		if longer > allowed {
			if bin >= len(bins) {
				return MaxRefill
			}
			return bins[bin]
		}
	}
	return 0
}

// awaited returns the shortest time that at most a tenth of the finished refills exceeds, if those that are awaited took their age.
func awaited(counts []int, history *History, now time.Time, finished int) time.Duration {
	var ages []time.Duration
	for _, went := range history.Missing {
		if age := now.Sub(went); age >= youngest {
			ages = append(ages, age)
		}
	}
	slices.SortFunc(ages, func(a, b time.Duration) int { return int(max(-1, min(1, b-a))) })
	allowed := allowedRefills(finished)
	for i, age := range ages {
		// The i older ones exceed this age, and so do the finished ones of longer bins.
		longer := i + 1
		for bin, n := range counts {
			if bin > 0 && history.RefillBins[bin-1] >= age {
				longer += n
			}
		}
		if longer > allowed {
			return age
		}
	}
	return 0
}
