package report

import (
	"math"
	"strconv"
	"time"

	"github.com/headroom-dev/headroom/pkg/view/drawing"
)

// Sizes of text.
const (
	small  = 12.0
	normal = 13.5
)

// frame is the part of a drawing that data is drawn in.
type frame struct{ left, top, width, height float64 }

func (f frame) bottom() float64 { return f.top + f.height }
func (f frame) right() float64  { return f.left + f.width }

// axis places values from, at one end, to, at the other.
type axis struct {
	from, to float64
	log      bool
}

// share is where a value lies, from 0 to 1. Values beyond the ends lie at the ends.
func (a axis) share(v float64) float64 {
	from, to := a.from, a.to
	if a.log {
		from, to, v = math.Log(from), math.Log(to), math.Log(max(v, a.from))
	}
	return min(max((v-from)/(to-from), 0), 1)
}

// x is where a value lies in a frame from left to right.
func (a axis) x(f frame, v float64) float64 { return f.left + a.share(v)*f.width }

// y is where a value lies in a frame from its bottom to its top.
func (a axis) y(f frame, v float64) float64 { return f.bottom() - a.share(v)*f.height }

// ticks are round values of a linear axis, about as many as wanted.
func (a axis) ticks(wanted int) []float64 {
	step := niceStep((a.to - a.from) / float64(wanted))
	var ticks []float64
	for i := math.Ceil(a.from/step - 1e-9); i*step <= a.to+step*1e-9; i++ {
		ticks = append(ticks, i*step)
	}
	return ticks
}

// niceStep is the smallest of 1, 2, 5, 10, 20 and so on that is not below the value, and likewise below 1.
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= v*(1-1e-9) {
			return factor * power
		}
	}
	return 10 * power
}

// seconds writes a time axis with its unit below the frame, and lines through the frame.
func (a axis) seconds(out *drawing.Drawing, f frame, wanted int, title string) {
	for _, tick := range a.ticks(wanted) {
		x := a.x(f, tick)
		out.Line(1, drawing.Grid, drawing.Point{X: x, Y: f.top}, drawing.Point{X: x, Y: f.bottom()})
		out.Text(drawing.Text{
			At: drawing.Point{X: x, Y: f.bottom() + 16}, Size: small, Anchor: drawing.Middle, Role: drawing.Muted, Text: plain(tick),
		})
	}
	if title != "" {
		out.Text(drawing.Text{
			At: drawing.Point{X: f.left + f.width/2, Y: f.bottom() + 34}, Size: small, Anchor: drawing.Middle, Role: drawing.Muted, Text: title,
		})
	}
}

// counts writes an axis of whole numbers left of the frame, and lines through the frame.
func (a axis) counts(out *drawing.Drawing, f frame, ticks ...float64) {
	for _, tick := range ticks {
		y := a.y(f, tick)
		out.Line(1, drawing.Grid, drawing.Point{X: f.left, Y: y}, drawing.Point{X: f.right(), Y: y})
		out.Text(drawing.Text{
			At: drawing.Point{X: f.left - 8, Y: y + 4}, Size: small, Anchor: drawing.End, Role: drawing.Muted, Text: plain(tick),
		})
	}
}

// plain writes a number without needless digits. The sum takes the sign from a zero.
func plain(v float64) string { return strconv.FormatFloat(math.Round(v*1000)/1000+0, 'f', -1, 64) }

// since is the seconds from one time to another.
func since(began, at time.Time) float64 { return at.Sub(began).Seconds() }
