// Package drawing makes pictures of shapes and writes them as SVG, for a page in light and dark, and as PNG. Lengths
// are pixels from the upper left corner; colors are roles, which each palette fills in its own way.
package drawing

// Role is what a color means.
type Role string

// The roles. Run1 to Run3 tell the runs apart, for color-blind readers too; their Soft forms are backgrounds of the same hue.
const (
	Paper    Role = "paper"
	Panel    Role = "panel"
	Ink      Role = "ink"
	Muted    Role = "muted"
	Grid     Role = "grid"
	Run1     Role = "run1"
	Run2     Role = "run2"
	Run3     Role = "run3"
	Run1Soft Role = "run1soft"
	Run2Soft Role = "run2soft"
	Run3Soft Role = "run3soft"
)

// Roles are all roles, in the order of the style sheet.
func Roles() []Role {
	return []Role{Paper, Panel, Ink, Muted, Grid, Run1, Run2, Run3, Run1Soft, Run2Soft, Run3Soft}
}

// Palette gives each role a color, as #rrggbb.
type Palette map[Role]string

// Light is the palette for white paper.
func Light() Palette {
	return Palette{
		Paper: "#ffffff", Panel: "#f5f7fa", Ink: "#1b2430", Muted: "#5a6675", Grid: "#d9dfe7",
		Run1: "#76808f", Run2: "#c26e00", Run3: "#0068b5",
		Run1Soft: "#dde1e7", Run2Soft: "#f9e2bf", Run3Soft: "#c9e2f5",
	}
}

// Dark is the palette for dark screens.
func Dark() Palette {
	return Palette{
		Paper: "#12171e", Panel: "#1b222c", Ink: "#e9eef4", Muted: "#a3afbd", Grid: "#34404e",
		Run1: "#a0abb9", Run2: "#f2a73b", Run3: "#5cb4f0",
		Run1Soft: "#3a4450", Run2Soft: "#54401f", Run3Soft: "#1d4566",
	}
}

// Anchor says which point of a text stands at its position.
type Anchor string

// The anchors.
const (
	Start  Anchor = "start"
	Middle Anchor = "middle"
	End    Anchor = "end"
)

// Point is a position.
type Point struct{ X, Y float64 }

// Text is a line of text. Y of its position is the base line.
type Text struct {
	At     Point
	Size   float64
	Anchor Anchor
	Bold   bool
	Role   Role
	Text   string
}

// shape is one of rect, line, dot and Text.
type shape any

type rect struct {
	at            Point
	width, height float64
	role          Role
}

type line struct {
	points []Point
	width  float64
	role   Role
	closed bool // filled instead of drawn
}

type dot struct {
	at     Point
	radius float64
	role   Role
}

// Drawing is a picture of a size, as a list of shapes.
type Drawing struct {
	Width, Height float64
	shapes        []shape
}

// Rect fills a rectangle.
func (d *Drawing) Rect(x, y, width, height float64, role Role) {
	d.shapes = append(d.shapes, rect{Point{x, y}, width, height, role})
}

// Line draws a line through points.
func (d *Drawing) Line(width float64, role Role, points ...Point) {
	d.shapes = append(d.shapes, line{points: points, width: width, role: role})
}

// Area fills what lies within points.
func (d *Drawing) Area(role Role, points ...Point) {
	d.shapes = append(d.shapes, line{points: points, role: role, closed: true})
}

// Dot fills a circle.
func (d *Drawing) Dot(x, y, radius float64, role Role) {
	d.shapes = append(d.shapes, dot{Point{x, y}, radius, role})
}

// Text writes a line of text.
func (d *Drawing) Text(t Text) { d.shapes = append(d.shapes, t) }

// Place puts another drawing into this one, with its upper left corner at (x, y).
func (d *Drawing) Place(other Drawing, x, y float64) {
	moved := func(p Point) Point { return Point{p.X + x, p.Y + y} }
	for _, one := range other.shapes {
		switch one := one.(type) {
		case rect:
			one.at = moved(one.at)
			d.shapes = append(d.shapes, one)
		case line:
			points := make([]Point, len(one.points))
			for i, p := range one.points {
				points[i] = moved(p)
			}
			one.points = points
			d.shapes = append(d.shapes, one)
		case dot:
			one.at = moved(one.at)
			d.shapes = append(d.shapes, one)
		case Text:
			one.At = moved(one.At)
			d.shapes = append(d.shapes, one)
		}
	}
}
