package advice

import (
	"fmt"
	"strconv"

	"github.com/headroom-dev/headroom/pkg/view/table"
)

// Text is the report as a table. On a terminal the sentence and its evidence stand below each Headroom; with a width of 0 they are the last
// columns.
func (r *Report) Text(style table.Style) string {
	if len(r.Headrooms) == 0 {
		return ""
	}
	t := table.Table{Columns: []table.Column{
		{Header: "HEADROOM", Shrink: true}, {Header: "WANTED", Right: true}, {Header: "NEEDED", Right: true},
		{Header: "TAKEN", Right: true, Drop: 3},
		{Header: "LACKED", Right: true, Drop: 2}, {Header: "READY AT LEAST", Right: true, Drop: 4},
		{Header: "COST/MONTH", Right: true, Drop: 5},
		{Header: "SPARE/MONTH", Right: true, Drop: 1},
	}}
	if style.Width == 0 {
		t.Columns = append(t.Columns, table.Column{Header: "ADVICE"}, table.Column{Header: "EVIDENCE"})
	}
	for i := range r.Headrooms {
		a := &r.Headrooms[i]
		lowest := "?"
		if a.LowestReady != nil {
			lowest = strconv.Itoa(*a.LowestReady)
		}
		row := table.Row{Cells: []table.Cell{
			table.Of(a.Namespace + "/" + a.Name), table.Of(strconv.Itoa(a.Wanted)), table.In(color(a), strconv.Itoa(a.Needed)),
			table.Of(strconv.Itoa(a.Taken)), table.Of(strconv.Itoa(a.Lacked)), table.Of(lowest), money(a.Cost), money(a.Spare),
		}}
		if style.Width == 0 {
			row.Cells = append(row.Cells, table.Of(a.Sentence), table.Of(a.Evidence))
		} else {
			row.Below = []table.Cell{table.Of(a.Sentence), table.In(table.Faint, "Why: "+a.Evidence+".")}
		}
		t.Rows = append(t.Rows, row)
	}
	return t.Text(style)
}

func color(a *Advice) table.Color {
	switch {
	case a.Needed > a.Wanted:
		return table.Bad
	case a.Needed < a.Wanted:
		return table.Warn
	default:
		return table.Good
	}
}

func money(amount *float64) table.Cell {
	if amount == nil {
		return table.Of("-")
	}
	return table.Of(fmt.Sprintf("%.2f", *amount))
}
