// Command chaos runs the binaries of the product under random traffic and faults and judges what comes of it. `make chaos` runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/test/chaos"
)

func main() {
	ctrllog.SetLogger(logr.Discard()) // Else it complains after 30 seconds, with a stack trace.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "chaos: "+err.Error())
		os.Exit(1)
	}
}

const helpText = "chaos runs the binaries of the product under random traffic and faults.\n\nUsage: chaos [flags]\n\n%s"

// settings are what the flags say.
type settings struct {
	chaos.Options
	// compare has the same traffic run without Headrooms first.
	compare bool
}

// parse reads the flags. The error is one sentence, or pflag.ErrHelp after the help was written to out.
func parse(args []string, out io.Writer) (settings, error) {
	options := settings{Options: chaos.Options{Out: out}}
	var way, seed, dir, hold string
	var seconds int
	flags := pflag.NewFlagSet("chaos", pflag.ContinueOnError)
	flags.SetOutput(out)
	flags.SortFlags = false
	flags.Usage = func() { _, _ = fmt.Fprintf(out, helpText, flags.FlagUsages()) }
	flags.IntVar(&seconds, "seconds", 120, "length of the traffic in seconds")
	flags.StringVar(&seed, "seed", "", "what everything is drawn from (default: a random `NUMBER`)")
	flags.StringVar(&way, "way", "B", "B: beside a stock kube-scheduler, C: as the only scheduler")
	flags.StringVar(&hold, "must-hold", strings.Join(chaos.Required(), ","),
		"what a run fails for, of "+strings.Join(chaos.All(), ", ")+"; the rest is counted")
	flags.DurationVar(&options.Idle, "idle", time.Minute, "how long components must not write when all is over; 0 leaves it out")
	flags.BoolVar(&options.compare, "compare", false,
		"run the same traffic without Headrooms first; then fail, too, for more races than that and one in 1,000 binds")
	flags.BoolVar(&options.Without, "without-headroom", false, "the same traffic without Headrooms, for comparison")
	flags.IntVar(&options.Races, "races", 0,
		"how many races the same seed had without Headrooms: with --must-hold=race, so many and one in 1,000 binds are no failure")
	flags.StringVar(&dir, "out", filepath.Join("bin", "chaos-logs"), "`FOLDER` for logs; each run makes a folder of its own in it")
	if err := flags.Parse(args); err != nil {
		return options, err
	}
	if flags.NArg() > 0 {
		return options, fmt.Errorf("chaos takes flags only, not %q", flags.Arg(0))
	}
	var err error
	if options.Seed = rand.Uint64N(1_000_000); seed != "" {
		if options.Seed, err = strconv.ParseUint(seed, 10, 64); err != nil {
			return options, fmt.Errorf("--seed must be a number from 0, not %q", seed)
		}
	}
	options.Way, options.Length = chaos.Way(strings.ToUpper(way)), time.Duration(seconds)*time.Second
	if options.MustHold = []string{}; hold != "" {
		options.MustHold = strings.Split(hold, ",")
	}
	options.LogDir = filepath.Join(dir, fmt.Sprintf("%s-%s-%d", time.Now().Format("20060102-150405"), options.Way, options.Seed))
	return options, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	options, err := parse(args, out)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "seed %d, way %s, logs in %s\n", options.Seed, options.Way, options.LogDir)
	play := chaos.Run
	if options.compare {
		play = chaos.Compare
	}
	report, err := play(ctx, options.Options)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "\n%s\n", report.Summary())
	if failure := report.Failure(); failure != "" {
		return errors.New(strings.TrimSpace(failure))
	}
	return nil
}
