package report

import (
	"fmt"

	"github.com/headroom-dev/headroom/hack/demo/scene"
)

// Sizes of the poster.
const (
	posterWidth  = 1120.0
	posterMargin = 36.0
	cardHeight   = 132.0
)

// Poster is the report as one picture: what was played, the numbers of each act, and how the pods came to run.
func Poster(d Demo) scene.Scene {
	inner := posterWidth - 2*posterMargin
	s := scene.Scene{Width: posterWidth}
	write := func(x, y, size float64, bold bool, role scene.Role, text string) {
		s.Text(scene.Text{At: scene.Point{X: x, Y: y}, Size: size, Anchor: scene.Start, Bold: bold, Role: role, Text: text})
	}
	write(posterMargin, 54, 28, true, scene.Ink, title(d))
	write(posterMargin, 80, 14.5, false, scene.Muted, setting(d))
	y := 104.0
	width := (inner - 2*20) / 3
	for i := range d.Acts {
		s.Place(card(d, i, width), posterMargin+float64(i)*(width+20), y)
	}
	y += cardHeight + 44
	for _, part := range []struct {
		title string
		scene scene.Scene
	}{
		{"Pods running", Curves(d, inner, 230)},
		{"How long each pod waited", Spread(d, inner, 62)},
		{"Headroom left by the burst", Left(d, inner)},
	} {
		write(posterMargin, y, 17, true, scene.Ink, part.title)
		s.Place(part.scene, posterMargin, y+12)
		y += part.scene.Height + 44
	}
	write(posterMargin, y-8, small, false, scene.Muted, footnote(d))
	s.Height = y + 12
	return s
}

// card shows the numbers of an act.
func card(d Demo, i int, width float64) scene.Scene {
	act := d.Acts[i]
	s := scene.Scene{Width: width, Height: cardHeight}
	s.Rect(0, 0, width, cardHeight, scene.Panel)
	s.Rect(0, 0, width, 5, roles[i].strong)
	write := func(y, size float64, bold bool, role scene.Role, text string) {
		s.Text(scene.Text{At: scene.Point{X: 16, Y: y}, Size: size, Anchor: scene.Start, Bold: bold, Role: role, Text: text})
	}
	write(30, 15, true, scene.Ink, heading(d, i)+", "+act.Scheduler)
	write(74, 36, true, roles[i].strong, act.Median.String())
	write(96, small, false, scene.Muted, "median from created to running; 99 %: "+act.P99.String())
	write(117, small, false, scene.Ink, fmt.Sprintf("%d of %d pods bound by their first attempt", act.FirstAttempt, act.Pods))
	return s
}
