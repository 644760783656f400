package demand

import (
	"math"
	"time"
)

const (
	// Enough is how many windows an estimate of an hour needs. One hour of one season has 30.
	Enough = 50
	// halfHour is half of the hour that is looked at in earlier seasons, in slots, and how much of the recent past is.
	halfHour = Slots / 2
	// neighboring is half of that hour with the hour before and the one after.
	neighboring = halfHour + Slots
	// leads is after how many refill times what is ordered now has come, and covers a refill time.
	leads = 2
)

// Size says how many units a Headroom needs at a time. It should be asked again at least once in each slot, and whenever a unit goes.
func Size(history History, now time.Time, options Options) Result {
	return Learn(history, now, options).Size(history, now)
}

// Estimate is what the past says. It takes time, a tenth of a millisecond for two weeks, and holds for the slot in which it was made.
type Estimate struct {
	options Options
	refill  refill
	found   found
}

// Learn looks at the past.
func Learn(history History, now time.Time, options Options) Estimate {
	options = options.bounded()
	now = notBefore(history.Hours, now)
	e := Estimate{options: options, refill: refillTime(&history, now)}
	e.found = look(windows(&history, now, e.refill.slots(), &options), now, e.refill, &options)
	return e
}

// Size says how many units a Headroom needs, from what the past says and from what is under way. Of the history it looks at the hours that
// the last refill time touches, so two are enough.
func (e Estimate) Size(history History, now time.Time) Result {
	now = notBefore(history.Hours, now)
	burst := underWay(&history, now, e.refill.slots(), e.refill.time, &e.options)
	result := Result{
		PooledBy: e.found.pool, Windows: e.found.windows, Censored: e.found.censored,
		NoRhythm:   e.found.rhythm.unforeseen > 0,
		RefillTime: e.refill.time, Refills: e.refill.finished, Window: time.Duration(e.refill.slots()) * Slot,
	}
	wanted := e.found.units
	if raised := burst.units(e.options.Served); raised > wanted {
		wanted, result.Burst = raised, true
	}
	result.Wanted, result.Replicas = wanted, min(max(wanted, e.options.Min), e.options.Max)
	result.Why = why(&e.found, &burst, &result, wanted, &e.options)
	return result
}

// bounded returns options that make sense, whatever they were.
func (o Options) bounded() Options {
	if math.IsNaN(o.Served) || o.Served <= 0 {
		o.Served = DefaultServed
	}
	o.Served = min(max(o.Served, MinServed), MaxServed)
	if o.History <= 0 || o.History > MaxHistory {
		o.History = MaxHistory
	}
	o.History = max(o.History, time.Hour, time.Duration(o.Season.days())*24*time.Hour)
	if o.Location == nil {
		o.Location = time.UTC
	}
	o.Min = min(max(o.Min, 0), MaxReplicas)
	if o.Max <= 0 || o.Max > MaxReplicas {
		o.Max = MaxReplicas
	}
	o.Max = max(o.Max, o.Min)
	return o
}

// notBefore returns the time, but none before the last hour of the account: a clock that was set back does not make the past the future.
func notBefore(hours []Hour, now time.Time) time.Time {
	for i := range hours {
		if start := time.Unix(hours[i].Hour*secondsPerHour, 0); hours[i].plausible() && start.After(now) {
			now = start
		}
	}
	return now
}

// found is what the windows say.
type found struct {
	units int
	pool  Pool
	// windows and censored count those that it stands on.
	windows, censored int
	// seen is the quantile of the windows, before the tail.
	seen int
	// alone is what one season alone showed and does not count in full, zero if there is nothing like that. overall says that it counts as
	// far as the quantile of all hours goes, not as far as twice the next season.
	alone   int
	overall bool
	// exceeded is how many windows asked for more than units, exceededByLess for more than one unit less.
	exceeded, exceededByLess int
	// seasons is how many earlier seasons there are, around the time of day in these.
	seasons int
	around  time.Time
	// rhythm says why the seasons do not count, if they would but for that.
	rhythm rhythm
}

// look finds the smallest pool that has enough windows, and what it says.
func look(past *series, now time.Time, refill refill, o *Options) found {
	everything := past.all()
	if everything.kept < Enough {
		return found{
			units: everything.quantile(1), pool: PooledByMaximum, windows: everything.kept, censored: everything.kept - everything.whole,
			seen: everything.quantile(1),
		}
	}
	overall := everything.tail(everything.quantile(o.Served), o.Served)
	around := now.Add(leads * refill.time).In(o.Location)
	for _, pool := range []struct {
		name Pool
		half int
	}{{PooledByHour, halfHour}, {PooledByNeighboringHours, neighboring}} {
		seasons := past.seasons(around, pool.half, o)
		pooled := sample{}
		for i := range seasons {
			pooled.add(&seasons[i])
		}
		if pooled.kept < Enough {
			continue
		}
		today := past.between(past.now-int64(halfHour)+1, past.now+1)
		pooled.add(&today)
		f := seasonal(&pooled, append(seasons, today), overall, o.Served)
		f.pool, f.seasons, f.around = pool.name, len(seasons), around
		if f.units >= overall {
			return f
		}
		if rhythm := past.rhythm(refill.slots(), o); rhythm.isNone(o.Served) {
			return ofAll(&everything, overall, rhythm, o)
		}
		return f
	}
	return ofAll(&everything, overall, rhythm{}, o)
}

// ofAll is what all windows say, which is so many units, and why the seasons do not count.
func ofAll(everything *sample, units int, why rhythm, o *Options) found {
	return found{
		units: units, pool: PooledByAll, windows: everything.kept, censored: everything.kept - everything.whole,
		seen: everything.quantile(o.Served), exceeded: everything.exceeding(units), exceededByLess: everything.exceeding(units - 1),
		rhythm: why,
	}
}

// seasonal is what the windows of one hour say, where what one season alone showed counts as far as overall goes.
func seasonal(pooled *sample, seasons []sample, overall int, served float64) found {
	first, second := 0, 0
	for i := range seasons {
		if q := seasons[i].quantile(served); q > first {
			first, second = q, first
		} else {
			second = max(second, q)
		}
	}
	seen := pooled.quantile(served)
	repeated := min(seen, 2*second)
	full, certain := pooled.tail(seen, served), pooled.tail(repeated, served)
	f := found{windows: pooled.kept, censored: pooled.kept - pooled.whole, seen: seen, units: max(min(full, overall), certain)}
	if f.units < full {
		f.alone, f.overall = seen, f.units == overall
	}
	f.exceeded, f.exceededByLess = pooled.exceeding(f.units), pooled.exceeding(f.units-1)
	return f
}
