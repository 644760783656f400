// Command compare reads the raw output of `make bench-compare`, in which each measurement is of one of two sides, base and head, and says of
// each scenario and size what differs beyond noise.
//
// There are two tests, of which the one that is surer counts, at half of its weight. benchstat's, Mann and Whitney's, assumes nothing of how
// measurements are distributed, and knows nothing of rounds. Student's, of the ratios within a round, is not confused by load that comes and goes.
//
// Since a scenario has several figures, of which one in twenty would differ by chance alone, the p-values are corrected by Holm's method: of
// all scenarios in which nothing differs, one in twenty says that something does.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "compare: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	raw := flags.String("raw", "", "file with raw benchmark output, with lines `side: base` and `side: head` before what was measured of each")
	alpha := flags.Float64("alpha", 0.05, "how often a comparison of two sides that are alike may say that something differs")
	least := flags.Float64("least", 1, "percent from which on a difference is told at all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	content, err := os.ReadFile(*raw)
	if err != nil {
		return fmt.Errorf("reading raw benchmark output: %w", err)
	}
	groups, err := read(bytes.NewReader(content), *raw)
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		return fmt.Errorf("%s has no measurement of a side: was it written by make bench-compare?", *raw)
	}
	for _, g := range groups {
		if _, err := io.WriteString(out, render(judge(g, *alpha, *least/100))); err != nil {
			return err
		}
	}
	return nil
}
