package main

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"
)

// verdict is what is said of a group.
type verdict struct {
	group    string
	findings []finding
	// onlyOn has, for each side, the rows and figures that were measured on it alone.
	onlyOn map[string][]string
	// rounds is the smallest number of measurements that a figure has on a side, enough how many it takes before each difference that is
	// the same in all of them can be told from noise.
	rounds, enough int
}

// finding is what one figure of one row says.
type finding struct {
	row        string
	figure     figure
	base, head float64
	// low and high bound the ratio of head to base within a round; zero if no round has both.
	low, high float64
	// p is how likely so great a difference is where there is none, corrected for the number of comparisons.
	p float64
	// differs reports whether that is beyond noise, and large enough to be told.
	differs bool
}

// change is how much more the head has than the base; +Inf from nothing to something.
func (f finding) change() float64 {
	if f.head == f.base {
		return 0
	}
	return f.head/f.base - 1
}

// judge compares both sides of each pair. A difference is told if it is at least the given share of the base, and if noise gives rise to
// one like it in fewer than alpha of all groups in which nothing differs. Controls are judged apart, so that they do not blunt the test of
// the others.
func judge(g *group, alpha, least float64) verdict {
	v := verdict{group: g.name, onlyOn: map[string][]string{}, rounds: math.MaxInt}
	var plugin, control []finding
	for _, p := range g.pairs {
		switch {
		case len(p.head) == 0:
			v.onlyOn[base] = append(v.onlyOn[base], p.row+" "+p.figure.unit)
			continue
		case len(p.base) == 0:
			v.onlyOn[head] = append(v.onlyOn[head], p.row+" "+p.figure.unit)
			continue
		case p.allZero():
			continue
		case slices.Contains(controls, p.row):
			control = append(control, compare(p))
		default:
			plugin = append(plugin, compare(p))
		}
		v.rounds = min(v.rounds, len(p.base), len(p.head))
	}
	correct(plugin)
	correct(control)
	v.findings = slices.Concat(control, plugin)
	for i, f := range v.findings {
		v.findings[i].differs = f.p < alpha && math.Abs(f.change()) >= least
	}
	v.enough = roundsToTell(alpha, tests*max(len(plugin), len(control)))
	if len(v.findings) == 0 {
		v.rounds = 0
	}
	slices.SortStableFunc(v.findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(placeOf(a.figure), placeOf(b.figure)))
	})
	return v
}

// allZero reports whether nothing was ever measured of the figure, such as allocations of what allocates nothing.
func (p *pair) allZero() bool {
	isNot := func(v float64) bool { return v != 0 }
	return !slices.ContainsFunc(slices.Collect(maps.Values(p.base)), isNot) &&
		!slices.ContainsFunc(slices.Collect(maps.Values(p.head)), isNot)
}

// tests is how many tests each pair goes through.
const tests = 2

func compare(p *pair) finding {
	f := finding{row: p.row, figure: p.figure}
	thresholds := benchmath.DefaultThresholds
	before := benchmath.NewSample(slices.Collect(maps.Values(p.base)), &thresholds)
	after := benchmath.NewSample(slices.Collect(maps.Values(p.head)), &thresholds)
	f.base = benchmath.AssumeNothing.Summary(before, 0.95).Center
	f.head = benchmath.AssumeNothing.Summary(after, 0.95).Center
	var ratios []float64
	for round, now := range p.head {
		if then := p.base[round]; then > 0 && now > 0 {
			ratios = append(ratios, now/then)
		}
	}
	if len(ratios) > 0 {
		f.low, f.high = slices.Min(ratios), slices.Max(ratios)
	}
	f.p = min(1, tests*min(benchmath.AssumeNothing.Compare(before, after).P, paired(ratios)))
	return f
}

// paired returns how likely it is that ratios are as far from 1 as these by chance: Student's test of their logarithms. Load that comes and
// goes makes rounds differ and not the sides of a round, which are measured one after the other. 1 where that cannot be told.
func paired(ratios []float64) float64 {
	if len(ratios) < 2 {
		return 1
	}
	logarithms := make([]float64, len(ratios))
	for i, ratio := range ratios {
		logarithms[i] = math.Log(ratio)
	}
	result, err := stats.OneSampleTTest(stats.Sample{Xs: logarithms}, 0, stats.LocationDiffers)
	if err != nil {
		return 1 // all are the same, of which benchstat's test says enough
	}
	return result.P
}

// correct multiplies the p-values by Holm's method: the smallest by the number of all, the next by one less, and so on, none below the one
// before it.
func correct(findings []finding) {
	ascending := make([]int, len(findings))
	for i := range ascending {
		ascending[i] = i
	}
	slices.SortStableFunc(ascending, func(a, b int) int { return cmp.Compare(findings[a].p, findings[b].p) })
	floor := 0.0
	for done, i := range ascending {
		floor = max(floor, min(1, findings[i].p*float64(len(findings)-done)))
		findings[i].p = floor
	}
}

// roundsToTell returns how many rounds it takes before one of that many comparisons can say that something differs, if all that is known is that
// each measurement of one side is above each of the other: with n a side, that comes by chance with 2 of (2n choose n).
func roundsToTell(alpha float64, comparisons int) int {
	n, p := 1, 1.0
	for p*float64(comparisons) >= alpha {
		n++
		// (2n choose n) is (2(n-1) choose n-1) times (2n)(2n-1)/n².
		p *= float64(n*n) / float64(2*n*(2*n-1))
	}
	return n
}
