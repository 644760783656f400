package drawing

import (
	"fmt"
	"html"
	"strings"
)

// Style is the style sheet that SVG relies on: a variable and two classes for each role, in light, and in dark for those
// who prefer it.
func Style() string {
	var out strings.Builder
	variables := func(p Palette) {
		for _, role := range Roles() {
			fmt.Fprintf(&out, "--%s:%s;", role, p[role])
		}
	}
	out.WriteString(":root{color-scheme:light dark;")
	variables(Light())
	out.WriteString("}\n@media (prefers-color-scheme:dark){:root{")
	variables(Dark())
	out.WriteString("}}\n")
	for _, role := range Roles() {
		fmt.Fprintf(&out, ".f-%[1]s{fill:var(--%[1]s)}.s-%[1]s{stroke:var(--%[1]s);fill:none}\n", role)
	}
	out.WriteString("svg text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',Arial,sans-serif;" +
		"font-variant-numeric:tabular-nums}\n")
	return out.String()
}

// SVG writes the drawing as an element for a page that has Style. label is what a screen reader says.
func (d *Drawing) SVG(label string) string { return d.write(label, "") }

// Document writes the drawing as an SVG file, on paper.
func (d *Drawing) Document(label string) string {
	return d.write(label, "<style>\n"+Style()+"</style>\n"+element(rect{width: d.Width, height: d.Height, role: Paper})+"\n")
}

func (d *Drawing) write(label, before string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %s %s\" role=\"img\" aria-label=\"%s\">\n%s",
		number(d.Width), number(d.Height), html.EscapeString(label), before)
	for _, one := range d.shapes {
		out.WriteString(element(one) + "\n")
	}
	out.WriteString("</svg>")
	return out.String()
}

func element(one shape) string {
	switch one := one.(type) {
	case rect:
		return fmt.Sprintf(`<rect class="f-%s" x="%s" y="%s" width="%s" height="%s"/>`,
			one.role, number(one.at.X), number(one.at.Y), number(one.width), number(one.height))
	case line:
		return polyline(one)
	case dot:
		return fmt.Sprintf(`<circle class="f-%s" cx="%s" cy="%s" r="%s"/>`,
			one.role, number(one.at.X), number(one.at.Y), number(one.radius))
	case Text:
		weight := ""
		if one.Bold {
			weight = ` font-weight="700"`
		}
		return fmt.Sprintf(`<text class="f-%s" x="%s" y="%s" font-size="%s" text-anchor="%s"%s>%s</text>`,
			one.Role, number(one.At.X), number(one.At.Y), number(one.Size), one.Anchor, weight, html.EscapeString(one.Text))
	default:
		return ""
	}
}

func polyline(l line) string {
	points := make([]string, len(l.points))
	for i, p := range l.points {
		points[i] = number(p.X) + "," + number(p.Y)
	}
	joined := strings.Join(points, " ")
	if l.closed {
		return fmt.Sprintf(`<polygon class="f-%s" points="%s"/>`, l.role, joined)
	}
	return fmt.Sprintf(`<polyline class="s-%s" stroke-width="%s" stroke-linejoin="round" points="%s"/>`, l.role, number(l.width), joined)
}

// number writes a length to a hundredth of a pixel, as short as it can be.
func number(f float64) string {
	text := strings.TrimRight(fmt.Sprintf("%.2f", f), "0")
	return strings.TrimSuffix(text, ".")
}
