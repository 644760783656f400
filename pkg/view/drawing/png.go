package drawing

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
)

// dotsPerInch makes two dots of a pixel, since a pixel of a drawing is a point, of which an inch has 72.
const dotsPerInch = 144

// The fonts of texts, by their names in the collection.
const (
	regular = "LiberationSans-Regular"
	bold    = "LiberationSans-Bold"
)

// PNG writes the drawing as a picture of twice its size in dots.
func (d *Drawing) PNG(out io.Writer, palette Palette) error {
	colors := map[Role]color.Color{}
	for role, text := range palette {
		var c color.RGBA
		if _, err := fmt.Sscanf(text, "#%02x%02x%02x", &c.R, &c.G, &c.B); err != nil {
			return fmt.Errorf("reading the color %q of %s: %w", text, role, err)
		}
		c.A = 0xff
		colors[role] = c
	}
	canvas := vgimg.NewWith(
		vgimg.UseWH(vg.Length(d.Width), vg.Length(d.Height)), vgimg.UseDPI(dotsPerInch), vgimg.UseBackgroundColor(colors[Paper]))
	p := painter{canvas: canvas, height: d.Height, colors: colors, faces: map[string]font.Face{}}
	for _, face := range liberation.Collection() {
		p.faces[face.Name()] = face
	}
	for _, one := range d.shapes {
		p.paint(one)
	}
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(out); err != nil {
		return fmt.Errorf("encoding the picture: %w", err)
	}
	return nil
}

// painter paints shapes on a canvas that counts from the lower left corner.
type painter struct {
	canvas vg.Canvas
	height float64
	colors map[Role]color.Color
	faces  map[string]font.Face
}

func (p painter) point(at Point) vg.Point {
	return vg.Point{X: vg.Length(at.X), Y: vg.Length(p.height - at.Y)}
}

func (p painter) paint(one shape) {
	switch one := one.(type) {
	case rect:
		right, bottom := one.at.X+one.width, one.at.Y+one.height
		p.fill(one.role, one.at, Point{right, one.at.Y}, Point{right, bottom}, Point{one.at.X, bottom})
	case line:
		if one.closed {
			p.fill(one.role, one.points...)
			return
		}
		p.canvas.SetColor(p.colors[one.role])
		p.canvas.SetLineWidth(vg.Length(one.width))
		p.canvas.Stroke(p.path(one.points))
	case dot:
		var path vg.Path
		center, radius := p.point(one.at), vg.Length(one.radius)
		path.Move(vg.Point{X: center.X + radius, Y: center.Y})
		path.Arc(center, radius, 0, 2*math.Pi)
		path.Close()
		p.canvas.SetColor(p.colors[one.role])
		p.canvas.Fill(path)
	case Text:
		p.write(one)
	}
}

func (p painter) fill(role Role, points ...Point) {
	path := p.path(points)
	path.Close()
	p.canvas.SetColor(p.colors[role])
	p.canvas.Fill(path)
}

func (p painter) path(points []Point) vg.Path {
	var path vg.Path
	for i, point := range points {
		if i == 0 {
			path.Move(p.point(point))
		} else {
			path.Line(p.point(point))
		}
	}
	return path
}

func (p painter) write(t Text) {
	name := regular
	if t.Bold {
		name = bold
	}
	face := p.faces[name]
	face.Font.Size = vg.Length(t.Size)
	at := p.point(t.At)
	switch t.Anchor {
	case Middle:
		at.X -= face.Width(t.Text) / 2
	case End:
		at.X -= face.Width(t.Text)
	}
	p.canvas.SetColor(p.colors[t.Role])
	p.canvas.FillString(face, at, t.Text)
}
