package main

import (
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

// Range is where the median of a ratio lay when it was recorded, with some room for noise.
type Range struct {
	// Scenario, Nodes, Unit, Over and Under name the ratio: Unit of variant Over to that of variant Under.
	Scenario string `json:"scenario"`
	Nodes    int    `json:"nodes"`
	Unit     string `json:"unit"`
	Over     string `json:"over"`
	Under    string `json:"under"`
	// Min and Max bound the ratio.
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// compare says which ratios lie outside of their recorded range. It fails on nothing but a bad file: wall-clock time depends on
// the machine, and whether a change is a regression is for a person to say.
func compare(out io.Writer, name string, r *Results) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading the recorded ranges: %w", err)
	}
	var ranges []Range
	if err := yaml.UnmarshalStrict(content, &ranges); err != nil {
		return fmt.Errorf("parsing %s: %w", name, err)
	}
	for _, want := range ranges {
		got, ok := median(r.ratios(want.Scenario, want.Nodes, want.Unit, want.Over, want.Under))
		title := fmt.Sprintf("%s, %d nodes: %s of %s to %s", want.Scenario, want.Nodes, want.Unit, want.Over, want.Under)
		switch {
		case !ok:
			fmt.Fprintf(out, "not measured  %s\n", title)
		case got > want.Max || got < want.Min:
			fmt.Fprintf(out, "OUT OF RANGE  %s is %s, recorded %s to %s\n", title,
				number(got, true), number(want.Min, true), number(want.Max, true))
		default:
			fmt.Fprintf(out, "in range      %s is %s\n", title, number(got, true))
		}
	}
	return nil
}
