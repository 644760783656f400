package plan

import "time"

// drawMore does one thing more now and then.
func (g *generator) drawMore() {
	switch {
	case g.more.chance(6):
		g.grow()
	case g.more.chance(5):
		g.redistinguish()
	}
}

// distinguish draws what makes a Headroom a special one.
func (g *generator) distinguish(h *Headroom) {
	m := g.more
	h.Reserved = h.App != "" && m.chance(50)
	h.Ladder = !h.Reserved && !h.PerNode && m.chance(30)
	h.Refill = Refill{}
	if !h.PerNode && m.chance(30) {
		h.Refill = Refill{
			Delay: time.Duration(oneOf(m, 0, 1, 4)) * time.Second, MaxPending: oneOf[int32](m, 0, 1, 3), Once: m.chance(25),
		}
	}
}

// redistinguish draws anew what makes one of the Headrooms a special one.
func (g *generator) redistinguish() {
	if len(g.headrooms) == 0 {
		return
	}
	h := &g.headrooms[g.more.rng.IntN(len(g.headrooms))]
	g.distinguish(h)
	g.do(Keep{Headroom: *h})
}

// mostCPU is what pods grow to at most: more than that no node of this size has for one pod beside others.
const mostCPU = NodeCPU - 500

// grow has the running pods of a burst ask for more where they are or, now and then, for less.
func (g *generator) grow() {
	b := g.someBy(g.more, false)
	if b == nil {
		return
	}
	if b.Shape.CPU = min(mostCPU, b.Shape.CPU+oneOf[int64](g.more, 250, 500, 1000, 2000)); g.more.chance(20) {
		b.Shape.CPU = 100
	}
	g.do(Grow{Burst: b.Burst, CPU: b.Shape.CPU})
}
