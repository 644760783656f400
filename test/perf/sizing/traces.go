package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// generator draws a trace.
type generator struct {
	name, about string
	rhythmic    bool
	weeks       int
	draw        func(r *rand.Rand, length time.Duration) []arrival
}

// generators are the traces of the published table.
func generators() []generator {
	return []generator{
		{"daily", "up to 230 pods an hour at one o'clock, a twentieth of it at night", true, 6, drawDaily},
		{"weekly", "the same on working days alone, a twentieth of it on weekends", true, 6, drawWeekly},
		{"monday-ci", "30 jobs an hour in working hours; at nine 60 more within minutes on Mondays, 15 on other days", true, 6, drawMonday},
		{"cron", "8 pods each hour, 25 each sixth hour, 60 at two each night, and 6 an hour at any time", true, 6, drawCron},
		{"flash-crowds", "60 pods an hour at any time, and twice a week about 80 more within minutes, at no certain time", false, 6, drawFlash},
		{"heavy-tail", "12 groups an hour at any time, of 1 to 200 pods (Pareto, exponent 1.5)", false, 6, drawHeavy},
		{"migration", "as daily; in the fourth week the load doubles for good", false, 6, drawMigration},
		{"quiet-month", "as weekly; a month with a tenth of the load, and then as before", false, 11, drawQuiet},
	}
}

func (g generator) trace(seed uint64) *trace {
	t := &trace{
		name: g.name, about: g.about, rhythmic: g.rhythmic, start: epoch, length: time.Duration(g.weeks) * week, measured: warmup,
	}
	t.arrivals = g.draw(rand.New(rand.NewPCG(seed, 17)), t.length)
	slices.SortStableFunc(t.arrivals, func(a, b arrival) int { return int(max(-1, min(1, a.at-b.at))) })
	for len(t.arrivals) > 0 && t.arrivals[len(t.arrivals)-1].at >= t.length {
		t.arrivals = t.arrivals[:len(t.arrivals)-1]
	}
	return t
}

// poissonProcess draws arrivals of groups at a rate an hour that is even within a minute.
func poissonProcess(
	r *rand.Rand, length time.Duration, rate func(at time.Duration) float64, group func() int, life time.Duration,
) []arrival {
	var all []arrival
	for minute := time.Duration(0); minute < length; minute += time.Minute {
		mean := rate(minute) / 60
		for at := r.ExpFloat64() / mean; mean > 0 && at < 1; at += r.ExpFloat64() / mean {
			all = append(all, arrival{minute + time.Duration(at*float64(time.Minute)), group(), lives(r, life)})
		}
	}
	return all
}

// burst draws pods that come one by one within about a time, most of them at its beginning.
func burst(r *rand.Rand, at time.Duration, pods int, within, life time.Duration) []arrival {
	var all []arrival
	for range pods {
		all = append(all, arrival{at + time.Duration(r.ExpFloat64()/3*float64(within)), 1, lives(r, life)})
	}
	return all
}

func one() int { return 1 }

// steps draws how many pods an autoscaler adds at once.
func steps(r *rand.Rand) func() int {
	return func() int {
		switch x := r.Float64(); {
		case x < 0.5:
			return 1
		case x < 0.8:
			return 2
		default:
			return 4
		}
	}
}

// dayFactors draws by how much each day is busier than the average.
func dayFactors(r *rand.Rand, length time.Duration) func(at time.Duration) float64 {
	factors := make([]float64, length/day+1)
	for i := range factors {
		factors[i] = math.Exp(0.1 * r.NormFloat64())
	}
	return func(at time.Duration) float64 { return factors[at/day] }
}

// daytime is the share of the busiest hour's load at a time of the day: from six to twenty it swells and ebbs.
func daytime(at time.Duration) float64 {
	const night, begin, hours = 0.05, 6.0, 14.0
	hour := (at % day).Hours()
	if hour < begin || hour > begin+hours {
		return night
	}
	return night + (1-night)*math.Pow(math.Sin(math.Pi*(hour-begin)/hours), 1.5)
}

func working(at time.Duration) bool { return at%week < 5*day }

const busiest = 120 // groups of 1.9 pods an hour on average

func drawDaily(r *rand.Rand, length time.Duration) []arrival {
	factor := dayFactors(r, length)
	return poissonProcess(r, length, func(at time.Duration) float64 { return busiest * factor(at) * daytime(at) }, steps(r), 20*time.Minute)
}

func weeklyRate(at time.Duration) float64 {
	if !working(at) {
		return busiest * 0.05
	}
	return busiest * daytime(at)
}

func drawWeekly(r *rand.Rand, length time.Duration) []arrival {
	factor := dayFactors(r, length)
	return poissonProcess(r, length, func(at time.Duration) float64 { return factor(at) * weeklyRate(at) }, steps(r), 20*time.Minute)
}

func drawMonday(r *rand.Rand, length time.Duration) []arrival {
	factor := dayFactors(r, length)
	all := poissonProcess(r, length, func(at time.Duration) float64 {
		if hour := (at % day).Hours(); !working(at) || hour < 9 || hour >= 18 {
			return 0.5
		}
		return 30 * factor(at)
	}, one, 12*time.Minute)
	for morning := 9 * time.Hour; morning < length; morning += day {
		jobs := 15 + 3*r.NormFloat64()
		if morning%week < day {
			jobs = 60 + 8*r.NormFloat64()
		}
		if working(morning) {
			all = append(all, burst(r, morning, int(max(0, jobs)), 15*time.Minute, 12*time.Minute)...)
		}
	}
	return all
}

func drawCron(r *rand.Rand, length time.Duration) []arrival {
	all := poissonProcess(r, length, func(time.Duration) float64 { return 6 }, one, 5*time.Minute)
	for hour := time.Duration(0); hour < length; hour += time.Hour {
		pods := 8
		switch {
		case hour%day == 2*time.Hour:
			pods = 60
		case hour%(6*time.Hour) == 0:
			pods = 25
		}
		all = append(all, burst(r, hour, pods, 30*time.Second, 8*time.Minute)...)
	}
	return all
}

func drawFlash(r *rand.Rand, length time.Duration) []arrival {
	all := poissonProcess(r, length, func(time.Duration) float64 { return 60 }, one, 20*time.Minute)
	for at := crowd(r); at < length; at += crowd(r) {
		all = append(all, burst(r, at, int(80*math.Exp(0.5*r.NormFloat64())), 4*time.Minute, 20*time.Minute)...)
	}
	return all
}

// crowd draws the time until the next flash crowd.
func crowd(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(week/2)) }

func drawHeavy(r *rand.Rand, length time.Duration) []arrival {
	return poissonProcess(r, length, func(time.Duration) float64 { return 12 }, func() int {
		return int(min(200, math.Pow(1-r.Float64(), -1/1.5)))
	}, 15*time.Minute)
}

func drawMigration(r *rand.Rand, length time.Duration) []arrival {
	factor := dayFactors(r, length)
	return poissonProcess(r, length, func(at time.Duration) float64 {
		rate := busiest / 2 * factor(at) * daytime(at)
		if at >= 3*week+2*day+11*time.Hour {
			rate *= 2
		}
		return rate
	}, steps(r), 20*time.Minute)
}

func drawQuiet(r *rand.Rand, length time.Duration) []arrival {
	factor := dayFactors(r, length)
	return poissonProcess(r, length, func(at time.Duration) float64 {
		rate := factor(at) * weeklyRate(at)
		if at >= 4*week && at < 4*week+30*day {
			rate /= 10
		}
		return rate
	}, steps(r), 20*time.Minute)
}
