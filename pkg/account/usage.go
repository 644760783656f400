package account

import (
	"time"
)

// Usage is what became of the units of a Headroom within some time.
type Usage struct {
	// Since is when that time began: some hours ago, or when the account was opened. Whole tells that the account covers all of the time that
	// was asked for.
	Since time.Time
	Whole bool
	// Taken, Lacked and Lost are units.
	Taken, Lacked int
	Lost          map[Loss]int
	// Missed are pods by reason.
	Missed map[Miss]int
	// Refills is how many refills were measured. RefillP90 is a time within which nine of ten of them were over, as coarse as RefillBins; the
	// largest of these stands for any longer time.
	Refills   int
	RefillP90 time.Duration
	// LowestReady is the smallest number of units that were ready at any time, nil if nobody looked.
	LowestReady *int
	// Saved is an estimate of how long pods would have waited for nodes if there had been no headroom: the units that were taken, times the
	// median of the refills that needed a new node. It is zero as long as no refill has needed one.
	Saved time.Duration
}

// Usage returns what became of the units within so long a time before now, which is rounded up to full hours.
func (a *Account) Usage(now time.Time, within time.Duration) Usage {
	since := now.Add(-within).Truncate(time.Hour)
	usage := Usage{Since: since, Whole: !a.opened.After(since), Lost: map[Loss]int{}, Missed: map[Miss]int{}}
	if !usage.Whole {
		usage.Since = a.opened
	}
	bins := make([]int, len(refillBins)+1)
	nodes := make([]int, len(refillBins)+1)
	for i := range a.hours {
		h := &a.hours[i]
		if h.Start().Before(since) || h.Start().After(now) {
			continue
		}
		usage.Taken += h.Taken
		usage.Lacked += h.Lacked
		for why, units := range h.Lost {
			usage.Lost[why] += units
		}
		for why, pods := range h.Missed {
			usage.Missed[why] += pods
		}
		if h.Lowest != nil && (usage.LowestReady == nil || *h.Lowest < *usage.LowestReady) {
			usage.LowestReady = h.Lowest
		}
		addBins(bins, h.Refills)
		addBins(bins, h.NodeRefills)
		addBins(nodes, h.NodeRefills)
	}
	usage.Refills, usage.RefillP90 = quantile(bins, 9, 10)
	if _, median := quantile(nodes, 1, 2); median > 0 {
		usage.Saved = time.Duration(usage.Taken) * median
	}
	return usage
}

func addBins(dst, src []int) {
	for i := range src[:min(len(dst), len(src))] {
		dst[i] += src[i]
	}
}

// quantile returns how many were counted in bins of refills, and the upper bound of the bin in which the part of them ends, zero if there
// are
// none. The last bin has no upper bound; the largest there is stands for it.
func quantile(bins []int, part, of int) (counted int, bound time.Duration) {
	for _, n := range bins {
		counted += n
	}
	if counted == 0 {
		return 0, 0
	}
	below := 0
	for i, n := range bins {
		if below += n; below*of >= counted*part {
			return counted, refillBins[min(i, len(refillBins)-1)]
		}
	}
	return counted, refillBins[len(refillBins)-1]
}
