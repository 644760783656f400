package table

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func example() Table {
	return Table{
		Columns: []Column{
			{Header: "NAME", Shrink: true}, {Header: "READY", Right: true}, {Header: "ZONES", Drop: 1}, {Header: "WHY", Drop: 2},
		},
		Rows: []Row{
			{Cells: []Cell{Of("web"), In(Good, "12"), Of("a:6 b:6"), Of("")}},
			{
				Cells: []Cell{Of("a-name-that-goes-on-and-on"), In(Bad, "0"), Of(""), Of("no room")},
				Below: []Cell{In(Warn, "no room: nodes are full and none comes")},
			},
		},
	}
}

func TestColumnsGoWhereTheyDoNotFit(t *testing.T) {
	for name, tc := range map[string]struct {
		width int
		want  string
	}{
		"any width: one line a row": {0, `
NAME                        READY  ZONES    WHY
web                            12  a:6 b:6
a-name-that-goes-on-and-on      0           no room
`},
		"all fit": {60, `
NAME                        READY  ZONES    WHY
web                            12  a:6 b:6
a-name-that-goes-on-and-on      0           no room
  no room: nodes are full and none comes
`},
		"one goes": {44, `
NAME                        READY  ZONES
web                            12  a:6 b:6
a-name-that-goes-on-and-on      0
  no room: nodes are full and none comes
`},
		"names are cut in their middle": {20, `
NAME           READY
web               12
a-name…and-on      0
  no room: nodes are
  full and none
  comes
`},
		"too narrow for what must stay": {5, `
NAME    READY
web        12
a-n…on      0
  no
  room:
  nodes
  are
  full
  and
  none
  comes
`},
	} {
		t.Run(name, func(t *testing.T) {
			table := example()
			require.Equal(t, strings.TrimPrefix(tc.want, "\n"), table.Text(Style{Width: tc.width}))
		})
	}
}

func TestColorsAreOnlyThereWhereAllowed(t *testing.T) {
	table := example()
	require.NotContains(t, table.Text(Style{}), "\x1b")
	colored := table.Text(Style{Width: 60, Color: true})
	require.Contains(t, colored, "\x1b[31m0\x1b[0m")
	require.Equal(t, table.Text(Style{Width: 60}), ansi.Strip(colored), "colors move nothing")
}

func TestNothingThatClusterUsersWriteReachesTheTerminalAsAnOrder(t *testing.T) {
	require.Equal(t, " [31mred line   ", Clean("\x1b[31mred\nline\r\x00\u009b"))
	table := Table{Columns: []Column{{Header: "A"}}, Rows: []Row{{Cells: []Cell{Of("x\x1b]0;title\a")}, Below: []Cell{Of("y\x1b[2J")}}}}
	require.NotContains(t, table.Text(Style{Width: 40}), "\x1b")
}

// Whatever stands in the cells, no line is wider than allowed as long as the columns that stay can be made small enough.
func TestNoLineIsTooWide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("abc -…界é\x1b\n")))
		table := Table{Columns: []Column{{Header: "A", Shrink: true}, {Header: "B", Right: true, Drop: 1}, {Header: "C", Drop: 2}}}
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			row := Row{Below: []Cell{Of(text.Draw(t, "below"))}}
			for range table.Columns {
				row.Cells = append(row.Cells, Of(text.Draw(t, "cell")))
			}
			table.Rows = append(table.Rows, row)
		}
		width := rapid.IntRange(narrowest+len(indent), 60).Draw(t, "width")
		for line := range strings.SplitSeq(strings.TrimSuffix(table.Text(Style{Width: width}), "\n"), "\n") {
			require.LessOrEqual(t, ansi.StringWidth(line), width, "%q", line)
		}
	})
}

func TestCut(t *testing.T) {
	require.Equal(t, "web-7d9f", Cut("web-7d9f", 8))
	require.Equal(t, "web…d9f", Cut("web-7d9f", 7))
	require.Equal(t, "w", Cut("web", 1))
	require.Empty(t, Cut("web", 0))
	require.Equal(t, "aaaa…界", Cut("aaaaa界界", 8), "a character that is two wide is whole or not there")
}
