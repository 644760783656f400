// Package screen draws a text on a terminal again and again as it changes, and lets people scroll in it. Bubble Tea draws: it writes what
// differs from what is there already, so nothing flickers.
package screen

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/headroom-dev/headroom/pkg/view/table"
)

// frame is how many lines stand around the text: the title, and the line that says what keys do.
const frame = 2

// Options are what a screen shows.
type Options struct {
	// Title is the first line.
	Title string
	// Color tells whether the text may have colors.
	Color bool
	// Interval is how long to wait between two looks.
	Interval time.Duration
	// First is the text at the beginning, at any width, and Notes what stands below it.
	First func(table.Style) string
	Notes []string
	// Look returns the next text and its notes. It is called outside of the loop that draws, so that keys are answered however long it takes,
	// and never twice at a time.
	Look func() (text func(table.Style) string, notes []string, err error)
}

// Model is what is on the screen. It implements Bubble Tea's Model.
type Model struct {
	options Options
	text    func(table.Style) string
	notes   []string
	// problem is why the last look failed.
	problem error
	// lines are the text and the notes at the width of the screen.
	lines         []string
	width, height int
	// offset is how many lines are above what is shown.
	offset int
}

// New returns the screen before the first look.
func New(options Options) *Model {
	m := &Model{options: options, text: options.First, notes: options.Notes, width: 80, height: 24}
	m.layOut()
	return m
}

// looked is what a look brought.
type looked struct {
	text  func(table.Style) string
	notes []string
	err   error
}

// due says that it is time to look.
type due struct{}

// Init waits for the first look.
func (m *Model) Init() tea.Cmd { return m.wait() }

func (m *Model) wait() tea.Cmd {
	return tea.Tick(m.options.Interval, func(time.Time) tea.Msg { return due{} })
}

// Update answers keys, a change of the terminal's size, and what looks bring.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.layOut()
	case due:
		return m, func() tea.Msg {
			text, notes, err := m.options.Look()
			return looked{text: text, notes: notes, err: err}
		}
	case looked:
		if m.problem = msg.err; msg.err == nil {
			m.text, m.notes = msg.text, msg.notes
			m.layOut()
		}
		return m, m.wait()
	case tea.KeyPressMsg:
		return m, m.press(msg.String())
	}
	return m, nil
}

// press answers a key.
func (m *Model) press(key string) tea.Cmd {
	switch key {
	case "q", "esc", "ctrl+c":
		return tea.Quit
	case "down", "j":
		m.offset++
	case "up", "k":
		m.offset--
	case "pgdown", "space", " ", "ctrl+f":
		m.offset += m.room()
	case "pgup", "b", "ctrl+b":
		m.offset -= m.room()
	case "home", "g":
		m.offset = 0
	case "end", "G":
		m.offset = len(m.lines)
	}
	m.keepOffset()
	return nil
}

// room is how many lines of the text are on the screen.
func (m *Model) room() int { return max(1, m.height-frame) }

func (m *Model) keepOffset() {
	m.offset = max(0, min(m.offset, len(m.lines)-m.room()))
}

// layOut makes the lines for the width.
func (m *Model) layOut() {
	// Width 0 would mean lines of any length.
	style := table.Style{Width: max(1, m.width), Color: m.options.Color}
	m.lines = strings.Split(strings.TrimSuffix(m.text(style), "\n"), "\n")
	if len(m.notes) > 0 {
		m.lines = append(m.lines, strings.Split(strings.TrimSuffix(table.Paragraphs("note: ", m.notes, style), "\n"), "\n")...)
	}
	m.keepOffset()
}

// View is what is on the screen.
func (m *Model) View() tea.View {
	style := table.Style{Width: max(1, m.width), Color: m.options.Color}
	shown := m.lines[m.offset:min(len(m.lines), m.offset+m.room())]
	content := make([]string, 0, m.height)
	content = append(content, table.Line(table.Strong, m.options.Title, style))
	content = append(content, shown...)
	for len(content) < m.height-1 {
		content = append(content, "")
	}
	color, foot := table.Faint, m.foot(len(shown))
	if m.problem != nil {
		color, foot = table.Bad, "not up to date: "+m.problem.Error()
	}
	content = append(content, table.Line(color, foot, style))
	view := tea.NewView(strings.Join(content[:min(len(content), max(1, m.height))], "\n"))
	view.AltScreen = true
	return view
}

func (m *Model) foot(shown int) string {
	if shown == len(m.lines) {
		return "q quits"
	}
	return fmt.Sprintf("lines %d-%d of %d  arrows and pages scroll, q quits", m.offset+1, m.offset+shown, len(m.lines))
}
