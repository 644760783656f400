package screen

import (
	"errors"
	"fmt"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/pkg/view/table"
)

func TestTheLastLineSaysWhichLinesAreShown(t *testing.T) {
	for name, tc := range map[string]struct {
		lines, height int
		keys          []tea.Key
		want          string
	}{
		"all":          {10, 12, nil, "q quits"},
		"one too many": {11, 12, nil, "lines 1-10 of 11  arrows and pages scroll, q quits"},
		"further down": {30, 12, []tea.Key{{Code: tea.KeyPgDown}}, "lines 11-20 of 30  arrows and pages scroll, q quits"},
		"at the end":   {30, 12, []tea.Key{{Code: tea.KeyEnd}}, "lines 21-30 of 30  arrows and pages scroll, q quits"},
		"one line":     {30, 3, []tea.Key{{Code: tea.KeyDown}}, "lines 2-2 of 30  arrows and pages scroll, q quits"},
	} {
		t.Run(name, func(t *testing.T) {
			m := New(Options{Title: "Nodes", First: lines(tc.lines)})
			m.Update(tea.WindowSizeMsg{Width: 80, Height: tc.height})
			press(m, tc.keys...)
			all := shown(m)
			require.Len(t, all, tc.height)
			require.Equal(t, tc.want, all[len(all)-1])
		})
	}
}

// TestATerminalOfNoWidthIsNotAPipe: a text that is asked for no width may have lines of any length.
func TestATerminalOfNoWidthIsNotAPipe(t *testing.T) {
	var widths []int
	m := New(Options{Title: "Nodes", First: func(style table.Style) string {
		widths = append(widths, style.Width)
		return fmt.Sprintln(style.Width)
	}})
	m.Update(tea.WindowSizeMsg{})
	m.Update(tea.WindowSizeMsg{Width: 1, Height: 3})
	require.Equal(t, []int{80, 1, 1}, widths, "eighty until the terminal tells")
	require.Equal(t, []string{"…", "1", "…"}, shown(m))
	m.Update(tea.WindowSizeMsg{})
	require.Equal(t, []string{"…"}, shown(m))
}

func TestALookKeepsThePlaceAsFarAsThereIsOne(t *testing.T) {
	m := New(Options{Title: "Nodes", First: lines(100)})
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 12})
	press(m, tea.Key{Code: tea.KeyPgDown}, tea.Key{Code: tea.KeyPgDown})
	m.Update(looked{text: lines(90)})
	require.Equal(t, "line 20 of 80", shown(m)[1])
	m.Update(looked{text: lines(15)})
	require.Equal(t, "line 5 of 80", shown(m)[1], "the last lines of what is there now")
	m.Update(looked{text: lines(90)})
	require.Equal(t, "line 5 of 80", shown(m)[1])
}

func TestWhatALookBringsThatFailedIsNotShown(t *testing.T) {
	m := New(Options{Title: "Nodes", First: lines(1), Notes: []string{"a note"}})
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 5})
	m.Update(looked{text: lines(2), notes: []string{"another"}, err: errors.New("only half of it came")})
	require.Equal(t, []string{"Nodes", "line 0 of 80", "note: a note", "", "not up to date: only half of it came"}, shown(m))
}
