package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/hack/demo/summary"
	"github.com/headroom-dev/headroom/pkg/view/drawing"
)

// step is a count that holds from a moment on, in seconds since the burst began.
type step struct {
	at    float64
	count int
}

// steps counts over time: up when something begins, down when it ends.
func steps(moments func(add func(at float64, change int))) []step {
	var changes []step
	moments(func(at float64, change int) { changes = append(changes, step{at, change}) })
	slices.SortStableFunc(changes, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	var all []step
	count := 0
	for _, c := range changes {
		count += c.count
		if len(all) > 0 && all[len(all)-1].at == c.at {
			all[len(all)-1].count = count
			continue
		}
		all = append(all, step{c.at, count})
	}
	return all
}

// ran counts the pods of the burst that have come to run.
func ran(r history.Record) []step {
	began := summary.Began(r)
	return steps(func(add func(float64, int)) {
		for _, p := range r.Burst {
			if !p.Running.IsZero() {
				add(since(began, p.Running), 1)
			}
		}
	})
}

// stairs are the corners of the line through steps, from a count of the axis' first moment to its last.
func stairs(steps []step, x, y axis, f frame, until float64) []drawing.Point {
	count := 0
	for _, s := range steps {
		if s.at <= x.from {
			count = s.count
		}
	}
	points := []drawing.Point{{X: x.x(f, x.from), Y: y.y(f, float64(count))}}
	for _, s := range steps {
		if s.at <= x.from || s.at > until {
			continue
		}
		at := x.x(f, s.at)
		points = append(points, drawing.Point{X: at, Y: y.y(f, float64(count))}, drawing.Point{X: at, Y: y.y(f, float64(s.count))})
		count = s.count
	}
	return append(points, drawing.Point{X: x.x(f, until), Y: y.y(f, float64(count))})
}

// horizon is when, in seconds, the slowest pod of all runs ran, or when the longest waiting was given up.
func horizon(runs []Run) float64 {
	latest := 1.0
	for _, run := range runs {
		latest = max(latest, run.Worst.Duration.Seconds())
	}
	return latest
}

// drawCurves draws how many pods of the burst ran, over time, one line a run.
func drawCurves(d Demo, width, height float64) drawing.Drawing {
	out := drawing.Drawing{Width: width, Height: height}
	f := frame{left: 44, top: 14, width: width - 44 - 290, height: height - 14 - 44}
	x := axis{from: 0, to: horizon(d.Runs) * 1.04}
	y := axis{from: 0, to: float64(max(d.Burst, 1))}
	x.seconds(&out, f, 8, "seconds since the burst began")
	y.counts(&out, f, 0, float64(d.Burst/2), float64(d.Burst))
	labels := make([]float64, len(d.Runs))
	for i, run := range d.Runs {
		points := stairs(ran(run.Record), x, y, f, x.to)
		out.Line(3, roles[i].strong, points...)
		labels[i] = points[len(points)-1].Y
	}
	// Lines that end at the same height would write over each other: their labels stand below each other, in order.
	for i, run := range d.Runs {
		left, base := f.right()+25, f.top+22+float64(i)*50
		out.Rect(left-13, base-11, 5, 34, roles[i].strong)
		out.Text(drawing.Text{
			At: drawing.Point{X: left, Y: base}, Size: normal, Anchor: drawing.Start, Bold: true, Role: drawing.Ink, Text: heading(d, i),
		})
		out.Text(drawing.Text{
			At: drawing.Point{X: left, Y: base + 18}, Size: small, Anchor: drawing.Start, Role: drawing.Muted,
			Text: run.Scheduler + ": " + lastRan(run),
		})
	}
	return out
}

func lastRan(run Run) string {
	if run.Running < run.Pods {
		return fmt.Sprintf("%d of %d ran in %s", run.Running, run.Pods, summary.Short(run.Worst.Duration))
	}
	r := run.Record
	if len(r.Burst) == 0 {
		return "no pods"
	}
	last := slices.MaxFunc(r.Burst, func(a, b history.Pod) int { return a.Running.Compare(b.Running) }).Running
	return "all ran after " + summary.Short(last.Sub(summary.Began(r)))
}
