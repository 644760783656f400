package refill

import "time"

const (
	// announcedFor is how often spec.refill.parkAfter may pass after a unit was bound, or after units began to wait, while an autoscaler goes
	// on saying that it adds nodes: one whose cloud is out of stock says so again and again.
	announcedFor = 3
	// yieldAtMost is how long a new unit of a parked Headroom waits at most because pods find no room.
	yieldAtMost = 10 * time.Minute
	// yieldGlance is when to look again whether they still do.
	yieldGlance = 5 * time.Second
	// WordsGlance is when to read again what autoscalers say of the units of a parked Headroom.
	WordsGlance = time.Minute
)

// Memory is what Park has to know of the past. The zero value knows nothing, as of a Headroom that is new.
type Memory struct {
	// Parked says that units waited for so long that only Open of them may wait now.
	Parked bool
	Open   int
	// Since is since when units wait without a break, the zero time if none waits.
	Since time.Time
	// BoundAt is when a unit was bound last.
	BoundAt time.Time
	// Yielding is since when a new unit waits because pods find no room, the zero time if none does.
	Yielding time.Time
}

// Scene is what Park has to know of now.
type Scene struct {
	Now time.Time
	// Missing is how many units hold no room that should, Waiting how many of them exist and wait for room, and Oldest when the first of
	// these was created.
	Missing, Waiting int
	Oldest           time.Time
	// Bound is how many units were bound since Park was asked before, and BoundAt when the last was, the zero time if none was.
	Bound   int
	BoundAt time.Time
	// Announced is when an autoscaler last said that it adds room for a unit, the zero time if none did.
	Announced time.Time
	// Probes is how many units wait while the Headroom is parked.
	Probes int
	// Short says that pods that came a moment ago find no room.
	Short bool
}

// Parking is what Park decides.
type Parking struct {
	// Parked says that the Headroom is parked.
	Parked bool
	// MaxPending is how many units may wait for room now.
	MaxPending int
	// Recheck is when the decision may be another one although nothing happens; zero: never.
	Recheck time.Duration
}

// Park applies the rules about units that wait while nothing comes.
func Park(parkAfter time.Duration, before Memory, scene Scene) (Memory, Parking) {
	if parkAfter <= 0 {
		return Memory{}, Parking{MaxPending: Unbounded}
	}
	m, probes := before, max(1, scene.Probes)
	if scene.BoundAt.After(m.BoundAt) {
		m.BoundAt = scene.BoundAt
	}
	switch {
	case scene.Waiting == 0:
		m.Since = time.Time{}
	case m.Since.IsZero() || m.Since.After(scene.Now):
		m.Since = earliest(scene.Oldest, scene.Now)
	}
	m.grow(scene, probes)
	left := m.deadline(parkAfter, scene).Sub(scene.Now)
	p := Parking{MaxPending: Unbounded}
	switch {
	case scene.Missing == 0:
		m.Parked, m.Open = false, 0
	case scene.Waiting > 0 && left <= 0 && (!m.Parked || m.Open > probes):
		m.Parked, m.Open = true, probes
	case scene.Waiting > 0 && left > 0 && (!m.Parked || m.Open > probes):
		p.recheck(left)
	}
	if !m.Parked {
		m.Yielding = time.Time{}
		return m, p
	}
	m.Open = max(m.Open, probes)
	p.Parked, p.MaxPending = true, m.Open
	p.recheck(WordsGlance)
	m.yield(scene, &p)
	return m, p
}

// grow lets two units wait in the place of each one that was bound, so that the number doubles from round to round, and all of them when
// that is as many as are missing.
func (m *Memory) grow(scene Scene, probes int) {
	if !m.Parked || scene.Bound == 0 {
		return
	}
	m.Open = max(m.Open, probes) + scene.Bound
	if m.Open >= scene.Missing {
		m.Parked, m.Open = false, 0
	}
}

// deadline is when units have waited for too long.
func (m *Memory) deadline(parkAfter time.Duration, scene Scene) time.Time {
	firm := m.Since
	if m.BoundAt.After(firm) {
		firm = m.BoundAt
	}
	progress := firm
	if announced := earliest(scene.Announced, scene.Now); announced.After(progress) {
		progress = announced
	}
	return earliest(progress.Add(parkAfter), firm.Add(announcedFor*parkAfter))
}

// yield has new units wait while pods find no room.
func (m *Memory) yield(scene Scene, p *Parking) {
	if wants := min(m.Open, scene.Missing) > scene.Waiting; !wants || !scene.Short {
		m.Yielding = time.Time{}
		return
	}
	if m.Yielding.IsZero() || m.Yielding.After(scene.Now) {
		m.Yielding = scene.Now
	}
	if left := m.Yielding.Add(yieldAtMost).Sub(scene.Now); left > 0 {
		p.MaxPending = min(p.MaxPending, scene.Waiting)
		p.recheck(min(left, yieldGlance))
	}
}

func (p *Parking) recheck(after time.Duration) {
	if p.Recheck == 0 || after < p.Recheck {
		p.Recheck = after
	}
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
