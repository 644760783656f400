package screen

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/view/table"
)

// lines is a text of n lines that say how wide they may be.
func lines(n int) func(table.Style) string {
	return func(style table.Style) string {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "line %d of %d\n", i, style.Width)
		}
		return text.String()
	}
}

func shown(m *Model) []string { return strings.Split(m.View().Content, "\n") }

func press(m *Model, keys ...tea.Key) {
	for _, key := range keys {
		m.Update(tea.KeyPressMsg(key))
	}
}

func TestTheTextFitsTheTerminalAndIsLaidOutAnewWhenThatIsResized(t *testing.T) {
	m := New(Options{Title: "Headrooms", First: lines(3), Notes: []string{"something is not seen, which takes more than one line to say"}})
	m.Update(tea.WindowSizeMsg{Width: 40, Height: 10})
	require.Equal(t, []string{
		"Headrooms", "line 0 of 40", "line 1 of 40", "line 2 of 40", "note: something is not seen, which takes", "more than one line to say",
		"", "", "", "q quits",
	}, shown(m))
	m.Update(tea.WindowSizeMsg{Width: 100, Height: 6})
	require.Equal(t, []string{
		"Headrooms", "line 0 of 100", "line 1 of 100", "line 2 of 100",
		"note: something is not seen, which takes more than one line to say", "q quits",
	}, shown(m))
}

func TestKeysScrollWithinTheText(t *testing.T) {
	m := New(Options{Title: "Nodes", First: lines(100)})
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 12})
	first := func() string { return shown(m)[1] }
	require.Equal(t, "line 0 of 80", first())
	require.Equal(t, "lines 1-10 of 100  arrows and pages scroll, q quits", shown(m)[11])
	press(m, tea.Key{Code: tea.KeyUp})
	require.Equal(t, "line 0 of 80", first(), "there is nothing above")
	press(m, tea.Key{Code: tea.KeyDown}, tea.Key{Code: tea.KeyPgDown})
	require.Equal(t, "line 11 of 80", first())
	press(m, tea.Key{Code: tea.KeyEnd})
	require.Equal(t, "line 90 of 80", first())
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 52})
	require.Equal(t, "line 50 of 80", first(), "a larger terminal shows as much as there is")
	press(m, tea.Key{Code: tea.KeyHome})
	require.Equal(t, "line 0 of 80", first())
}

func TestALookThatFailsLeavesWhatWasSeenAndSaysSo(t *testing.T) {
	m := New(Options{Title: "Headrooms", First: lines(1)})
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 4})
	_, next := m.Update(looked{err: errors.New("the cluster cannot be reached")})
	require.NotNil(t, next, "it is tried again")
	require.Equal(t, []string{"Headrooms", "line 0 of 80", "", "not up to date: the cluster cannot be reached"}, shown(m))
	m.Update(looked{text: lines(2)})
	require.Equal(t, []string{"Headrooms", "line 0 of 80", "line 1 of 80", "q quits"}, shown(m))
}

// Whatever keys and sizes come, the screen is never higher than the terminal, and no line is wider.
func TestTheScreenNeverExceedsTheTerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(Options{Title: "A title that is longer than some terminals", First: lines(30), Notes: []string{"a note"}})
		keys := []rune{tea.KeyUp, tea.KeyDown, tea.KeyPgUp, tea.KeyPgDown, tea.KeyHome, tea.KeyEnd}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			width, height := rapid.IntRange(0, 60).Draw(t, "width"), rapid.IntRange(0, 40).Draw(t, "height")
			m.Update(tea.WindowSizeMsg{Width: width, Height: height})
			press(m, tea.Key{Code: rapid.SampledFrom(keys).Draw(t, "key")})
			require.LessOrEqual(t, len(shown(m)), max(1, height))
			for _, line := range shown(m) {
				require.LessOrEqual(t, ansi.StringWidth(line), max(width, len("line 00 of 00"), 6), "%q", line)
			}
		}
	})
}

// terminal is what a program writes to. It can be read while the program runs.
type terminal struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Write(p)
}

func (t *terminal) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.String()
}

// run runs the program on a terminal of 60 columns. What is typed goes to keyboard, and ended has the error in the end.
func run(t *testing.T, options Options) (out *terminal, keyboard io.Writer, program *tea.Program, ended chan error) {
	t.Helper()
	in, keys := io.Pipe()
	out = &terminal{}
	program = tea.NewProgram(New(options), tea.WithContext(t.Context()), tea.WithInput(in), tea.WithOutput(out), tea.WithWindowSize(60, 10),
		tea.WithEnvironment([]string{"TERM=xterm-256color"}))
	ended = make(chan error, 1)
	go func() {
		_, err := program.Run()
		ended <- err
	}()
	return out, keys, program, ended
}

func TestTheProgramDrawsWhatChangesAndEndsByAKey(t *testing.T) {
	looks := 0
	look := func() (func(table.Style) string, []string, error) {
		looks++
		n := looks
		return func(table.Style) string { return fmt.Sprintf("look %d\n", n) }, nil, nil
	}
	out, keyboard, _, ended := run(t, Options{Title: "Headrooms", First: lines(1), Interval: time.Millisecond, Look: look})
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "look") }, time.Minute, time.Millisecond)
	_, err := keyboard.Write([]byte("q"))
	require.NoError(t, err)
	require.NoError(t, <-ended)
	require.Equal(t, 1, strings.Count(out.String(), "Headrooms"), "what does not change is not written again, so nothing flickers")
}

func TestAKeyEndsTheProgramHoweverLongALookTakes(t *testing.T) {
	looking, enough := make(chan struct{}), make(chan struct{})
	defer close(enough)
	_, keyboard, _, ended := run(t, Options{Title: "Nodes", First: lines(1), Interval: time.Millisecond,
		Look: func() (func(table.Style) string, []string, error) {
			close(looking) // never twice at a time
			<-enough
			return lines(1), nil, nil
		}})
	<-looking
	_, err := keyboard.Write([]byte("q"))
	require.NoError(t, err)
	require.NoError(t, <-ended)
}

func TestAResizeIsDrawnAtOnceAndNotAtTheNextLook(t *testing.T) {
	// At each width other letters: what stands in the same place at two widths may be left as it is.
	letters := map[int]string{60: "ab", 40: "cd", 200: "ef", 80: "gh"}
	line := func(n, width int) string { return strings.Repeat(letters[width], n+1) }
	text := func(style table.Style) string {
		var all strings.Builder
		for n := range 100 {
			all.WriteString(line(n, style.Width) + "\n")
		}
		return all.String()
	}
	out, keyboard, program, ended := run(t, Options{Title: "Nodes", First: text, Interval: time.Hour})
	drawn := func(line string) {
		require.Eventually(t, func() bool { return strings.Contains(ansi.Strip(out.String()), line) }, time.Minute, time.Millisecond, "%s in %q", line, out)
	}
	drawn(line(7, 60))
	widths := []int{40, 200, 80}
	for _, width := range widths {
		program.Send(tea.WindowSizeMsg{Width: width, Height: 20})
		drawn(line(17, width))
	}
	_, err := keyboard.Write([]byte("q"))
	require.NoError(t, err)
	require.NoError(t, <-ended)
	for _, width := range widths {
		require.NotContains(t, out.String(), line(18, width), "what is below the screen is not written")
	}
}

func TestEachKeyHasItsUsualMeaning(t *testing.T) {
	// The text has 100 lines, of which 10 fit, and the first that is shown is the 30th before each key.
	for first, keys := range map[int][]string{
		31: {"down", "j"}, 29: {"up", "k"}, 40: {"pgdown", "space", " ", "ctrl+f"}, 20: {"pgup", "b", "ctrl+b"}, 0: {"home", "g"}, 90: {"end", "G"},
		30: {"x", "ctrl+x"},
	} {
		for _, key := range keys {
			m := New(Options{Title: "Nodes", First: lines(100)})
			m.Update(tea.WindowSizeMsg{Width: 80, Height: 12})
			m.offset = 30
			require.Nil(t, m.press(key), key)
			require.Equal(t, fmt.Sprintf("line %d of 80", first), shown(m)[1], key)
		}
	}
	for _, key := range []string{"q", "esc", "ctrl+c"} {
		end := New(Options{First: lines(1)}).press(key)
		require.NotNil(t, end, key)
		require.Equal(t, tea.Quit(), end(), key)
	}
}

func TestALookBringsTextNotesAndWhatIsWrong(t *testing.T) {
	wrong := errors.New("wrong")
	look := func() (func(table.Style) string, []string, error) { return lines(2), []string{"of the next"}, wrong }
	m := New(Options{Title: "Nodes", First: lines(30), Notes: []string{"of the first"}, Look: look})
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 6})
	_, looking := m.Update(due{})
	brought, _ := looking().(looked)
	require.Equal(t, wrong, brought.err)
	brought.err = nil
	press(m, tea.Key{Code: tea.KeyEnd})
	_, next := m.Update(brought)
	require.NotNil(t, next)
	require.Equal(t, []string{"Nodes", "line 0 of 80", "line 1 of 80", "note: of the next", "", "q quits"}, shown(m))
	m.Update(looked{text: lines(1)})
	require.NotContains(t, m.View().Content, "note: ")
}

func TestTheScreenHasColorsIfItMay(t *testing.T) {
	text := func(style table.Style) string { return table.Line(table.Good, "fine", style) + "\n" }
	for _, color := range []bool{true, false} {
		m := New(Options{Title: "Nodes", Color: color, First: text})
		require.True(t, m.View().AltScreen, "what was on the terminal before is there again after")
		for _, want := range []string{"\x1b[1mNodes\x1b", "\x1b[32mfine\x1b", "\x1b[2mq quits\x1b"} {
			require.Equal(t, color, strings.Contains(m.View().Content, want), want)
		}
		m.Update(looked{err: errors.New("gone")})
		require.Equal(t, color, strings.Contains(m.View().Content, "\x1b[31mnot up to date: gone\x1b"))
	}
}
