package plan

import (
	"slices"
	"time"
)

// newHeadroom draws a Headroom and remembers it.
func (g *generator) newHeadroom() Headroom {
	h := Headroom{
		Namespace: oneOf(g, Namespaces()...), Name: g.name("spare-"), Replicas: 1 + g.rng.Int32N(8),
		CPU: oneOf[int64](g, 250, 500, 500, 1000, 1000, 2000), Memory: oneOf[int64](g, 64, 512, 1024),
		Class: oneOf(g, "", "", ClassUnits), PerNode: g.chance(20), App: oneOf(g, "", "", "web", "web", "api"), AllNamespaces: g.chance(50),
	}
	h.Spread = !h.PerNode && g.chance(40)
	if h.PerNode {
		h.Replicas, h.CPU = 1, oneOf[int64](g, 100, 250, 500)
	}
	g.distinguish(&h)
	g.headrooms = append(g.headrooms, h)
	return h
}

// someHeadroom draws one of the Headrooms that are there, and its place in the list.
func (g *generator) someHeadroom() (int, bool) {
	if len(g.headrooms) == 0 {
		return 0, false
	}
	return g.rng.IntN(len(g.headrooms)), true
}

func (g *generator) scaleHeadroom() {
	i, ok := g.someHeadroom()
	if !ok || g.headrooms[i].PerNode {
		return
	}
	g.headrooms[i].Replicas = g.rng.Int32N(oneOf[int32](g, 4, 12, 20))
	g.do(Keep{Headroom: g.headrooms[i]})
}

// changeHeadroom changes something else than the number of units.
func (g *generator) changeHeadroom() {
	i, ok := g.someHeadroom()
	if !ok {
		return
	}
	h := &g.headrooms[i]
	switch g.rng.IntN(6) {
	case 0:
		h.CPU = oneOf[int64](g, 250, 500, 1000, 1500)
	case 1:
		h.Memory = oneOf[int64](g, 64, 512, 1024, 2048)
	case 2:
		h.Class = oneOf(g, "", ClassUnits)
	case 3:
		h.App, h.AllNamespaces = oneOf(g, "", "web", "api"), g.chance(50)
		h.Reserved = h.Reserved && h.App != ""
	case 4:
		h.Note = g.name("n")
	case 5:
		h.Spread = !h.PerNode && !h.Spread
	}
	g.do(Keep{Headroom: *h})
}

func (g *generator) dropHeadroom() {
	i, ok := g.someHeadroom()
	if !ok {
		return
	}
	h := g.headrooms[i]
	g.do(Drop{Headroom: h})
	if g.chance(50) { // and is made anew at once
		g.after(time.Duration(g.rng.IntN(1000))*time.Millisecond, Keep{Headroom: h})
		return
	}
	g.headrooms = slices.Delete(g.headrooms, i, i+1)
	g.dropped = append(g.dropped, h)
}

// remakeHeadroom makes a Headroom that was dropped anew, else a new one.
func (g *generator) remakeHeadroom() {
	switch {
	case len(g.dropped) > 0:
		h := g.dropped[0]
		g.dropped = g.dropped[1:]
		g.headrooms = append(g.headrooms, h)
		g.do(Keep{Headroom: h})
	case len(g.headrooms) < maxHeadrooms:
		g.do(Keep{Headroom: g.newHeadroom()})
	}
}
