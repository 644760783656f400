package report

import (
	"fmt"

	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/hack/demo/scene"
	"github.com/headroom-dev/headroom/hack/demo/summary"
)

// lead is how many seconds before the burst the timelines begin.
const lead = 1.5

// span is when the longest of the records ends, in seconds since its burst began.
func span(acts []Act) float64 {
	latest := 1.0
	for _, act := range acts {
		latest = max(latest, since(summary.Began(act.Record), act.Record.Until))
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

// Timeline draws one act over time: each pod of the burst as a line, light while it waits and strong while it runs; below,
// how much headroom is held, and how many nodes there are.
func Timeline(d Demo, i int, width float64) scene.Scene {
	const pods, held, nodes, gap = 170, 70, 56, 34
	act := d.Acts[i]
	s := scene.Scene{Width: width, Height: 24 + pods + held + nodes + 2*gap + 44}
	x := axis{from: -lead, to: span(d.Acts) * 1.02}
	f := frame{left: 36, top: 24, width: width - 36 - 10, height: pods}
	track := func(title string) {
		s.Text(scene.Text{At: scene.Point{X: f.left, Y: f.top - 9}, Size: small, Anchor: scene.Start, Bold: true, Role: scene.Ink, Text: title})
	}
	track(fmt.Sprintf("%d pods: waiting, then running", d.Burst))
	drawPods(&s, act, i, x, f)

	until := since(summary.Began(act.Record), act.Record.Until)
	f = frame{left: f.left, top: f.bottom() + gap, width: f.width, height: held}
	track("headroom held, in pods")
	drawCount(&s, units(act.Record), d.Headroom, i, x, f, until)

	f = frame{left: f.left, top: f.bottom() + gap, width: f.width, height: nodes}
	track("nodes ready")
	most := 1
	for _, other := range d.Acts {
		for _, step := range ready(other.Record) {
			most = max(most, step.count)
		}
	}
	drawCount(&s, ready(act.Record), most, i, x, f, until)
	x.seconds(&s, frame{left: f.left, top: f.bottom(), width: f.width}, 6, "seconds since the burst began")
	return s
}

func drawPods(s *scene.Scene, act Act, i int, x axis, f frame) {
	s.Rect(f.left, f.top, f.width, f.height, scene.Panel)
	began := summary.Began(act.Record)
	height := f.height / float64(max(len(act.Record.Burst), 1))
	for j, p := range act.Record.Burst {
		bar := func(from, to float64, role scene.Role) {
			left, right := x.x(f, from), x.x(f, to)
			s.Rect(left, f.top+float64(j)*height, max(right-left, 0.5), height+0.3, role)
		}
		end := since(began, act.Record.Until)
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
	drawStart(s, x, f)
}

// drawCount fills the area below a count that goes up to most.
func drawCount(s *scene.Scene, count []step, most, i int, x axis, f frame, until float64) {
	s.Rect(f.left, f.top, f.width, f.height, scene.Panel)
	y := axis{from: 0, to: float64(max(most, 1)) * 1.08}
	y.counts(s, f, 0, float64(most))
	points := stairs(count, x, y, f, until)
	area := append([]scene.Point{{X: points[0].X, Y: f.bottom()}}, points...)
	s.Area(roles[i].soft, append(area, scene.Point{X: points[len(points)-1].X, Y: f.bottom()})...)
	s.Line(2, roles[i].strong, points...)
	drawStart(s, x, f)
}

// drawStart marks the moment at which the burst begins.
func drawStart(s *scene.Scene, x axis, f frame) {
	at := x.x(f, 0)
	s.Line(1, scene.Muted, scene.Point{X: at, Y: f.top}, scene.Point{X: at, Y: f.bottom()})
}
