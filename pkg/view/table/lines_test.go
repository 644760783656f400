package table

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestALineIsCutAtItsEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		style Style
		want  string
	}{
		"it fits exactly":         {"12345", Style{Width: 5}, "12345"},
		"it is one too long":      {"123456", Style{Width: 5}, "1234…"},
		"any width":               {"123456", Style{}, "123456"},
		"it has a color":          {"123456", Style{Width: 5, Color: true}, "\x1b[31m1234…\x1b[0m"},
		"it would be two":         {"12\n3", Style{Width: 5}, "12 3"},
		"it would be an order":    {"a\x1b[2Jb", Style{Width: 40, Color: true}, "\x1b[31ma [2Jb\x1b[0m"},
		"an order takes its room": {"\x1b[2Jabcd", Style{Width: 5}, " [2J…"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, Line(Bad, tc.text, tc.style))
		})
	}
}

func TestEachParagraphHasItsBeginningAndIsBrokenAtWords(t *testing.T) {
	texts := []string{"one two three", "four\nfive\x1b[2J"}
	require.Equal(t, "note: one two three\nnote: four five [2J\n", Paragraphs("note: ", texts, Style{}), "a pipe has one line each")
	require.Equal(t, "note: one two three\nnote: four five [2J\n", Paragraphs("note: ", texts, Style{Width: 19}))
	require.Equal(t, "note: one two\nthree\nnote: four five\n[2J\n", Paragraphs("note: ", texts, Style{Width: 18}))
	require.Equal(t, "\x1b[33mnote: a\x1b[0m\n", Paragraphs("note: ", []string{"a"}, Style{Color: true}))
	require.Empty(t, Paragraphs("note: ", nil, Style{Width: 18}))
}

func TestFurtherLinesAreIndentedByTwoMore(t *testing.T) {
	for name, tc := range map[string]struct {
		spaces int
		style  Style
		want   string
	}{
		"any width":           {2, Style{}, "  one two three four\n"},
		"each line is broken": {2, Style{Width: 12}, "  one two\n    three\n    four\n"},
		"no spaces":           {0, Style{Width: 11}, "one two\n  three\n  four\n"},
		"colors":              {1, Style{Width: 12, Color: true}, " \x1b[32mone two\x1b[0m\n   \x1b[32mthree\x1b[0m\n   \x1b[32mfour\x1b[0m\n"},
		"narrower than can be": {
			4, Style{Width: 1}, "    one\n      two\n      three\n      four\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			WriteIndented(&out, Good, tc.spaces, "one two\nthree four", tc.style)
			require.Equal(t, tc.want, out.String())
		})
	}
}

// What is broken keeps every character but the spaces at which it is broken, and no line is too wide or has a space at either end.
func TestBrokenLinesKeepTheirWords(t *testing.T) {
	words := func(text string) string { return strings.Join(strings.Fields(text), "") }
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("abc  --界,;/"))).Draw(t, "text")
		spaces := rapid.IntRange(0, 8).Draw(t, "spaces")
		width := rapid.IntRange(spaces+len(indent)+narrowest, 60).Draw(t, "width")
		var indented strings.Builder
		WriteIndented(&indented, Plain, spaces, text, Style{Width: width})
		table := Table{Columns: []Column{{Header: "A"}}, Rows: []Row{{Cells: []Cell{Of("-")}, Below: []Cell{Of(text)}}}}
		below := strings.TrimPrefix(table.Text(Style{Width: width}), "A\n-\n")
		paragraph := Paragraphs("", []string{text}, Style{Width: width})
		for _, written := range []string{indented.String(), below, paragraph} {
			require.Equal(t, words(text), words(written))
			for line := range strings.SplitSeq(strings.TrimSuffix(written, "\n"), "\n") {
				require.LessOrEqual(t, ansi.StringWidth(line), width, "%q", line)
				require.Equal(t, strings.TrimLeft(line, " "), strings.TrimSpace(line), "%q", line)
			}
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(below, "\n"), "\n") {
			require.True(t, strings.HasPrefix(line, indent), "%q", line)
			require.False(t, strings.HasPrefix(line, indent+" "), "%q", line)
		}
	})
}

func TestEachLineBelowHasTheColorOfItsCell(t *testing.T) {
	table := Table{Columns: []Column{{Header: "A"}}, Rows: []Row{{
		Cells: []Cell{Of("x")},
		Below: []Cell{In(Warn, "one two"), {{"three ", Bad}, {"four", Good}}, Of("")},
	}}}
	require.Equal(t, "A\nx\n  \x1b[33mone\x1b[0m\n  \x1b[33mtwo\x1b[0m\n  \x1b[31mthree\x1b[0m\n  \x1b[31mfour\x1b[0m\n  \n",
		table.Text(Style{Width: 8, Color: true}))
	require.Equal(t, "A\nx\n", table.Text(Style{Color: true}), "a pipe has one line a row")
}
