package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// workload is one measurement.
type workload struct {
	scenario, variant string
	// size is the workload's name, for example 500Nodes, and nodes the number in it.
	size  string
	nodes int
}

// testCase is what list needs of scheduler_perf's test cases: one a variant, with a workload a size.
type testCase struct {
	Name      string `json:"name"`
	Workloads []struct {
		Name string `json:"name"`
	} `json:"workloads"`
}

// readScenarios returns all workloads, by the names of the files and in the order of their lines.
func readScenarios(dir string) ([]workload, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("listing the scenarios in %s: %w", dir, err)
	}
	slices.Sort(files)
	var all []workload
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading a scenario: %w", err)
		}
		var cases []testCase
		if err := yaml.Unmarshal(content, &cases); err != nil {
			return nil, fmt.Errorf("parsing %s: %w", file, err)
		}
		scenario := strings.TrimSuffix(filepath.Base(file), ".yaml")
		for _, variant := range cases {
			for _, size := range variant.Workloads {
				nodes, err := strconv.Atoi(strings.TrimSuffix(size.Name, "Nodes"))
				if err != nil {
					return nil, fmt.Errorf("%s: workload %q is not named like 500Nodes", file, size.Name)
				}
				all = append(all, workload{scenario, variant.Name, size.Name, nodes})
			}
		}
	}
	return all, nil
}

// selection is which workloads are wanted.
type selection struct{ scenario, nodes, variant *regexp.Regexp }

func newSelection(scenarios, nodes, variants string) (selection, error) {
	var s selection
	for _, pattern := range []struct {
		text string
		to   **regexp.Regexp
	}{
		{"^(" + scenarios + ")", &s.scenario},
		{"^(" + nodes + ")$", &s.nodes},
		{"^(" + variants + ")$", &s.variant},
	} {
		compiled, err := regexp.Compile(pattern.text)
		if err != nil {
			return s, fmt.Errorf("reading a pattern: %w", err)
		}
		*pattern.to = compiled
	}
	return s, nil
}

func (s selection) of(all []workload) []workload {
	return slices.DeleteFunc(slices.Clone(all), func(w workload) bool {
		return !s.scenario.MatchString(w.scenario) || !s.variant.MatchString(w.variant) || !s.nodes.MatchString(strconv.Itoa(w.nodes))
	})
}

// groups sorts workloads by scenario and size, and puts those of the same scenario and size, which differ in the variant, together.
// Within a group they stay in the order of their file.
func groups(workloads []workload) [][]workload {
	sorted := slices.Clone(workloads)
	compare := func(a, b workload) int {
		return cmp.Or(cmp.Compare(a.scenario, b.scenario), cmp.Compare(a.nodes, b.nodes))
	}
	slices.SortStableFunc(sorted, compare)
	var all [][]workload
	for i, w := range sorted {
		if i == 0 || compare(sorted[i-1], w) != 0 {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], w)
	}
	return all
}
