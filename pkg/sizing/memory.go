package sizing

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const (
	// cells is into how many parts the stabilization window is divided: within one of them only the largest number is remembered.
	cells = 16
	// maxRecent is how many numbers are remembered at most, as in the API. One window fills cells+2; more are left by a longer one.
	maxRecent = 32
)

// Asked is what the rules came to.
type Asked struct {
	// Rule asked for the most; empty if none asked for any.
	Rule string
	// Units is how many.
	Units int
}

// String is for example "rule tenth asks for 14".
func (a Asked) String() string {
	if a.Rule == "" {
		return "no rule asks for any"
	}
	return fmt.Sprintf("rule %s asks for %d", a.Rule, a.Units)
}

// Recent is what the rules came to before.
type Recent struct {
	Asked
	// Until is until when they did.
	Until time.Time
}

// Memory is what has to be known of the past: what the rules came to last, which counts until the next time, and the larger
// numbers before. It holds at most 32 of them, the oldest and largest first, and is kept in the status, so that it survives a restart.
type Memory struct {
	// Last is what the rules came to last.
	Last Asked
	// Recent are larger numbers that they came to before.
	Recent []Recent
}

// Next is the memory after the rules came to a number. What they came to last counts up to now, since nothing changed before; so it
// does if no controller ran meanwhile. Times are rounded up to a sixteenth of the window, never down.
//
// A clock that is put back makes no number count for longer than the window from now; one that jumps ahead makes those that it jumps
// over end early.
func (m Memory) Next(asked Asked, window time.Duration, now time.Time) Memory {
	next := Memory{Last: asked}
	if window <= 0 {
		return next
	}
	until := roundUp(now, window)
	recent := slices.Clone(m.Recent)
	if m.Last.Units > asked.Units {
		recent = append(recent, Recent{Asked: m.Last, Until: until})
	}
	for i := range recent {
		if recent[i].Until.After(until) {
			recent[i].Until = until
		}
	}
	recent = slices.DeleteFunc(recent, func(r Recent) bool { return r.Units <= asked.Units || !r.Until.Add(window).After(now) })
	// The newest first, and of one time the largest. What is not larger than a newer one has nothing to say.
	slices.SortStableFunc(recent, func(a, b Recent) int { return cmp.Or(b.Until.Compare(a.Until), cmp.Compare(b.Units, a.Units)) })
	largest := 0
	recent = slices.DeleteFunc(recent, func(r Recent) bool {
		dominated := r.Units <= largest
		largest = max(largest, r.Units)
		return dominated
	})
	slices.Reverse(recent)
	for len(recent) > maxRecent {
		recent[1].Asked = recent[0].Asked // it counts a little longer
		recent = recent[1:]
	}
	next.Recent = recent
	return next
}

// Largest is the largest number that counts. held reports whether it is one that the rules do not come to any more.
func (m Memory) Largest() (largest Recent, held bool) {
	if len(m.Recent) > 0 {
		return m.Recent[0], true
	}
	return Recent{Asked: m.Last}, false
}

// expiry is after how long the largest number counts no more; zero if that is what the rules come to now.
func (m Memory) expiry(window time.Duration, now time.Time) time.Duration {
	largest, held := m.Largest()
	if !held {
		return 0
	}
	return max(time.Second, largest.Until.Add(window).Sub(now))
}

// roundUp rounds a time up to a multiple of a sixteenth of the window, which is at least a second.
func roundUp(t time.Time, window time.Duration) time.Time {
	cell := int64((window/cells + time.Second - 1) / time.Second)
	seconds := t.Unix()
	if t.Nanosecond() > 0 {
		seconds++
	}
	return time.Unix((seconds+cell-1)/cell*cell, 0)
}
