package terminal

import (
	"fmt"
	"strings"

	"github.com/headroom-dev/headroom/hack/demo/summary"
)

// The widths of the columns: 80 characters with three runs.
const (
	labelWidth = 23
	cellWidth  = 19
)

// Table is the comparison of runs, one column a run. emphasize is applied to headings of rows.
func Table(runs []summary.Run, emphasize func(string) string) string {
	var out strings.Builder
	for line := range 2 {
		cells := make([]string, len(runs))
		for i, run := range runs {
			cells[i] = [2]string{run.Title + ",", run.Scheduler}[line]
		}
		writeRow(&out, "", cells)
	}
	for _, row := range summary.Table(runs) {
		if row.Group != "" {
			out.WriteString(emphasize(row.Group) + "\n")
		}
		writeRow(&out, "  "+row.Label, row.Cells)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func writeRow(out *strings.Builder, label string, cells []string) {
	fmt.Fprintf(out, "%-*s", labelWidth, label)
	for _, cell := range cells {
		fmt.Fprintf(out, "%*s", cellWidth, cell)
	}
	out.WriteString("\n")
}
