// Command sizing compares ways to choose the size of a headroom, by a simulation of discrete events on traces of arrivals, and writes the
// table and the plots of docs/sizing.md.
//
//	trace.go, traces.go   arrivals: generated ones, and those of a file
//	world.go              the headroom: units that are taken, lacked and refilled
//	policy.go             the ways to choose its size; demand is the very package of the product, fed by its account
//	compare.go            what each way costs for the same share served at once
//	render.go, plot.go    the table and the plots
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "sizing: %v\n", err)
		os.Exit(1)
	}
}

// reported are the seeds of the published table. The rule and the traces were written with others, see docs/sizing.md.
const reported = "101,102,103,104,105"

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("sizing", flag.ContinueOnError)
	seeds := flags.String("seeds", reported, "seeds of the generated traces")
	only := flags.String("only", "", "name of the only generated trace to run; empty: all")
	file := flags.String("trace", "", "CSV file with arrivals of your own, a line each: time (RFC 3339 or seconds since 1970), pods")
	lifetime := flags.Duration("lifetime", 20*time.Minute, "mean lifetime of the pods of -trace, from which the load follows")
	season := flags.String("season", string(demand.Week), "season of the rule demand: Week, Day or None")
	served := flags.Float64("served", demand.DefaultServed, "level of the rule demand")
	doc := flags.String("doc", "", "Markdown file whose generated part is to be replaced; empty: print it")
	plots := flags.String("plots", "", "directory for the plots; empty: no plots")
	if err := flags.Parse(args); err != nil {
		return err
	}
	options := demand.Options{Served: *served, Season: demand.Season(*season)}
	if *file != "" {
		return runFile(out, *file, *lifetime, options)
	}
	numbers, err := parseSeeds(*seeds)
	if err != nil {
		return err
	}
	results, err := compareAll(numbers, *only, options)
	if err != nil {
		return err
	}
	if *plots != "" {
		if err := plotAll(*plots, results); err != nil {
			return err
		}
	}
	text := render(results)
	if *doc == "" {
		_, err = io.WriteString(out, text)
		return err
	}
	return replaceGenerated(*doc, text)
}

func runFile(out io.Writer, name string, lifetime time.Duration, options demand.Options) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("opening the trace: %w", err)
	}
	defer func() { _ = file.Close() }()
	t, err := readTrace(file, name, lifetime)
	if err != nil {
		return err
	}
	c, err := compare(t, 1, options)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, renderOne(c))
	return err
}

func parseSeeds(list string) ([]uint64, error) {
	var seeds []uint64
	for field := range strings.SplitSeq(list, ",") {
		seed, err := strconv.ParseUint(strings.TrimSpace(field), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("-seeds has %q, which is no number", field)
		}
		seeds = append(seeds, seed)
	}
	if len(seeds) == 0 {
		return nil, errors.New("-seeds names none")
	}
	return seeds, nil
}
