// Command demo runs the same burst of pods three times on this machine, without containers and without a cluster: with no
// headroom, with headroom and kube-scheduler, and with headroom and headroom-scheduler. It shows what became of the pods
// and writes a report.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/hack/demo/report"
	"github.com/headroom-dev/headroom/hack/demo/scenario"
	"github.com/headroom-dev/headroom/hack/demo/summary"
	"github.com/headroom-dev/headroom/hack/demo/terminal"
)

// Exit codes: of a failure, and of being stopped by the user, as shells have it.
const (
	exitFailure = 1
	exitStopped = 130
)

// errStopped says that the user ended the demo.
var errStopped = errors.New("stopped before the end: nothing is left running, and no report was written")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// Libraries that complain on the screen spoil the picture; what matters comes back as an error.
	klog.SetLogger(logr.Discard())
	log.SetLogger(logr.Discard())
	err := run(ctx, os.Args[1:], os.Stdout, clock.RealClock{})
	stop()
	switch {
	case err == nil, errors.Is(err, pflag.ErrHelp):
	case errors.Is(err, errStopped):
		_, _ = fmt.Fprintln(os.Stderr, "demo: "+err.Error())
		os.Exit(exitStopped)
	default:
		_, _ = fmt.Fprintln(os.Stderr, "demo: "+err.Error())
		os.Exit(exitFailure)
	}
}

// run carries out all runs and reports. It returns errStopped when ctx ends first.
func run(ctx context.Context, args []string, out io.Writer, clk clock.WithTicker) error {
	opts, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	// First, because nobody wants to learn after four minutes that there was no room for the report.
	if err := report.Probe(opts.out); err != nil {
		return err
	}
	s := opts.scenario(clk)
	if err := s.Check(); err != nil {
		return err
	}
	screen := terminal.New(out, clk)
	started := clk.Now()
	screen.Say("%s", introduction(s))
	runs, err := runAll(ctx, s, screen)
	screen.Done()
	if ctx.Err() != nil {
		return errors.Join(errStopped, onlyLeaks(err))
	}
	if err != nil {
		return err
	}
	summaries := make([]summary.Run, len(runs))
	for i := range runs {
		summaries[i] = runs[i].Run
	}
	screen.Heading("What the API server's history says")
	screen.Table(summaries)
	files, err := report.Write(opts.out, opts.demo(runs, started, clk.Since(started)))
	if err != nil {
		return err
	}
	screen.Say("\nThe report is there, after %s:\n  %s\n  %s", summary.Short(clk.Since(started)), files.HTML, files.PNG)
	return nil
}

// onlyLeaks keeps of an error after Ctrl-C what is not its consequence.
func onlyLeaks(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func introduction(s scenario.Scenario) string {
	return fmt.Sprintf(`Headroom demo: %d pods at once, in a cluster of %d full nodes in %d zones,
three times from the same start. Autoscaler: %s.
Everything runs on this machine and is gone at the end; Ctrl-C stops it.`,
		s.Burst, s.Nodes, s.Zones, s.Autoscaler.Name())
}

func runAll(ctx context.Context, s scenario.Scenario, screen *terminal.Screen) ([]report.Run, error) {
	var done []report.Run
	for i, run := range scenario.Runs() {
		screen.Heading("Run %d of %d: %s", i+1, len(scenario.Runs()), run.Title+", "+run.Scheduler)
		record, err := s.Run(ctx, run, screen)
		if err != nil {
			return nil, err
		}
		screen.Done()
		sum := summary.Run{Title: run.Title, Scheduler: run.Scheduler, Headroom: run.Headroom, Summary: summary.Of(record)}
		screen.Say("  created to running: median %s, worst %s", sum.Median, sum.Worst)
		if text := waiting(record); text != "" {
			screen.Say("  %s", text)
		}
		done = append(done, report.Run{Run: sum, Record: record})
	}
	return done, nil
}

// waiting says of the pods that never ran how many there are, and why the first of them did not.
func waiting(r history.Record) string {
	count, why := 0, ""
	for _, p := range r.Burst {
		if !p.Running.IsZero() {
			continue
		}
		if count++; count > 1 {
			continue
		}
		switch {
		case !p.Bound.IsZero():
			why = "bound to " + p.Node + ", but not started there"
		case p.Why != "":
			why, _, _ = strings.Cut(p.Why, " preemption:")
		default:
			why = "the scheduler has not tried it"
		}
	}
	if count == 0 {
		return ""
	}
	return fmt.Sprintf("%d do not run; of the first it is said: %s", count, why)
}
