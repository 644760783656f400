package consumption

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/pkg/account"
)

const (
	// namePatience is how long a preemption waits for the name of the pod that it was for.
	namePatience = 10 * time.Second
	// memory is how long evidence waits for the placeholder that it explains, and how long a decision is remembered.
	memory = 10 * time.Minute
)

// Consumption is one placeholder that a pod took.
type Consumption struct {
	// Placeholder is the pod that was evicted, and Node where it was.
	Placeholder types.NamespacedName
	Node        string
	// Consumer is the pod that took it. Its name is empty if only its UID is known, and its UID if nothing is.
	Consumer account.Consumer
	// Time is when the controller saw the placeholder go.
	Time time.Time
}

// Departure is a placeholder that went, and of which it is not known why.
type Departure struct {
	Placeholder types.NamespacedName
	UID         types.UID
	Node        string
	Time        time.Time
	// Preempted says that a kube-scheduler preempted it, and only the pod is missing for which.
	Preempted bool
	// Otherwise is what becomes of it if no pod took it and its node is still there.
	Otherwise account.Loss
}

// Book is where decisions are written down, each once. It is called with the Ledger's lock held.
type Book interface {
	// Took notes that a pod took a unit.
	Took(headroom types.NamespacedName, take account.Take)
	// Lost notes that a unit went otherwise.
	Lost(headroom types.NamespacedName, why account.Loss, at time.Time)
}

// departure is a Departure that waits for a decision.
type departure struct {
	Departure
	headroom types.NamespacedName
	consumer account.Consumer // of a preemption, as far as it is known
	// doubtful says that the mark of a preemption is too old to be believed without an event of that preemption: a scheduler that tries a
	// deletion again leaves the time of the mark as it is, and so does one whose deletion was refused.
	doubtful bool
	next     time.Time // when to look at its node
}

// Victim is a pod that an event says was preempted. Whoever writes events may write any UID into one, but only about pods of namespaces in
// which they may: so an event is about a placeholder only if it names it by both.
type Victim struct {
	types.NamespacedName
	UID types.UID
}

// evidence says that a consumer took a placeholder that was not seen to go yet.
type evidence struct {
	consumer account.Consumer
	node     string // of a swap
	time     time.Time
}

// Ledger joins placeholders that went with the evidence that explains them, in whichever order the two come, and decides each once. It is
// safe for concurrent use.
type Ledger struct {
	clock clock.PassiveClock
	book  Book
	// changed is called without the lock when a Headroom has something to report.
	changed func(headroom types.NamespacedName)
	// HideOthers leaves out the names of pods of other namespaces than the Headroom's, and of their owners. Set it before use.
	HideOthers bool
	// wake is called with the lock held when there is a node to look at sooner than Due said.
	wake func()

	mu         sync.Mutex
	open       map[types.UID]*departure
	evidence   map[types.UID]evidence // of swaps, by placeholder
	preemptors map[Victim]evidence
	decided    map[types.UID]time.Time
	ready      map[types.NamespacedName][]Consumption
	unnamed    map[types.UID]*unnamed // by consumer
	hinted     map[string]bool        // nodes that an event says to look at
	swept      time.Time
}

// unnamed are placeholders that a consumer took, and that its annotation only counts.
type unnamed struct {
	consumer account.Consumer
	node     string
	left     int
	time     time.Time
}

// NewLedger returns an empty ledger that writes decisions into the book. It calls changed, from the goroutine that brought the news, when
// Report has something new for a Headroom.
func NewLedger(clock clock.PassiveClock, book Book, changed func(headroom types.NamespacedName)) *Ledger {
	return &Ledger{
		clock: clock, book: book, changed: changed, wake: func() {},
		open: map[types.UID]*departure{}, evidence: map[types.UID]evidence{}, preemptors: map[Victim]evidence{},
		decided: map[types.UID]time.Time{}, ready: map[types.NamespacedName][]Consumption{}, unnamed: map[types.UID]*unnamed{},
		hinted: map[string]bool{},
	}
}

// Departed notes that a bound placeholder was deleted, by somebody else than the controller, and what becomes of it if no pod took it. It
// returns when it went, and reports whether that is news.
func (l *Ledger) Departed(
	headroom types.NamespacedName, pod *corev1.Pod, otherwise account.Loss,
) (at time.Time, news bool) {
	cause := CauseOf(pod)
	d := Departure{
		Placeholder: types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}, UID: pod.UID, Node: pod.Spec.NodeName,
		Time: l.clock.Now(), Preempted: cause.Preempted, Otherwise: otherwise,
	}
	doubtful := false
	if cause.isStale(askedFor(pod, d.Time)) {
		d.Preempted, doubtful = false, cause.Preempted
		d.Otherwise, cause.Lost = cmp.Or(cause.Lost, otherwise), ""
	}
	return d.Time, l.depart(&departure{Departure: d, headroom: headroom, doubtful: doubtful}, cause.Lost)
}

// Resume takes up departures that another process left undecided.
func (l *Ledger) Resume(headroom types.NamespacedName, departures []Departure) {
	for _, d := range departures {
		l.depart(&departure{Departure: d, headroom: headroom}, "")
	}
}

func (l *Ledger) depart(d *departure, lost account.Loss) (news bool) {
	l.mu.Lock()
	l.sweep()
	if l.open[d.UID] != nil || !l.decided[d.UID].IsZero() {
		l.mu.Unlock()
		return false
	}
	victim, report := Victim{NamespacedName: d.Placeholder, UID: d.UID}, false
	if told, ok := l.preemptors[victim]; ok && (d.Preempted || d.doubtful) {
		d.Preempted, d.consumer = true, told.consumer
	}
	known, swapped := l.evidence[d.UID]
	switch {
	case swapped && known.node == d.Node:
		report = l.take(d, known.consumer, account.BySwap)
	case d.consumer.Name != "":
		report = l.take(d, d.consumer, account.ByPreemption)
	case lost != "":
		l.lose(d, lost)
	default:
		l.open[d.UID] = d
		l.wake()
	}
	delete(l.evidence, d.UID)
	delete(l.preemptors, victim)
	l.mu.Unlock()
	if report {
		l.changed(d.headroom)
	}
	return true
}

// Lost notes a placeholder that the controller deleted itself.
func (l *Ledger) Lost(headroom types.NamespacedName, uid types.UID, why account.Loss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep()
	if l.open[uid] == nil && l.decided[uid].IsZero() {
		l.decided[uid] = l.clock.Now()
		l.book.Lost(headroom, why, l.clock.Now())
	}
}

// Deleted notes that it was the controller who deleted a placeholder of which Departed told before that was known. A pod that said by then
// that it took it is believed.
func (l *Ledger) Deleted(uid types.UID, why account.Loss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.open[uid]; d != nil {
		l.lose(d, why)
	}
}

// take decides that a pod took a unit. The lock is held.
func (l *Ledger) take(d *departure, consumer account.Consumer, how account.How) (report bool) {
	l.decide(d)
	if l.HideOthers && consumer.Namespace != d.headroom.Namespace {
		consumer.NamespacedName, consumer.Owner = types.NamespacedName{}, ""
	}
	l.book.Took(d.headroom, account.Take{
		Time: d.Time, Placeholder: d.Placeholder.Name, UID: d.UID, Node: d.Node, Consumer: consumer, How: how,
	})
	l.ready[d.headroom] = append(l.ready[d.headroom], Consumption{
		Placeholder: d.Placeholder, Node: d.Node, Consumer: consumer, Time: d.Time,
	})
	return true
}

// lose decides that a unit went otherwise. The lock is held.
func (l *Ledger) lose(d *departure, why account.Loss) {
	l.decide(d)
	l.book.Lost(d.headroom, why, d.Time)
}

func (l *Ledger) decide(d *departure) {
	delete(l.open, d.UID)
	l.decided[d.UID] = l.clock.Now()
}

// Preempted notes what an event says: a kube-scheduler preempted this placeholder for that pod. It counts only if the placeholder itself
// says that it was preempted.
func (l *Ledger) Preempted(placeholder Victim, consumer account.Consumer) {
	l.mu.Lock()
	l.sweep()
	d := l.open[placeholder.UID]
	if d == nil || !d.Preempted && !d.doubtful || d.Placeholder != placeholder.NamespacedName {
		if d == nil && l.decided[placeholder.UID].IsZero() {
			l.preemptors[placeholder] = evidence{consumer: consumer, time: l.clock.Now()}
		}
		l.mu.Unlock()
		return
	}
	report := false
	d.Preempted = true
	if d.consumer = consumer; consumer.Name != "" {
		report = l.take(d, consumer, account.ByPreemption)
	} else {
		l.hint(d.Node)
	}
	l.mu.Unlock()
	if report {
		l.changed(d.headroom)
	}
}

// Report returns, and removes, the consumptions of a Headroom that are not reported yet, in order of time.
func (l *Ledger) Report(headroom types.NamespacedName) []Consumption {
	l.mu.Lock()
	defer l.mu.Unlock()
	ready := l.ready[headroom]
	delete(l.ready, headroom)
	slices.SortStableFunc(ready, func(a, b Consumption) int { return a.Time.Compare(b.Time) })
	return ready
}

// Restore puts back what Report removed and could not be reported.
func (l *Ledger) Restore(headroom types.NamespacedName, consumptions []Consumption) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ready[headroom] = append(l.ready[headroom], consumptions...)
}

// Forget drops everything about a Headroom that is gone.
func (l *Ledger) Forget(headroom types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ready, headroom)
	maps.DeleteFunc(l.open, func(_ types.UID, d *departure) bool { return d.headroom == headroom })
}

// Snapshot calls use with the departures of a Headroom that are not decided, while no decision can be made.
func (l *Ledger) Snapshot(headroom types.NamespacedName, use func(open []Departure)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var open []Departure
	for _, d := range l.open {
		if d.headroom == headroom {
			open = append(open, d.Departure)
		}
	}
	slices.SortFunc(open, func(a, b Departure) int { return a.Time.Compare(b.Time) })
	use(open)
}

// sweep drops what is older than it may be. The lock is held.
func (l *Ledger) sweep() {
	now := l.clock.Now()
	if now.Sub(l.swept) < memory/10 {
		return
	}
	l.swept = now
	maps.DeleteFunc(l.evidence, func(_ types.UID, e evidence) bool { return now.Sub(e.time) > memory })
	maps.DeleteFunc(l.preemptors, func(_ Victim, e evidence) bool { return now.Sub(e.time) > memory })
	maps.DeleteFunc(l.decided, func(_ types.UID, at time.Time) bool { return now.Sub(at) > memory })
	maps.DeleteFunc(l.unnamed, func(_ types.UID, u *unnamed) bool { return now.Sub(u.time) > memory })
}
