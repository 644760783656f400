package main

import (
	"fmt"
	"strings"
)

// goalNodes is the size of cluster that the goals are about.
const goalNodes = 5000

// goal is one thing to reach. reached says of the value whether it is enough; ok is false without a measurement.
type goal struct {
	name    string
	target  string
	value   func(r *Results, nodes int) (value float64, ok bool)
	reached func(value float64) bool
}

func atMost(limit float64) func(float64) bool { return func(v float64) bool { return v <= limit } }

func atLeast(limit float64) func(float64) bool { return func(v float64) bool { return v >= limit } }

func medianRatio(scenario, unit, over, under string) func(*Results, int) (float64, bool) {
	return func(r *Results, nodes int) (float64, bool) {
		return median(r.ratios(scenario, nodes, unit, over, under))
	}
}

// goals in the order of the table.
func goals() []goal {
	const burst, low, none, beside = "a-one-per-node", "h-low-load", "e1-no-headroom", "e2-headroom-not-needed"
	return []goal{
		{"burst into headroom, times free room", "at most 1.25", medianRatio(burst, "burst-s", headroom, freeRoom), atMost(1.25)},
		{"stock preemption, times the burst into headroom", "at least 10", medianRatio(burst, "burst-s", stock, headroom), atLeast(10)},
		{"p99 of a single consumer at low load, times free room", "at most 1.5", medianRatio(low, "p99-ms", headroom, freeRoom), atMost(1.5)},
		{"scheduling attempts a consumer", "1.00", func(r *Results, nodes int) (float64, bool) {
			return median(r.values(burst, headroom, nodes, "attempts/pod"))
		}, atMost(1.004)},
		{"API writes a consumer beyond free room's, one delete a victim and one event", "at most 0", extraWrites(burst), atMost(0.02)},
		{
			"throughput of ordinary pods without headroom, times stock", "at least 0.97",
			medianRatio(none, "pods/s", headroom, freeRoom), atLeast(0.97),
		},
		{
			"throughput of ordinary pods beside headroom, times stock", "at least 0.97",
			medianRatio(beside, "pods/s", headroom, freeRoom), atLeast(0.97),
		},
		{"live heap without headroom, times stock", "at most 1.1", medianRatio(none, "live-heap-MiB", headroom, freeRoom), atMost(1.1)},
		{"live heap beside headroom, times stock", "at most 1.1", medianRatio(beside, "live-heap-MiB", headroom, freeRoom), atMost(1.1)},
		{"growth of a consumer's time since 500 nodes, times free room's growth", "at most 1.00", growth(burst), atMost(1)},
	}
}

func extraWrites(scenario string) func(*Results, int) (float64, bool) {
	return func(r *Results, nodes int) (float64, bool) {
		ours, ok1 := median(r.values(scenario, headroom, nodes, "writes/pod"))
		victims, ok2 := median(r.values(scenario, headroom, nodes, "deletes/pod"))
		free, ok3 := median(r.values(scenario, freeRoom, nodes, "writes/pod"))
		return ours - (free + victims + 1), ok1 && ok2 && ok3
	}
}

// growth compares the ratio to free room at a size with the ratio at 500 nodes: it is how much faster than free room's the time
// of a consumer grows.
func growth(scenario string) func(*Results, int) (float64, bool) {
	ratio := medianRatio(scenario, "burst-s", headroom, freeRoom)
	return func(r *Results, nodes int) (float64, bool) {
		large, ok1 := ratio(r, nodes)
		small, ok2 := ratio(r, 500)
		if !ok1 || !ok2 || small == 0 {
			return 0, false
		}
		return large / small, nodes > 500
	}
}

func renderGoals(r *Results) string {
	sizes := r.sizes("")
	var b strings.Builder
	fmt.Fprintf(&b, "| goal at %d nodes | target |", goalNodes)
	for _, nodes := range sizes {
		fmt.Fprintf(&b, " %d nodes |", nodes)
	}
	b.WriteString(" verdict |\n|---|---|" + strings.Repeat("---:|", len(sizes)) + "---|\n")
	for _, g := range goals() {
		fmt.Fprintf(&b, "| %s | %s |", g.name, g.target)
		for _, nodes := range sizes {
			b.WriteString(" " + number(g.value(r, nodes)) + " |")
		}
		verdict := "not yet measured"
		if value, ok := g.value(r, goalNodes); ok {
			verdict = "**missed**"
			if g.reached(value) {
				verdict = "reached"
			}
		}
		fmt.Fprintf(&b, " %s |\n", verdict)
	}
	return b.String()
}

// number formats a value with three significant digits or two decimals, a dash for none.
func number(value float64, ok bool) string {
	switch {
	case !ok:
		return "–"
	case value >= 100:
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	default:
		return fmt.Sprintf("%.2f", value)
	}
}
