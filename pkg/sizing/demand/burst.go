package demand

import "time"

// burst is the demand that is under way: units that went within the last refill time and have not come back, and what pods lacked in it.
// again is what is in both.
type burst struct {
	out, lacked, again int
	within             time.Duration
}

// demand is all of it.
func (b *burst) demand() int { return max(0, b.out+b.lacked-b.again) }

// underWay finds it. Units that went otherwise are missing, but were not taken; those that came back at once are not missing.
func underWay(history *History, now time.Time, slots int, refill time.Duration, o *Options) burst {
	b := burst{within: refill}
	since := now.Add(-refill)
	taken := 0
	for _, t := range history.Takes {
		if t.After(since) && !t.After(now) {
			taken++
		}
	}
	missing := 0
	for _, t := range history.Missing {
		if t.After(since) && !t.After(now) {
			missing++
		}
	}
	b.out = min(taken, missing, o.Max)
	// What pods lacked, and took then, is known by slot: the slots that the refill time touches.
	current := slotOf(now)
	for i := range history.Hours {
		h := &history.Hours[i]
		if !h.plausible() || h.Hour*int64(Slots) > current || (h.Hour+1)*int64(Slots) < current-int64(slots) {
			continue
		}
		for s := range Slots {
			if at := h.Hour*int64(Slots) + int64(s); at <= current && at >= current-int64(slots) {
				b.lacked += valueAt(h.LackedIn, s)
				b.again += valueAt(h.AgainIn, s)
			}
		}
	}
	b.lacked = min(b.lacked, o.Max-b.out)
	return b
}

// units covers that the burst goes on: as much again as went within a refill time, or what the Poisson distribution with that mean asks for
// at the level, if that is less. A stock that is twice as large as the burst is therefore left alone.
func (b *burst) units(served float64) int {
	demand := b.demand()
	if demand < smallestBurst {
		return 0
	}
	return min(2*demand, poissonQuantile(float64(demand), served, demand))
}

// smallestBurst is the least demand that is a burst: one unit that goes is none.
const smallestBurst = 2
