package table

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// Color is how a text stands out where colors are allowed.
type Color int

// The colors, by what they mean.
const (
	// Plain does not stand out.
	Plain Color = iota
	// Good is as it should be.
	Good
	// Warn is worth a look.
	Warn
	// Bad is wrong.
	Bad
	// Busy is in use.
	Busy
	// Faint is of less interest.
	Faint
	// Strong is a heading.
	Strong
)

// sequences begin each color on every terminal with colors.
var sequences = map[Color]string{
	Good: "\x1b[32m", Warn: "\x1b[33m", Bad: "\x1b[31m", Busy: "\x1b[34m", Faint: "\x1b[2m", Strong: "\x1b[1m",
}

const reset = "\x1b[0m"

// Span is a text in one color.
type Span struct {
	Text  string
	Color Color
}

// Cell is what stands in one column of one row.
type Cell []Span

// Of is a cell with a text that does not stand out.
func Of(text string) Cell { return In(Plain, text) }

// In is a cell with a text in a color. Control characters, which would be orders to the terminal, become spaces.
func In(color Color, text string) Cell { return Cell{{Text: Clean(text), Color: color}} }

// Clean returns the text with spaces in place of control characters, as one line.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

func (c Cell) width() int {
	width := 0
	for i := range c {
		width += ansi.StringWidth(c[i].Text)
	}
	return width
}

// cut returns the cell with at most so many characters. Only cells of one span are cut.
func (c Cell) cut(width int) Cell {
	if len(c) != 1 {
		return c
	}
	return Cell{{Text: Cut(c[0].Text, width), Color: c[0].Color}}
}

// color is that of the first span.
func (c Cell) color() Color {
	if len(c) == 0 {
		return Plain
	}
	return c[0].Color
}

func (c Cell) write(text *strings.Builder, style Style) {
	for i := range c {
		sequence := sequences[c[i].Color]
		if !style.Color || sequence == "" || c[i].Text == "" {
			text.WriteString(c[i].Text)
			continue
		}
		text.WriteString(sequence)
		text.WriteString(c[i].Text)
		text.WriteString(reset)
	}
}
