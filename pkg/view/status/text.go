package status

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/view/table"
)

// Layout is which columns a text has.
type Layout struct {
	// Namespaces adds the column of namespaces.
	Namespaces bool
	// Wide has every column, whatever the width, and one line a Headroom.
	Wide bool
}

// Text is the report as a table. On a terminal, what a Headroom waits for stands below it where it does not fit beside it; with a width
// of 0 it is the last column.
func (r *Report) Text(layout Layout, style table.Style) string {
	if len(r.Headrooms) == 0 {
		return ""
	}
	if layout.Wide {
		style.Width = 0
	}
	beside := r.table(layout, true)
	if beside.Fits(style) {
		return beside.Text(style)
	}
	below := r.table(layout, false)
	return below.Text(style)
}

// table has what is missing beside each Headroom, as the last column, or below it.
func (r *Report) table(layout Layout, beside bool) table.Table {
	t := table.Table{Columns: []table.Column{
		{Header: "NAME", Shrink: true}, {Header: "WANTED", Right: true}, {Header: "READY", Right: true},
		{Header: "MISSING", Right: true, Drop: 1},
		{Header: "UNAVAILABLE", Right: true, Drop: 6}, {Header: "OUTDATED", Right: true, Drop: 7}, {Header: "HELD", Drop: 3, Shrink: true},
		{Header: "TAKEN 24H", Right: true, Drop: 2}, {Header: "LACKED 24H", Right: true, Drop: 4}, {Header: "LAST TAKEN BY", Drop: 5},
	}}
	if layout.Namespaces {
		t.Columns = append([]table.Column{{Header: "NAMESPACE", Shrink: true}}, t.Columns...)
	}
	if layout.Wide {
		t.Columns = append(t.Columns, table.Column{Header: "UNIT"})
	}
	t.Columns = append(t.Columns, table.Column{Header: "STATE", Drop: 8})
	if beside {
		t.Columns = append(t.Columns, table.Column{Header: "WHY"})
	}
	for i := range r.Headrooms {
		t.Rows = append(t.Rows, r.row(&r.Headrooms[i], layout, beside))
	}
	return t
}

func (r *Report) row(h *Headroom, layout Layout, beside bool) table.Row {
	var row table.Row
	add := func(cell table.Cell) { row.Cells = append(row.Cells, cell) }
	if layout.Namespaces {
		add(table.Of(h.Namespace))
	}
	add(table.Of(h.Name))
	add(number(h.Wanted, table.Plain))
	add(number(h.Ready, readyColor(h)))
	add(number(h.Missing, table.Warn))
	add(number(h.Unavailable, table.Warn))
	add(number(h.Outdated, table.Warn))
	add(table.Of(h.HeldText()))
	taken, lacked, by := "?", "?", "?"
	if h.Lately != nil {
		taken, lacked, by = strconv.Itoa(h.Lately.Taken), strconv.Itoa(h.Lately.Lacked), r.by(h.Lately)
	}
	add(table.Of(taken))
	add(table.Of(lacked))
	add(table.Of(by))
	if layout.Wide {
		add(table.Of(h.unit()))
	}
	add(table.In(h.color(), h.Reason))
	if beside {
		add(table.Of(h.Why))
		return row
	}
	if h.Why != "" {
		row.Below = append(row.Below, table.In(h.color(), h.counts()+h.Reason+": "+h.Why))
	}
	return row
}

// counts is how many units are not as they should be, which columns may have no room for.
func (h *Headroom) counts() string {
	var parts []string
	for _, one := range []struct {
		units int32
		what  string
	}{{h.Missing, "missing"}, {h.Parked, "parked"}, {h.Unavailable, "unavailable"}, {h.Outdated, "outdated"}} {
		if one.units > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", one.units, one.what))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + ". "
}

// number is a count that stands out if it is not zero, and for Ready if it is as it should be or not.
func number(n int32, color table.Color) table.Cell {
	if n == 0 && color == table.Warn {
		color = table.Plain
	}
	return table.In(color, strconv.Itoa(int(n)))
}

func readyColor(h *Headroom) table.Color {
	switch {
	case h.Ready >= h.Wanted:
		return table.Good
	case h.Ready == 0:
		return table.Bad
	default:
		return table.Strong
	}
}

func (h *Headroom) color() table.Color {
	if h.Reason == v1alpha1.ReasonFilled {
		return table.Good
	}
	return table.Warn
}

// HeldText is where the ready units are, for example "a:4 b:3".
func (h *Headroom) HeldText() string {
	parts := make([]string, 0, len(h.Held))
	for _, domain := range h.Held {
		name := domain.Name
		if name == "" {
			name = "(none)"
		}
		parts = append(parts, fmt.Sprintf("%s:%d", name, domain.Ready))
	}
	return strings.Join(parts, " ")
}

// unit is the size of one unit, for example "cpu=1,memory=1Gi".
func (h *Headroom) unit() string {
	parts := make([]string, 0, len(h.Requests))
	for _, name := range slices.Sorted(maps.Keys(h.Requests)) {
		quantity := h.Requests[name]
		parts = append(parts, string(name)+"="+quantity.String())
	}
	return strings.Join(parts, ",")
}

// by is which pod took the last unit, and how long ago.
func (r *Report) by(a *Account) string {
	if len(a.Takes) == 0 {
		return ""
	}
	last := &a.Takes[0]
	return last.Consumer + " " + duration.HumanDuration(max(0, r.now.Sub(last.Time))) + " ago"
}
