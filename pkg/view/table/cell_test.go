package table

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEachColorHasItsSequence(t *testing.T) {
	for color, want := range map[Color]string{
		Plain: "x", Good: "\x1b[32mx\x1b[0m", Warn: "\x1b[33mx\x1b[0m", Bad: "\x1b[31mx\x1b[0m", Busy: "\x1b[34mx\x1b[0m",
		Faint: "\x1b[2mx\x1b[0m", Strong: "\x1b[1mx\x1b[0m",
	} {
		var text strings.Builder
		In(color, "x").write(&text, Style{Color: true})
		require.Equal(t, want, text.String())
		text.Reset()
		In(color, "x").write(&text, Style{})
		require.Equal(t, "x", text.String())
	}
}

func TestACellOfSeveralColorsIsAsWideAsAllOfThem(t *testing.T) {
	bar := Cell{{"██", Busy}, {"", Good}, {"界", Warn}, {"··", Plain}}
	require.Equal(t, 6, bar.width())
	require.Equal(t, Busy, bar.color(), "the first is what a line below is in")
	require.Equal(t, Plain, Cell{}.color())
	var text strings.Builder
	bar.write(&text, Style{Color: true})
	require.Equal(t, "\x1b[34m██\x1b[0m\x1b[33m界\x1b[0m··", text.String(), "each color ends with its text, and what is empty has none")
	require.Equal(t, bar, bar.cut(3), "only cells of one color are cut")
	require.Equal(t, In(Bad, "a…c"), In(Bad, "abc def abc").cut(3))

	table := Table{
		Columns: []Column{{Header: "BAR"}, {Header: "N", Right: true}},
		Rows:    []Row{{Cells: []Cell{bar, Of("1")}}, {Cells: []Cell{Of("-"), Of("22")}}},
	}
	require.Equal(t, "BAR      N\n██界··   1\n-       22\n", table.Text(Style{Width: 10}))
}

// Whatever somebody wrote, what reaches the terminal has as many lines as the program wants, and no orders.
func TestCleanIsOneLineOfAsManyCharacters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		clean := Clean(text)
		require.Len(t, []rune(clean), len([]rune(text)))
		require.False(t, strings.ContainsFunc(clean, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }), "%q", clean)
		require.Equal(t, clean, Clean(clean))
	})
	require.Equal(t, "tab tab", Clean("tab\ttab"))
	require.Equal(t, "é 界 …", Clean("é 界 …"))
}

// What is cut is as wide as allowed, or one less beside a wide character, and keeps both ends.
func TestCutKeepsBothEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("abcdefgh-界"))).Draw(t, "text")
		width := rapid.IntRange(0, 30).Draw(t, "width")
		have, cut := ansi.StringWidth(text), Cut(text, width)
		if have <= width {
			require.Equal(t, text, cut)
			return
		}
		require.LessOrEqual(t, ansi.StringWidth(cut), width)
		if width < 2 {
			require.True(t, strings.HasPrefix(text, cut))
			return
		}
		require.GreaterOrEqual(t, ansi.StringWidth(cut), width-2)
		begin, end, ok := strings.Cut(cut, ellipsis)
		require.True(t, ok)
		require.True(t, strings.HasPrefix(text, begin), "%q of %q", begin, text)
		require.True(t, strings.HasSuffix(text, end), "%q of %q", end, text)
		require.InDelta(t, ansi.StringWidth(begin), ansi.StringWidth(end), 2, "as much of one as of the other")
	})
	for width, want := range map[int]string{0: "", 1: "w", 2: "w…", 3: "w…f", 4: "we…f", 7: "web…d9f", 8: "web-7d9f", 9: "web-7d9f"} {
		require.Equal(t, want, Cut("web-7d9f", width))
	}
}
