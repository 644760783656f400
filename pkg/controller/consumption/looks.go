package consumption

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// looks are when the pods of a node are looked at after a placeholder went from it. A binding follows its evictions within milliseconds.
// The last look, if it succeeds, decides.
var looks = []time.Duration{100 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second, account.Patience}

// lookAgain is when to look again where the last look should have decided, and failed.
const lookAgain = 5 * time.Second

// Bound is a pod on a node.
type Bound struct {
	account.Consumer
	// Took is what its annotation says; the zero value if it has none.
	Took swapevent.Took
}

// SetWake sets what is called, with the Ledger's lock held, when there may be a node to look at sooner than Due said.
func (l *Ledger) SetWake(wake func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake = wake
}

// Hint says that a look at a node may explain something now.
func (l *Ledger) Hint(node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hint(node)
}

func (l *Ledger) hint(node string) {
	for _, d := range l.open {
		if d.Node == node && !l.hinted[node] {
			l.hinted[node] = true
			l.wake()
			return
		}
	}
}

// Due returns the nodes whose pods are to be looked at now, and after how long to ask again; zero if nothing is open.
func (l *Ledger) Due() (nodes []string, again time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	due := maps.Clone(l.hinted)
	clear(l.hinted)
	for _, d := range l.open {
		if d.next.IsZero() {
			d.next = nextLook(d.Time, d.Time)
		}
		if !d.next.After(now) {
			due[d.Node] = true
			d.next = nextLook(d.Time, now)
		}
		if wait := d.next.Sub(now); again == 0 || wait < again {
			again = wait
		}
	}
	return slices.Sorted(maps.Keys(due)), again
}

// nextLook is when to look at the node of a placeholder that went, after a look at a later time.
func nextLook(went, last time.Time) time.Time {
	for _, after := range looks {
		if at := went.Add(after); at.After(last) {
			return at
		}
	}
	return last.Add(lookAgain)
}

// Looked notes the pods of a node, as they were at a time not before began, and whether the node is gone. Placeholders that went long
// enough before that time, and that none of the pods took, are given up.
func (l *Ledger) Looked(node string, began time.Time, pods []Bound, nodeGone bool) {
	l.mu.Lock()
	changed := map[types.NamespacedName]bool{}
	names := map[types.UID]account.Consumer{}
	for i := range pods {
		names[pods[i].UID] = pods[i].Consumer
		for _, headroom := range l.credit(&pods[i], node) {
			changed[headroom] = true
		}
	}
	for _, d := range l.open {
		if d.Node != node {
			continue
		}
		if l.settle(d, began.Sub(d.Time), names[d.consumer.UID], nodeGone) {
			changed[d.headroom] = true
		}
	}
	l.mu.Unlock()
	for headroom := range changed {
		l.changed(headroom)
	}
}

// settle decides what a look may decide of a departure, and reports whether there is something to report. The lock is held.
func (l *Ledger) settle(d *departure, waited time.Duration, preemptor account.Consumer, nodeGone bool) (report bool) {
	switch {
	case d.Preempted && preemptor.Name != "":
		return l.take(d, preemptor, account.ByPreemption)
	case d.Preempted && waited >= namePatience:
		return l.take(d, d.consumer, account.ByPreemption)
	case d.Preempted || waited < account.Patience:
		return false
	}
	for _, u := range l.unnamed {
		if u.node == d.Node && u.left > 0 {
			u.left--
			return l.take(d, u.consumer, account.BySwap)
		}
	}
	if nodeGone {
		l.lose(d, account.LossNode)
	} else {
		l.lose(d, d.Otherwise)
	}
	return false
}

// credit notes what the annotation of a pod that is bound to a node says, and returns the Headrooms that have something to report. The
// lock is held.
func (l *Ledger) credit(pod *Bound, node string) (changed []types.NamespacedName) {
	for _, uid := range pod.Took.Placeholders {
		d := l.open[uid]
		switch {
		case d != nil && d.Node == node:
			l.take(d, pod.Consumer, account.BySwap)
			changed = append(changed, d.headroom)
		case d == nil && l.decided[uid].IsZero():
			l.evidence[uid] = evidence{consumer: pod.Consumer, node: node, time: l.clock.Now()}
		}
	}
	if pod.Took.Unnamed > 0 && l.unnamed[pod.UID] == nil && l.isRecent(pod.Took.Placeholders) {
		l.unnamed[pod.UID] = &unnamed{consumer: pod.Consumer, node: node, left: pod.Took.Unnamed, time: l.clock.Now()}
	}
	return changed
}

// isRecent reports whether placeholders were decided on lately, if there are any. The lock is held.
func (l *Ledger) isRecent(placeholders []types.UID) bool {
	return len(placeholders) == 0 || slices.ContainsFunc(placeholders, func(uid types.UID) bool { return !l.decided[uid].IsZero() })
}
