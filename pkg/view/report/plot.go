package report

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/headroom-dev/headroom/pkg/view/drawing"
	"github.com/headroom-dev/headroom/pkg/view/nodes"
)

// Colors of what is drawn, and sizes.
const (
	takenRole  = drawing.Run3
	lackedRole = drawing.Run2
	readyRole  = drawing.Run1
	small      = 12.0
	plotLeft   = 44.0
	plotTop    = 10.0
	plotBottom = 24.0
)

// plot draws the hours of a Headroom: bars of what was taken and lacked, and the line of what was ready at least.
func plot(h *history, now time.Time, width, height float64) drawing.Drawing {
	out := drawing.Drawing{Width: width, Height: height}
	most := 1
	for _, one := range h.hours {
		most = max(most, one.taken+one.lacked, one.lowest)
	}
	top := niceTop(most)
	y := func(v int) float64 { return height - plotBottom - float64(v)/float64(top)*(height-plotTop-plotBottom) }
	step := (width - plotLeft) / float64(len(h.hours))
	x := func(i int) float64 { return plotLeft + float64(i)*step }
	for _, tick := range []int{0, top / 2, top} {
		out.Line(1, drawing.Grid, drawing.Point{X: plotLeft, Y: y(tick)}, drawing.Point{X: width, Y: y(tick)})
		out.Text(drawing.Text{
			At: drawing.Point{X: plotLeft - 8, Y: y(tick) + 4}, Size: small, Anchor: drawing.End, Role: drawing.Muted, Text: strconv.Itoa(tick),
		})
	}
	days(&out, now, len(h.hours), x, height)
	for i, one := range h.hours {
		if one.taken > 0 {
			out.Rect(x(i), y(one.taken), max(1, step-0.5), y(0)-y(one.taken), takenRole)
		}
		if one.lacked > 0 {
			out.Rect(x(i), y(one.taken+one.lacked), max(1, step-0.5), y(one.taken)-y(one.taken+one.lacked), lackedRole)
		}
	}
	var points []drawing.Point
	flush := func() {
		if len(points) > 1 {
			out.Line(2, readyRole, points...)
		}
		points = nil
	}
	for i, one := range h.hours {
		if one.lowest < 0 { // Nobody looked: the line has a gap.
			flush()
			continue
		}
		points = append(points, drawing.Point{X: x(i), Y: y(one.lowest)}, drawing.Point{X: x(i + 1), Y: y(one.lowest)})
	}
	flush()
	return out
}

// niceTop is an even number that is not below the value, with few digits that are not zero.
func niceTop(most int) int {
	power := math.Pow(10, math.Floor(math.Log10(float64(most))))
	for _, factor := range []float64{1, 2, 4, 6, 8, 10} {
		if top := int(factor * power); top >= most && top%2 == 0 {
			return top
		}
	}
	return most + most%2
}

// days writes the dates below the drawing, in UTC.
func days(out *drawing.Drawing, now time.Time, hours int, x func(int) float64, height float64) {
	first := now.UTC().Truncate(time.Hour).Add(-time.Duration(hours-1) * time.Hour)
	every := max(1, hours/24/7)
	for i, n := 0, 0; i < hours; i++ {
		at := first.Add(time.Duration(i) * time.Hour)
		if at.Hour() != 0 {
			continue
		}
		out.Line(1, drawing.Grid, drawing.Point{X: x(i), Y: plotTop}, drawing.Point{X: x(i), Y: height - plotBottom})
		if n%every == 0 {
			out.Text(drawing.Text{
				At: drawing.Point{X: x(i) + 3, Y: height - 8}, Size: small, Anchor: drawing.Start, Role: drawing.Muted, Text: at.Format("Jan 2"),
			})
		}
		n++
	}
}

// zones draws how much of each zone is used, held as headroom and free.
func zones(report *nodes.Report, width float64) drawing.Drawing {
	const line, names, numbers = 30.0, 150.0, 330.0
	out := drawing.Drawing{Width: width, Height: line * float64(len(report.Zones))}
	for i := range report.Zones {
		zone := &report.Zones[i]
		top := line * float64(i)
		name := zone.Name
		if name == "" {
			name = "(no zone)"
		}
		text := func(x float64, anchor drawing.Anchor, role drawing.Role, words string) {
			out.Text(drawing.Text{At: drawing.Point{X: x, Y: top + 19}, Size: small + 1, Anchor: anchor, Role: role, Text: words})
		}
		text(0, drawing.Start, drawing.Ink, name)
		total := zone.Total.Allocatable.AsApproximateFloat64()
		if total <= 0 {
			text(names, drawing.Start, drawing.Muted, "its size could not be looked at")
			continue
		}
		room := width - names - numbers
		used := min(1, zone.Total.Used.AsApproximateFloat64()/total)
		held := min(1-used, zone.Total.Headroom.AsApproximateFloat64()/total)
		out.Rect(names, top+7, room, 16, drawing.Grid)
		out.Rect(names, top+7, room*used, 16, readyRole)
		out.Rect(names+room*used, top+7, room*held, 16, takenRole)
		text(names+room+14, drawing.Start, drawing.Muted,
			fmt.Sprintf("%s, %.0f %% used, %.0f %% headroom (%s)", counted(zone.Count, "node"), 100*used,
				100*held, counted(zone.Total.Units, "unit")))
	}
	return out
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
