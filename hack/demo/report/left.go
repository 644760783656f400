package report

import (
	"fmt"

	"github.com/headroom-dev/headroom/hack/demo/scene"
)

// Left draws what the burst left of the headroom, one column an act, one bar a zone: light what was held, strong what is left.
func Left(d Demo, width float64) scene.Scene {
	const row, bar, gap, top = 30.0, 16.0, 20.0, 22.0
	most, rows := 1, 0
	for _, act := range d.Acts {
		rows = max(rows, len(act.Zones))
		for _, zone := range act.Zones {
			most = max(most, zone.Held)
		}
	}
	s := scene.Scene{Width: width, Height: top + row*float64(rows) + 4}
	columns := float64(max(len(d.Acts), 1))
	column := (width - (columns-1)*gap) / columns
	for i, act := range d.Acts {
		left := float64(i) * (column + gap)
		write := func(x, y float64, anchor scene.Anchor, bold bool, role scene.Role, text string) {
			s.Text(scene.Text{At: scene.Point{X: left + x, Y: y}, Size: small, Anchor: anchor, Bold: bold, Role: role, Text: text})
		}
		write(0, 12, scene.Start, true, scene.Ink, heading(d, i))
		if !act.Headroom {
			write(0, top+18, scene.Start, false, scene.Muted, "there was none")
			continue
		}
		write(column, 12, scene.End, false, scene.Muted, act.Scheduler)
		const label, count = 58.0, 62.0
		x := axis{from: 0, to: float64(most)}
		f := frame{left: left + label, width: column - label - count}
		for j, zone := range act.Zones {
			y := top + float64(j)*row
			write(0, y+bar-3, scene.Start, false, scene.Ink, zone.Name)
			s.Rect(f.left, y, x.x(f, float64(zone.Held))-f.left, bar, roles[i].soft)
			s.Rect(f.left, y, x.x(f, float64(zone.Left))-f.left, bar, roles[i].strong)
			write(column, y+bar-3, scene.End, true, scene.Ink, fmt.Sprintf("%d of %d", zone.Left, zone.Held))
		}
	}
	return s
}
