// Package table lays out text in columns, for terminals and for pipes. It is pure: how wide the text may be and whether it has colors are
// arguments.
package table

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

const (
	// gap stands between two columns.
	gap = "  "
	// indent stands before each line below a row.
	indent = "  "
	// narrowest is how far the text of a column is shortened at most, in characters.
	narrowest = 6
	// ellipsis stands for what was cut.
	ellipsis = "…"
)

// Style is how a text is to look.
type Style struct {
	// Width is how many characters a line may have; 0 means any number, with one line a row, as a pipe wants it.
	Width int
	// Color tells whether the text may have colors.
	Color bool
}

// Column is one column.
type Column struct {
	// Header is its first line.
	Header string
	// Right aligns it to the right, as numbers are.
	Right bool
	// Drop is when the column goes if not all fit into the width: the highest number first. A column with 0 stays.
	Drop int
	// Shrink allows to cut texts of the column in their middle if the width is still too small.
	Shrink bool
}

// Row is one row.
type Row struct {
	// Cells has one cell a column.
	Cells []Cell
	// Below are lines under the row, broken at words where the width requires it. Without a width they are left out.
	Below []Cell
}

// Table is text in columns.
type Table struct {
	// Columns from left to right.
	Columns []Column
	// Rows from top to bottom.
	Rows []Row
}

// Text is the table in a style. Each line ends with a line feed; no line is wider than the style allows, unless columns that stay are.
func (t *Table) Text(style Style) string {
	layout := t.fit(style.Width)
	var text strings.Builder
	headers := make([]Cell, len(t.Columns))
	for i := range t.Columns {
		headers[i] = Of(t.Columns[i].Header)
	}
	layout.write(&text, t.Columns, headers, style)
	for i := range t.Rows {
		layout.write(&text, t.Columns, t.Rows[i].Cells, style)
		if style.Width > 0 {
			writeBelow(&text, t.Rows[i].Below, style)
		}
	}
	return text.String()
}

// Fits reports whether all columns fit into the width of the style as they are.
func (t *Table) Fits(style Style) bool {
	return style.Width == 0 || t.natural().total() <= style.Width
}

// layout is which columns are shown, and how wide they are. A column that is not shown has the width -1.
type layout []int

func (t *Table) natural() layout {
	widths := make(layout, len(t.Columns))
	for i := range t.Columns {
		widths[i] = ansi.StringWidth(t.Columns[i].Header)
		for j := range t.Rows {
			widths[i] = max(widths[i], t.Rows[j].Cells[i].width())
		}
	}
	return widths
}

func (l layout) total() int {
	total := -len(gap)
	for _, width := range l {
		if width >= 0 {
			total += width + len(gap)
		}
	}
	return max(0, total)
}

// fit drops columns, then shortens texts, until the lines are as short as they have to be.
func (t *Table) fit(width int) layout {
	l := t.natural()
	if width == 0 {
		return l
	}
	for l.total() > width {
		last := -1
		for i := range t.Columns {
			if l[i] >= 0 && t.Columns[i].Drop > 0 && (last < 0 || t.Columns[i].Drop >= t.Columns[last].Drop) {
				last = i
			}
		}
		if last < 0 {
			break
		}
		l[last] = -1
	}
	for l.total() > width {
		widest := -1
		for i := range t.Columns {
			if t.Columns[i].Shrink && l[i] > narrowest && (widest < 0 || l[i] > l[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		l[widest]--
	}
	return l
}

// write writes one line. Its end has no spaces.
func (l layout) write(text *strings.Builder, columns []Column, cells []Cell, style Style) {
	var line strings.Builder
	pending := 0 // spaces that are only written before something
	first := true
	for i, width := range l {
		if width < 0 {
			continue
		}
		if !first {
			pending += len(gap)
		}
		first = false
		cell := cells[i].cut(width)
		room := width - cell.width()
		if columns[i].Right {
			pending += room
		}
		if cell.width() > 0 {
			line.WriteString(strings.Repeat(" ", pending))
			cell.write(&line, style)
			pending = 0
		}
		if !columns[i].Right {
			pending += room
		}
	}
	text.WriteString(line.String())
	text.WriteByte('\n')
}

func writeBelow(text *strings.Builder, cells []Cell, style Style) {
	for _, cell := range cells {
		var line strings.Builder
		cell.write(&line, Style{})
		room := max(narrowest, style.Width-len(indent))
		for part := range strings.SplitSeq(wrap(line.String(), room), "\n") {
			text.WriteString(indent)
			In(cell.color(), strings.TrimSpace(part)).write(text, style)
			text.WriteByte('\n')
		}
	}
}

// wrap breaks a text at words, and words that are wider than the width. A hyphen at the end of such a word would stand beyond the width if
// ansi.Wrap had the last word.
func wrap(text string, width int) string {
	return ansi.Hardwrap(ansi.Wrap(text, width, " "), width, false)
}

// Cut shortens a text to a number of characters. What is left out is in its middle, since the ends of names tell them apart.
func Cut(text string, width int) string {
	have := ansi.StringWidth(text)
	if have <= width {
		return text
	}
	if width <= 1 {
		return ansi.Truncate(text, width, "")
	}
	left := width / 2
	right := width - left - 1
	end := ansi.TruncateLeft(text, have-right, "")
	if ansi.StringWidth(end) > right { // It would begin within a character that is two wide.
		end = ansi.TruncateLeft(text, have-right+1, "")
	}
	return ansi.Truncate(text, left, "") + ellipsis + end
}

// Line is one line of text in a color, cut to the width.
func Line(color Color, text string, style Style) string {
	text = Clean(text)
	if style.Width > 0 {
		text = ansi.Truncate(text, style.Width, ellipsis)
	}
	var line strings.Builder
	In(color, text).write(&line, style)
	return line.String()
}

// Paragraphs are texts that are broken at words where the width requires it, each after the same beginning.
func Paragraphs(beginning string, texts []string, style Style) string {
	var all strings.Builder
	for _, text := range texts {
		text = beginning + Clean(text)
		if style.Width > 0 {
			text = wrap(text, style.Width)
		}
		for line := range strings.SplitSeq(text, "\n") {
			In(Warn, strings.TrimSpace(line)).write(&all, style)
			all.WriteByte('\n')
		}
	}
	return all.String()
}

// WriteIndented writes a text after so many spaces, broken at words where the width requires it; further lines are indented by two more.
func WriteIndented(out *strings.Builder, color Color, spaces int, text string, style Style) {
	text = Clean(text)
	if style.Width > 0 {
		text = wrap(text, max(narrowest, style.Width-spaces-len(indent)))
	}
	before := strings.Repeat(" ", spaces)
	for line := range strings.SplitSeq(text, "\n") {
		out.WriteString(before)
		In(color, strings.TrimSpace(line)).write(out, style)
		out.WriteByte('\n')
		before = strings.Repeat(" ", spaces) + indent
	}
}
