package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/pkg/view/screen"
	"github.com/headroom-dev/headroom/pkg/view/table"
)

// page is what a command shows at one moment.
type page struct {
	// text is what is shown, at any width.
	text func(table.Style) string
	// notes say what could not be looked at.
	notes []string
}

// watchOptions are the flags of commands that can draw themselves anew.
type watchOptions struct {
	on       bool
	interval time.Duration
}

func (w *watchOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVarP(&w.on, "watch", "w", false, "draw the table anew as things change, until q is pressed; on a terminal only")
	flags.DurationVar(&w.interval, "interval", 2*time.Second, "how often to look with --watch, at least 200ms")
}

// validate fails if the page cannot be drawn anew where it goes, before anything is asked of the cluster.
func (w *watchOptions) validate(out *output) error {
	_, terminal := out.size(out.streams.Out)
	switch {
	case !w.on:
		return nil
	case !terminal:
		return errors.New("--watch needs a terminal: leave it out in a pipe, or use kubectl get headrooms.headroom.dev --watch there")
	case out.format != "" && out.format != formatWide:
		return fmt.Errorf("--watch draws tables only: leave out -o %s", out.format)
	case w.interval < 200*time.Millisecond:
		return errors.New("--interval is at least 200ms")
	default:
		return nil
	}
}

// run draws the page again and again until the user has enough or ctx ends.
func (w *watchOptions) run(ctx context.Context, out *output, title string, gather func(context.Context) (page, error)) error {
	first, err := gather(ctx) // What is wrong from the beginning is an error like any other.
	if err != nil {
		return err
	}
	model := screen.New(screen.Options{
		Title: title, Color: out.style().Color, Interval: w.interval, First: first.text, Notes: first.notes,
		Look: func() (func(table.Style) string, []string, error) {
			next, err := gather(ctx)
			return next.text, next.notes, err
		},
	})
	klog.SetLogger(logr.Discard()) // What a watch has to say would be written over the screen.
	program := tea.NewProgram(model, tea.WithContext(ctx), tea.WithInput(out.streams.In), tea.WithOutput(out.streams.Out))
	if _, err := program.Run(); err != nil && !errors.Is(err, tea.ErrProgramKilled) && !errors.Is(err, tea.ErrInterrupted) {
		return fmt.Errorf("drawing on the terminal: %w", err)
	}
	return nil
}
