package drawing_test

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/pkg/view/drawing"
)

// dots returns where a color is in the picture that a drawing makes, as the smallest rectangle around it, and how many dots have it.
// What lies on the edge of a shape has a color in between, so that the rectangle may be a little smaller.
func dots(t *testing.T, d *drawing.Drawing, role drawing.Role) (image.Rectangle, int) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, d.PNG(&out, drawing.Light()))
	decoded, err := png.Decode(&out)
	require.NoError(t, err)
	require.Equal(t, image.Pt(int(2*d.Width), int(2*d.Height)), decoded.Bounds().Size())
	where, n := image.Rectangle{}, 0
	for y := range decoded.Bounds().Dy() {
		for x := range decoded.Bounds().Dx() {
			_, _, _, alpha := decoded.At(x, y).RGBA()
			require.EqualValues(t, 0xffff, alpha, "nothing shines through at %d,%d", x, y)
			if hex(decoded.At(x, y)) == drawing.Light()[role] {
				where, n = where.Union(image.Rect(x, y, x+1, y+1)), n+1
			}
		}
	}
	return where, n
}

// TestEachShapeIsWhereItWasPutAndAsLargeAsItIs: a pixel of a drawing is two dots.
func TestEachShapeIsWhereItWasPutAndAsLargeAsItIs(t *testing.T) {
	point := func(x, y float64) drawing.Point { return drawing.Point{X: x, Y: y} }
	for name, tc := range map[string]struct {
		draw func(*drawing.Drawing)
		want image.Rectangle
		dots int
	}{
		"a rectangle": {func(d *drawing.Drawing) { d.Rect(10, 5, 30, 20, drawing.Run2) }, image.Rect(20, 10, 80, 50), 60 * 40},
		"an area": {
			func(d *drawing.Drawing) { d.Area(drawing.Run2, point(10, 5), point(40, 5), point(10, 25)) },
			image.Rect(20, 10, 80, 50), 60 * 40 / 2,
		},
		"a line": {
			func(d *drawing.Drawing) { d.Line(4, drawing.Run2, point(10, 20), point(40, 20)) }, image.Rect(20, 36, 80, 44), 60 * 8,
		},
		"a thin line": {
			func(d *drawing.Drawing) { d.Line(1, drawing.Run2, point(10, 20), point(40, 20)) }, image.Rect(20, 39, 80, 41), 60 * 2,
		},
		"a line of three points": {
			func(d *drawing.Drawing) { d.Line(4, drawing.Run2, point(10, 20), point(40, 20), point(70, 20)) },
			image.Rect(20, 36, 140, 44), 120 * 8,
		},
		"a dot": {func(d *drawing.Drawing) { d.Dot(30, 20, 10, drawing.Run2) }, image.Rect(40, 20, 80, 60), 1256},
	} {
		t.Run(name, func(t *testing.T) {
			d := drawing.Drawing{Width: 80, Height: 40}
			tc.draw(&d)
			got, n := dots(t, &d, drawing.Run2)
			for _, corner := range [][2]image.Point{{tc.want.Min, got.Min}, {tc.want.Max, got.Max}} {
				off := corner[0].Sub(corner[1])
				require.LessOrEqual(t, max(off.X, -off.X, off.Y, -off.Y), 2, "want %v, got %v", tc.want, got)
			}
			require.InEpsilon(t, tc.dots, n, 0.12)
		})
	}
}

func TestLaterShapesLieOnEarlierOnes(t *testing.T) {
	d := drawing.Drawing{Width: 10, Height: 10}
	d.Rect(0, 0, 10, 10, drawing.Run1)
	d.Rect(2, 2, 4, 4, drawing.Run2)
	_, below := dots(t, &d, drawing.Run1)
	_, above := dots(t, &d, drawing.Run2)
	require.Equal(t, [2]int{400 - 64, 64}, [2]int{below, above})
}

// written is where a text stands that is put at (100, 30), in dots, and how many of them.
func written(t *testing.T, text drawing.Text) (image.Rectangle, int) {
	t.Helper()
	d := drawing.Drawing{Width: 200, Height: 40}
	text.At, text.Role, text.Text = drawing.Point{X: 100, Y: 30}, drawing.Run3, "HIH"
	d.Text(text)
	return dots(t, &d, drawing.Run3)
}

func TestATextStandsAtItsAnchorOnItsBaseLine(t *testing.T) {
	start, _ := written(t, drawing.Text{Size: 20, Anchor: drawing.Start})
	middle, _ := written(t, drawing.Text{Size: 20, Anchor: drawing.Middle})
	end, _ := written(t, drawing.Text{Size: 20, Anchor: drawing.End})
	require.InDelta(t, 200, start.Min.X, 6, "it begins there")
	require.InDelta(t, 200, (middle.Min.X+middle.Max.X)/2, 3, "half of it is on either side")
	require.InDelta(t, 200, end.Max.X, 6, "it ends there")
	for _, where := range []image.Rectangle{start, middle, end} {
		require.InDelta(t, start.Dx(), where.Dx(), 1)
		require.InDelta(t, 60, where.Max.Y, 2, "letters without a descender stand on the line")
	}
	unsaid, _ := written(t, drawing.Text{Size: 20})
	require.Equal(t, start, unsaid)
}

func TestATextIsAsLargeAndAsBoldAsItIsSaidToBe(t *testing.T) {
	small, _ := written(t, drawing.Text{Size: 10})
	plain, thin := written(t, drawing.Text{Size: 20})
	_, thick := written(t, drawing.Text{Size: 20, Bold: true})
	require.InDelta(t, 2*small.Dy(), plain.Dy(), 3)
	require.InDelta(t, 2*small.Dx(), plain.Dx(), 6)
	require.InDelta(t, 20*2*0.7, plain.Dy(), 3, "capitals are seven tenths of the size")
	require.Greater(t, float64(thick), 1.2*float64(thin))
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAPictureThatCannotBeWrittenIsAnError(t *testing.T) {
	d := picture()
	require.EqualError(t, d.PNG(full{}, drawing.Light()), "encoding the picture: no space left")
}
