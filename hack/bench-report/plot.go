package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// One colour a variant, told apart by colour-blind readers too.
var colours = map[string]color.Color{
	freeRoom: color.RGBA{R: 0x33, G: 0x77, B: 0xbb, A: 0xff},
	stock:    color.RGBA{R: 0xcc, G: 0x55, B: 0x33, A: 0xff},
	headroom: color.RGBA{R: 0x22, G: 0x99, B: 0x55, A: 0xff},
}

// plotAll draws, for each scenario, the time that one consumer costs over the size of the cluster, and p99 beside it.
func plotAll(dir string, r *Results) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder of the plots: %w", err)
	}
	for _, scenario := range r.scenarios() {
		for _, kind := range []struct {
			name, title string
			value       func(variant string, nodes int) (float64, bool)
		}{
			{"cost", "milliseconds a pod", func(variant string, nodes int) (float64, bool) {
				rate, ok := median(r.values(scenario, variant, nodes, "pods/s"))
				return 1000 / rate, ok && rate > 0
			}},
			{"p99", "created to bound, p99, milliseconds", func(variant string, nodes int) (float64, bool) {
				value, ok := median(r.values(scenario, variant, nodes, "p99-ms"))
				return value, ok && value > 0
			}},
		} {
			file := filepath.Join(dir, scenario+"-"+kind.name+".svg")
			if err := plotBars(file, scenario, kind.title, r.sizes(scenario), kind.value); err != nil {
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
	drawn := 0
	for i, variant := range variants {
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
		drawn++
	}
	if drawn == 0 {
		return nil
	}
	names := make([]string, len(sizes))
	for i, nodes := range sizes {
		names[i] = strconv.Itoa(nodes)
	}
	p.NominalX(names...)
	return p.Save(14*vg.Centimeter, 9*vg.Centimeter, file)
}
