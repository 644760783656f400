package plan

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// meanPause is the mean time between two draws.
const meanPause = 500 * time.Millisecond

// Bounds of what is alive at a time, so that the cluster is now half empty and now too small.
const (
	maxBursts    = 14
	maxHeadrooms = 6
	maxAway      = 2
	maxCordoned  = 2
)

// Generate draws a run of that length. It depends on nothing but its arguments; a longer run begins with the actions of a shorter one.
func Generate(seed uint64, length time.Duration) Plan {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), returns: map[string]time.Duration{}}
	g.more = &generator{rng: rand.New(rand.NewPCG(seed, 0xd1b54a32d192ed03))}
	p := Plan{Seed: seed, Skews: map[Component]time.Duration{Scheduler: g.skew(), Controller: g.skew()}}
	for range 4 {
		p.Headrooms = append(p.Headrooms, g.newHeadroom())
	}
	for g.now = 0; g.now < length; g.now += g.pause() {
		g.draw()
		g.drawMore()
	}
	for _, action := range g.actions {
		if action.At < length {
			p.Actions = append(p.Actions, action)
		}
	}
	slices.SortStableFunc(p.Actions, func(a, b Action) int { return cmp.Compare(a.At, b.At) })
	return p
}

// generator remembers what it has made, so that it can draw what to do to it.
type generator struct {
	rng *rand.Rand
	// more draws what came to the plans later: the rest of a seed's traffic stays what it was.
	more    *generator
	now     time.Duration
	actions []Action
	made    int // bursts and notes so far, which gives them their names

	bursts    []*burst
	headrooms []Headroom
	dropped   []Headroom
	away      []string
	// returns is when nodes that vanished for a moment are back.
	returns  map[string]time.Duration
	cordoned []string
}

// burst is a burst that was made, and how much of it is left.
type burst struct {
	Burst
	from  int
	until time.Duration
}

// pause is the time to the next draw, mostly short.
func (g *generator) pause() time.Duration {
	pause := time.Duration(g.rng.ExpFloat64() * float64(meanPause))
	return min(pause, 5*meanPause).Truncate(time.Millisecond)
}

func (g *generator) do(step Step) { g.after(0, step) }

func (g *generator) after(pause time.Duration, step Step) {
	g.actions = append(g.actions, Action{At: g.now + pause, Step: step})
}

// draw does one thing, or nothing where there is nothing to do it to.
func (g *generator) draw() {
	g.endOverdue()
	choices := []struct {
		weight int
		do     func()
	}{
		{26, g.burst}, {12, g.endSome}, {5, g.resize}, {3, g.relabel},
		{8, g.scaleHeadroom}, {7, g.changeHeadroom}, {3, g.dropHeadroom}, {4, g.remakeHeadroom}, {3, g.class},
		{5, g.cordon}, {4, g.vanish}, {4, g.bringBack},
		{4, g.kill}, {12, g.fault},
	}
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	n := g.rng.IntN(total)
	for _, c := range choices {
		if n -= c.weight; n < 0 {
			c.do()
			return
		}
	}
}

// oneOf draws one of several values; a value that stands there twice is drawn twice as often.
func oneOf[T any](g *generator, values ...T) T { return values[g.rng.IntN(len(values))] }

// chance reports true in so many of a hundred draws.
func (g *generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

// seconds draws a time between two numbers of seconds.
func (g *generator) seconds(from, to float64) time.Duration {
	return time.Duration((from + g.rng.Float64()*(to-from)) * float64(time.Second)).Truncate(time.Millisecond)
}

// skew draws how far a clock is ahead, in whole seconds. Most clocks are right.
func (g *generator) skew() time.Duration {
	return time.Duration(oneOf(g, 0, 0, 0, 2, -2, 30, -30)) * time.Second
}

func (g *generator) kill() {
	g.do(Kill{Component: oneOf(g, Scheduler, Scheduler, Controller), Pause: g.seconds(0, 1.5), Skew: g.skew()})
}

func (g *generator) fault() {
	f := Fault{Component: oneOf(g, Scheduler, Controller), For: g.seconds(0.5, 4)}
	f.Kind = oneOf(g, TooManyRequests, Conflict, Conflict, ServerError, Slow, Away, CutWatches, CutWatches, Lag)
	switch f.Kind {
	case TooManyRequests, Conflict, ServerError:
		f.Percent = oneOf(g, 10, 30, 60)
	case Slow:
		f.Delay = time.Duration(oneOf(g, 50, 200, 800)) * time.Millisecond
	case Away, Lag:
		f.For = min(f.For, 3*time.Second)
	case CutWatches:
		f.For = 0
	}
	g.do(f)
}

func (g *generator) class() {
	g.do(Class{Name: ClassUnits, Value: oneOf[int32](g, -10, -8, -7, -5, -1, -1, 5), Preempts: g.chance(10)})
}

// name is a name that no other burst and no other note has.
func (g *generator) name(prefix string) string {
	g.made++
	return fmt.Sprintf("%s%d", prefix, g.made)
}
