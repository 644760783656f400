package scheduling

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
)

// warmUp makes the process run a small workload before it measures: the one that carries the label warmUpLabel, whatever is measured
// afterwards, so that every variant starts from the same process. What is done once a process (reading the program's pages, building the
// API server's schemas, growing the heap) falls on it.
var warmUp = flag.Bool("warm-up", false, "run a small workload first, and throw its results away")

const warmUpLabel = "warm-up"

// runWarmUp runs the warm-up workload, writes nothing and leaves no garbage to collect.
func runWarmUp() (err error) {
	crd, err := os.ReadFile(crdFile)
	if err != nil {
		return fmt.Errorf("reading the definition of Headroom: %w", err)
	}
	restore, err := setFlags(map[string]string{
		"perf-scheduling-label-filter": warmUpLabel,
		"perf-cpuprofile":              "false", "perf-memprofile": "false", "data-items-dir": "",
	})
	if err != nil {
		return err
	}
	failed := false
	testing.Benchmark(func(b *testing.B) {
		b.Cleanup(func() { failed = b.Failed() })
		unpack(b)
		run(b, "scenarios/a-one-per-node.yaml", warmUpLabel, crd, nil)
	})
	if failed {
		err = errors.New("the workload failed; its log is above")
	}
	runtime.GC()
	return errors.Join(err, restore())
}

// setFlags sets flags, and returns what gives them back the values that they had.
func setFlags(values map[string]string) (restore func() error, err error) {
	before := map[string]string{}
	for name, value := range values {
		known := flag.Lookup(name)
		if known == nil {
			return nil, fmt.Errorf("scheduler_perf has no flag %s any more", name)
		}
		before[name] = known.Value.String()
		if err := known.Value.Set(value); err != nil {
			return nil, fmt.Errorf("setting flag %s: %w", name, err)
		}
	}
	return func() error {
		var all error
		for name, value := range before {
			all = errors.Join(all, flag.Lookup(name).Value.Set(value))
		}
		return all
	}, nil
}
