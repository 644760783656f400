package chaos

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// timelineMemory is how many lines are kept in memory, for tails.
const timelineMemory = 20000

// timeline is all that happened, in the order in which the run heard of it: actions, changes of the cluster, writes of components.
type timeline struct {
	mu    sync.Mutex
	lines []line
	out   *bufio.Writer
	file  *os.File
}

type line struct {
	at   time.Time
	text string
}

func newTimeline(dir string) (*timeline, error) {
	file, err := os.Create(filepath.Join(dir, "timeline.log"))
	if err != nil {
		return nil, fmt.Errorf("making the timeline: %w", err)
	}
	return &timeline{file: file, out: bufio.NewWriter(file)}, nil
}

func (t *timeline) add(at time.Time, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line{at, text})
	if len(t.lines) > 2*timelineMemory {
		t.lines = slices.Clone(t.lines[timelineMemory:])
	}
	_, _ = fmt.Fprintf(t.out, "%s %s\n", at.Format("15:04:05.000"), text)
}

// tail returns the last lines up to a moment that speak of one of the names, and what was done to components meanwhile.
func (t *timeline) tail(until time.Time, about []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var tail []line
	for _, l := range t.lines {
		if l.at.After(until) {
			continue
		}
		if speaksOf(l.text, about) || strings.HasPrefix(l.text, "DO kill") || strings.HasPrefix(l.text, "DO fault") {
			tail = append(tail, l)
		}
	}
	slices.SortStableFunc(tail, func(a, b line) int { return a.at.Compare(b.at) })
	tail = tail[max(0, len(tail)-tailLength):]
	texts := make([]string, 0, len(tail))
	for _, l := range tail {
		texts = append(texts, l.at.Format("15:04:05.000")+" "+l.text)
	}
	return texts
}

// speaksOf reports whether a text has one of the names as a whole word.
func speaksOf(text string, names []string) bool {
	for _, name := range names {
		for rest := text; name != ""; {
			i := strings.Index(rest, name)
			if i < 0 {
				break
			}
			end := i + len(name)
			if (i == 0 || !partOfName(rest[i-1])) && (end == len(rest) || !partOfName(rest[end])) {
				return true
			}
			rest = rest[end:]
		}
	}
	return false
}

func partOfName(c byte) bool {
	return c == '-' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func (t *timeline) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("writing the timeline: %w", err)
	}
	return t.file.Close()
}
