package summary

import (
	"fmt"
	"strconv"
	"time"
)

// Run is a burst with what was different about it.
type Run struct {
	// Title says what there was, and Scheduler who scheduled.
	Title, Scheduler string
	// Headroom reports whether there was headroom to take.
	Headroom bool
	Summary
}

// Row is one line of the comparison.
type Row struct {
	// Label says what is compared, and Cells has one value a run.
	Label string
	Cells []string
	// Group is a heading that the row is the first under, empty for the others.
	Group string
}

// none stands where a run has nothing to count.
const none = "-"

// Table compares runs, which have the same zones.
func Table(runs []Run) []Row {
	row := func(group, label string, cell func(Run) string) Row {
		r := Row{Group: group, Label: label}
		for _, run := range runs {
			r.Cells = append(r.Cells, cell(run))
		}
		return r
	}
	ofHeadroom := func(cell func(Run) string) func(Run) string {
		return func(a Run) string {
			if !a.Headroom {
				return none
			}
			return cell(a)
		}
	}
	rows := []Row{
		row("Pods: created to running", "median", func(a Run) string { return a.Median.String() }),
		row("", "99 %", func(a Run) string { return a.P99.String() }),
		row("", "worst", func(a Run) string { return a.Worst.String() }),
		row("", "running", func(a Run) string { return of(a.Running, a.Pods) }),
		row("", "bound at first try", func(a Run) string { return of(a.FirstAttempt, a.Pods) }),
		row("Nodes", "before the burst", func(a Run) string { return strconv.Itoa(a.NodesBefore) }),
		row("", "added after", func(a Run) string { return strconv.Itoa(a.NodesAdded) }),
		row("Placeholders", "taken", ofHeadroom(func(a Run) string { return of(a.Taken, a.Held) })),
		row("", "refilled", ofHeadroom(func(a Run) string { return of(a.Refilled, a.Taken) })),
		row("", "refilled within", ofHeadroom(func(a Run) string { return a.Refill.String() })),
	}
	for i, zone := range zonesOf(runs) {
		group := ""
		if i == 0 {
			group = "Headroom left by the burst"
		}
		rows = append(rows, row(group, zone, ofHeadroom(func(a Run) string { return left(a, zone) })))
	}
	return rows
}

func zonesOf(runs []Run) []string {
	var names []string
	for _, run := range runs {
		if len(run.Zones) > len(names) {
			names = names[:0]
			for _, zone := range run.Zones {
				names = append(names, zone.Name)
			}
		}
	}
	return names
}

func left(a Run, zone string) string {
	for _, z := range a.Zones {
		if z.Name == zone {
			return of(z.Left, z.Held)
		}
	}
	return none
}

func of(part, whole int) string { return fmt.Sprintf("%d of %d", part, whole) }

// String is the wait in the unit that suits it, in three digits or so.
func (w Wait) String() string {
	switch text := Short(w.Duration); {
	case w.Never && w.Duration == 0:
		return none
	case w.Never:
		return "> " + text
	default:
		return text
	}
}

// Short writes a duration in the unit that suits it, in three digits or so: 7 ms, 412 ms, 2.31 s, 24.1 s.
func Short(d time.Duration) string {
	switch {
	case d < 9995*time.Microsecond*100:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < 9995*time.Millisecond:
		return fmt.Sprintf("%.2f s", d.Seconds())
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}
