package topup

import (
	"cmp"
	"slices"
)

// chooser says which units go first. The order, the first rule that tells two units apart decides:
//
//  1. Unavailable before others: no pod could take it.
//  2. Pending before bound: a pending unit holds no room.
//  3. Outdated before others: it would be replaced in any case.
//  4. For each topology key in turn: the unit in the domain with more bound units left, so that what stays is spread most
//     evenly. Pending units are in no domain.
//     Right after the first key: the unit on whose step of its domain more stand, then the one on the lower step, so that those that
//     stay are on the highest ones (see pkg/ladder).
//  5. A name that Plan would not give before one that it would.
//  6. The higher ordinal.
//  7. Name and UID, so that the order is total.
type chooser struct {
	outdated func(*Unit) bool
	domains  map[*Unit][]int // for each bound unit: its domain of each topology key, as an index of counts
	counts   []int           // for each domain of each topology key: the bound units left
	steps    map[step]int    // for each step of each domain of the first key: the bound units left
}

// step is one of priority in a domain of the first topology key.
type step struct {
	domain string
	number int
}

func stepOf(u *Unit) step {
	s := step{number: u.Step}
	if len(u.Domains) > 0 {
		s.domain = u.Domains[0]
	}
	return s
}

// newChooser counts the bound units among the given ones. It has to know all units that hold room, also those that are no
// candidates.
func newChooser(units []*Unit, outdated func(*Unit) bool) *chooser {
	type domain struct {
		key  int
		name string
	}
	c := &chooser{outdated: outdated, domains: make(map[*Unit][]int, len(units)), steps: map[step]int{}}
	numbers := map[domain]int{}
	keys := 0
	for _, u := range units {
		keys = max(keys, len(u.Domains))
	}
	for _, u := range units {
		if u.State != Bound {
			continue
		}
		c.steps[stepOf(u)]++
		for key := range keys {
			d := domain{key: key}
			if key < len(u.Domains) {
				d.name = u.Domains[key]
			}
			n, known := numbers[d]
			if !known {
				n = len(c.counts)
				numbers[d] = n
				c.counts = append(c.counts, 0)
			}
			c.domains[u] = append(c.domains[u], n)
			c.counts[n]++
		}
	}
	return c
}

// choose takes up to n of the candidates away, one after the other: each time the first in the order, counting what the
// ones before have left.
func (c *chooser) choose(candidates []*Unit, n int) []*Unit {
	rest := slices.Clone(candidates)
	var chosen []*Unit
	for len(chosen) < n && len(rest) > 0 {
		first := 0
		for i := range rest {
			if c.compare(rest[i], rest[first]) < 0 {
				first = i
			}
		}
		chosen = append(chosen, rest[first])
		c.take(rest[first])
		rest[first] = rest[len(rest)-1]
		rest = rest[:len(rest)-1]
	}
	return chosen
}

// take counts a unit out.
func (c *chooser) take(u *Unit) {
	for _, n := range c.domains[u] {
		c.counts[n]--
	}
	if u.State == Bound {
		c.steps[stepOf(u)]--
	}
}

// compare is negative if a goes before b.
func (c *chooser) compare(a, b *Unit) int {
	return cmp.Or(
		trueFirst(a.State == Bound && a.Unavailable, b.State == Bound && b.Unavailable),
		cmp.Compare(a.State, b.State), // Pending < Bound, and there is nothing else
		trueFirst(c.outdated(a), c.outdated(b)),
		c.compareSpread(a, b),
		trueFirst(a.Ordinal < 0, b.Ordinal < 0),
		cmp.Compare(b.Ordinal, a.Ordinal),
		cmp.Compare(b.Name, a.Name),
		cmp.Compare(b.UID, a.UID),
	)
}

// compareSpread is negative if the loss of a leaves the bound units more evenly spread than that of b.
func (c *chooser) compareSpread(a, b *Unit) int {
	domainsOfA, domainsOfB := c.domains[a], c.domains[b]
	for key := range min(len(domainsOfA), len(domainsOfB)) {
		if d := cmp.Compare(c.counts[domainsOfB[key]], c.counts[domainsOfA[key]]); d != 0 {
			return d
		}
		if key > 0 {
			continue
		}
		if d := c.compareSteps(a, b); d != 0 {
			return d
		}
	}
	return 0
}

// compareSteps is negative if the loss of a leaves the bound units better on their steps than that of b.
func (c *chooser) compareSteps(a, b *Unit) int {
	return cmp.Or(cmp.Compare(c.steps[stepOf(b)], c.steps[stepOf(a)]), cmp.Compare(a.Step, b.Step))
}

func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}
