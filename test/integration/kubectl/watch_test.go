package kubectl

import (
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// window is a terminal with kubectl in it.
type window struct {
	*testing.T
	resize func(columns uint16)
	press  func(keys string)
	ended  chan error

	mu    sync.Mutex
	wrote strings.Builder
}

// open runs kubectl in a terminal of 24 lines.
func (k kubectl) open(columns uint16, args ...string) *window {
	k.Helper()
	command := exec.CommandContext(k.Context(), k.binary, args...)
	command.Env = append(k.env, "TERM=xterm-256color")
	size := func(columns uint16) *pty.Winsize { return &pty.Winsize{Cols: columns, Rows: 24} }
	terminal, err := pty.StartWithSize(command, size(columns))
	require.NoError(k, err)
	k.Cleanup(func() { _ = terminal.Close() })
	w := &window{T: k.T, ended: make(chan error, 1)}
	w.resize = func(columns uint16) { require.NoError(w, pty.Setsize(terminal, size(columns))) }
	w.press = func(keys string) {
		_, err := terminal.WriteString(keys)
		require.NoError(w, err)
	}
	go func() {
		_, _ = io.Copy(w, terminal) // ends when the program does
		w.ended <- command.Wait()
	}()
	return w
}

// Write takes what the program writes.
func (w *window) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wrote.Write(data)
}

// forget drops what was written so far.
func (w *window) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrote.Reset()
}

// wait returns what was written since it was forgotten, without colors and the like, once that contains the words.
func (w *window) wait(words string) string {
	w.Helper()
	var text string
	require.Eventually(w, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		text = ansi.Strip(w.wrote.String())
		return strings.Contains(text, words)
	}, soon, 10*time.Millisecond, "%s", &text)
	return text
}

func TestAWatchFollowsTheSizeOfItsTerminalAndEndsByAKey(t *testing.T) {
	s := newShop(t)
	k := newKubectl(t, s.cluster)
	for command, tc := range map[string]struct{ always, wide string }{
		"status": {always: "WANTED", wide: "UNAVAILABLE"},
		"nodes":  {always: "UNITS", wide: "SIZE"},
	} {
		t.Run(command, func(t *testing.T) {
			k.T = t
			w := k.open(200, "headroom", command, "-n", s.namespace, "--watch", "--interval", "200ms")
			require.Contains(t, w.wait("q quits"), tc.wide)
			w.forget()
			w.resize(40)
			require.NotContains(t, w.wait(tc.always), tc.wide, "there is no room for it")
			w.forget()
			w.resize(80)
			w.wait(tc.always)
			w.forget()
			w.resize(200)
			w.wait(tc.wide)
			w.press("q")
			require.NoError(t, <-w.ended)
		})
	}
}
