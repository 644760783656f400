package main

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/headroom-dev/headroom/pkg/account"
)

const (
	// A refill takes between these times, evenly distributed: from when a node is asked for until it is ready.
	fastestRefill, slowestRefill = 45 * time.Second, 120 * time.Second
	// unitsPerNode come with the same node, if they are asked for at the same time.
	unitsPerNode = 4
	// lingers is for how long the room of a unit is paid for after the unit is given up, until its node is gone.
	lingers = 5 * time.Minute
)

// world is one headroom under one trace. Room that pods leave is not used again: an autoscaler is taken to pack nodes so well that each pod
// needs a unit or a node of its own. Pods that find no unit get a node of their own.
type world struct {
	*trace
	policy  policy
	refills *rand.Rand
	// account remembers for the policy what the product remembers; nil if the policy asks for nothing of it.
	account *account.Account

	now    time.Duration
	target int
	ready  int
	// due is when the units that are on order come, in order.
	due []time.Duration
	// running pods end in this order.
	running int
	ends    endings

	outcome outcome
	// watch is told of each change of the target, if set.
	watch func(at time.Duration, target int)
}

// outcome is what came of a run after its warm-up.
type outcome struct {
	// asked and served are pods; served got a unit at once.
	asked, served int
	// unitHours were paid for.
	unitHours float64
}

// share is that of the pods that were served at once.
func (o outcome) share() float64 {
	if o.asked == 0 {
		return 1
	}
	return float64(o.served) / float64(o.asked)
}

// simulate runs a trace under a policy. The same seed gives the same refill times, in the order in which units are asked for.
func simulate(t *trace, p policy, seed uint64, watch func(at time.Duration, target int)) outcome {
	w := &world{trace: t, policy: p, refills: rand.New(rand.NewPCG(seed, 4)), watch: watch}
	if p.account {
		w.account = account.New(t.start)
	}
	w.decide()
	const never = time.Duration(math.MaxInt64)
	tick := never
	if p.every > 0 {
		tick = p.every
	}
	for next := 0; ; {
		arrives, comes, ends := never, never, never
		if next < len(t.arrivals) {
			arrives = t.arrivals[next].at
		}
		if len(w.due) > 0 {
			comes = w.due[0]
		}
		if len(w.ends) > 0 {
			ends = w.ends[0].at
		}
		at := min(arrives, comes, ends, tick)
		if at >= t.length {
			w.advance(t.length)
			return w.outcome
		}
		w.advance(at)
		switch at {
		case comes:
			w.come()
		case ends:
			w.running -= heap.Pop(&w.ends).(arrival).pods
		case arrives:
			w.arrive(t.arrivals[next])
			next++
		default:
			w.decide()
			tick += p.every
		}
	}
}

// advance lets time pass.
func (w *world) advance(to time.Duration) {
	if from := max(w.now, w.measured); to > from {
		w.outcome.unitHours += float64(w.ready) * (to - from).Hours()
	}
	w.now = to
}

func (w *world) time() time.Time { return w.start.Add(w.now) }

// come makes the unit ready that is due.
func (w *world) come() {
	w.due = w.due[1:]
	w.ready++
	if w.account != nil {
		w.account.Bound(w.time(), w.time())
		w.look()
	}
}

// arrive serves pods, or not.
func (w *world) arrive(a arrival) {
	served := min(a.pods, w.ready)
	w.ready -= served
	w.running += a.pods
	heap.Push(&w.ends, arrival{at: w.now + max(a.life, time.Second), pods: a.pods})
	if w.now >= w.measured {
		w.outcome.asked += a.pods
		w.outcome.served += served
	}
	if w.account != nil {
		for range served {
			w.account.Take(account.Take{Time: w.time()})
			w.account.Went(w.time())
		}
		if lacked := a.pods - served; lacked > 0 {
			w.account.Miss(account.MissNoneReady, lacked, w.time())
		}
		w.look()
	}
	if w.policy.atOnce {
		w.decide()
		return
	}
	w.topUp()
}

// decide asks the policy.
func (w *world) decide() {
	if target := w.policy.size(w); target != w.target {
		w.target = target
		if w.watch != nil {
			w.watch(w.now, target)
		}
	}
	w.topUp()
	if w.account != nil {
		w.look()
	}
}

// look tells the account what the controller sees.
func (w *world) look() {
	w.account.Limit(max(0, w.target-w.ready), w.time())
	w.account.Observe(w.time(), w.ready)
}

// topUp asks for what is missing, or gives up what is too much, what was asked for last first.
func (w *world) topUp() {
	missing := w.target - w.ready - len(w.due)
	for i := 0; i < missing; i++ {
		var comes time.Duration
		if i%unitsPerNode == 0 {
			comes = w.now + fastestRefill + time.Duration(w.refills.Int64N(int64(slowestRefill-fastestRefill)))
		} else {
			comes = w.due[len(w.due)-1]
		}
		w.due = append(w.due, comes)
	}
	if missing > 0 {
		slices.Sort(w.due)
		return
	}
	withdrawn := min(-missing, len(w.due))
	w.due = w.due[:len(w.due)-withdrawn]
	given := -missing - withdrawn
	w.ready -= given
	if w.now >= w.measured {
		w.outcome.unitHours += float64(given) * lingers.Hours()
	}
}

// endings is a heap of the ends of pods.
type endings []arrival

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].at < e[j].at }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }

// Push is of heap.Interface.
func (e *endings) Push(x any) { *e = append(*e, x.(arrival)) }

// Pop is of heap.Interface.
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
