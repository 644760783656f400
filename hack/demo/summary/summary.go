// Package summary says in numbers what a recorded burst was like. It is pure.
package summary

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/headroom-dev/headroom/hack/demo/history"
)

// Wait is how long something took, or that it did not come to an end.
type Wait struct {
	// Duration is how long it took, and how long it was waited for if Never.
	Duration time.Duration
	// Never says that it was not seen to end.
	Never bool
}

// Zone counts the units of headroom of one zone.
type Zone struct {
	// Name of the zone.
	Name string
	// Held are the units that were bound when the burst began.
	Held int
	// Left are those of them that were still there when the last pod of the burst was bound, or the record ended.
	Left int
}

// Summary is a burst in numbers.
type Summary struct {
	// Pods of the burst, how many of them ran, and how many never carried PodScheduled=False before they were bound.
	Pods, Running, FirstAttempt int
	// Median, P99 and Worst are of the time from a pod's creation to its running, over all pods of the burst; a pod that
	// never ran counts as slower than all that did. Never without pods.
	Median, P99, Worst Wait
	// NodesBefore are the nodes ready when the burst began, NodesAdded those that came later.
	NodesBefore, NodesAdded int
	// Held are the placeholders bound when the burst began. Taken is how many went since, those included that came back and were
	// taken again, and Refilled how many were bound since.
	Held, Taken, Refilled int
	// Refill is from the first placeholder taken until as many were bound again as were taken. Never without headroom.
	Refill Wait
	// Zones of all nodes, by name.
	Zones []Zone
}

// Began is when the first pod of the burst was created; the end of the record without any.
func Began(r history.Record) time.Time {
	if len(r.Burst) == 0 {
		return r.Until
	}
	return slices.MinFunc(r.Burst, func(a, b history.Pod) int { return a.Created.Compare(b.Created) }).Created
}

// Of sums a record up.
func Of(r history.Record) Summary {
	began := Began(r)
	s := Summary{Pods: len(r.Burst)}
	for _, p := range r.Burst {
		if !p.Running.IsZero() {
			s.Running++
		}
		if !p.Bound.IsZero() && p.Refused.IsZero() {
			s.FirstAttempt++
		}
	}
	waits := Waits(r)
	s.Median, s.P99, s.Worst = Quantile(waits, 0.5), Quantile(waits, 0.99), Quantile(waits, 1)
	for _, n := range r.Nodes {
		if !n.Ready.IsZero() && !n.Ready.After(began) {
			s.NodesBefore++
		} else {
			s.NodesAdded++
		}
	}
	countPlaceholders(&s, r, began)
	s.Zones = zones(r, began, settled(r))
	return s
}

// Waits are the times from creation to running of the burst's pods, shortest first.
func Waits(r history.Record) []Wait {
	waits := make([]Wait, 0, len(r.Burst))
	for _, p := range r.Burst {
		if p.Running.IsZero() {
			waits = append(waits, Wait{Duration: r.Until.Sub(p.Created), Never: true})
		} else {
			waits = append(waits, Wait{Duration: p.Running.Sub(p.Created)})
		}
	}
	slices.SortFunc(waits, func(a, b Wait) int {
		switch {
		case a.Never != b.Never && a.Never:
			return 1
		case a.Never != b.Never:
			return -1
		}
		return cmp.Compare(a.Duration, b.Duration)
	})
	return waits
}

// Quantile is the shortest of the sorted waits that at least the share q of them does not exceed. Never if there are none.
func Quantile(sorted []Wait, q float64) Wait {
	if len(sorted) == 0 {
		return Wait{Never: true}
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func countPlaceholders(s *Summary, r history.Record, began time.Time) {
	var taken, bound []time.Time
	for _, p := range r.Placeholders {
		held, later := heldAt(p, began), p.Bound.After(began)
		if held {
			s.Held++
		}
		if later {
			bound = append(bound, p.Bound)
		}
		// One that came back may be taken again: it counts once more, or the headroom would seem whole too early.
		if (held || later) && !p.Gone.IsZero() {
			taken = append(taken, p.Gone)
		}
	}
	s.Taken, s.Refilled = len(taken), len(bound)
	slices.SortFunc(taken, time.Time.Compare)
	slices.SortFunc(bound, time.Time.Compare)
	switch {
	case s.Taken == 0:
		s.Refill = Wait{Never: s.Held == 0}
	case s.Refilled < s.Taken:
		s.Refill = Wait{Never: true, Duration: r.Until.Sub(taken[0])}
	default:
		s.Refill = Wait{Duration: bound[s.Taken-1].Sub(taken[0])}
	}
}

// heldAt reports whether a placeholder held room at a moment.
func heldAt(p history.Pod, at time.Time) bool {
	return !p.Bound.IsZero() && !p.Bound.After(at) && (p.Gone.IsZero() || p.Gone.After(at))
}

// settled is when the last pod of the burst was bound; the end of the record if not all were.
func settled(r history.Record) time.Time {
	var last time.Time
	for _, p := range r.Burst {
		if p.Bound.IsZero() {
			return r.Until
		}
		if p.Bound.After(last) {
			last = p.Bound
		}
	}
	return last
}

func zones(r history.Record, began, settled time.Time) []Zone {
	zoneOf, counts := map[string]string{}, map[string]*Zone{}
	for _, n := range r.Nodes {
		zoneOf[n.Name] = n.Zone
		if counts[n.Zone] == nil {
			counts[n.Zone] = &Zone{Name: n.Zone}
		}
	}
	for _, p := range r.Placeholders {
		zone := counts[zoneOf[p.Node]]
		if zone == nil || !heldAt(p, began) {
			continue
		}
		zone.Held++
		if heldAt(p, settled) {
			zone.Left++
		}
	}
	all := make([]Zone, 0, len(counts))
	for _, zone := range counts {
		all = append(all, *zone)
	}
	slices.SortFunc(all, func(a, b Zone) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
