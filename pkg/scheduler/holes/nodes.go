package holes

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/utils/clock"
)

const (
	// changesLast is how long changes are remembered: FreeFor, and how long the scheduler's view of a node may be behind.
	changesLast = 10 * time.Second
	// coversLast is how long a pod can cover holes.
	coversLast = HoleLasts + nominatedBefore
	// sweepEvery is how often nodes on which nothing happens are looked through for what is out of date.
	sweepEvery = 10 * time.Second
)

// Options are what Nodes know of the world.
type Options struct {
	// Clock tells how old holes, nominations and free room are.
	Clock clock.PassiveClock
	// Own reports whether a scheduler's name is that of a profile of this scheduler.
	Own func(scheduler string) bool
	// IsPlaceholder reports whether a pod is a placeholder. Nothing is kept for placeholders.
	IsPlaceholder func(*corev1.Pod) bool
	// Released is called when room of a node may be kept no longer, before the time is up. It must not call back.
	Released func(node string)
}

// Nodes are the nodes on which room is kept. Methods may be called concurrently.
type Nodes struct {
	Options

	mu          sync.RWMutex
	nodes       map[string]*onNode
	nominatedTo map[types.UID]string
	yieldedOn   map[types.UID]string
	// marked are the victims that exist: each makes one hole, however often it is heard of.
	marked map[types.UID]struct{}
	// waiting counts the pods of other schedulers that wait for a node, by scheduler and priority.
	waiting map[string]map[int32]int
	waits   map[types.UID]waiter
	swept   time.Time
	// since is from when on all changes of pods are known, the zero time as long as none was heard of.
	since time.Time

	// others says that there are pods that other schedulers bind.
	others atomic.Bool
	// known is on how many nodes there is anything, foreign on how many room is kept for pods of other schedulers.
	known, foreign atomic.Int64
}

// onNode is what is known of one node.
type onNode struct {
	nominated []nomination
	holes     []hole
	covers    []cover
	changes   []change
	yields    []yield
	foreign   bool
}

// nomination is a pod that is nominated to a node.
type nomination struct {
	info      *framework.PodInfo
	version   string
	scheduler string
	at        time.Time
}

// New returns nodes on which nothing is kept.
func New(o Options) *Nodes {
	return &Nodes{
		Options: o, nodes: map[string]*onNode{}, nominatedTo: map[types.UID]string{}, yieldedOn: map[types.UID]string{},
		marked:  map[types.UID]struct{}{},
		waiting: map[string]map[int32]int{}, waits: map[types.UID]waiter{}, swept: o.Clock.Now(),
	}
}

// Observe takes note of a pod as it is, or was, as far as that makes room be kept. It may be told of the same state more than once, and
// costs nothing for pods that are neither victims nor nominated.
func (n *Nodes) Observe(pod *corev1.Pod) {
	scheduler, victim := preempted(pod)
	nominated := nominatedNode(pod)
	if !victim && nominated == "" || n.IsPlaceholder(pod) && !victim {
		return
	}
	now := n.Clock.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if victim {
		n.openHole(pod, mark{scheduler: scheduler}, now)
	}
	if nominated != "" {
		n.nominate(pod, nominated, now)
	}
}

// PodChanged takes note of a change of a pod: before is nil for a new one, after for one that is gone or finished.
func (n *Nodes) PodChanged(before, after *corev1.Pod) {
	if after != nil {
		n.Observe(after)
	}
	now := n.Clock.Now()
	covered, yielded := "", ""
	n.mu.Lock()
	if n.since.IsZero() {
		n.since = now
	}
	if after == nil || after.Spec.NodeName != "" {
		yielded = n.yieldNoMore(cmp.Or(after, before).UID, now)
	}
	switch {
	case after == nil:
		n.gone(before, now)
	case after.Spec.NodeName == "":
		n.waitsFor(after)
		if to := n.nominatedTo[after.UID]; to != "" && to != nominatedNode(after) {
			n.withdraw(after.UID, now)
		}
	default:
		covered = n.bound(before, after, now)
	}
	n.sweep(now)
	n.mu.Unlock()
	if covered != "" {
		n.Released(covered)
	}
	if yielded != "" && yielded != covered {
		n.Released(yielded)
	}
	if before != nil {
		if was := nominatedNode(before); was != "" && was != covered && (after == nil || nominatedNode(after) != was) {
			n.Released(was)
		}
	}
}

// openHole notes a victim.
func (n *Nodes) openHole(pod *corev1.Pod, by mark, now time.Time) {
	if _, known := n.marked[pod.UID]; known {
		return
	}
	info, ok := infoOf(pod)
	if !ok {
		return
	}
	n.marked[pod.UID] = struct{}{}
	n.update(pod.Spec.NodeName, now, func(on *onNode) {
		on.holes = append(on.holes, hole{
			victim: info, amount: amountOf(info), mark: by, priority: corev1helpers.PodPriority(pod), at: now,
		})
	})
}

// nominate notes a nomination, or that the pod changed and is nominated still.
func (n *Nodes) nominate(pod *corev1.Pod, to string, now time.Time) {
	if from := n.nominatedTo[pod.UID]; from != "" && from != to {
		n.withdraw(pod.UID, now)
	}
	info, ok := infoOf(pod)
	if !ok {
		return
	}
	n.nominatedTo[pod.UID] = to
	n.update(to, now, func(on *onNode) {
		is := nomination{info: info, version: pod.ResourceVersion, scheduler: pod.Spec.SchedulerName, at: now}
		i := slices.IndexFunc(on.nominated, func(known nomination) bool { return known.info.Pod.UID == pod.UID })
		switch {
		case i < 0:
			on.nominated = append(on.nominated, is)
			on.cover(info, now)
		case on.nominated[i].version != pod.ResourceVersion:
			on.nominated[i] = is
		}
	})
}

// withdraw forgets a nomination.
func (n *Nodes) withdraw(pod types.UID, now time.Time) {
	n.update(n.nominatedTo[pod], now, func(on *onNode) {
		on.nominated = slices.DeleteFunc(on.nominated, func(known nomination) bool { return known.info.Pod.UID == pod })
	})
	delete(n.nominatedTo, pod)
}

// gone notes that a pod is gone.
func (n *Nodes) gone(pod *corev1.Pod, now time.Time) {
	delete(n.marked, pod.UID)
	n.waitsNoMore(pod.UID)
	if n.nominatedTo[pod.UID] != "" {
		n.withdraw(pod.UID, now)
	}
	if pod.Spec.NodeName != "" {
		n.record(pod, now, false)
	}
}

// bound notes that a pod has a node, and returns that node if the pod covers holes there.
func (n *Nodes) bound(before, after *corev1.Pod, now time.Time) (covered string) {
	n.waitsNoMore(after.UID)
	if n.nominatedTo[after.UID] != "" {
		n.withdraw(after.UID, now)
	}
	if before == nil || before.Spec.NodeName != "" {
		return "" // it was so when it was heard of first
	}
	n.record(after, now, true)
	if on := n.nodes[after.Spec.NodeName]; on != nil && len(on.holes) > 0 && !n.IsPlaceholder(after) {
		if info, ok := infoOf(after); ok {
			on.cover(info, now)
			covered = after.Spec.NodeName
		}
	}
	n.needsNoMore(after, now)
	return covered
}

// record remembers that a pod came to its node or went from it. That matters only beside other schedulers.
func (n *Nodes) record(pod *corev1.Pod, now time.Time, came bool) {
	if !n.others.Load() {
		return
	}
	info, ok := infoOf(pod)
	if !ok {
		return
	}
	n.update(pod.Spec.NodeName, now, func(on *onNode) {
		on.changes = append(on.changes, change{
			uid: pod.UID, amount: amountOf(info), at: now, came: came, own: n.Own(pod.Spec.SchedulerName),
		})
	})
}

// update changes what is known of a node, and counts anew.
func (n *Nodes) update(name string, now time.Time, do func(*onNode)) {
	on := n.nodes[name]
	if on == nil {
		on = &onNode{}
		n.nodes[name] = on
	}
	do(on)
	n.tidy(name, on, now)
}

// sweep tidies all nodes, now and then.
func (n *Nodes) sweep(now time.Time) {
	if now.Sub(n.swept) < sweepEvery {
		return
	}
	n.swept = now
	for _, name := range slices.Collect(maps.Keys(n.nodes)) {
		n.tidy(name, n.nodes[name], now)
	}
}

// tidy drops what is out of date.
func (n *Nodes) tidy(name string, on *onNode, now time.Time) {
	on.nominated = slices.DeleteFunc(on.nominated, func(known nomination) bool {
		stale := now.Sub(known.at) >= NominationLasts
		if stale {
			delete(n.nominatedTo, known.info.Pod.UID)
		}
		return stale
	})
	on.holes = slices.DeleteFunc(on.holes, func(h hole) bool { return now.Sub(h.at) >= HoleLasts })
	on.covers = slices.DeleteFunc(on.covers, func(c cover) bool { return now.Sub(c.at) >= coversLast })
	on.yields = slices.DeleteFunc(on.yields, func(y yield) bool {
		over := !now.Before(y.until)
		if over {
			delete(n.yieldedOn, y.info.GetPod().UID)
		}
		return over
	})
	on.changes = slices.DeleteFunc(on.changes, func(c change) bool { return now.Sub(c.at) >= changesLast })
	foreign := slices.ContainsFunc(on.nominated, func(known nomination) bool { return !n.Own(known.scheduler) }) ||
		slices.ContainsFunc(on.holes, func(h hole) bool { return !n.Own(h.scheduler) })
	if foreign != on.foreign {
		on.foreign = foreign
		if foreign {
			n.foreign.Add(1)
		} else {
			n.foreign.Add(-1)
		}
	}
	if len(on.nominated)+len(on.holes)+len(on.covers)+len(on.changes)+len(on.yields) == 0 {
		delete(n.nodes, name)
	}
	n.known.Store(int64(len(n.nodes)))
}
