package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// Sides of a comparison.
const (
	base = "base"
	head = "head"
)

// group is what gets a verdict of its own: a scenario at a size, or all micro benchmarks.
type group struct {
	name  string
	pairs []*pair
}

// pair is one figure of one variant or micro benchmark, measured on both sides.
type pair struct {
	row    string
	figure figure
	// base and head have the measurements by the name of the round.
	base, head map[string]float64
}

// microGroup is the name of the group of micro benchmarks.
const microGroup = "micro benchmarks"

// read returns the groups in the order in which their first measurements come. Figures that are not compared are left out.
func read(from io.Reader, name string) ([]*group, error) {
	var groups []*group
	packages := map[string]string{}
	reader := benchfmt.NewReader(from, name)
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("reading %s: %w", name, record)
		case *benchfmt.Result:
			side := record.GetConfig("side")
			if side != base && side != head {
				return nil, fmt.Errorf("%s has a measurement of %s whose side is %q, which is neither %s nor %s", name, record.Name, side, base, head)
			}
			groupName, row := place(string(record.Name))
			if err := oneName(packages, side, row, record.GetConfig("pkg")); groupName == microGroup && err != nil {
				return nil, fmt.Errorf("reading %s: %w", name, err)
			}
			g := find(&groups, groupName)
			for _, value := range record.Values {
				g.add(row, side, record.GetConfig("round"), value.Unit, value.Value)
			}
		}
	}
	if err := reader.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return groups, nil
}

// place takes Scheduling/SCENARIO/VARIANT/500Nodes-2 apart into the group "SCENARIO 500Nodes" and the row VARIANT; everything else is a
// micro benchmark, whose row is its name.
func place(name string) (group, row string) {
	name, _, _ = cutProcs(name)
	parts := strings.Split(name, "/")
	if len(parts) == 4 && parts[0] == "Scheduling" {
		return parts[1] + " " + parts[3], parts[2]
	}
	return microGroup, name
}

// cutProcs cuts off the number of processors at the end of a benchmark's name.
func cutProcs(name string) (before, procs string, found bool) {
	at := strings.LastIndexByte(name, '-')
	if at < 0 || strings.Trim(name[at+1:], "0123456789") != "" {
		return name, "", false
	}
	return name[:at], name[at+1:], true
}

var errTwice = errors.New("two packages have a benchmark of that name, which cannot be told apart: rename one")

// oneName makes sure that a name stands for one micro benchmark of a side. Packages are no part of the name, since they may be renamed
// between the sides.
func oneName(packages map[string]string, side, row, pkg string) error {
	key := side + " " + row
	if known, ok := packages[key]; ok && known != pkg {
		return fmt.Errorf("%s in %s and %s: %w", row, known, pkg, errTwice)
	}
	packages[key] = pkg
	return nil
}

func find(groups *[]*group, name string) *group {
	for _, g := range *groups {
		if g.name == name {
			return g
		}
	}
	g := &group{name: name}
	*groups = append(*groups, g)
	return g
}

func (g *group) add(row, side, round, unit string, value float64) {
	f, compared := figureOf(unit)
	if !compared {
		return
	}
	var to *pair
	for _, p := range g.pairs {
		if p.row == row && p.figure.unit == unit {
			to = p
		}
	}
	if to == nil {
		to = &pair{row: row, figure: f, base: map[string]float64{}, head: map[string]float64{}}
		g.pairs = append(g.pairs, to)
	}
	if side == base {
		to.base[round] = value
	} else {
		to.head[round] = value
	}
}
