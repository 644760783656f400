package growth

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/component-base/metrics"
	"k8s.io/utils/clock"
)

const (
	// masterStatus is the metric by which client-go's leader election says whether this process leads.
	masterStatus = "leader_election_master_status"
	// unelectedFor is for how long there must be no leader election, once the informers have synced, to conclude that there is none:
	// kube-scheduler begins one at once then.
	unelectedFor = 10 * time.Second
)

// Leadership tells whether this process is the one of its replicas that schedules. kube-scheduler does not tell its plugins: those of a
// replica that waits to lead are made and hear of all changes like those of the leader. One that has led does so until its process ends.
type Leadership struct {
	gatherer metrics.Gatherer
	synced   func() bool
	clock    clock.PassiveClock

	known atomic.Bool

	mu             sync.Mutex
	unelectedSince time.Time
}

// NewLeadership returns what is not known to lead. It goes by the metrics that the process gathers; synced reports whether the informers of
// the scheduler have synced.
func NewLeadership(gatherer metrics.Gatherer, synced func() bool, clock clock.PassiveClock) *Leadership {
	return &Leadership{gatherer: gatherer, synced: synced, clock: clock}
}

// Schedules notes that this process schedules pods, so that it leads.
func (l *Leadership) Schedules() {
	if !l.known.Load() {
		l.known.Store(true)
	}
}

// Leads reports whether this process leads.
func (l *Leadership) Leads() bool {
	if l.known.Load() {
		return true
	}
	elected, master := l.election()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case master:
		l.known.Store(true)
		return true
	case elected || !l.synced():
		l.unelectedSince = time.Time{}
		return false
	case l.unelectedSince.IsZero():
		l.unelectedSince = l.clock.Now()
	}
	return l.clock.Since(l.unelectedSince) >= unelectedFor
}

// election reports whether there is a leader election, and whether this process has won one.
func (l *Leadership) election() (elected, master bool) {
	families, _ := l.gatherer.Gather() // what cannot be gathered is missing, the rest is there
	for _, family := range families {
		if family.GetName() != masterStatus {
			continue
		}
		for _, sample := range family.GetMetric() {
			elected, master = true, master || sample.GetGauge().GetValue() == 1
		}
	}
	return elected, master
}
