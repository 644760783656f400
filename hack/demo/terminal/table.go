package terminal

import (
	"fmt"
	"strings"

	"github.com/headroom-dev/headroom/hack/demo/summary"
)

// The widths of the columns: 80 characters with three acts.
const (
	labelWidth = 23
	cellWidth  = 19
)

// Table is the comparison of acts, one column an act. emphasise is applied to headings of rows.
func Table(acts []summary.Act, emphasise func(string) string) string {
	var out strings.Builder
	for line := range 2 {
		cells := make([]string, len(acts))
		for i, act := range acts {
			cells[i] = [2]string{act.Title + ",", act.Scheduler}[line]
		}
		writeRow(&out, "", cells)
	}
	for _, row := range summary.Table(acts) {
		if row.Group != "" {
			out.WriteString(emphasise(row.Group) + "\n")
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
