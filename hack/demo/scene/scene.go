// Package scene is a picture as a list of shapes, which is written as SVG, for a page in light and dark, and as PNG. Lengths
// are pixels from the upper left corner; colours are roles, which each palette fills in its own way.
package scene

// Role is what a colour means.
type Role string

// The roles. Act1 to Act3 tell the acts apart, for colour-blind readers too; their Soft forms are backgrounds of the same hue.
const (
	Paper    Role = "paper"
	Panel    Role = "panel"
	Ink      Role = "ink"
	Muted    Role = "muted"
	Grid     Role = "grid"
	Act1     Role = "act1"
	Act2     Role = "act2"
	Act3     Role = "act3"
	Act1Soft Role = "act1soft"
	Act2Soft Role = "act2soft"
	Act3Soft Role = "act3soft"
)

// Roles are all roles, in the order of the style sheet.
func Roles() []Role {
	return []Role{Paper, Panel, Ink, Muted, Grid, Act1, Act2, Act3, Act1Soft, Act2Soft, Act3Soft}
}

// Palette gives each role a colour, as #rrggbb.
type Palette map[Role]string

// Light is the palette for white paper.
func Light() Palette {
	return Palette{
		Paper: "#ffffff", Panel: "#f5f7fa", Ink: "#1b2430", Muted: "#5a6675", Grid: "#d9dfe7",
		Act1: "#76808f", Act2: "#c26e00", Act3: "#0068b5",
		Act1Soft: "#dde1e7", Act2Soft: "#f9e2bf", Act3Soft: "#c9e2f5",
	}
}

// Dark is the palette for dark screens.
func Dark() Palette {
	return Palette{
		Paper: "#12171e", Panel: "#1b222c", Ink: "#e9eef4", Muted: "#a3afbd", Grid: "#34404e",
		Act1: "#a0abb9", Act2: "#f2a73b", Act3: "#5cb4f0",
		Act1Soft: "#3a4450", Act2Soft: "#54401f", Act3Soft: "#1d4566",
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

// Scene is a picture of a size.
type Scene struct {
	Width, Height float64
	shapes        []shape
}

// Rect fills a rectangle.
func (s *Scene) Rect(x, y, width, height float64, role Role) {
	s.shapes = append(s.shapes, rect{Point{x, y}, width, height, role})
}

// Line draws a line through points.
func (s *Scene) Line(width float64, role Role, points ...Point) {
	s.shapes = append(s.shapes, line{points: points, width: width, role: role})
}

// Area fills what lies within points.
func (s *Scene) Area(role Role, points ...Point) {
	s.shapes = append(s.shapes, line{points: points, role: role, closed: true})
}

// Dot fills a circle.
func (s *Scene) Dot(x, y, radius float64, role Role) {
	s.shapes = append(s.shapes, dot{Point{x, y}, radius, role})
}

// Text writes a line of text.
func (s *Scene) Text(t Text) { s.shapes = append(s.shapes, t) }

// Place puts another scene into this one, with its upper left corner at (x, y).
func (s *Scene) Place(other Scene, x, y float64) {
	moved := func(p Point) Point { return Point{p.X + x, p.Y + y} }
	for _, one := range other.shapes {
		switch one := one.(type) {
		case rect:
			one.at = moved(one.at)
			s.shapes = append(s.shapes, one)
		case line:
			points := make([]Point, len(one.points))
			for i, p := range one.points {
				points[i] = moved(p)
			}
			one.points = points
			s.shapes = append(s.shapes, one)
		case dot:
			one.at = moved(one.at)
			s.shapes = append(s.shapes, one)
		case Text:
			one.At = moved(one.At)
			s.shapes = append(s.shapes, one)
		}
	}
}
