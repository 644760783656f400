package nodes

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/headroom-dev/headroom/pkg/view/table"
)

// What fills the bars. They differ without colors too.
const (
	usedMark     = "█"
	headroomMark = "▒"
	freeMark     = "·"
)

const (
	// roomBesideBars is what the other columns need before a bar may grow, in characters.
	roomBesideBars = 62
	// Bars are between so many characters wide.
	narrowestBar = 8
	widestBar    = 60
)

// Text is the report for a terminal: each zone, and below it its nodes, with bars. With a width of 0, as a pipe wants it, it is one line a
// node, without bars and zones of their own, so that tools find a node in the same column always.
func (r *Report) Text(style table.Style) string {
	if style.Width == 0 {
		return r.lines(style)
	}
	bar := min(widestBar, max(narrowestBar, style.Width-roomBesideBars))
	t := table.Table{Columns: []table.Column{
		{Header: "NODE", Shrink: true}, {Header: strings.ToUpper(string(r.Resource))}, {Header: "USED", Right: true, Drop: 4},
		{Header: "HEADROOM", Right: true}, {Header: "FREE", Right: true, Drop: 3}, {Header: "UNITS", Right: true},
		{Header: "SIZE", Right: true, Drop: 6}, {Header: "STATE", Drop: 5},
	}}
	names := r.shortNames()
	nodes := 0
	for i := range r.Zones {
		nodes += r.Zones[i].Count
	}
	t.Rows = append(t.Rows, row(table.Strong, "all", &r.Total, count(nodes), bar))
	for i := range r.Zones {
		zone := &r.Zones[i]
		t.Rows = append(t.Rows, row(table.Strong, zoneName(zone.Name), &zone.Total, count(zone.Count), bar))
		for j := range zone.Nodes {
			node := &zone.Nodes[j]
			t.Rows = append(t.Rows, row(table.Plain, "  "+names(node.Name), &node.Room, state(node.State), bar))
		}
	}
	return t.Text(style) + r.legend(style)
}

// shortNames returns how nodes are called on a terminal: without their domain if they differ without it.
func (r *Report) shortNames() func(string) string {
	short := func(name string) string {
		host, _, _ := strings.Cut(name, ".")
		return host
	}
	seen := map[string]bool{}
	for i := range r.Zones {
		for j := range r.Zones[i].Nodes {
			host := short(r.Zones[i].Nodes[j].Name)
			if seen[host] {
				return func(name string) string { return name }
			}
			seen[host] = true
		}
	}
	return short
}

// legend says what the bars mean, and how many units wait.
func (r *Report) legend(style table.Style) string {
	legend := table.Line(table.Plain, fmt.Sprintf("%s used  %s headroom  %s free", usedMark, headroomMark, freeMark), style) + "\n"
	if r.Waiting == 0 {
		return legend
	}
	units := "units wait"
	if r.Waiting == 1 {
		units = "unit waits"
	}
	return legend + table.Line(table.Warn, fmt.Sprintf("%d %s for a node", r.Waiting, units), style) + "\n"
}

func zoneName(name string) string {
	if name == "" {
		return "(no zone)"
	}
	return name
}

func count(nodes int) table.Cell {
	if nodes == 1 {
		return table.Of("1 node")
	}
	return table.Of(fmt.Sprintf("%d nodes", nodes))
}

func state(s State) table.Cell {
	if s == Ready {
		return table.In(table.Faint, string(s))
	}
	return table.In(table.Bad, string(s))
}

func row(color table.Color, name string, room *Room, state table.Cell, width int) table.Row {
	return table.Row{Cells: []table.Cell{
		table.In(color, name), bar(room, width), share(room, room.Used.AsApproximateFloat64()),
		share(room, room.Headroom.AsApproximateFloat64()), share(room, room.Free.AsApproximateFloat64()), table.Of(strconv.Itoa(room.Units)),
		size(room), state,
	}}
}

func size(room *Room) table.Cell {
	if room.Allocatable.IsZero() {
		return table.Of("?")
	}
	return table.Of(room.Allocatable.String())
}

// share is a part of the node in percent.
func share(room *Room, part float64) table.Cell {
	total := room.Allocatable.AsApproximateFloat64()
	if total <= 0 {
		return table.Of("?")
	}
	return table.Of(fmt.Sprintf("%.0f%%", 100*part/total))
}

// bar draws a node. What is there at all is at least one character wide.
func bar(room *Room, width int) table.Cell {
	total := room.Allocatable.AsApproximateFloat64()
	if total <= 0 {
		return table.Of("")
	}
	cells := func(part float64) int {
		if part <= 0 {
			return 0
		}
		return max(1, int(math.Round(float64(width)*part/total)))
	}
	used := min(width, cells(room.Used.AsApproximateFloat64()))
	headroom := cells(room.Headroom.AsApproximateFloat64())
	if headroom > 0 && used == width {
		used-- // A unit on a full node shows.
	}
	headroom = min(headroom, width-used)
	return table.Cell{
		{Text: strings.Repeat(usedMark, used), Color: table.Busy},
		{Text: strings.Repeat(headroomMark, headroom), Color: table.Good},
		{Text: strings.Repeat(freeMark, width-used-headroom), Color: table.Faint},
	}
}

// lines are the nodes, one a line.
func (r *Report) lines(style table.Style) string {
	t := table.Table{Columns: []table.Column{
		{Header: "ZONE"}, {Header: "NODE"}, {Header: "USED", Right: true}, {Header: "HEADROOM", Right: true}, {Header: "FREE", Right: true},
		{Header: "ALLOCATABLE", Right: true}, {Header: "UNITS", Right: true}, {Header: "STATE"},
	}}
	for i := range r.Zones {
		for j := range r.Zones[i].Nodes {
			node := &r.Zones[i].Nodes[j]
			allocatable, free := node.Allocatable.String(), node.Free.String()
			if node.State == Unknown {
				allocatable, free = "?", "?"
			}
			t.Rows = append(t.Rows, table.Row{Cells: []table.Cell{
				table.Of(zoneColumn(r.Zones[i].Name)), table.Of(node.Name), table.Of(node.Used.String()), table.Of(node.Headroom.String()),
				table.Of(free), table.Of(allocatable), table.Of(strconv.Itoa(node.Units)), table.Of(string(node.State)),
			}})
		}
	}
	return t.Text(style)
}

// zoneColumn is never empty, so that columns can be told apart by spaces.
func zoneColumn(name string) string {
	if name == "" {
		return "-"
	}
	return name
}
