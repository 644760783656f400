package drawing_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/png"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/pkg/view/drawing"
)

// luminance is the relative luminance of WCAG 2.
func luminance(t *testing.T, color string) float64 {
	t.Helper()
	var rgb [3]uint8
	_, err := fmt.Sscanf(color, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2])
	require.NoError(t, err)
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := float64(rgb[i]) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	high, low := luminance(t, a), luminance(t, b)
	return (max(high, low) + 0.05) / (min(high, low) + 0.05)
}

func TestBothPalettesCanBeRead(t *testing.T) {
	for name, p := range map[string]drawing.Palette{"light": drawing.Light(), "dark": drawing.Dark()} {
		t.Run(name, func(t *testing.T) {
			require.Len(t, p, len(drawing.Roles()))
			for _, ground := range []drawing.Role{drawing.Paper, drawing.Panel} {
				for _, text := range []drawing.Role{drawing.Ink, drawing.Muted} {
					require.GreaterOrEqual(t, contrast(t, p[text], p[ground]), 4.5, "%s on %s", text, ground)
				}
				// Large text and lines, by the same rule.
				for _, strong := range []drawing.Role{drawing.Run1, drawing.Run2, drawing.Run3} {
					require.GreaterOrEqual(t, contrast(t, p[strong], p[ground]), 3.0, "%s on %s", strong, ground)
				}
			}
		})
	}
}

func TestNoTwoRolesHaveOneColor(t *testing.T) {
	for name, p := range map[string]drawing.Palette{"light": drawing.Light(), "dark": drawing.Dark()} {
		of := map[string]drawing.Role{}
		for _, role := range drawing.Roles() {
			require.Empty(t, of[p[role]], "%s: that of %s", name, role)
			of[p[role]] = role
		}
		require.Len(t, of, len(p), "every role of the palette is one of all roles")
	}
}

// The darker ground is that of the palette for dark screens; what is soft is a background that text can be read on.
func TestDarkIsDarkAndSoftColorsAreGrounds(t *testing.T) {
	light, dark := drawing.Light(), drawing.Dark()
	for _, ground := range []drawing.Role{drawing.Paper, drawing.Panel, drawing.Run1Soft, drawing.Run2Soft, drawing.Run3Soft} {
		require.Greater(t, luminance(t, light[ground]), luminance(t, dark[ground]), ground)
		require.GreaterOrEqual(t, contrast(t, light[drawing.Ink], light[ground]), 4.5, ground)
		require.GreaterOrEqual(t, contrast(t, dark[drawing.Ink], dark[ground]), 4.5, ground)
	}
}

func TestEachRoleHasAClassThatFillsAndOneThatOnlyDrawsLines(t *testing.T) {
	style := drawing.Style()
	for _, role := range drawing.Roles() {
		classes := fmt.Sprintf(".f-%[1]s{fill:var(--%[1]s)}.s-%[1]s{stroke:var(--%[1]s);fill:none}\n", role)
		require.Equal(t, 1, strings.Count(style, classes), role)
	}
	light, dark, ok := strings.Cut(style, "@media (prefers-color-scheme:dark)")
	require.True(t, ok)
	for _, role := range drawing.Roles() {
		require.Contains(t, light, fmt.Sprintf("--%s:%s;", role, drawing.Light()[role]))
		require.Contains(t, dark, fmt.Sprintf("--%s:%s;", role, drawing.Dark()[role]))
	}
}

func picture() drawing.Drawing {
	part := drawing.Drawing{}
	part.Text(drawing.Text{At: drawing.Point{X: 1, Y: 9}, Size: 8, Anchor: drawing.Middle, Bold: true, Role: drawing.Ink, Text: `<a & "b">`})
	part.Dot(3, 3, 2, drawing.Run3)
	s := drawing.Drawing{Width: 40, Height: 20}
	s.Rect(0, 0, 20, 20, drawing.Run1)
	s.Line(2, drawing.Grid, drawing.Point{X: 0, Y: 0}, drawing.Point{X: 40, Y: 20})
	s.Area(drawing.Run2, drawing.Point{X: 30, Y: 0}, drawing.Point{X: 40, Y: 0}, drawing.Point{X: 40, Y: 10.126})
	s.Place(part, 10, 5)
	return s
}

func TestASceneIsWrittenAsSVG(t *testing.T) {
	s := picture()
	require.Equal(t, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20" role="img" aria-label="all &lt;kinds&gt;">
<rect class="f-run1" x="0" y="0" width="20" height="20"/>
<polyline class="s-grid" stroke-width="2" stroke-linejoin="round" points="0,0 40,20"/>
<polygon class="f-run2" points="30,0 40,0 40,10.13"/>
<text class="f-ink" x="11" y="14" font-size="8" text-anchor="middle" font-weight="700">&lt;a &amp; &#34;b&#34;&gt;</text>
<circle class="f-run3" cx="13" cy="8" r="2"/>
</svg>`, s.SVG("all <kinds>"))
}

func TestEachMeasureOfAShapeIsInItsPlace(t *testing.T) {
	point := func(x, y float64) drawing.Point { return drawing.Point{X: x, Y: y} }
	part := drawing.Drawing{}
	part.Rect(1, 2, 3, 4, drawing.Run1)
	part.Line(1.5, drawing.Run2, point(1, 2), point(3, 4))
	part.Area(drawing.Run3, point(1, 2), point(3, 4), point(5, 7))
	part.Dot(1, 2, 3, drawing.Ink)
	for _, anchor := range []drawing.Anchor{drawing.Start, drawing.Middle, drawing.End} {
		part.Text(drawing.Text{At: point(1, 2), Size: 3, Anchor: anchor, Role: drawing.Muted, Text: string(anchor)})
	}
	before := part.SVG("")
	whole := drawing.Drawing{Width: 200, Height: 100}
	whole.Place(part, 100, 20)
	whole.Place(part, -1, 0.125)
	require.Equal(t, before, part.SVG(""), "what is placed stays as it is")
	require.Equal(t, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 100" role="img" aria-label="">
<rect class="f-run1" x="101" y="22" width="3" height="4"/>
<polyline class="s-run2" stroke-width="1.5" stroke-linejoin="round" points="101,22 103,24"/>
<polygon class="f-run3" points="101,22 103,24 105,27"/>
<circle class="f-ink" cx="101" cy="22" r="3"/>
<text class="f-muted" x="101" y="22" font-size="3" text-anchor="start">start</text>
<text class="f-muted" x="101" y="22" font-size="3" text-anchor="middle">middle</text>
<text class="f-muted" x="101" y="22" font-size="3" text-anchor="end">end</text>
<rect class="f-run1" x="0" y="2.12" width="3" height="4"/>
<polyline class="s-run2" stroke-width="1.5" stroke-linejoin="round" points="0,2.12 2,4.12"/>
<polygon class="f-run3" points="0,2.12 2,4.12 4,7.12"/>
<circle class="f-ink" cx="0" cy="2.12" r="3"/>
<text class="f-muted" x="0" y="2.12" font-size="3" text-anchor="start">start</text>
<text class="f-muted" x="0" y="2.12" font-size="3" text-anchor="middle">middle</text>
<text class="f-muted" x="0" y="2.12" font-size="3" text-anchor="end">end</text>
</svg>`, whole.SVG(""))
}

func TestOnlyADocumentBringsItsStyle(t *testing.T) {
	s := picture()
	require.NotContains(t, s.SVG(""), "<style>", "a page has it once for all")
	require.NotContains(t, s.SVG(""), "f-paper", "and the page is the paper")
	document := s.Document("the <label>")
	require.Less(t, strings.Index(document, "f-paper\""), strings.Index(document, "f-run1\""), "the paper is below")
	require.Contains(t, document, `aria-label="the &lt;label&gt;"`)
}

func TestADocumentBringsItsStyleAndItsPaper(t *testing.T) {
	s := picture()
	document := s.Document("picture")
	require.NoError(t, xml.Unmarshal([]byte(document), new(struct{})))
	require.Contains(t, document, `<rect class="f-paper" x="0" y="0" width="40" height="20"/>`)
	for _, role := range drawing.Roles() {
		require.Contains(t, document, fmt.Sprintf("--%s:%s;", role, drawing.Light()[role]))
		require.Contains(t, document, fmt.Sprintf("--%s:%s;", role, drawing.Dark()[role]))
	}
}

func TestASceneIsWrittenAsPNG(t *testing.T) {
	s := picture()
	var out bytes.Buffer
	require.NoError(t, s.PNG(&out, drawing.Light()))
	decoded, err := png.Decode(&out)
	require.NoError(t, err)
	require.Equal(t, [2]int{80, 40}, [2]int{decoded.Bounds().Dx(), decoded.Bounds().Dy()})
	require.Equal(t, drawing.Light()[drawing.Run1], hex(decoded.At(10, 36)), "the rectangle")
	require.Equal(t, drawing.Light()[drawing.Run3], hex(decoded.At(26, 16)), "the dot")
	require.Equal(t, drawing.Light()[drawing.Paper], hex(decoded.At(60, 10)), "the paper")
	require.ErrorContains(t, s.PNG(&out, drawing.Palette{drawing.Ink: "black"}), `reading the color "black" of ink: `)
}

func hex(c interface{ RGBA() (r, g, b, a uint32) }) string {
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}
