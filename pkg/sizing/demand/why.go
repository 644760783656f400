package demand

import (
	"fmt"
	"strconv"
	"time"

	"github.com/headroom-dev/headroom/pkg/sizing"
)

// why says in a sentence why it is that number, and not one less.
func why(f *found, b *burst, r *Result, wanted int, o *Options) string {
	text := f.why(r, o)
	if r.Burst {
		text = b.why(wanted, o)
	}
	switch {
	case wanted > o.Max:
		text += fmt.Sprintf("; that needs %d, and the maximum is %d", wanted, o.Max)
	case wanted < o.Min:
		text += fmt.Sprintf("; that needs %d, and the minimum is %d", wanted, o.Min)
	case wanted == o.Max && !r.Burst:
		text += fmt.Sprintf("; a window counts at most the maximum of %d", o.Max)
	}
	return text
}

func (b *burst) why(wanted int, o *Options) string {
	demand := b.demand()
	text := fmt.Sprintf("a burst is under way: in the last %s pods took or lacked %s that have not come back; ",
		short(b.within), sizing.Units(demand))
	if wanted == 2*demand {
		return text + fmt.Sprintf("%d cover as many again", wanted)
	}
	return text + fmt.Sprintf("if that goes on, %d cover the next %s with a probability of %s %%, and %d do not",
		wanted, short(b.within), percent(o.Served), wanted-1)
}

func (f *found) why(r *Result, o *Options) string {
	window := fmt.Sprintf("windows of %s (a refill takes %s)", short(r.Window), short(r.RefillTime))
	switch f.pool {
	case PooledByMaximum:
		known := "no demand is known yet"
		if f.units > 0 {
			known = sizing.Units(f.units) + " is the largest demand so far"
		}
		return fmt.Sprintf("%s: an estimate needs %d %s, and the history has %d", known, Enough, window, f.windows)
	case PooledByAll:
		return fmt.Sprintf("%sof all %d %s, %s", f.rhythm.why(o), f.windows, window, f.level(o))
	default:
		hours, season := "the hour", "earlier days"
		if f.pool == PooledByNeighboringHours {
			hours = "the three hours"
		}
		if o.Season == Week {
			season = "earlier weeks"
		}
		return fmt.Sprintf("of %d %s, in %s around %s of %d %s and in the last half hour, %s",
			f.windows, window, hours, f.around.Format("Mon 15:04 MST"), f.seasons, season, f.level(o))
	}
}

// why says why the seasons do not count; nothing if they would not anyway.
func (r rhythm) why(o *Options) string {
	if r.unforeseen == 0 {
		return ""
	}
	season := "day"
	if o.Season == Week {
		season = "week"
	}
	return fmt.Sprintf("there is no rhythm, since %d of %d windows asked for more than twice what the same time of any earlier %s did; ",
		r.unforeseen, r.judged, season)
}

// level says which level the number reaches, and one less does not.
func (f *found) level(o *Options) string {
	missed := percent(1 - o.Served)
	switch {
	case f.alone > 0 && f.overall:
		return fmt.Sprintf("one asked for %s, which happened once and counts only up to what the level needs over all hours: %d, not %d",
			sizing.Units(f.alone), f.units, f.units-1)
	case f.alone > 0:
		return fmt.Sprintf("one asked for %s, which happened once and counts only as twice the next largest, for which it takes %d, not %d",
			sizing.Units(f.alone), f.units, f.units-1)
	case f.units == 0:
		return fmt.Sprintf("at most %s %% asked for any unit", missed)
	case f.units > f.seen:
		return fmt.Sprintf("none asked for more than %s; so few cannot show what is rare, and for a chance of at most %s %% that one asks for "+
			"more it takes %d, not %d", sizing.Units(f.seen), missed, f.units, f.units-1)
	default:
		return fmt.Sprintf("%d asked for more than %s, and %d for more than %d, where at most %d may (%s %%)",
			f.exceeded, sizing.Units(f.units), f.exceededByLess, f.units-1, mayExceed(f.windows-f.censored, o.Served), missed)
	}
}

// percent formats a share without the noise of binary fractions.
func percent(share float64) string {
	const digits = 6
	return strconv.FormatFloat(100*share, 'g', digits, 64)
}

// short formats a duration in whole seconds without zero parts: 2m instead of 2m0s.
func short(d time.Duration) string { return sizing.Duration(d.Round(time.Second)) }
