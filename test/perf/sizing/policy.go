package main

import (
	"math"
	"time"

	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// policy is a way to choose the size of a headroom.
type policy struct {
	// size says how many units there should be.
	size func(w *world) int
	// every is how often it is asked, zero for once. atOnce says that it is asked after each arrival as well.
	every  time.Duration
	atOnce bool
	// account says that it needs the account.
	account bool
}

// static holds the same number all the time.
func static(units int) policy {
	return policy{size: func(*world) int { return units }}
}

// percentOfLoad holds a share of the running pods, looked at once an hour.
func percentOfLoad(share float64) policy {
	return policy{every: time.Hour, size: func(w *world) int { return upTo(share * float64(w.running)) }}
}

// linearByNodes holds so many units for each node, as the cluster-proportional autoscaler does. The nodes of the units are nodes, too.
func linearByNodes(perNode float64) policy {
	return policy{every: time.Minute, size: func(w *world) int {
		nodes := math.Ceil(float64(w.running+w.ready) / unitsPerNode)
		return upTo(perNode * nodes)
	}}
}

// hpa is a HorizontalPodAutoscaler that holds a share of the running pods, as its algorithm does: nothing happens within a tolerance of a
// tenth, and what it asked for within the last five minutes counts before it asks for less.
func hpa(share float64) policy {
	const tolerance = 0.1
	current, stable := 0, &largest{within: 5 * time.Minute}
	return policy{every: time.Minute, size: func(w *world) int {
		wanted := share * float64(w.running)
		if current == 0 || math.Abs(wanted/float64(current)-1) > tolerance {
			current = upTo(wanted)
		}
		current = stable.of(w.now, current)
		return current
	}}
}

// byDemand is the rule of the product, with the product's window for scaling down. It looks at the past once in each slot, and at what is
// under way each minute and whenever pods come.
func byDemand(options demand.Options) policy {
	stable := &largest{within: 10 * time.Minute}
	learned, until := demand.Estimate{}, time.Duration(0)
	return policy{every: time.Minute, atOnce: true, account: true, size: func(w *world) int {
		if w.now >= until {
			learned, until = demand.Learn(w.account.Demand(false), w.time(), options), w.now+demand.Slot
		}
		return stable.of(w.now, learned.Size(w.account.RecentDemand(false), w.time()).Replicas)
	}}
}

// limit keeps policies whose share is absurd from growing without bound.
const limit = 10_000

func upTo(units float64) int { return int(math.Ceil(min(max(units, 0), limit))) }

// largest remembers the largest of the values of a window of time.
type largest struct {
	within time.Duration
	values []valueAt // in order of time, and decreasing
}

type valueAt struct {
	at    time.Duration
	value int
}

// of returns the largest value within the window, with one more.
func (l *largest) of(now time.Duration, value int) int {
	for len(l.values) > 0 && l.values[len(l.values)-1].value <= value {
		l.values = l.values[:len(l.values)-1]
	}
	l.values = append(l.values, valueAt{now, value})
	for now-l.values[0].at > l.within {
		l.values = l.values[1:]
	}
	return l.values[0].value
}
