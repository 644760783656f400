package report

import (
	"math"
	"time"

	"github.com/headroom-dev/headroom/hack/demo/scene"
	"github.com/headroom-dev/headroom/hack/demo/summary"
)

// ageTicks are the marks of the logarithmic axis.
var ageTicks = []time.Duration{
	time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond,
	300 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second, 100 * time.Second, 300 * time.Second,
}

// golden spreads dots of one act over its row: consecutive multiples of it never come close to each other.
const golden = 0.6180339887

// Spread draws each pod's time from created to running as a dot, one row an act, with marks at median and 99 %.
func Spread(d Demo, width, row float64) scene.Scene {
	const left, top, bottom = 190, 8, 44
	s := scene.Scene{Width: width, Height: top + bottom + row*float64(len(d.Acts))}
	f := frame{left: left, top: top, width: width - left - 24, height: row * float64(len(d.Acts))}
	x := ageAxis(d.Acts)
	for _, tick := range ageTicks {
		if v := tick.Seconds(); v >= x.from*0.999 && v <= x.to*1.001 {
			at := x.x(f, v)
			s.Line(1, scene.Grid, scene.Point{X: at, Y: f.top}, scene.Point{X: at, Y: f.bottom()})
			s.Text(scene.Text{
				At: scene.Point{X: at, Y: f.bottom() + 16}, Size: small, Anchor: scene.Middle, Role: scene.Muted, Text: tickLabel(tick),
			})
		}
	}
	s.Text(scene.Text{
		At: scene.Point{X: f.left + f.width/2, Y: f.bottom() + 34}, Size: small, Anchor: scene.Middle, Role: scene.Muted,
		Text: "from created to running, one dot a pod (logarithmic)",
	})
	for i := range d.Acts {
		band := frame{left: f.left, top: f.top + row*float64(i) + row*0.16, width: f.width, height: row * 0.68}
		spreadAct(&s, d, i, x, band)
	}
	return s
}

func tickLabel(d time.Duration) string {
	if d < time.Second {
		return plain(float64(d.Milliseconds())) + " ms"
	}
	return plain(d.Seconds()) + " s"
}

// ageAxis reaches from a mark at or below the shortest wait to one at or above the longest.
func ageAxis(acts []Act) axis {
	low, high := math.Inf(1), 1.0
	for _, act := range acts {
		for _, w := range summary.Waits(act.Record) {
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

func spreadAct(s *scene.Scene, d Demo, i int, x axis, band frame) {
	act := d.Acts[i]
	centre := band.top + band.height/2
	label := func(dy, size float64, bold bool, role scene.Role, text string) {
		at := scene.Point{X: band.left - 16, Y: centre + dy}
		s.Text(scene.Text{At: at, Size: size, Anchor: scene.End, Bold: bold, Role: role, Text: text})
	}
	label(-2, normal, true, scene.Ink, heading(d, i))
	label(16, small, false, scene.Muted, act.Scheduler)
	s.Rect(band.left, band.top, band.width, band.height, scene.Panel)
	ranAny := false
	for j, w := range summary.Waits(act.Record) {
		if w.Never {
			continue
		}
		ranAny = true
		_, part := math.Modf(float64(j+1) * golden)
		s.Dot(x.x(band, w.Duration.Seconds()), band.top+5+part*(band.height-10), 3.2, roles[i].strong)
	}
	if !ranAny {
		s.Text(scene.Text{
			At: scene.Point{X: band.right() - 12, Y: centre + 5}, Size: normal, Anchor: scene.End, Bold: true, Role: roles[i].strong,
			Text: "none ran within " + summary.Short(act.Worst.Duration),
		})
	}
	for _, mark := range []struct {
		wait  summary.Wait
		width float64
	}{{act.Median, 3}, {act.P99, 1.5}} {
		if at := x.x(band, mark.wait.Duration.Seconds()); !mark.wait.Never {
			s.Line(mark.width, scene.Ink, scene.Point{X: at, Y: band.top - 3}, scene.Point{X: at, Y: band.bottom() + 3})
		}
	}
}
