// Command bench-list names the workloads of one round of `make bench`, a line SCENARIO SIZE VARIANT each, in the order in which
// they are to be measured: the variants of one scenario and size follow one another, and each second round takes them backwards.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "bench-list: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench-list", flag.ContinueOnError)
	dir := flags.String("dir", "test/perf/scheduling/scenarios", "directory of the scenario files")
	scenarios := flags.String("scenarios", "", "pattern that the beginning of a scenario's name has to match")
	nodes := flags.String("nodes", ".*", "pattern that a number of nodes has to match as a whole")
	variants := flags.String("variants", ".*", "pattern that a variant has to match as a whole")
	round := flags.Int("round", 1, "number of the round; even ones take the variants backwards")
	if err := flags.Parse(args); err != nil {
		return err
	}
	all, err := readScenarios(*dir)
	if err != nil {
		return err
	}
	wanted, err := newSelection(*scenarios, *nodes, *variants)
	if err != nil {
		return err
	}
	chosen := wanted.of(all)
	if len(chosen) == 0 {
		return fmt.Errorf("no workload has a scenario like %q, a size like %q and a variant like %q; the scenarios are in %s",
			*scenarios, *nodes, *variants, *dir)
	}
	for _, w := range inOrder(chosen, *round%2 == 0) {
		if _, err := fmt.Fprintln(out, w.scenario, w.size, w.variant); err != nil {
			return err
		}
	}
	return nil
}
