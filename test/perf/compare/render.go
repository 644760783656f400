package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchunit"
)

// controls are the variants that run stock kube-scheduler: no change of the plugin makes them differ.
var controls = []string{"FreeRoom", "FreeRoomAgain", "FreeRoomDeleting", "StockPreemption"}

// render says in one line what differs, and shows all figures below it.
func render(v verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", v.group, sentence(v))
	if note := noteOfControls(v); note != "" {
		b.WriteString("  " + note + "\n")
	}
	for _, side := range []string{base, head} {
		if only := v.onlyOn[side]; len(only) > 0 {
			fmt.Fprintf(&b, "  not compared, since only %s has them: %s\n", side, strings.Join(only, ", "))
		}
	}
	if len(v.findings) > 0 {
		b.WriteString(table(v))
	}
	return b.String() + "\n"
}

// sentence is the verdict.
func sentence(v verdict) string {
	var told []string
	for _, f := range v.findings {
		if f.differs {
			told = append(told, f.said())
		}
	}
	switch {
	case len(v.findings) == 0:
		return "nothing to compare"
	case len(told) > 0:
		return strings.Join(told, "; ")
	case v.rounds < v.enough:
		return fmt.Sprintf("nothing beyond noise, but %s of %d figures are too few to be sure, which takes %d",
			counted(v.rounds, "round"), len(v.findings), v.enough)
	default:
		return fmt.Sprintf("noise only (%d figures, %s)", len(v.findings), counted(v.rounds, "round"))
	}
}

// said is the finding in words, for example "Headroom is slower by 12.0 % (burst, p=0.013)".
func (f finding) said() string {
	words := f.figure.more
	if f.head < f.base {
		words = f.figure.less
	}
	return fmt.Sprintf("%s "+words+" (%s, %s)", f.row, amount(f.change()), f.figure.title, probability(f.p))
}

func noteOfControls(v verdict) string {
	var differing []string
	for _, f := range v.findings {
		if f.differs && slices.Contains(controls, f.row) {
			differing = append(differing, f.row)
		}
	}
	if len(differing) == 0 {
		return ""
	}
	return "note: " + strings.Join(slices.Compact(differing), " and ") + " runs nothing of the plugin and yet differs: look for what else " +
		"the revisions do not share (modules, harness), or for load on the machine"
}

// table shows all findings, those that are told with an asterisk.
func table(v verdict) string {
	var lines strings.Builder
	lines.WriteString("\t\tbase\thead\tchange\thead to base, within a round\tnoise\n")
	last := ""
	for _, f := range v.findings {
		row, mark, rounds := f.row, "", "–"
		if row == last {
			row = ""
		}
		last = f.row
		if f.differs {
			mark = " *"
		}
		if f.high != 0 {
			rounds = fmt.Sprintf("%.3f to %.3f", f.low, f.high)
		}
		fmt.Fprintf(&lines, "  %s\t%s\t%s\t%s\t%s\t%s\t%s%s\n", row, f.figure.unit, f.figure.value(f.base), f.figure.value(f.head),
			signed(f.change()), rounds, probability(f.p), mark)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(w, lines.String()) // a strings.Builder never fails
	_ = w.Flush()
	return b.String()
}

func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

func amount(change float64) string {
	if math.IsInf(change, 0) {
		return "everything"
	}
	return fmt.Sprintf("%.1f %%", 100*math.Abs(change))
}

func signed(change float64) string {
	if math.IsInf(change, 0) {
		return "from 0"
	}
	return fmt.Sprintf("%+.1f %%", 100*change)
}

// value formats a measurement; those of micro benchmarks get a prefix, since they range from nanoseconds to milliseconds.
func (f figure) value(v float64) string {
	if strings.HasSuffix(f.unit, "/op") {
		return benchunit.Scale(v, benchunit.ClassOf(f.unit))
	}
	return fmt.Sprintf("%.4g", v)
}

func probability(p float64) string {
	if p < 0.001 {
		return "p<0.001"
	}
	return fmt.Sprintf("p=%.3f", p)
}
