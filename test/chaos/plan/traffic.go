package plan

import (
	"slices"
	"time"
)

// app draws a label of pods and consumers.
func (g *generator) app() string { return oneOf(g, "web", "web", "api", "job") }

// shape draws what pods look like.
func (g *generator) shape() Shape {
	s := Shape{
		Namespace: oneOf(g, Namespaces()...), App: g.app(),
		CPU: oneOf[int64](g, 100, 250, 500, 500, 1000, 1000, 1500, 2000, 3000), Memory: oneOf[int64](g, 64, 256, 1024, 2048, 6144),
		Class:     oneOf(g, "", "", "", "", ClassHigh, ClassPatient, ClassCritical),
		Scheduler: oneOf(g, HeadroomScheduler, HeadroomScheduler, DefaultScheduler),
		Grace:     oneOf[int64](g, 0, 0, 1, 3),
	}
	if s.Class == ClassCritical && !g.chance(40) {
		s.Class = ""
	}
	if g.chance(12) {
		s.Zone = "region-1-" + oneOf(g, "a", "b", "c")
	}
	s.Apart, s.Spread = g.chance(10), g.chance(10)
	return s
}

func (g *generator) burst() {
	if len(g.bursts) >= maxBursts {
		g.endSome()
		return
	}
	b := &burst{
		Burst: Burst{Name: g.name("burst-"), Count: 1 + g.rng.IntN(oneOf(g, 3, 6, 12, 16)), Deployment: g.chance(25), Shape: g.shape()},
		until: g.now + g.seconds(4, 40),
	}
	g.bursts = append(g.bursts, b)
	g.do(b.Burst)
}

// endOverdue ends the bursts whose time is over.
func (g *generator) endOverdue() {
	g.bursts = slices.DeleteFunc(g.bursts, func(b *burst) bool {
		if b.until > g.now {
			return false
		}
		g.do(End{Burst: b.Burst, From: b.from, To: b.Count, Deployment: b.Deployment})
		return true
	})
}

// endSome deletes some pods of a burst, or all of a Deployment.
func (g *generator) endSome() {
	if len(g.bursts) == 0 {
		return
	}
	i := g.rng.IntN(len(g.bursts))
	b := g.bursts[i]
	to := b.Count
	if !b.Deployment && b.from < b.Count {
		to = b.from + 1 + g.rng.IntN(b.Count-b.from)
	}
	g.do(End{Burst: b.Burst, From: b.from, To: to, Deployment: b.Deployment})
	if b.from = to; to == b.Count {
		g.bursts = slices.Delete(g.bursts, i, i+1)
	}
}

func (g *generator) some(deployment bool) *burst { return g.someBy(g, deployment) }

// someBy draws from a source of its own one of the bursts that are there, nil if there is none.
func (g *generator) someBy(source *generator, deployment bool) *burst {
	var fitting []*burst
	for _, b := range g.bursts {
		if b.Deployment == deployment {
			fitting = append(fitting, b)
		}
	}
	if len(fitting) == 0 {
		return nil
	}
	return oneOf(source, fitting...)
}

func (g *generator) resize() {
	if b := g.some(true); b != nil {
		g.do(Resize{Burst: b.Burst, Count: g.rng.IntN(10)})
	}
}

func (g *generator) relabel() {
	if b := g.some(false); b != nil {
		g.do(Relabel{Burst: b.Burst, App: g.app()})
	}
}

func (g *generator) cordon() {
	if len(g.cordoned) >= maxCordoned {
		g.uncordon()
		return
	}
	node := oneOf(g, Nodes()...)
	if slices.Contains(g.cordoned, node) || slices.Contains(g.away, node) || g.returns[node] > g.now {
		return
	}
	g.cordoned = append(g.cordoned, node)
	g.do(Cordon{Node: node, On: true})
}

func (g *generator) uncordon() {
	g.do(Cordon{Node: g.cordoned[0]})
	g.cordoned = g.cordoned[1:]
}

func (g *generator) vanish() {
	node := oneOf(g, Nodes()...)
	if len(g.away) >= maxAway || slices.Contains(g.away, node) || slices.Contains(g.cordoned, node) || g.returns[node] > g.now {
		return
	}
	g.do(Vanish{Node: node})
	if g.chance(40) { // and comes back at once, under the same name
		pause := time.Duration(g.rng.IntN(500)) * time.Millisecond
		g.after(pause, Return{Node: node})
		g.returns[node] = g.now + pause
		return
	}
	g.away = append(g.away, node)
}

// bringBack returns the node that has been away for longest, else uncordons one.
func (g *generator) bringBack() {
	switch {
	case len(g.away) > 0:
		g.do(Return{Node: g.away[0]})
		g.away = g.away[1:]
	case len(g.cordoned) > 0:
		g.uncordon()
	}
}
