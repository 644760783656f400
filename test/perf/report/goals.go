package main

import (
	"fmt"
	"slices"
	"strings"
)

// goalNodes is the size of cluster that the goals are about.
const goalNodes = 5000

// goal is one thing to reach. The median of its values counts, which are those of the rounds or one over all of them, none without a
// measurement. reached reports whether it is enough.
type goal struct {
	name    string
	target  string
	values  func(r *Results, nodes int) []float64
	reached func(value float64) bool
	// control is what the value is to be seen beside; its name is empty where no scenario measures that.
	control control
}

// control is the same ratio of stock under other circumstances, round by round: "noise" of stock to itself, "floor" of stock that does
// what has to be done anyway.
type control struct {
	name   string
	ratios func(r *Results, nodes int) []float64
}

func atMost(limit float64) func(float64) bool { return func(v float64) bool { return v <= limit } }

func atLeast(limit float64) func(float64) bool { return func(v float64) bool { return v >= limit } }

func ratios(scenario, unit, over, under string) func(*Results, int) []float64 {
	return func(r *Results, nodes int) []float64 { return r.ratios(scenario, nodes, unit, over, under) }
}

// besideStock makes a goal of the ratio of the plugin to stock in a scenario that measures stock twice.
func besideStock(name, target, scenario, unit string, reached func(float64) bool) goal {
	return goal{
		name: name, target: target, reached: reached,
		values:  ratios(scenario, unit, headroom, freeRoom),
		control: control{"noise", ratios(scenario, unit, freeRoomAgain, freeRoom)},
	}
}

// goals in the order of the table.
func goals() []goal {
	const burst, low, none, beside = "a-one-per-node", "h-low-load", "e1-no-headroom", "e2-headroom-not-needed"
	return []goal{
		{
			name: "burst into headroom, times free room", target: "at most 1.25",
			values: ratios(burst, "burst-s", headroom, freeRoom), reached: atMost(1.25),
		},
		{
			name: "stock preemption, times the burst into headroom", target: "at least 10",
			values: ratios(burst, "burst-s", stock, headroom), reached: atLeast(10),
		},
		{
			name: "p99 of a single consumer at low load, times free room", target: "at most 1.5",
			values: ratios(low, "p99-ms", headroom, freeRoom), reached: atMost(1.5),
			control: control{"floor", ratios(low, "p99-ms", freeRoomDeleting, freeRoom)},
		},
		{name: "scheduling attempts a consumer", target: "1.00", values: attempts(burst), reached: atMost(1.004)},
		{
			name:   "API writes a consumer beyond free room's, one delete a victim and one event",
			target: "at most 0", values: extraWrites(burst), reached: atMost(0.02),
		},
		besideStock("throughput of ordinary pods without headroom, times stock", "at least 0.97", none, "pods/s", atLeast(0.97)),
		besideStock("throughput of ordinary pods beside headroom, times stock", "at least 0.97", beside, "pods/s", atLeast(0.97)),
		besideStock("live heap without headroom, times stock", "at most 1.1", none, "live-heap-MiB", atMost(1.1)),
		besideStock("live heap beside headroom, times stock", "at most 1.1", beside, "live-heap-MiB", atMost(1.1)),
		{
			name: "growth of a consumer's time since 500 nodes, times free room's growth", target: "at most 1.00",
			values: growth(burst), reached: atMost(1),
		},
	}
}

func attempts(scenario string) func(*Results, int) []float64 {
	return func(r *Results, nodes int) []float64 { return r.values(scenario, headroom, nodes, "attempts/pod") }
}

func extraWrites(scenario string) func(*Results, int) []float64 {
	return func(r *Results, nodes int) []float64 {
		ours, ok1 := median(r.values(scenario, headroom, nodes, "writes/pod"))
		victims, ok2 := median(r.values(scenario, headroom, nodes, "deletes/pod"))
		free, ok3 := median(r.values(scenario, freeRoom, nodes, "writes/pod"))
		if !ok1 || !ok2 || !ok3 {
			return nil
		}
		return []float64{ours - (free + victims + 1)}
	}
}

// growth compares the ratio to free room at a size with the ratio at 500 nodes: it is how much faster than free room's the time
// of a consumer grows.
func growth(scenario string) func(*Results, int) []float64 {
	ratio := ratios(scenario, "burst-s", headroom, freeRoom)
	return func(r *Results, nodes int) []float64 {
		large, ok1 := median(ratio(r, nodes))
		small, ok2 := median(ratio(r, 500))
		if !ok1 || !ok2 || small == 0 || nodes <= 500 {
			return nil
		}
		return []float64{large / small}
	}
}

func renderGoals(r *Results) string {
	sizes := r.sizes("")
	var b strings.Builder
	fmt.Fprintf(&b, "| goal at %d nodes | target |", goalNodes)
	for _, nodes := range sizes {
		fmt.Fprintf(&b, " %d nodes |", nodes)
	}
	b.WriteString(" noise or floor | verdict |\n|---|---|" + strings.Repeat("---:|", len(sizes)) + "---|---|\n")
	for _, g := range goals() {
		fmt.Fprintf(&b, "| %s | %s |", g.name, g.target)
		for _, nodes := range sizes {
			b.WriteString(" " + medianAndRange(g.values(r, nodes)) + " |")
		}
		fmt.Fprintf(&b, " %s | %s |\n", g.beside(r, goalNodes), g.verdict(r))
	}
	return b.String()
}

// beside is what the goal's value is to be seen beside.
func (g goal) beside(r *Results, nodes int) string {
	if g.control.name == "" {
		return ""
	}
	all := g.control.ratios(r, nodes)
	middle, ok := median(all)
	if !ok {
		return "not yet measured"
	}
	return g.control.name + " " + number(middle, true) + ", " + spread(all)
}

func (g goal) verdict(r *Results) string {
	value, ok := median(g.values(r, goalNodes))
	switch {
	case !ok:
		return "not yet measured"
	case g.reached(value):
		return "reached"
	default:
		return "**missed**"
	}
}

// medianAndRange formats the values of several rounds, of one as a number alone.
func medianAndRange(values []float64) string {
	text := number(median(values))
	if len(values) > 1 {
		text += fmt.Sprintf(" (%s to %s)", number(slices.Min(values), true), number(slices.Max(values), true))
	}
	return text
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
