package scene_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/png"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/hack/demo/scene"
)

// luminance is the relative luminance of WCAG 2.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	var rgb [3]uint8
	_, err := fmt.Sscanf(colour, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2])
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
	for name, p := range map[string]scene.Palette{"light": scene.Light(), "dark": scene.Dark()} {
		t.Run(name, func(t *testing.T) {
			require.Len(t, p, len(scene.Roles()))
			for _, ground := range []scene.Role{scene.Paper, scene.Panel} {
				for _, text := range []scene.Role{scene.Ink, scene.Muted} {
					require.GreaterOrEqual(t, contrast(t, p[text], p[ground]), 4.5, "%s on %s", text, ground)
				}
				// Large text and lines, by the same rule.
				for _, strong := range []scene.Role{scene.Act1, scene.Act2, scene.Act3} {
					require.GreaterOrEqual(t, contrast(t, p[strong], p[ground]), 3.0, "%s on %s", strong, ground)
				}
			}
		})
	}
}

func picture() scene.Scene {
	part := scene.Scene{}
	part.Text(scene.Text{At: scene.Point{X: 1, Y: 9}, Size: 8, Anchor: scene.Middle, Bold: true, Role: scene.Ink, Text: `<a & "b">`})
	part.Dot(3, 3, 2, scene.Act3)
	s := scene.Scene{Width: 40, Height: 20}
	s.Rect(0, 0, 20, 20, scene.Act1)
	s.Line(2, scene.Grid, scene.Point{X: 0, Y: 0}, scene.Point{X: 40, Y: 20})
	s.Area(scene.Act2, scene.Point{X: 30, Y: 0}, scene.Point{X: 40, Y: 0}, scene.Point{X: 40, Y: 10.126})
	s.Place(part, 10, 5)
	return s
}

func TestASceneIsWrittenAsSVG(t *testing.T) {
	s := picture()
	require.Equal(t, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20" role="img" aria-label="all &lt;kinds&gt;">
<rect class="f-act1" x="0" y="0" width="20" height="20"/>
<polyline class="s-grid" stroke-width="2" stroke-linejoin="round" points="0,0 40,20"/>
<polygon class="f-act2" points="30,0 40,0 40,10.13"/>
<text class="f-ink" x="11" y="14" font-size="8" text-anchor="middle" font-weight="700">&lt;a &amp; &#34;b&#34;&gt;</text>
<circle class="f-act3" cx="13" cy="8" r="2"/>
</svg>`, s.SVG("all <kinds>"))
}

func TestADocumentBringsItsStyleAndItsPaper(t *testing.T) {
	s := picture()
	document := s.Document("picture")
	require.NoError(t, xml.Unmarshal([]byte(document), new(struct{})))
	require.Contains(t, document, `<rect class="f-paper" x="0" y="0" width="40" height="20"/>`)
	for _, role := range scene.Roles() {
		require.Contains(t, document, fmt.Sprintf("--%s:%s;", role, scene.Light()[role]))
		require.Contains(t, document, fmt.Sprintf("--%s:%s;", role, scene.Dark()[role]))
	}
}

func TestASceneIsWrittenAsPNG(t *testing.T) {
	s := picture()
	var out bytes.Buffer
	require.NoError(t, s.PNG(&out, scene.Light()))
	decoded, err := png.Decode(&out)
	require.NoError(t, err)
	require.Equal(t, [2]int{80, 40}, [2]int{decoded.Bounds().Dx(), decoded.Bounds().Dy()})
	require.Equal(t, scene.Light()[scene.Act1], hex(decoded.At(10, 36)), "the rectangle")
	require.Equal(t, scene.Light()[scene.Act3], hex(decoded.At(26, 16)), "the dot")
	require.Equal(t, scene.Light()[scene.Paper], hex(decoded.At(60, 10)), "the paper")
	require.ErrorContains(t, s.PNG(&out, scene.Palette{scene.Ink: "black"}), `reading the colour "black" of ink: `)
}

func hex(c interface{ RGBA() (r, g, b, a uint32) }) string {
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}
