package main

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/component-base/version"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/hack/demo/report"
	"github.com/headroom-dev/headroom/hack/demo/scenario"
)

// Names of the autoscalers.
const (
	autoscalerKarpenter = "karpenter"
	autoscalerNone      = "none"
)

// helpText precedes the list of flags.
const helpText = `demo runs the same burst of pods three times: with no headroom, with headroom and
kube-scheduler, and with headroom and headroom-scheduler; and writes a report.

Usage: demo [flags]

%s`

// The cluster that a run begins with. The headroom fills whole nodes, the same number in each zone.
const (
	zones   = 3
	nodeCPU = 12
)

// maxDelay bounds --node-delay: nobody watches a screen for longer.
const maxDelay = 5 * time.Minute

// karpenterVersion is set by the Makefile from the module that Karpenter is built from.
var karpenterVersion string

// options are the flags.
type options struct {
	out        string
	autoscaler string
	delay      time.Duration
	nodes      int
	burst      int
	headroom   int
}

// parseOptions reads and checks the flags. The error is one sentence, or pflag.ErrHelp after the help was written to out.
func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	flags := pflag.NewFlagSet("demo", pflag.ContinueOnError)
	flags.SetOutput(out)
	flags.SortFlags = false
	flags.Usage = func() { _, _ = fmt.Fprintf(out, helpText, flags.FlagUsages()) }
	flags.StringVar(&o.out, "out", "bin/demo-report", "`FOLDER` for the report, made if it is missing")
	flags.StringVar(&o.autoscaler, "autoscaler", autoscalerKarpenter, "what adds nodes: karpenter or none")
	flags.DurationVar(&o.delay, "node-delay", 20*time.Second, "how long a node takes to come after the autoscaler has ordered it")
	flags.IntVar(&o.nodes, "nodes", 9, "number of full nodes at the start")
	flags.IntVar(&o.burst, "burst", 72, "number of pods that come at once")
	flags.IntVar(&o.headroom, "headroom", 108, "number of pods that headroom is held for")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("demo takes flags only, not %q", flags.Arg(0))
	}
	return o, o.validate()
}

func (o options) validate() error {
	for _, number := range []struct {
		flag            string
		value, min, max int
	}{{"nodes", o.nodes, zones, 300}, {"burst", o.burst, 1, 1000}, {"headroom", o.headroom, 1, 1000}} {
		if number.value < number.min || number.value > number.max {
			return fmt.Errorf("--%s must be from %d to %d, not %d", number.flag, number.min, number.max, number.value)
		}
	}
	if o.autoscaler != autoscalerKarpenter && o.autoscaler != autoscalerNone {
		return fmt.Errorf("--autoscaler must be %s or %s, not %q", autoscalerKarpenter, autoscalerNone, o.autoscaler)
	}
	if o.delay < 0 || o.delay > maxDelay || o.delay%time.Second != 0 {
		return fmt.Errorf("--node-delay must be from 0s to %s in whole seconds, not %s", maxDelay, o.delay)
	}
	return nil
}

func (o options) scenario(clk clock.WithTicker) scenario.Scenario {
	s := scenario.Scenario{
		Nodes: o.nodes, Zones: zones, NodeCPU: nodeCPU, Burst: o.burst, Headroom: o.headroom, Autoscaler: scenario.Fixed{}, Clock: clk,
	}
	if o.autoscaler == autoscalerKarpenter {
		s.Autoscaler = scenario.Karpenter{Version: karpenterVersion, Delay: o.delay}
	}
	return s
}

// demo is what the report tells of the runs.
func (o options) demo(runs []report.Run, started time.Time, elapsed time.Duration) report.Demo {
	d := report.Demo{
		Runs: runs, Burst: o.burst, Headroom: o.headroom, Nodes: o.nodes, Zones: zones,
		Machine: fmt.Sprintf("%d CPUs, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH),
		Version: version.Get().GitVersion, Started: started, Elapsed: elapsed,
	}
	if o.autoscaler == autoscalerKarpenter {
		d.Autoscaler, d.Delay = o.scenario(nil).Autoscaler.Name(), o.delay
	}
	return d
}
