package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// plotted has the variants that get a bar. The control is left to the tables.
var plotted = []string{freeRoom, stock, headroom}

// One colour a variant, told apart by colour-blind readers too.
var colours = map[string]color.Color{
	freeRoom: color.RGBA{R: 0x33, G: 0x77, B: 0xbb, A: 0xff},
	stock:    color.RGBA{R: 0xcc, G: 0x55, B: 0x33, A: 0xff},
	headroom: color.RGBA{R: 0x22, G: 0x99, B: 0x55, A: 0xff},
}

// figure is one plot of each scenario: a number of each variant over the sizes of the cluster.
type figure struct {
	name, title string
	value       func(r *Results, scenario, variant string, nodes int) (float64, bool)
}

var figures = []figure{
	{"cost", "milliseconds a pod", func(r *Results, scenario, variant string, nodes int) (float64, bool) {
		rate, ok := median(r.values(scenario, variant, nodes, "pods/s"))
		return 1000 / rate, ok && rate > 0
	}},
	{"cpu", "CPU milliseconds a pod, all of the process", func(r *Results, scenario, variant string, nodes int) (float64, bool) {
		return median(r.values(scenario, variant, nodes, "process-cpu-ms/pod"))
	}},
}

// drawn reports whether any workload of the scenario has the number.
func (f figure) drawn(r *Results, scenario string) bool {
	return slices.ContainsFunc(r.cells, func(c *cell) bool {
		if c.scenario != scenario {
			return false
		}
		_, ok := f.value(r, scenario, c.variant, c.nodes)
		return ok
	})
}

func figureFile(scenario string, f figure) string {
	return scenario + "-" + f.name + ".svg"
}

// plotAll draws the figures of each scenario.
func plotAll(dir string, r *Results) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder of the plots: %w", err)
	}
	for _, scenario := range r.scenarios() {
		for _, f := range figures {
			if !f.drawn(r, scenario) {
				continue
			}
			value := func(variant string, nodes int) (float64, bool) { return f.value(r, scenario, variant, nodes) }
			file := filepath.Join(dir, figureFile(scenario, f))
			if err := plotBars(file, scenario, f.title, r.sizes(scenario), value); err != nil {
				return fmt.Errorf("plotting %s: %w", file, err)
			}
		}
	}
	return nil
}

// plotBars draws one group of bars a size, one bar a variant.
func plotBars(file, title, unit string, sizes []int, value func(variant string, nodes int) (float64, bool)) error {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text, p.X.Label.Text = title, unit, "nodes"
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	const width = 18
	for i, variant := range plotted {
		heights := make(plotter.Values, len(sizes))
		measured := false
		for j, nodes := range sizes {
			if v, ok := value(variant, nodes); ok {
				heights[j], measured = v, true
			}
		}
		if !measured {
			continue
		}
		bars, err := plotter.NewBarChart(heights, vg.Points(width))
		if err != nil {
			return err
		}
		bars.Color = colours[variant]
		bars.LineStyle.Width = 0
		bars.Offset = vg.Points(float64(i-1) * width)
		p.Add(bars)
		p.Legend.Add(variant, bars)
	}
	names := make([]string, len(sizes))
	for i, nodes := range sizes {
		names[i] = strconv.Itoa(nodes)
	}
	p.NominalX(names...)
	return p.Save(14*vg.Centimeter, 9*vg.Centimeter, file)
}
