package summary

import (
	"fmt"
	"strconv"
	"time"
)

// Act is a burst with what was different about it.
type Act struct {
	// Title says what there was, and Scheduler who scheduled.
	Title, Scheduler string
	// Headroom reports whether there was headroom to take.
	Headroom bool
	Summary
}

// Row is one line of the comparison.
type Row struct {
	// Label says what is compared, and Cells has one value an act.
	Label string
	Cells []string
	// Group is a heading that the row is the first under, empty for the others.
	Group string
}

// none stands where an act has nothing to count.
const none = "-"

// Table compares acts, which have the same zones.
func Table(acts []Act) []Row {
	row := func(group, label string, cell func(Act) string) Row {
		r := Row{Group: group, Label: label}
		for _, act := range acts {
			r.Cells = append(r.Cells, cell(act))
		}
		return r
	}
	ofHeadroom := func(cell func(Act) string) func(Act) string {
		return func(a Act) string {
			if !a.Headroom {
				return none
			}
			return cell(a)
		}
	}
	rows := []Row{
		row("Pods: created to running", "median", func(a Act) string { return a.Median.String() }),
		row("", "99 %", func(a Act) string { return a.P99.String() }),
		row("", "worst", func(a Act) string { return a.Worst.String() }),
		row("", "running", func(a Act) string { return of(a.Running, a.Pods) }),
		row("", "bound at first try", func(a Act) string { return of(a.FirstAttempt, a.Pods) }),
		row("Nodes", "before the burst", func(a Act) string { return strconv.Itoa(a.NodesBefore) }),
		row("", "added after", func(a Act) string { return strconv.Itoa(a.NodesAdded) }),
		row("Placeholders", "taken", ofHeadroom(func(a Act) string { return of(a.Taken, a.Held) })),
		row("", "refilled", ofHeadroom(func(a Act) string { return of(a.Refilled, a.Taken) })),
		row("", "refilled within", ofHeadroom(func(a Act) string { return a.Refill.String() })),
	}
	for i, zone := range zonesOf(acts) {
		group := ""
		if i == 0 {
			group = "Headroom left by the burst"
		}
		rows = append(rows, row(group, zone, ofHeadroom(func(a Act) string { return left(a, zone) })))
	}
	return rows
}

func zonesOf(acts []Act) []string {
	var names []string
	for _, act := range acts {
		if len(act.Zones) > len(names) {
			names = names[:0]
			for _, zone := range act.Zones {
				names = append(names, zone.Name)
			}
		}
	}
	return names
}

func left(a Act, zone string) string {
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
