package demand

import (
	"slices"
	"time"
)

const (
	secondsPerHour = int64(time.Hour / time.Second)
	secondsPerSlot = int64(Slot / time.Second)
	// lastHour bounds the numbers of hours that are believed: the year 13,000.
	lastHour = int64(100_000_000)
)

func (h *Hour) plausible() bool { return h.Hour >= -lastHour && h.Hour <= lastHour }

// slotOf numbers the slots from 1970.
func slotOf(t time.Time) int64 {
	seconds := t.Unix()
	slot := seconds / secondsPerSlot
	if seconds%secondsPerSlot < 0 {
		slot--
	}
	return slot
}

// slot is what is known of one of them.
type slot struct {
	demand int32
	// kept: the account was kept in it. whole: its demand is all that was asked for.
	kept, whole bool
}

// series are all windows, by the slot in which they end.
type series struct {
	// first is the slot of the first one, now the slot of the present, and from the first slot that "all" includes.
	first, now, from int64
	windows          []slot
}

// windows returns the windows of so many slots that the account knows of.
func windows(history *History, now time.Time, length int, o *Options) *series {
	s := &series{now: slotOf(now)}
	margin := int64(4 * Slots) // around the hour of the first season
	lookback := int64(o.History / Slot)
	end := s.now
	if last, ok := lastKept(history.Hours, s.now-lookback-margin, s.now); !ok {
		end = last // nothing as recent as that: what there is counts
	}
	s.first = max(end-lookback-margin, firstKept(history.Hours, end))
	s.from = max(end-lookback, s.first)
	slots := make([]slot, max(0, min(s.now-s.first+1, lookback+2*margin)))
	for i := range history.Hours {
		s.fill(slots, &history.Hours[i])
	}
	s.windows = sums(slots, length, o.Max)
	return s
}

// lastKept returns the last slot of the hours that lie between two slots. If there are none, it returns the last of all before the end.
func lastKept(hours []Hour, begin, end int64) (last int64, ok bool) {
	last = end
	older := int64(0)
	for i := range hours {
		if !hours[i].plausible() {
			continue
		}
		first := hours[i].Hour * int64(Slots)
		if first <= end && first+int64(Slots) > begin {
			return end, true
		}
		if first <= end && (older == 0 || first+int64(Slots) > older) {
			older = first + int64(Slots)
		}
	}
	if older != 0 {
		last = older
	}
	return last, older == 0
}

// firstKept returns the first slot of all hours, the end if there are none before it.
func firstKept(hours []Hour, end int64) int64 {
	first := end
	for i := range hours {
		if hours[i].plausible() {
			first = min(first, hours[i].Hour*int64(Slots))
		}
	}
	return first
}

// fill enters what one hour says.
func (s *series) fill(slots []slot, h *Hour) {
	if !h.plausible() {
		return
	}
	begin := h.Hour*int64(Slots) - s.first
	if begin+int64(Slots) <= 0 || begin >= int64(len(slots)) {
		return
	}
	// Where only the sum of the hour is known, it is taken to be even, which is the least that one of its windows can have had.
	detailed := 0
	for i := range Slots {
		detailed += h.demandIn(i)
	}
	rest := min(max(h.Taken, 0), MaxReplicas) + min(max(h.Lacked, 0), MaxReplicas) - min(max(h.Again, 0), MaxReplicas) - detailed
	rest = (max(rest, 0) + Slots - 1) / Slots
	for i := range Slots {
		at := begin + int64(i)
		if at < 0 || at >= int64(len(slots)) {
			continue
		}
		bit := uint32(1) << i
		slots[at] = slot{
			demand: int32(min(int(slots[at].demand)+h.demandIn(i)+rest, MaxReplicas)),
			kept:   slots[at].kept || h.Seen&bit != 0,
			whole:  h.Seen&bit != 0 && h.Empty&bit == 0 && rest == 0 && s.first+at != s.now,
		}
	}
}

// demandIn is what was asked for in a slot: what one pod lacked and then took counts once.
func (h *Hour) demandIn(slot int) int {
	return max(0, valueAt(h.TakenIn, slot)+valueAt(h.LackedIn, slot)-valueAt(h.AgainIn, slot))
}

func valueAt(values []int, i int) int {
	if i >= len(values) {
		return 0
	}
	return min(max(values[i], 0), MaxReplicas)
}

// sums returns the windows of so many slots, each with at most so many units.
func sums(slots []slot, length, most int) []slot {
	windows := make([]slot, len(slots))
	demand, kept, whole := 0, 0, 0
	for i := range slots {
		demand, kept, whole = demand+int(slots[i].demand), kept+one(slots[i].kept), whole+one(slots[i].whole)
		if i >= length {
			old := &slots[i-length]
			demand, kept, whole = demand-int(old.demand), kept-one(old.kept), whole-one(old.whole)
		}
		windows[i] = slot{demand: int32(min(demand, most)), kept: kept == length, whole: whole == length}
	}
	return windows
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// between returns the windows that end in the slots from begin to before end.
func (s *series) between(begin, end int64) sample {
	begin, end = max(begin, s.first), min(end, s.first+int64(len(s.windows)), s.now+1)
	found := sample{}
	if begin >= end {
		return found
	}
	found.windows = [][]slot{s.windows[begin-s.first : end-s.first]}
	for i := range found.windows[0] {
		found.kept += one(found.windows[0][i].kept)
		found.whole += one(found.windows[0][i].whole)
	}
	return found
}

// all returns all windows.
func (s *series) all() sample { return s.between(s.from, s.now+1) }

// seasons returns, for each earlier season, the windows that end around the same time of it, by so many slots before and after.
func (s *series) seasons(around time.Time, half int, o *Options) []sample {
	days := o.Season.days()
	if days == 0 {
		return nil
	}
	var found []sample
	for back := days; time.Duration(back)*24*time.Hour <= o.History; back += days {
		// The same time of the day, whatever daylight saving did in between.
		y, m, d := around.Date()
		then := slotOf(time.Date(y, m, d-back, around.Hour(), around.Minute(), around.Second(), 0, around.Location()))
		season := s.between(then-int64(half), then+int64(half))
		if season.kept > 0 || season.quantile(1) > 0 {
			found = append(found, season)
		}
	}
	return found
}

// sample is some of the windows.
type sample struct {
	windows [][]slot
	// kept is in how many of them the account was kept throughout, and whole how many may lower an estimate.
	kept, whole int
}

func (s *sample) add(other *sample) {
	s.windows = append(s.windows, other.windows...)
	s.kept += other.kept
	s.whole += other.whole
}

// quantile returns the smallest number of units that at most (1-level)·whole of the windows exceed.
func (s *sample) quantile(level float64) int {
	allowed := mayExceed(s.whole, level)
	largest := make([]int, 0, allowed+2) // in decreasing order
	for _, run := range s.windows {
		for i := range run {
			d := int(run[i].demand)
			if d == 0 || len(largest) > allowed && d <= largest[allowed] {
				continue
			}
			at, _ := slices.BinarySearchFunc(largest, d, func(e, d int) int { return d - e })
			largest = slices.Insert(largest, at, d)
			largest = largest[:min(len(largest), allowed+1)]
		}
	}
	if len(largest) <= allowed {
		return 0
	}
	return largest[allowed]
}

// mayExceed is how many of so many windows may ask for more than the quantile.
func mayExceed(windows int, level float64) int {
	const rounding = 1e-9
	return int((1-level)*float64(windows) + rounding)
}

// exceeding is how many windows asked for more than that.
func (s *sample) exceeding(units int) int {
	n := 0
	for _, run := range s.windows {
		for i := range run {
			if int(run[i].demand) > units {
				n++
			}
		}
	}
	return n
}

// tail is what has to be expected at a level, if so many units are the most that was seen in the windows: see rule 5.
func (s *sample) tail(seen int, level float64) int {
	n := float64(s.kept)
	if n < 1 || level <= n/(n+1) {
		return seen
	}
	return poissonQuantile(poissonMean(seen, n/(n+1)), level, seen)
}
