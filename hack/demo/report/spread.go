package report

import (
	"math"
	"time"

	"github.com/headroom-dev/headroom/hack/demo/summary"
	"github.com/headroom-dev/headroom/pkg/view/drawing"
)

// ageTicks are the marks of the logarithmic axis.
var ageTicks = []time.Duration{
	time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond,
	300 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second, 100 * time.Second, 300 * time.Second,
}

// goldenRatio spreads the dots of one run over its row: consecutive multiples of it never come close to each other.
const goldenRatio = 0.6180339887

// drawSpread draws each pod's time from created to running as a dot, one row a run, with marks at median and 99 %.
func drawSpread(d Demo, width, row float64) drawing.Drawing {
	const left, top, bottom = 190, 8, 44
	out := drawing.Drawing{Width: width, Height: top + bottom + row*float64(len(d.Runs))}
	f := frame{left: left, top: top, width: width - left - 24, height: row * float64(len(d.Runs))}
	x := ageAxis(d.Runs)
	for _, tick := range ageTicks {
		if v := tick.Seconds(); v >= x.from*0.999 && v <= x.to*1.001 {
			at := x.x(f, v)
			out.Line(1, drawing.Grid, drawing.Point{X: at, Y: f.top}, drawing.Point{X: at, Y: f.bottom()})
			out.Text(drawing.Text{
				At: drawing.Point{X: at, Y: f.bottom() + 16}, Size: small, Anchor: drawing.Middle, Role: drawing.Muted, Text: tickLabel(tick),
			})
		}
	}
	out.Text(drawing.Text{
		At: drawing.Point{X: f.left + f.width/2, Y: f.bottom() + 34}, Size: small, Anchor: drawing.Middle, Role: drawing.Muted,
		Text: "from created to running, one dot a pod (logarithmic)",
	})
	for i := range d.Runs {
		band := frame{left: f.left, top: f.top + row*float64(i) + row*0.16, width: f.width, height: row * 0.68}
		spreadAct(&out, d, i, x, band)
	}
	return out
}

func tickLabel(d time.Duration) string {
	if d < time.Second {
		return plain(float64(d.Milliseconds())) + " ms"
	}
	return plain(d.Seconds()) + " s"
}

// ageAxis reaches from a mark at or below the shortest wait to one at or above the longest.
func ageAxis(runs []Run) axis {
	low, high := math.Inf(1), 1.0
	for _, run := range runs {
		for _, w := range summary.Waits(run.Record) {
			low, high = min(low, w.Duration.Seconds()), max(high, w.Duration.Seconds())
		}
	}
	a := axis{from: ageTicks[0].Seconds(), to: ageTicks[len(ageTicks)-1].Seconds(), log: true}
	for i, tick := range ageTicks {
		if tick.Seconds() <= low {
			a.from = tick.Seconds()
		}
		if back := ageTicks[len(ageTicks)-1-i]; back.Seconds() >= high {
			a.to = back.Seconds()
		}
	}
	return a
}

func spreadAct(out *drawing.Drawing, d Demo, i int, x axis, band frame) {
	run := d.Runs[i]
	center := band.top + band.height/2
	label := func(dy, size float64, bold bool, role drawing.Role, text string) {
		at := drawing.Point{X: band.left - 16, Y: center + dy}
		out.Text(drawing.Text{At: at, Size: size, Anchor: drawing.End, Bold: bold, Role: role, Text: text})
	}
	label(-2, normal, true, drawing.Ink, heading(d, i))
	label(16, small, false, drawing.Muted, run.Scheduler)
	out.Rect(band.left, band.top, band.width, band.height, drawing.Panel)
	ranAny := false
	for j, w := range summary.Waits(run.Record) {
		if w.Never {
			continue
		}
		ranAny = true
		_, part := math.Modf(float64(j+1) * goldenRatio)
		out.Dot(x.x(band, w.Duration.Seconds()), band.top+5+part*(band.height-10), 3.2, roles[i].strong)
	}
	if !ranAny {
		out.Text(drawing.Text{
			At: drawing.Point{X: band.right() - 12, Y: center + 5}, Size: normal, Anchor: drawing.End, Bold: true, Role: roles[i].strong,
			Text: "none ran within " + summary.Short(run.Worst.Duration),
		})
	}
	for _, mark := range []struct {
		wait  summary.Wait
		width float64
	}{{run.Median, 3}, {run.P99, 1.5}} {
		if at := x.x(band, mark.wait.Duration.Seconds()); !mark.wait.Never {
			out.Line(mark.width, drawing.Ink, drawing.Point{X: at, Y: band.top - 3}, drawing.Point{X: at, Y: band.bottom() + 3})
		}
	}
}
