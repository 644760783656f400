package demand

import "time"

const (
	// Slot is the width of the slots in which demand is counted. Windows consist of whole slots.
	Slot = 2 * time.Minute
	// Slots is how many of them an hour has.
	Slots = int(time.Hour / Slot)

	// DefaultRefill is the refill time as long as none was measured.
	DefaultRefill = 120 * time.Second
	// MaxRefill bounds the refill time: what takes longer is no refill, but a ceiling.
	MaxRefill = 30 * time.Minute
	// MaxHistory bounds Options.History.
	MaxHistory = 35 * 24 * time.Hour
	// DefaultServed is the level where Options.Served is zero, less, or no number.
	DefaultServed = 0.999
	// MinServed and MaxServed bound the level.
	MinServed, MaxServed = 0.5, 0.99999
	// MaxReplicas bounds every result.
	MaxReplicas = 1_000_000
)

// Hour is what the account remembers of one hour.
type Hour struct {
	// Hour is the number of hours from 1970 to its beginning, in UTC.
	Hour int64
	// Taken and Lacked are units.
	Taken, Lacked int
	// TakenIn and LackedIn are the same by slot. They may be shorter than an hour, the rest being zero, and are missing where only the sums
	// are known.
	TakenIn, LackedIn []int
	// Again are units that are in both, because a pod lacked them first and took them later; AgainIn is the same by slot.
	Again   int
	AgainIn []int
	// Empty are the slots, one bit each, in which no unit was ready at some moment.
	Empty uint32
	// Seen are the slots in which the account was kept.
	Seen uint32
	// NodeRefills count the refills that needed a node, by History.RefillBins and one more bin for those that took longer.
	NodeRefills []int
}

// History is what is known of the past.
type History struct {
	// Hours are those in which the account was kept, in any order.
	Hours []Hour
	// RefillBins are the upper bounds of the bins of NodeRefills, in increasing order.
	RefillBins []time.Duration
	// Takes are the times of the last units that were taken, in any order.
	Takes []time.Time
	// Missing are the times at which the units went that have no successor yet, in any order.
	Missing []time.Time
	// Parked says that units are parked, because nothing comes: units that are missing say nothing about the refill time then.
	Parked bool
}

// Kept notes that the account is kept at this time, which whoever keeps it knows before it says so itself: its slot counts as one in which
// it was.
func (h *History) Kept(at time.Time) {
	slot := slotOf(at)
	in := (slot%int64(Slots) + int64(Slots)) % int64(Slots)
	hour, bit := (slot-in)/int64(Slots), uint32(1)<<in
	for i := range h.Hours {
		if h.Hours[i].Hour == hour {
			h.Hours[i].Seen |= bit
			return
		}
	}
	h.Hours = append(h.Hours, Hour{Hour: hour, Seen: bit})
}

// Season is the time after which the demand is taken to repeat.
type Season string

// The seasons.
const (
	// Week repeats on the same day of the week.
	Week Season = "Week"
	// Day repeats each day.
	Day Season = "Day"
	// None: all hours are alike.
	None Season = "None"
)

func (s Season) days() int {
	switch s {
	case Week:
		return 7
	case Day:
		return 1
	default:
		return 0
	}
}

// Options are what the user chose.
type Options struct {
	// Served is the share of windows of which the whole demand is to be served at once, for example 0.999. It is kept within MinServed and
	// MaxServed.
	Served float64
	// History is how far back to look; zero and less: as far as the account goes. At least one season is looked at.
	History time.Duration
	// Season is the time after which demand repeats; any unknown one is None.
	Season Season
	// Location is the time zone in which it does, which matters on daylight saving days; nil: UTC.
	Location *time.Location
	// Min and Max bound the result. A Min below zero is zero; a Max of zero or less is MaxReplicas, and one below Min is Min.
	Min, Max int
}

// Pool says which windows the result stands on.
type Pool string

// The pools, from the best to the last resort.
const (
	// PooledByHour: the same hour of the earlier seasons, and the last half hour.
	PooledByHour Pool = "Hour"
	// PooledByNeighboringHours: the hours before and after it, too.
	PooledByNeighboringHours Pool = "NeighboringHours"
	// PooledByAll: all hours.
	PooledByAll Pool = "All"
	// PooledByMaximum: the largest window there ever was, because of a quantile of so few nothing could be said.
	PooledByMaximum Pool = "Maximum"
)

// Result is how many units are needed.
type Result struct {
	// Replicas is within Min and Max.
	Replicas int
	// Wanted is the number before Min and Max cut it. Each window counts at most Max all the same.
	Wanted int
	// Why is a sentence that says why it is this number, and not one less.
	Why string
	// PooledBy says which windows it stands on.
	PooledBy Pool
	// Windows is their number, Censored how many of them may raise the result only.
	Windows, Censored int
	// NoRhythm says that it stands on all windows because the seasons foretell too little of one another.
	NoRhythm bool
	// RefillTime is L; Refills is how many finished refills it stands on.
	RefillTime time.Duration
	Refills    int
	// Window is RefillTime in whole slots.
	Window time.Duration
	// Burst says that a burst under way raised the result.
	Burst bool
}
