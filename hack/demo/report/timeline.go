package report

import (
	"fmt"

	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/hack/demo/summary"
	"github.com/headroom-dev/headroom/pkg/view/drawing"
)

// lead is how many seconds before the burst the timelines begin.
const lead = 1.5

// span is when the longest of the records ends, in seconds since its burst began.
func span(runs []Run) float64 {
	latest := 1.0
	for _, run := range runs {
		latest = max(latest, since(summary.Began(run.Record), run.Record.Until))
	}
	return latest
}

// units counts the placeholders that hold room.
func units(r history.Record) []step {
	began := summary.Began(r)
	return steps(func(add func(float64, int)) {
		for _, p := range r.Placeholders {
			if p.Bound.IsZero() {
				continue
			}
			add(since(began, p.Bound), 1)
			if !p.Gone.IsZero() {
				add(since(began, p.Gone), -1)
			}
		}
	})
}

// ready counts the nodes that are ready.
func ready(r history.Record) []step {
	began := summary.Began(r)
	return steps(func(add func(float64, int)) {
		for _, n := range r.Nodes {
			if n.Ready.IsZero() {
				continue
			}
			add(since(began, n.Ready), 1)
			if !n.Gone.IsZero() {
				add(since(began, n.Gone), -1)
			}
		}
	})
}

// drawTimeline draws one run over time: each pod of the burst as a line, light while it waits and strong while it runs; below,
// how much headroom is held, and how many nodes there are.
func drawTimeline(d Demo, i int, width float64) drawing.Drawing {
	const pods, held, nodes, gap = 170, 70, 56, 34
	run := d.Runs[i]
	out := drawing.Drawing{Width: width, Height: 24 + pods + held + nodes + 2*gap + 44}
	x := axis{from: -lead, to: span(d.Runs) * 1.02}
	f := frame{left: 36, top: 24, width: width - 36 - 10, height: pods}
	track := func(title string) {
		out.Text(drawing.Text{
			At: drawing.Point{X: f.left, Y: f.top - 9}, Size: small, Anchor: drawing.Start, Bold: true, Role: drawing.Ink, Text: title,
		})
	}
	track(fmt.Sprintf("%d pods: waiting, then running", d.Burst))
	drawPods(&out, run, i, x, f)

	until := since(summary.Began(run.Record), run.Record.Until)
	f = frame{left: f.left, top: f.bottom() + gap, width: f.width, height: held}
	track("headroom held, in pods")
	drawCount(&out, units(run.Record), d.Headroom, i, x, f, until)

	f = frame{left: f.left, top: f.bottom() + gap, width: f.width, height: nodes}
	track("nodes ready")
	most := 1
	for _, other := range d.Runs {
		for _, step := range ready(other.Record) {
			most = max(most, step.count)
		}
	}
	drawCount(&out, ready(run.Record), most, i, x, f, until)
	x.seconds(&out, frame{left: f.left, top: f.bottom(), width: f.width}, 6, "seconds since the burst began")
	return out
}

func drawPods(out *drawing.Drawing, run Run, i int, x axis, f frame) {
	out.Rect(f.left, f.top, f.width, f.height, drawing.Panel)
	began := summary.Began(run.Record)
	height := f.height / float64(max(len(run.Record.Burst), 1))
	for j, p := range run.Record.Burst {
		bar := func(from, to float64, role drawing.Role) {
			left, right := x.x(f, from), x.x(f, to)
			out.Rect(left, f.top+float64(j)*height, max(right-left, 0.5), height+0.3, role)
		}
		end := since(began, run.Record.Until)
		if !p.Gone.IsZero() {
			end = since(began, p.Gone)
		}
		waited := end
		if !p.Running.IsZero() {
			waited = since(began, p.Running)
			bar(waited, end, roles[i].strong)
		}
		bar(since(began, p.Created), waited, roles[i].soft)
	}
	drawStart(out, x, f)
}

// drawCount fills the area below a count that goes up to most.
func drawCount(out *drawing.Drawing, count []step, most, i int, x axis, f frame, until float64) {
	out.Rect(f.left, f.top, f.width, f.height, drawing.Panel)
	y := axis{from: 0, to: float64(max(most, 1)) * 1.08}
	y.counts(out, f, 0, float64(most))
	points := stairs(count, x, y, f, until)
	area := append([]drawing.Point{{X: points[0].X, Y: f.bottom()}}, points...)
	out.Area(roles[i].soft, append(area, drawing.Point{X: points[len(points)-1].X, Y: f.bottom()})...)
	out.Line(2, roles[i].strong, points...)
	drawStart(out, x, f)
}

// drawStart marks the moment at which the burst begins.
func drawStart(out *drawing.Drawing, x axis, f frame) {
	at := x.x(f, 0)
	out.Line(1, drawing.Muted, drawing.Point{X: at, Y: f.top}, drawing.Point{X: at, Y: f.bottom()})
}
