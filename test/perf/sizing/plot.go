package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// Told apart by color-blind readers, too.
var (
	gray   = color.RGBA{R: 0x99, G: 0x99, B: 0x99, A: 0xff}
	green  = color.RGBA{R: 0x22, G: 0x99, B: 0x55, A: 0xff}
	orange = color.RGBA{R: 0xcc, G: 0x55, B: 0x33, A: 0xff}
)

// plotAll draws the last week of each trace: what was asked for, what demand held, and the best fixed size.
func plotAll(dir string, results []*comparison) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder of the plots: %w", err)
	}
	var err error
	byTrace(results, func(group []*comparison) {
		if err == nil {
			err = plotWeek(filepath.Join(dir, group[0].trace.name+".svg"), group[0])
		}
	})
	return err
}

func plotWeek(file string, c *comparison) error {
	t := c.trace
	from, to := t.length-week, t.length
	if t.name == "migration" {
		from, to = 3*week, 4*week // the week in which it happens
	}
	targets := steplines{}
	simulate(t, byDemand(c.options), c.seed, func(at time.Duration, target int) {
		targets.add(at, float64(target))
	})
	p := plot.New()
	p.Title.Text = t.name + ": units over one week, from Monday on"
	p.X.Label.Text, p.Y.Label.Text = "day", "units"
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	asked, err := plotter.NewLine(askedFor(t, from, to))
	if err != nil {
		return err
	}
	asked.Color, asked.Width = gray, vg.Points(0.5)
	held, err := plotter.NewLine(targets.within(from, to))
	if err != nil {
		return err
	}
	held.Color, held.Width = green, vg.Points(1)
	fixed, err := plotter.NewLine(plotter.XYs{{X: 0, Y: float64(c.staticUnits)}, {X: 7, Y: float64(c.staticUnits)}})
	if err != nil {
		return err
	}
	fixed.Color, fixed.Width = orange, vg.Points(1)
	p.Add(asked, held, fixed)
	p.Legend.Add("asked for within two minutes", asked)
	p.Legend.Add("held by demand", held)
	p.Legend.Add("best fixed size", fixed)
	return p.Save(22*vg.Centimeter, 7*vg.Centimeter, file)
}

func days(at, from time.Duration) float64 { return float64(at-from) / float64(day) }

// askedFor is how many pods arrived in each slot in which any did.
func askedFor(t *trace, from, to time.Duration) plotter.XYs {
	counts := make([]float64, (to-from)/demand.Slot)
	for _, a := range t.arrivals {
		if a.at >= from && a.at < to {
			counts[(a.at-from)/demand.Slot] += float64(a.pods)
		}
	}
	points := plotter.XYs{{X: 0, Y: 0}}
	for i, n := range counts {
		if n == 0 {
			continue
		}
		x := days(time.Duration(i)*demand.Slot, 0)
		points = append(points, plotter.XY{X: x, Y: 0}, plotter.XY{X: x, Y: n}, plotter.XY{X: x, Y: 0})
	}
	return points
}

// steplines are the values of something that changes in steps.
type steplines struct {
	times  []time.Duration
	values []float64
}

func (s *steplines) add(at time.Duration, value float64) {
	s.times, s.values = append(s.times, at), append(s.values, value)
}

func (s *steplines) within(from, to time.Duration) plotter.XYs {
	var points plotter.XYs
	last := 0.0
	for i, at := range s.times {
		if at >= to {
			break
		}
		if at >= from {
			if len(points) == 0 {
				points = append(points, plotter.XY{X: 0, Y: last})
			}
			points = append(points, plotter.XY{X: days(at, from), Y: last}, plotter.XY{X: days(at, from), Y: s.values[i]})
		}
		last = s.values[i]
	}
	return append(points, plotter.XY{X: days(to, from), Y: last})
}
