package main

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// setting is one line `key: value` of the raw output, about the machine, the commit or the run.
type setting struct{ key, value string }

// settingsOf returns the lines that were in force when a workload was measured, the round left out.
func settingsOf(result *benchfmt.Result) []setting {
	var settings []setting
	for _, config := range result.Config {
		if config.File && config.Key != roundKey {
			settings = append(settings, setting{config.Key, string(config.Value)})
		}
	}
	return settings
}

// renderSetups names the settings of all workloads, those that share all of them together.
func renderSetups(r *Results) string {
	var b strings.Builder
	rest := slices.Clone(r.cells)
	for len(rest) > 0 {
		settings := rest[0].settings
		alike := func(c *cell) bool { return slices.Equal(c.settings, settings) }
		fmt.Fprintf(&b, "%s:\n\n", describe(r, alike))
		for _, s := range settings {
			fmt.Fprintf(&b, "- %s: %s\n", s.key, s.value)
		}
		b.WriteString("\n")
		rest = slices.DeleteFunc(rest, alike)
	}
	return b.String()
}

// describe names the workloads that are alike, by scenario and size.
func describe(r *Results, alike func(*cell) bool) string {
	var scenarios []string
	for _, scenario := range r.scenarios() {
		var sizes []string
		for _, nodes := range r.sizes(scenario) {
			if size := describeSize(r, scenario, nodes, alike); size != "" {
				sizes = append(sizes, size)
			}
		}
		if len(sizes) > 0 {
			scenarios = append(scenarios, scenario+" at "+strings.Join(sizes, " and "))
		}
	}
	return strings.Join(scenarios, ", ")
}

// describeSize names the variants too where not all of them are alike. Empty if none is.
func describeSize(r *Results, scenario string, nodes int, alike func(*cell) bool) string {
	var in []string
	measured := 0
	for _, variant := range variants {
		c := r.cell(scenario, variant, nodes)
		if c == nil {
			continue
		}
		measured++
		if alike(c) {
			in = append(in, variant)
		}
	}
	switch len(in) {
	case 0:
		return ""
	case measured:
		return fmt.Sprintf("%d nodes", nodes)
	default:
		return fmt.Sprintf("%d nodes (only %s)", nodes, strings.Join(in, " and "))
	}
}
