// Package terminal shows the demo as text: how each step goes on, and the comparison at the end.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/hack/demo/scenario"
	"github.com/headroom-dev/headroom/hack/demo/summary"
)

// barWidth is the length of a progress bar in characters.
const barWidth = 20

// Escape sequences of every terminal of the last forty years.
const (
	clearLine = "\r\x1b[2K"
	bold      = "\x1b[1m"
	dim       = "\x1b[2m"
	plain     = "\x1b[0m"
)

// Screen shows the runs. It implements scenario.Display.
type Screen struct {
	out   io.Writer
	clock clock.PassiveClock
	// live: the line of the step that goes on is written again and again, and colors are used.
	live bool

	mu      sync.Mutex
	step    string
	started time.Time
	last    *scenario.Progress
}

// New makes a screen. On a terminal it is live; elsewhere a line stands when its step is over.
func New(out io.Writer, clk clock.PassiveClock) *Screen {
	file, ok := out.(*os.File)
	return &Screen{out: out, clock: clk, live: ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb"}
}

// Say writes lines.
func (s *Screen) Say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish()
	_, _ = fmt.Fprintf(s.out, format+"\n", args...)
}

// Heading writes a line that stands out.
func (s *Screen) Heading(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.live {
		text = bold + text + plain
	}
	s.Say("\n%s", text)
}

// Step ends the step that goes on and begins another.
func (s *Screen) Step(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish()
	s.step, s.started = name, s.clock.Now()
	if s.live {
		_, _ = fmt.Fprintf(s.out, "  %s ...", s.step)
	}
}

// Progress writes how far the step has come over what it wrote before.
func (s *Screen) Progress(p scenario.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = &p
	if s.live {
		_, _ = fmt.Fprintf(s.out, "%s%s", clearLine, Line(s.step, p))
	}
}

// Done ends the step that goes on, if there is one.
func (s *Screen) Done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish()
}

func (s *Screen) finish() {
	if s.step == "" {
		return
	}
	p := scenario.Progress{Elapsed: s.clock.Since(s.started)}
	if s.last != nil {
		p = *s.last
	}
	line := Line(s.step, p)
	if s.live {
		line = clearLine + line
	}
	_, _ = fmt.Fprintln(s.out, line)
	s.step, s.last = "", nil
}

// Line is one step of a run as a line of at most 80 characters: what is done, how much of it, and for how long.
func Line(step string, p scenario.Progress) string {
	if p.Of == 0 {
		return fmt.Sprintf("  %-66s %6.1f s", step, p.Elapsed.Seconds())
	}
	filled := min(p.Done, p.Of) * barWidth / p.Of
	bar := strings.Repeat("█", filled) + strings.Repeat("░", barWidth-filled)
	return fmt.Sprintf("  %-30s %s %4d/%-4d %-4s %6.1f s", step, bar, p.Done, p.Of, p.Unit, p.Elapsed.Seconds())
}

// Table writes the comparison.
func (s *Screen) Table(runs []summary.Run) {
	group := func(text string) string { return text }
	if s.live {
		group = func(text string) string { return dim + text + plain }
	}
	s.Say("%s", Table(runs, group))
}
