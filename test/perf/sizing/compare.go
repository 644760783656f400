package main

import (
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// comparison is what each way costs on one trace.
type comparison struct {
	trace *trace
	seed  uint64
	// demand is the product's rule, under these options.
	demand  outcome
	options demand.Options
	// static is the smallest fixed size that served the same share, of so many units.
	static      outcome
	staticUnits int
	// unseasoned is the product's rule without a season, where there is no rhythm and somebody knows that, and the best fixed size for it.
	unseasoned, unseasonedStatic outcome
	// rivals are the other ways, each with the parameter that in hindsight is the smallest that served the same share.
	rivals []rival
}

// rival is a way with a parameter.
type rival struct {
	name      string
	parameter float64
	outcome   outcome
	// reached says that a parameter within the bounds served the share.
	reached bool
}

// ratio is what an outcome costs in unit-hours, times the best fixed size.
func (c *comparison) ratio(o outcome) float64 { return o.unitHours / c.static.unitHours }

// bestFixed returns the smallest fixed size that serves a share.
func bestFixed(t *trace, seed uint64, share float64) (units int, o outcome) {
	units = smallest(limit, func(units int) bool { return simulate(t, static(units), seed, nil).share() >= share })
	return units, simulate(t, static(units), seed, nil)
}

// ways are the rivals, by what makes a policy of a parameter and the largest parameter that is tried.
func ways() []struct {
	name string
	with func(parameter float64) policy
	most float64
} {
	const most = 20
	return []struct {
		name string
		with func(parameter float64) policy
		most float64
	}{
		{"percent", percentOfLoad, most},
		{"linear", linearByNodes, unitsPerNode - 0.05}, // more is a loop: each node of headroom asks for another
		{"HPA", hpa, most},
	}
}

// compareAll compares on all generated traces, or one, each with each seed.
func compareAll(seeds []uint64, only string, options demand.Options) ([]*comparison, error) {
	var chosen []generator
	for _, g := range generators() {
		if only == "" || g.name == only {
			chosen = append(chosen, g)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("there is no trace %q", only)
	}
	results := make([]*comparison, len(chosen)*len(seeds))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range results {
		group.Go(func() (err error) {
			seed := seeds[i%len(seeds)]
			results[i], err = compare(chosen[i/len(seeds)].trace(seed), seed, options)
			return err
		})
	}
	return results, group.Wait()
}

// compare runs everything on one trace.
func compare(t *trace, seed uint64, options demand.Options) (*comparison, error) {
	c := &comparison{trace: t, seed: seed, options: options, demand: simulate(t, byDemand(options), seed, nil)}
	if c.demand.asked == 0 {
		return nil, fmt.Errorf("nothing arrives on %s after its warm-up", t.name)
	}
	share := c.demand.share()
	run := func(p policy) outcome { return simulate(t, p, seed, nil) }
	c.staticUnits, c.static = bestFixed(t, seed, share)
	if !t.rhythmic {
		options.Season = demand.None
		c.unseasoned = run(byDemand(options))
		_, c.unseasonedStatic = bestFixed(t, seed, c.unseasoned.share())
	}
	const steps = 400 // of each parameter
	for _, way := range ways() {
		parameter := func(step int) float64 { return way.most * float64(step) * float64(step) / steps / steps }
		step := smallest(steps, func(step int) bool { return run(way.with(parameter(step))).share() >= share })
		o := run(way.with(parameter(step)))
		c.rivals = append(c.rivals, rival{way.name, parameter(step), o, o.share() >= share})
	}
	return c, nil
}

// smallest returns the smallest number up to most for which enough holds, most if it holds for none, and takes it to hold for all larger
// ones.
func smallest(most int, enough func(int) bool) int {
	low, high := 0, 1
	for high < most && !enough(high) {
		low, high = high, min(2*high, most)
	}
	if low == 0 && high == 1 && enough(0) {
		return 0
	}
	for high-low > 1 {
		if middle := (low + high) / 2; enough(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}
