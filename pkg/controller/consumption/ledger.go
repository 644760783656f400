package consumption

import (
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

const (
	// Window is how long a deletion and the event that explains it may lie apart, as the controller sees them.
	Window = 10 * time.Second
	// NameTimeout is how long the report of a consumption waits for the consumer's name.
	NameTimeout = 2 * time.Second
)

// Consumption is one placeholder that a pod took.
type Consumption struct {
	// Placeholder is the pod that was evicted, and Node where it was.
	Placeholder types.NamespacedName
	Node        string
	// Consumer is the pod that took it. Its name is empty if nobody said.
	Consumer corev1.ObjectReference
	// Time is when the controller saw the placeholder go.
	Time time.Time
}

// Statement is what an event says: this consumer took this placeholder.
type Statement struct {
	// Placeholder names the pod. UID is empty if the event does not have it.
	Placeholder types.NamespacedName
	UID         types.UID
	// Consumer is the pod that took it.
	Consumer corev1.ObjectReference
}

// departure is a placeholder that went, waiting for what is not known of it.
type departure struct {
	Consumption
	headroom types.NamespacedName
	uid      types.UID
	consumed bool
}

// arrival is a statement that came before the departure it explains.
type arrival struct {
	Statement
	time time.Time
}

// Ledger joins placeholders that went with the events that explain them, in whichever order the two come. It remembers both
// for Window. It is safe for concurrent use.
type Ledger struct {
	clock clock.PassiveClock
	// changed is called without the lock when a Headroom has something to report.
	changed func(headroom types.NamespacedName)

	mu         sync.Mutex
	departures []departure // in order of time
	arrivals   []arrival   // in order of time
}

// NewLedger returns an empty ledger. It calls changed, from the goroutine that brought the news, when Report has something
// new for a Headroom.
func NewLedger(clock clock.PassiveClock, changed func(headroom types.NamespacedName)) *Ledger {
	return &Ledger{clock: clock, changed: changed}
}

// Departed notes that a placeholder was deleted, by somebody else than the controller.
func (l *Ledger) Departed(headroom types.NamespacedName, pod *corev1.Pod) {
	cause := CauseOf(pod)
	if cause == Other {
		return
	}
	l.mu.Lock()
	l.forget()
	d := departure{
		Consumption: Consumption{
			Placeholder: types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name},
			Node:        pod.Spec.NodeName,
			Time:        l.clock.Now(),
		},
		headroom: headroom, uid: pod.UID, consumed: cause == Consumed,
	}
	if i := slices.IndexFunc(l.arrivals, func(a arrival) bool { return d.explainedBy(a.Statement) }); i >= 0 {
		d.explain(l.arrivals[i].Statement)
		l.arrivals = slices.Delete(l.arrivals, i, i+1)
	}
	l.departures = append(l.departures, d)
	report := d.consumed
	l.mu.Unlock()
	if report {
		l.changed(headroom)
	}
}

// Stated notes what an event says. A statement that explains nothing seen so far is kept for Window.
func (l *Ledger) Stated(statement Statement) {
	l.mu.Lock()
	l.forget()
	i := slices.IndexFunc(l.departures, func(d departure) bool { return d.explainedBy(statement) })
	if i < 0 {
		l.arrivals = append(l.arrivals, arrival{Statement: statement, time: l.clock.Now()})
		l.mu.Unlock()
		return
	}
	l.departures[i].explain(statement)
	headroom := l.departures[i].headroom
	l.mu.Unlock()
	l.changed(headroom)
}

// Report returns, and removes, the consumptions of a Headroom that are ready to be reported: the consumer is known, or was
// waited for long enough. If others wait still, retry is when to ask again; else it is zero.
func (l *Ledger) Report(headroom types.NamespacedName) (ready []Consumption, retry time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
	now := l.clock.Now()
	l.departures = slices.DeleteFunc(l.departures, func(d departure) bool {
		if d.headroom != headroom || !d.consumed {
			return false
		}
		if wait := NameTimeout - now.Sub(d.Time); d.Consumer.Name == "" && wait > 0 {
			if retry == 0 || wait < retry {
				retry = wait
			}
			return false
		}
		ready = append(ready, d.Consumption)
		return true
	})
	return ready, retry
}

// Restore puts back what Report removed and could not be reported.
func (l *Ledger) Restore(headroom types.NamespacedName, consumptions []Consumption) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range consumptions {
		l.departures = append(l.departures, departure{Consumption: c, headroom: headroom, consumed: true})
	}
}

// Forget drops everything about a Headroom that is gone.
func (l *Ledger) Forget(headroom types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.departures = slices.DeleteFunc(l.departures, func(d departure) bool { return d.headroom == headroom })
}

// forget drops what is older than Window, except for consumptions that were not reported yet. The lock is held.
func (l *Ledger) forget() {
	old := l.clock.Now().Add(-Window)
	l.departures = slices.DeleteFunc(l.departures, func(d departure) bool { return !d.consumed && d.Time.Before(old) })
	l.arrivals = slices.DeleteFunc(l.arrivals, func(a arrival) bool { return a.time.Before(old) })
}

func (d *departure) explainedBy(c Statement) bool {
	if d.Consumer.Name != "" {
		return false
	}
	if c.UID != "" {
		return c.UID == d.uid
	}
	return c.Placeholder == d.Placeholder
}

func (d *departure) explain(c Statement) {
	d.consumed, d.Consumer = true, c.Consumer
}
