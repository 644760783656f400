package ladder

import (
	"cmp"
	"slices"
)

// Place is where a unit stands.
type Place struct {
	// Domain is the topology domain, as a rule the zone, that the unit is in or is meant for; empty if there is none.
	Domain string
	// Step is from 1, the first to go, to the number of steps; 0 or any other is none.
	Step int
}

// Next is where a unit is to stand that is made.
type Next struct {
	Place
	// Rank is how many units its domain has that come before it. Units of one rank can be bound in any order; before those of the next are
	// made, all of them should be, since a constraint that keeps the domains even would send one elsewhere that comes too early.
	Rank int
}

// Places returns where the next n units are to stand, one after the other, on so many steps, given where those are that there are. The
// domains are those for which units can be meant; units in others do not count. Without domains the places have none either. The ranks
// never fall, and within a domain the steps never rise: a scheduler's queue has the higher priority first, so that a unit on a higher step
// than one that was made before it would be bound before that one, out of its rank.
func Places(steps, n int, domains []string, units []Place) []Next {
	if steps < 1 || n < 1 {
		return nil
	}
	counts := newCounts(steps, domains, units)
	places := make([]Next, 0, n)
	for range n {
		places = append(places, counts.next())
	}
	highestFirst(places)
	return places
}

// highestFirst has the units of each domain exchange their steps, so that the first of them stands highest.
func highestFirst(places []Next) {
	steps := map[string][]int{}
	for _, next := range places {
		steps[next.Domain] = append(steps[next.Domain], next.Step)
	}
	for _, ofDomain := range steps {
		slices.SortFunc(ofDomain, func(a, b int) int { return cmp.Compare(b, a) })
	}
	for i := range places {
		ofDomain := steps[places[i].Domain]
		places[i].Step, steps[places[i].Domain] = ofDomain[0], ofDomain[1:]
	}
}

// count is how many units a domain has, on the steps (from step 1 on) and in all.
type count struct {
	domain  string
	onSteps []int
	all     int
}

type counts []*count

func newCounts(steps int, domains []string, units []Place) counts {
	domains = slices.Compact(slices.Sorted(slices.Values(domains)))
	oneForAll := len(domains) == 0
	if oneForAll {
		domains = []string{""}
	}
	all, byName := make(counts, 0, len(domains)), make(map[string]*count, len(domains))
	for _, domain := range domains {
		c := &count{domain: domain, onSteps: make([]int, steps)}
		all, byName[domain] = append(all, c), c
	}
	for _, unit := range units {
		if oneForAll {
			unit.Domain = ""
		}
		if c, known := byName[unit.Domain]; known {
			c.add(unit.Step)
		}
	}
	return all
}

// next returns where the next unit is to stand, and counts it.
func (c counts) next() Next {
	fewest := slices.MinFunc(c, func(a, b *count) int { return cmp.Compare(a.all, b.all) })
	step := len(fewest.onSteps)
	for s := step - 1; s > 0; s-- {
		if fewest.onSteps[s-1] < fewest.onSteps[step-1] {
			step = s
		}
	}
	rank := fewest.all
	fewest.add(step)
	return Next{Place: Place{Domain: fewest.domain, Step: step}, Rank: rank}
}

func (c *count) add(step int) {
	c.all++
	if step >= 1 && step <= len(c.onSteps) {
		c.onSteps[step-1]++
	}
}
