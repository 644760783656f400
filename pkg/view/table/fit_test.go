package table

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// of is a table of one row.
func of(columns []Column, cells ...string) Table {
	row := Row{}
	for _, cell := range cells {
		row.Cells = append(row.Cells, Of(cell))
	}
	return Table{Columns: columns, Rows: []Row{row}}
}

func TestATableFitsUpToItsVeryWidth(t *testing.T) {
	table := of([]Column{{Header: "A"}, {Header: "B"}, {Header: "C"}}, "12345", "", "123") // 5+2+1+2+3
	for width, want := range map[int]bool{0: true, 1: false, 12: false, 13: true, 14: true} {
		require.Equal(t, want, table.Fits(Style{Width: width}), width)
	}
	unnamed := of([]Column{{}, {Header: "B"}}, "", "b")
	require.False(t, unnamed.Fits(Style{Width: 2}), "a column of nothing has its gap")
	require.True(t, unnamed.Fits(Style{Width: 3}))
	require.True(t, (&Table{}).Fits(Style{Width: 1}))
	require.Equal(t, "\n", (&Table{}).Text(Style{Width: 1}))
}

func TestColumnsGoOneByOneTheHighestNumberFirst(t *testing.T) {
	columns := []Column{{Header: "STAY"}, {Header: "D1", Drop: 1}, {Header: "D3", Drop: 3}, {Header: "E3", Drop: 3}, {Header: "D2", Drop: 2}}
	table := of(columns, "stay", "d1", "d3", "e3", "d2")
	for width, want := range map[int]string{
		20: "stay  d1  d3  e3  d2", 19: "stay  d1  d3  d2", 16: "stay  d1  d3  d2", 15: "stay  d1  d2", 12: "stay  d1  d2",
		11: "stay  d1", 8: "stay  d1", 7: "stay", 4: "stay", 3: "stay",
	} {
		lines := strings.Split(table.Text(Style{Width: width}), "\n")
		require.Equal(t, strings.ToUpper(want), lines[0], "%d: of equal numbers the one to the right goes first", width)
		require.Equal(t, want, lines[1], "%d", width)
	}
	leading := of([]Column{{Header: "A", Drop: 1}, {Header: "B"}, {Header: "C"}}, "aaaa", "bbbb", "cccc")
	require.Equal(t, "B     C\nbbbb  cccc\n", leading.Text(Style{Width: 10}), "no gap stands where a column was")
}

func TestTheWidestTextsAreCutFirst(t *testing.T) {
	columns := []Column{{Header: "A", Shrink: true}, {Header: "B", Shrink: true}, {Header: "C"}}
	table := of(columns, "aaaaaaaaaa", "bbbbbbbbbbbbbb", "cccccccccc") // 10+2+14+2+10
	for width, want := range map[int]string{
		38: "aaaaaaaaaa  bbbbbbbbbbbbbb  cccccccccc",
		37: "aaaaaaaaaa  bbbbbb…bbbbbb  cccccccccc",
		34: "aaaaaaaaaa  bbbbb…bbbb  cccccccccc",
		33: "aaaa…aaaa  bbbbb…bbbb  cccccccccc",
		26: "aaa…aa  bbb…bb  cccccccccc",
		25: "aaa…aa  bbb…bb  cccccccccc", // No text is cut to less than six, and none that must be whole.
	} {
		require.Equal(t, want, strings.Split(table.Text(Style{Width: width}), "\n")[1], "%d", width)
	}
	short := of([]Column{{Header: "A", Shrink: true}, {Header: "B"}}, "12345", "b")
	require.Equal(t, "A      B\n12345  b\n", short.Text(Style{Width: 3}), "what is shorter than six is never cut")
}

func TestNumbersEndAtOneColumnAndNoLineEndsWithSpaces(t *testing.T) {
	table := Table{Columns: []Column{{Header: "N", Right: true}, {Header: "UNIT"}, {Header: "M", Right: true}, {Header: "WHY"}}}
	for _, cells := range [][4]string{{"1", "a", "100", "x"}, {"1000", "long", "", ""}, {"", "", "7", ""}, {"", "", "", ""}} {
		table.Rows = append(table.Rows, Row{Cells: []Cell{Of(cells[0]), Of(cells[1]), Of(cells[2]), Of(cells[3])}})
	}
	require.Equal(t, "   N  UNIT    M  WHY\n   1  a     100  x\n1000  long\n              7\n\n", table.Text(Style{Width: 40}))
}
