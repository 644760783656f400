package report

import (
	"fmt"

	"github.com/headroom-dev/headroom/pkg/view/drawing"
)

// Sizes of the picture.
const (
	pictureWidth  = 1120.0
	pictureMargin = 36.0
	cardHeight    = 132.0
)

// Picture is the report as one picture: what was run, the numbers of each run, and how the pods came to run.
func Picture(d Demo) drawing.Drawing {
	inner := pictureWidth - 2*pictureMargin
	out := drawing.Drawing{Width: pictureWidth}
	write := func(x, y, size float64, bold bool, role drawing.Role, text string) {
		out.Text(drawing.Text{At: drawing.Point{X: x, Y: y}, Size: size, Anchor: drawing.Start, Bold: bold, Role: role, Text: text})
	}
	write(pictureMargin, 54, 28, true, drawing.Ink, title(d))
	write(pictureMargin, 80, 14.5, false, drawing.Muted, setting(d))
	y := 104.0
	width := (inner - 2*20) / 3
	for i := range d.Runs {
		out.Place(card(d, i, width), pictureMargin+float64(i)*(width+20), y)
	}
	y += cardHeight + 44
	for _, part := range []struct {
		title   string
		drawing drawing.Drawing
	}{
		{"Pods running", drawCurves(d, inner, 230)},
		{"How long each pod waited", drawSpread(d, inner, 62)},
		{"Headroom left by the burst", drawLeft(d, inner)},
	} {
		write(pictureMargin, y, 17, true, drawing.Ink, part.title)
		out.Place(part.drawing, pictureMargin, y+12)
		y += part.drawing.Height + 44
	}
	write(pictureMargin, y-8, small, false, drawing.Muted, footnote(d))
	out.Height = y + 12
	return out
}

// card shows the numbers of a run.
func card(d Demo, i int, width float64) drawing.Drawing {
	run := d.Runs[i]
	out := drawing.Drawing{Width: width, Height: cardHeight}
	out.Rect(0, 0, width, cardHeight, drawing.Panel)
	out.Rect(0, 0, width, 5, roles[i].strong)
	write := func(y, size float64, bold bool, role drawing.Role, text string) {
		out.Text(drawing.Text{At: drawing.Point{X: 16, Y: y}, Size: size, Anchor: drawing.Start, Bold: bold, Role: role, Text: text})
	}
	write(30, 15, true, drawing.Ink, heading(d, i)+", "+run.Scheduler)
	write(74, 36, true, roles[i].strong, run.Median.String())
	write(96, small, false, drawing.Muted, "median from created to running; 99 %: "+run.P99.String())
	write(117, small, false, drawing.Ink, fmt.Sprintf("%d of %d pods bound by their first attempt", run.FirstAttempt, run.Pods))
	return out
}
