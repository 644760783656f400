// Command report turns the raw output of `make bench` into the tables and plots of docs/benchmarks.md, and tells which
// ratios have left their recorded range.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "report: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	raw := flags.String("raw", "bench-results/raw*.txt",
		"pattern of the files with raw benchmark output; of a workload that several have, the one with the last name counts")
	doc := flags.String("doc", "", "Markdown file whose generated part is to be replaced; empty: print it")
	plots := flags.String("plots", "", "directory for the plots; empty: no plots")
	ranges := flags.String("ranges", "", "file with the recorded ranges; empty: no comparison")
	if err := flags.Parse(args); err != nil {
		return err
	}
	results, err := readAll(*raw)
	if err != nil {
		return err
	}
	if *ranges != "" {
		text, err := compare(*ranges, results)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	if *plots != "" {
		if err := plotAll(*plots, results); err != nil {
			return err
		}
	}
	if *doc == "" {
		_, err := io.WriteString(out, render(results, ""))
		return err
	}
	relative := ""
	if *plots != "" {
		if relative, err = filepath.Rel(filepath.Dir(*doc), *plots); err != nil {
			return fmt.Errorf("naming the plots from the page: %w", err)
		}
	}
	return replaceGenerated(*doc, render(results, relative))
}

func readAll(pattern string) (*Results, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("expanding the pattern %q: %w", pattern, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no file matches %q: run make bench first", pattern)
	}
	slices.Sort(files)
	results := &Results{}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("opening raw benchmark output: %w", err)
		}
		err = results.read(file, name)
		_ = file.Close()
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}
