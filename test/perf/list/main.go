// Command list names the workloads of one round of `make bench`, a line SCENARIO SIZE VARIANT each, in the order in which they are to
// be measured: the variants of one scenario and size follow one another, in an order that is balanced over the rounds. For
// `make bench-compare` each line comes twice, with the side that is to be measured in a fourth field.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "list: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("list", flag.ContinueOnError)
	dir := flags.String("dir", "test/perf/scheduling/scenarios", "directory of the scenario files")
	scenarios := flags.String("scenarios", "", "pattern that the beginning of a scenario's name has to match")
	nodes := flags.String("nodes", ".*", "pattern that a number of nodes has to match as a whole")
	variants := flags.String("variants", ".*", "pattern that a variant has to match as a whole")
	round := flags.Int("round", 1, "number of the round, from 1, which decides the order of the variants")
	sides := flags.String("sides", "", "comma-separated sides to measure each workload on, each in turn first; empty: no fourth field")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *round < 1 {
		return fmt.Errorf("the round is %d: rounds are counted from 1", *round)
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
	return write(out, inOrder(chosen, *round), *round, strings.Split(*sides, ","))
}

// write prints a line a workload and side. The one side without a name stands for no comparison.
func write(out io.Writer, workloads []workload, round int, sides []string) error {
	// A side's place in a round must not depend on where the round puts the variant, so the variants are numbered by name.
	var variants []string
	for _, w := range workloads {
		variants = append(variants, w.variant)
	}
	slices.Sort(variants)
	variants = slices.Compact(variants)
	for _, w := range workloads {
		for _, side := range sidesOf(round, slices.Index(variants, w.variant), sides) {
			if _, err := fmt.Fprintln(out, strings.TrimSpace(w.scenario+" "+w.size+" "+w.variant+" "+side)); err != nil {
				return err
			}
		}
	}
	return nil
}
