package gang

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
)

const (
	// firstDelay and lastDelay bound after how long a group is tried again whose members did not all get where they were to go.
	firstDelay = time.Second
	lastDelay  = 30 * time.Second
)

// Place is where a member goes.
type Place struct {
	// Pod is the member.
	Pod *corev1.Pod
	// Node is the name of its node.
	Node string
	// Why is the rule that put the node first, in words; empty if the member fits there as it is.
	Why string
	// Waste is that of its own choice, see selection.Swap.
	Waste int64
}

// Attempt is a group whose members have their places, until all of them are through Permit or it is given up. It does not change once it
// is begun, but for what Attempts keep of it.
type Attempt struct {
	// Group is its name.
	Group types.NamespacedName
	// Places are those of its members, by their UIDs.
	Places map[types.UID]*Place
	// Units are the placeholders that have to go, by the names of their nodes.
	Units map[string][]*corev1.Pod
	// Headrooms are those that the units are of.
	Headrooms []types.NamespacedName
	// Deadline is until when all members must be through Permit.
	Deadline time.Time
	// Handle is that of the members' profile.
	Handle fwk.Handle

	arrived sets.Set[types.UID]
	timer   *time.Timer
}

// Attempts are the groups that have their places, one attempt a group, and the members that are about to be bound. Methods may be called
// concurrently.
type Attempts struct {
	mu     sync.Mutex
	turns  Turns
	groups map[types.NamespacedName]*Attempt
	// pods and units are those of the attempts.
	pods, units map[types.UID]*Attempt
	// assumed are members that are about to be bound, fitting those whose group needs no headroom.
	assumed, fitting sets.Set[types.UID]
	// warned are pods whose authors were told that there is no such group.
	warned   sets.Set[types.UID]
	failures map[types.NamespacedName]int
}

// NewAttempts returns none.
func NewAttempts() *Attempts {
	return &Attempts{
		groups: map[types.NamespacedName]*Attempt{}, pods: map[types.UID]*Attempt{}, units: map[types.UID]*Attempt{},
		assumed: sets.New[types.UID](), fitting: sets.New[types.UID](), warned: sets.New[types.UID](),
		failures: map[types.NamespacedName]int{},
	}
}

// Begin notes that a group has its places. timeout is called if the attempt is not over by its deadline.
func (as *Attempts) Begin(a *Attempt, timeout func()) {
	as.mu.Lock()
	defer as.mu.Unlock()
	a.arrived = sets.New[types.UID]()
	as.groups[a.Group] = a
	for uid := range a.Places {
		as.pods[uid] = a
	}
	for _, units := range a.Units {
		for _, unit := range units {
			as.units[unit.UID] = a
		}
	}
	as.turns.Hold(a.Group, a.Headrooms)
	a.timer = time.AfterFunc(time.Until(a.Deadline), timeout)
}

// Of returns the attempt of a group, nil if there is none.
func (as *Attempts) Of(group types.NamespacedName) *Attempt {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.groups[group]
}

// WithPod returns the attempt in which a pod has its place, nil if there is none.
func (as *Attempts) WithPod(uid types.UID) *Attempt {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.pods[uid]
}

// WithUnit returns the attempt for which a placeholder is to go, nil if there is none.
func (as *Attempts) WithUnit(uid types.UID) *Attempt {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.units[uid]
}

// Arrive notes that a member is in Permit. If it is the last one, the attempt is over, complete is true, and others are the members that
// wait there. ok is false if the attempt was given up.
func (as *Attempts) Arrive(a *Attempt, uid types.UID) (others []types.UID, complete, ok bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.groups[a.Group] != a {
		return nil, false, false
	}
	a.arrived.Insert(uid)
	if a.arrived.Len() < len(a.Places) {
		return nil, false, true
	}
	as.drop(a)
	delete(as.failures, a.Group)
	return a.arrived.Clone().Delete(uid).UnsortedList(), true, true
}

// End gives an attempt up. It returns the members that are in Permit, and after how long the group may be tried again. ok is false if the
// attempt was over already.
func (as *Attempts) End(a *Attempt) (arrived sets.Set[types.UID], again time.Duration, ok bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.groups[a.Group] != a {
		return nil, 0, false
	}
	as.drop(a)
	again = lastDelay
	if failures := as.failures[a.Group]; failures < 5 {
		again = min(lastDelay, firstDelay<<failures)
	}
	as.failures[a.Group]++
	return a.arrived, again, true
}

func (as *Attempts) drop(a *Attempt) {
	a.timer.Stop()
	delete(as.groups, a.Group)
	for uid := range a.Places {
		delete(as.pods, uid)
	}
	for _, units := range a.Units {
		for _, unit := range units {
			delete(as.units, unit.UID)
		}
	}
}

// Assume notes that a member is about to be bound.
func (as *Attempts) Assume(uid types.UID) {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.assumed.Insert(uid)
}

// Unassume notes that a member will not be bound now.
func (as *Attempts) Unassume(uid types.UID) {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.assumed.Delete(uid)
}

// Assumed reports whether a member is about to be bound.
func (as *Attempts) Assumed(uid types.UID) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.assumed.Has(uid)
}

// NoteFitting notes that a group fits as it is, so that its members are pods like any other as long as each of them does.
func (as *Attempts) NoteFitting(members []*corev1.Pod) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for _, member := range members {
		as.fitting.Insert(member.UID)
	}
}

// Fitting reports whether a pod is a member of a group that fits as it is, as far as was looked.
func (as *Attempts) Fitting(uid types.UID) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.fitting.Has(uid)
}

// ForgetPod drops a pod that is bound or gone.
func (as *Attempts) ForgetPod(uid types.UID) {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.assumed.Delete(uid)
	as.fitting.Delete(uid)
	as.warned.Delete(uid)
}

// WarnOnce reports whether it is asked about a pod for the first time.
func (as *Attempts) WarnOnce(uid types.UID) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	first := !as.warned.Has(uid)
	as.warned.Insert(uid)
	return first
}

// ForgetGroup drops a group that is gone.
func (as *Attempts) ForgetGroup(name types.NamespacedName) {
	as.mu.Lock()
	defer as.mu.Unlock()
	delete(as.failures, name)
	as.turns.Forget(name)
}

// Turns calls a function that may use the turns of the groups.
func (as *Attempts) Turns(do func(*Turns)) {
	as.mu.Lock()
	defer as.mu.Unlock()
	do(&as.turns)
}
