package account

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// Days is how many days an account remembers.
	Days = 15
	// Takes is how many takes it remembers one by one.
	Takes = 100
	// Missing is how many units that went and have no successor are remembered one by one, the oldest first.
	Missing = 200
	// Patience is how long a unit that went without a word waits for a pod that took it.
	Patience = time.Minute
)

// Loss is why a unit went that no pod took.
type Loss string

// The losses. None of them is demand.
const (
	// LossAbandoned: nobody said why it went, and no pod took it: a scheduler that died between eviction and binding, or a deletion by
	// hand.
	LossAbandoned Loss = "abandoned"
	// LossDrained: the eviction API, as drains and autoscalers use it.
	LossDrained Loss = "drained"
	// LossNode: its node went, or is tainted so that pods must leave.
	LossNode Loss = "node"
	// LossFailed: the kubelet ended it.
	LossFailed Loss = "failed"
	// LossOvercommitted: more was bound to its node than the node has, and headroom-scheduler took it away.
	LossOvercommitted Loss = "overcommitted"
	// LossYielded: a pod of a DaemonSet waited for its node, and headroom-scheduler took it away. It was a reserved unit.
	LossYielded Loss = "yielded"
	// LossScaledDown: the controller deleted it, because fewer are wanted.
	LossScaledDown Loss = "scaled_down"
	// LossReplaced: the controller replaced it by one of a newer spec.
	LossReplaced Loss = "replaced"
	// LossOther: a disruption of another kind.
	LossOther Loss = "other"
)

// Losses returns all losses.
func Losses() []Loss {
	return []Loss{LossAbandoned, LossDrained, LossNode, LossFailed, LossOvercommitted, LossYielded, LossScaledDown, LossReplaced, LossOther}
}

// Miss is why no unit served a pod that a Headroom entitles.
type Miss string

// The misses. A pod that is missed for the first two lacks nothing that more units would have made good.
const (
	// MissPriority: the pod's priority is not above that of the units.
	MissPriority Miss = "priority"
	// MissFiltered: nodes held enough, but do not suit the pod for another reason, for example a taint or a volume.
	MissFiltered Miss = "filtered"
	// MissPreemption: a scheduler preempts pods for it, which may be units, and the pod waits until they are gone.
	MissPreemption Miss = "preemption"
	// MissNoneReady: no unit was ready.
	MissNoneReady Miss = "none_ready"
	// MissTooSmall: units were ready, but no node held enough of them for the pod.
	MissTooSmall Miss = "too_small"
	// MissOther: units were ready, and the scheduler did not say why they did not serve.
	MissOther Miss = "other"
)

// Misses returns all misses.
func Misses() []Miss {
	return []Miss{MissPriority, MissFiltered, MissPreemption, MissNoneReady, MissTooSmall, MissOther}
}

// How is how a pod took a unit.
type How string

// The ways to take a unit.
const (
	// BySwap: headroom-scheduler evicted it in the cycle that bound the consumer.
	BySwap How = "Swap"
	// ByPreemption: a kube-scheduler preempted it.
	ByPreemption How = "Preemption"
)

// Consumer is the pod that took a unit. Its name is empty where only the UID is known, and the UID where nothing is.
type Consumer struct {
	types.NamespacedName
	UID types.UID
	// Owner is the consumer's controller, for example ReplicaSet/web-5d9c; empty if it has none.
	Owner string
}

// Take is one unit that a pod took.
type Take struct {
	// Time is when the unit went.
	Time time.Time
	// Placeholder is the name of the pod that held the unit, UID its UID, Node where it was.
	Placeholder string
	UID         types.UID
	Node        string
	// Consumer took it.
	Consumer Consumer
	// How it took it.
	How How
	// Refilled is after how long one was bound in its place; zero until then.
	Refilled time.Duration
}

// Totals count since the account was opened.
type Totals struct {
	// Taken and Lacked are units.
	Taken, Lacked int64
	// Lost are units by reason.
	Lost map[Loss]int64
	// Missed are pods by reason.
	Missed map[Miss]int64
}

// Account is what is remembered of one Headroom. It is not safe for concurrent use.
type Account struct {
	opened  time.Time
	totals  Totals
	hours   []Hour // in order of time
	takes   []Take // in order of time
	missing []time.Time
	// lackedThrough is when the last pod that was missed was told that there is no room.
	lackedThrough time.Time
}

// New opens an account.
func New(now time.Time) *Account {
	return &Account{opened: now, totals: Totals{Lost: map[Loss]int64{}, Missed: map[Miss]int64{}}}
}

// Opened is since when the account is kept.
func (a *Account) Opened() time.Time { return a.opened }

// Totals returns the counts since then.
func (a *Account) Totals() Totals { return a.totals }

// Hours returns the hours of the last Days days in which the account was kept, in order. Nobody may change them.
func (a *Account) Hours() []Hour { return a.hours }

// Takes returns the last takes, the newest last. Nobody may change them.
func (a *Account) Takes() []Take { return a.takes }

// Missing returns when the units went that have no successor yet, the oldest first.
func (a *Account) Missing() []time.Time { return a.missing }

// LackedThrough is when the last pod that was missed was told that there is no room. Pods that were told earlier are counted.
func (a *Account) LackedThrough() time.Time { return a.lackedThrough }

// Take records a take.
func (a *Account) Take(t Take) {
	a.totals.Taken++
	hour, slot := a.at(t.Time)
	hour.Taken++
	hour.TakenIn = add(hour.TakenIn, slot, 1)
	i, _ := slices.BinarySearchFunc(a.takes, t.Time, func(e Take, at time.Time) int {
		if e.Time.After(at) {
			return 1
		}
		return -1
	})
	a.takes = slices.Insert(a.takes, i, t)
	if over := len(a.takes) - Takes; over > 0 {
		a.takes = slices.Delete(a.takes, 0, over)
	}
}

// Lose records a unit that went otherwise.
func (a *Account) Lose(why Loss, at time.Time) {
	a.totals.Lost[why]++
	hour, _ := a.at(at)
	if hour.Lost == nil {
		hour.Lost = map[Loss]int{}
	}
	hour.Lost[why]++
}

// Miss records that no unit served an entitled pod, which was told so at that time, and how many units it lacked: zero where more of them
// would not have helped. The caller counts each pod once.
func (a *Account) Miss(why Miss, units int, at time.Time) {
	a.totals.Missed[why]++
	a.totals.Lacked += int64(units)
	hour, slot := a.at(at)
	if hour.Missed == nil {
		hour.Missed = map[Miss]int{}
	}
	hour.Missed[why] = min(hour.Missed[why]+1, most)
	hour.Lacked += units
	hour.LackedIn = add(hour.LackedIn, slot, units)
	if at.After(a.lackedThrough) {
		a.lackedThrough = at
	}
}

// Again notes that so many units count twice, as lacked and as taken, because the same pod lacked them and took them, and that the later
// of the two was at that time. They are demand once.
func (a *Account) Again(units int, at time.Time) {
	if units <= 0 {
		return
	}
	hour, slot := a.at(at)
	hour.Again += units
	hour.AgainIn = add(hour.AgainIn, slot, units)
}

// Went notes that a bound unit went, for whatever reason it has to be replaced, so that the refill is measured.
func (a *Account) Went(at time.Time) {
	i, _ := slices.BinarySearchFunc(a.missing, at, time.Time.Compare)
	a.missing = slices.Insert(a.missing, i, at)
	if len(a.missing) > Missing {
		a.missing = a.missing[:Missing]
	}
}

// Bound notes that a unit was bound to a node that came into being at nodeCreated, and returns how long one was missing, if one was. The
// refill needed a node if that is younger than the loss.
func (a *Account) Bound(at, nodeCreated time.Time) (refill time.Duration, ok bool) {
	if len(a.missing) == 0 || a.missing[0].After(at) {
		return 0, false
	}
	since := a.missing[0]
	a.missing = a.missing[1:]
	refill = at.Sub(since)
	hour, _ := a.at(at)
	bin := binOf(refill)
	if nodeCreated.After(since) {
		hour.NodeRefills = add(hour.NodeRefills, bin, 1)
	} else {
		hour.Refills = add(hour.Refills, bin, 1)
	}
	for i := range a.takes {
		if a.takes[i].Time.Equal(since) && a.takes[i].Refilled == 0 {
			a.takes[i].Refilled = max(refill, time.Millisecond)
			break
		}
	}
	return refill, true
}

// Limit drops the units that nobody waits for any more: at the time of the observation only so many were missing. Later ones stay.
func (a *Account) Limit(missing int, observed time.Time) {
	known := 0
	for _, went := range a.missing {
		if !went.After(observed) {
			known++
		}
	}
	if surplus := known - max(0, missing); surplus > 0 {
		a.missing = slices.Delete(a.missing, 0, surplus)
	}
}

// Observe notes how many units are ready, and that the account is kept at this time. It reports whether an hour began with that.
func (a *Account) Observe(at time.Time, ready int) (began bool) {
	before := len(a.hours)
	var last int64
	if before > 0 {
		last = a.hours[before-1].Hour
	}
	hour, slot := a.at(at)
	hour.Seen |= 1 << slot
	if ready == 0 {
		hour.Empty |= 1 << slot
	}
	if hour.Lowest == nil || ready < *hour.Lowest {
		hour.Lowest = &ready
	}
	return before == 0 || hour.Hour > last
}
