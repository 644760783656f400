package main

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/headroom-dev/headroom/pkg/view/table"
)

// colors gathers whether a text was to have colors.
type colors map[bool]bool

// page is one with this text and these notes.
func (c colors) page(text string, notes ...string) page {
	return page{notes: notes, text: func(style table.Style) string {
		c[style.Color] = true
		return text + "\n"
	}}
}

// watched draws what each look finds on a terminal, as the look number i, with 0 for the first. A key is pressed by pressing q.
func watched(
	ctx context.Context, t *testing.T, env map[string]string, look func(i int, q func()) page,
) (drawn string, err error) {
	t.Helper()
	t.Setenv("TERM", "xterm-256color")
	in, keys := io.Pipe()
	t.Cleanup(func() { _ = keys.Close() })
	tty, all := terminal(t, 150)
	o := newOutput(genericiooptions.IOStreams{In: in, Out: tty, ErrOut: io.Discard})
	o.getenv = func(name string) string { return env[name] }
	looks := 0
	err = (&watchOptions{on: true, interval: shortest}).run(ctx, o, "Title", func(context.Context) (page, error) {
		looks++
		return look(looks-1, func() { _, _ = keys.Write([]byte("q")) }), nil
	})
	return ansi.Strip(all()), err
}

func TestAWatchShowsTheNotesOfLaterLooksToo(t *testing.T) {
	seen := colors{}
	drawn, err := watched(t.Context(), t, nil, func(i int, q func()) page {
		switch i {
		case 0:
			return seen.page("text")
		case 1:
			return seen.page("text", "what is no longer seen")
		default: // with the third, what the second saw is known
			go q()
			return seen.page("text", "what is no longer seen")
		}
	})
	require.NoError(t, err)
	for _, want := range []string{"Title", "text", "note: what is no longer seen"} {
		require.Contains(t, drawn, want)
	}
}

// TestAWatchShowsWhyALaterLookFailed beside what it saw last.
func TestAWatchShowsWhyALaterLookFailed(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	in, keys := io.Pipe()
	t.Cleanup(func() { _ = keys.Close() })
	tty, drawn := terminal(t, 150)
	o := newOutput(genericiooptions.IOStreams{In: in, Out: tty, ErrOut: io.Discard})
	looks := 0
	err := (&watchOptions{on: true, interval: shortest}).run(t.Context(), o, "Title", func(context.Context) (page, error) {
		looks++
		switch looks {
		case 1:
			return colors{}.page("what it saw"), nil
		case 2:
		default:
			go func() { _, _ = keys.Write([]byte("q")) }()
		}
		return page{}, errors.New("the cluster is away")
	})
	require.NoError(t, err)
	text := ansi.Strip(drawn())
	require.Contains(t, text, "what it saw")
	require.Contains(t, text, "the cluster is away")
}

func TestAWatchHasTheColorsOfItsTerminal(t *testing.T) {
	for name, tc := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"a terminal":  {nil, true},
		"NO_COLOR":    {map[string]string{"NO_COLOR": "1"}, false},
		"one without": {map[string]string{"TERM": "dumb"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			seen := colors{}
			_, err := watched(t.Context(), t, tc.env, func(i int, q func()) page {
				if i > 0 {
					go q()
				}
				return seen.page("text")
			})
			require.NoError(t, err)
			require.Equal(t, colors{tc.want: true}, seen)
		})
	}
}

// TestAWatchThatIsEndedFromOutsideHasNothingToComplainOf: as by a signal.
func TestAWatchThatIsEndedFromOutsideHasNothingToComplainOf(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := watched(ctx, t, nil, func(i int, _ func()) page {
		if i > 0 {
			cancel()
		}
		return colors{}.page("text")
	})
	require.NoError(t, err)
}

func TestAWatchOnATerminalThatIsGoneSaysSo(t *testing.T) {
	tty, _ := terminal(t, 150)
	require.NoError(t, tty.Close())
	in, err := os.Open(os.DevNull)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	o := newOutput(genericiooptions.IOStreams{In: in, Out: tty, ErrOut: io.Discard})
	err = (&watchOptions{on: true, interval: shortest}).run(t.Context(), o, "Title", func(context.Context) (page, error) {
		return colors{}.page("text"), nil
	})
	require.ErrorContains(t, err, "drawing on the terminal: ")
}
