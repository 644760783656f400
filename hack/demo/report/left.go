package report

import (
	"fmt"

	"github.com/headroom-dev/headroom/pkg/view/drawing"
)

// drawLeft draws what the burst left of the headroom, one column a run, one bar a zone: light what was held, strong what is left.
func drawLeft(d Demo, width float64) drawing.Drawing {
	const row, bar, gap, top = 30.0, 16.0, 20.0, 22.0
	most, rows := 1, 0
	for _, run := range d.Runs {
		rows = max(rows, len(run.Zones))
		for _, zone := range run.Zones {
			most = max(most, zone.Held)
		}
	}
	out := drawing.Drawing{Width: width, Height: top + row*float64(rows) + 4}
	columns := float64(max(len(d.Runs), 1))
	column := (width - (columns-1)*gap) / columns
	for i, run := range d.Runs {
		left := float64(i) * (column + gap)
		write := func(x, y float64, anchor drawing.Anchor, bold bool, role drawing.Role, text string) {
			out.Text(drawing.Text{At: drawing.Point{X: left + x, Y: y}, Size: small, Anchor: anchor, Bold: bold, Role: role, Text: text})
		}
		write(0, 12, drawing.Start, true, drawing.Ink, heading(d, i))
		if !run.Headroom {
			write(0, top+18, drawing.Start, false, drawing.Muted, "there was none")
			continue
		}
		write(column, 12, drawing.End, false, drawing.Muted, run.Scheduler)
		const label, count = 58.0, 62.0
		x := axis{from: 0, to: float64(most)}
		f := frame{left: left + label, width: column - label - count}
		for j, zone := range run.Zones {
			y := top + float64(j)*row
			write(0, y+bar-3, drawing.Start, false, drawing.Ink, zone.Name)
			out.Rect(f.left, y, x.x(f, float64(zone.Held))-f.left, bar, roles[i].soft)
			out.Rect(f.left, y, x.x(f, float64(zone.Left))-f.left, bar, roles[i].strong)
			write(column, y+bar-3, drawing.End, true, drawing.Ink, fmt.Sprintf("%d of %d", zone.Left, zone.Held))
		}
	}
	return out
}
