package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// Variants of a scenario.
const (
	freeRoom = "FreeRoom"
	stock    = "StockPreemption"
	headroom = "Headroom"
	// freeRoomAgain is FreeRoom once more: what differs between the two is noise.
	freeRoomAgain = "FreeRoomAgain"
	// freeRoomDeleting is FreeRoom with deletions before each binding: the requests of a swap, and nothing else of it.
	freeRoomDeleting = "FreeRoomDeleting"
)

// Results are the measurements of some runs. Where several files have a workload, the newest has it alone: rounds of different
// commits or machines are not to be mixed.
type Results struct {
	cells []*cell
}

// cell holds the rounds of one workload, in the order in which they were measured.
type cell struct {
	scenario, variant string
	nodes             int
	// file has the measurements, which were taken under the settings.
	file     string
	settings []setting
	rounds   []round
}

// round is one measurement. Those of the same name, scenario and size were taken one variant after the other.
type round struct {
	name   string
	values map[string]float64
}

// roundKey is the configuration key that names the round of the lines that follow it.
const roundKey = "round"

// read adds the measurements of a file. Files have to come oldest first.
func (r *Results) read(from io.Reader, name string) error {
	reader := benchfmt.NewReader(from, name)
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.Result:
			r.add(name, record)
		case *benchfmt.SyntaxError:
			return fmt.Errorf("reading %s: %w", name, record)
		}
	}
	if err := reader.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

func (r *Results) add(file string, result *benchfmt.Result) {
	scenario, variant, nodes, ok := parseName(result.Name)
	if !ok {
		return
	}
	values := map[string]float64{}
	for _, value := range result.Values {
		values[value.Unit] = value.Value
		if value.OrigUnit != "" {
			values[value.OrigUnit] = value.OrigValue
		}
	}
	addPerPod(values)
	c := r.cell(scenario, variant, nodes)
	if c == nil {
		c = &cell{scenario: scenario, variant: variant, nodes: nodes}
		r.cells = append(r.cells, c)
	}
	if c.file != file {
		c.file, c.settings, c.rounds = file, settingsOf(result), nil
	}
	c.rounds = append(c.rounds, round{result.GetConfig(roundKey), values})
}

// addPerPod gives runs that were recorded in CPU seconds the CPU time a pod. "pods" counts the consumers alone: where there are ordinary
// pods too, nothing is added.
func addPerPod(values map[string]float64) {
	_, ordinary := values["ordinary-pods/s"]
	pods := values["pods"]
	if ordinary || pods == 0 {
		return
	}
	for unit, seconds := range map[string]string{"process-cpu-ms/pod": "process-cpu-s", "scheduler-cpu-ms/pod": "scheduler-cpu-s"} {
		if total, ok := values[seconds]; ok {
			values[unit] = 1000 * total / pods
		}
	}
}

// parseName takes Scheduling/SCENARIO/VARIANT/123Nodes-2 apart.
func parseName(name benchfmt.Name) (scenario, variant string, nodes int, ok bool) {
	_, parts := name.Parts()
	var path []string
	for _, part := range parts {
		if text := string(part); strings.HasPrefix(text, "/") {
			path = append(path, text[1:])
		}
	}
	if len(path) != 3 {
		return "", "", 0, false
	}
	nodes, err := strconv.Atoi(strings.TrimSuffix(path[2], "Nodes"))
	return path[0], path[1], nodes, err == nil
}

func (r *Results) cell(scenario, variant string, nodes int) *cell {
	for _, c := range r.cells {
		if c.scenario == scenario && c.variant == variant && c.nodes == nodes {
			return c
		}
	}
	return nil
}

// scenarios returns the names of the scenarios that were measured, sorted.
func (r *Results) scenarios() []string {
	var names []string
	for _, c := range r.cells {
		names = append(names, c.scenario)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// sizes returns the numbers of nodes that a scenario was measured at, ascending; of all scenarios if it is empty.
func (r *Results) sizes(scenario string) []int {
	var sizes []int
	for _, c := range r.cells {
		if scenario == "" || c.scenario == scenario {
			sizes = append(sizes, c.nodes)
		}
	}
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

// values returns one unit of a workload over its rounds; rounds without the unit are left out.
func (r *Results) values(scenario, variant string, nodes int, unit string) []float64 {
	c := r.cell(scenario, variant, nodes)
	if c == nil {
		return nil
	}
	var values []float64
	for _, round := range c.rounds {
		if value, ok := round.values[unit]; ok {
			values = append(values, value)
		}
	}
	return values
}

// ratios divides one unit of two variants round by round: neighbours in time, whatever else the machine did meanwhile. Variants from
// different files have none.
func (r *Results) ratios(scenario string, nodes int, unit, over, under string) []float64 {
	a, b := r.cell(scenario, over, nodes), r.cell(scenario, under, nodes)
	if a == nil || b == nil || a.file != b.file {
		return nil
	}
	var ratios []float64
	for _, top := range a.rounds {
		i := slices.IndexFunc(b.rounds, func(bottom round) bool { return bottom.name == top.name })
		if i < 0 || b.rounds[i].values[unit] == 0 {
			continue
		}
		if value, ok := top.values[unit]; ok {
			ratios = append(ratios, value/b.rounds[i].values[unit])
		}
	}
	return ratios
}

// median returns the middle value, the mean of the two middle ones for an even number, and whether there is any.
func median(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle], true
	}
	return (sorted[middle-1] + sorted[middle]) / 2, true
}
