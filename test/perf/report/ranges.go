package main

import (
	"fmt"
	"os"
	"strings"

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

// compare says, a line each, which ratios lie outside of their recorded range. It fails on nothing but a bad file: wall-clock time
// depends on the machine, and whether a change is a regression is for a person to say.
func compare(name string, r *Results) (string, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("reading the recorded ranges: %w", err)
	}
	var ranges []Range
	if err := yaml.UnmarshalStrict(content, &ranges); err != nil {
		return "", fmt.Errorf("parsing %s: %w", name, err)
	}
	var b strings.Builder
	for _, want := range ranges {
		got, ok := median(r.ratios(want.Scenario, want.Nodes, want.Unit, want.Over, want.Under))
		title := fmt.Sprintf("%s, %d nodes: %s of %s to %s", want.Scenario, want.Nodes, want.Unit, want.Over, want.Under)
		switch {
		case !ok:
			b.WriteString("not measured  " + title + "\n")
		case got > want.Max || got < want.Min:
			b.WriteString("OUT OF RANGE  " + title + " is " + number(got, true) +
				", recorded " + number(want.Min, true) + " to " + number(want.Max, true) + "\n")
		default:
			b.WriteString("in range      " + title + " is " + number(got, true) + "\n")
		}
	}
	return b.String(), nil
}
