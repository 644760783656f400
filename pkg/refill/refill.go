package refill

import (
	"math"
	"time"
)

// Unbounded is the value of Decision.MaxPending that is no bound.
const Unbounded = math.MaxInt

const (
	// decisionsCome is when to look again whether it is known by now why units went.
	decisionsCome = time.Second
	// countingBegins is when to look again whether takes are counted.
	countingBegins = 100 * time.Millisecond
)

// Policy is spec.refill. The zero value makes every unit at once.
type Policy struct {
	// Once makes no unit anew that a pod took.
	Once bool
	// Delay is how long after a unit went another one is made.
	Delay time.Duration
	// MaxPending is how many units may wait for room at a time; zero: no bound.
	MaxPending int
	// TTL is how long after the creation of the Headroom there are units; zero: for ever.
	TTL time.Duration
}

// Facts are what a decision depends on beside the policy.
type Facts struct {
	// Now is the time, and Created when the Headroom was created.
	Now, Created time.Time
	// Wanted is how many units the spec asks for.
	Wanted int
	// Counting says that takes are counted, Taken is their number, and Undecided that of the units that went of which it is not known
	// yet whether a pod took them. They are read with the policy Once only.
	Counting  bool
	Taken     int
	Undecided int
	// Went are the times at which units went that the controller did not delete itself.
	Went []time.Time
}

// Decision says which units may be made.
type Decision struct {
	// Replicas is how many units should be held.
	Replicas int
	// Expired says that the TTL is over.
	Expired bool
	// Hold is how many of the units that are missing must not be made now.
	Hold int
	// MaxPending is how many units may wait for room at a time.
	MaxPending int
	// Recheck is when the decision may be another one although nothing happens; zero: never.
	Recheck time.Duration
}

// Decide applies the rules.
func Decide(policy Policy, facts Facts) Decision {
	d := Decision{Replicas: facts.Wanted, MaxPending: Unbounded}
	if policy.TTL > 0 {
		left := facts.Created.Add(policy.TTL).Sub(facts.Now)
		if d.Expired = left <= 0; d.Expired {
			d.Replicas = 0
		}
		d.recheck(left)
	}
	if policy.Once {
		d.once(facts)
	}
	delayed := 0
	for _, went := range facts.Went {
		// A clock that was put back makes no wait longer.
		if left := min(went.Add(policy.Delay).Sub(facts.Now), policy.Delay); left > 0 {
			delayed++
			d.recheck(left)
		}
	}
	d.Hold = max(d.Hold, delayed)
	if policy.MaxPending > 0 {
		d.MaxPending = policy.MaxPending
	}
	return d
}

// once applies rule 2.
func (d *Decision) once(facts Facts) {
	d.Replicas = max(0, d.Replicas-max(0, facts.Taken))
	switch {
	case !facts.Counting:
		d.Hold = math.MaxInt
		d.recheck(countingBegins)
	case facts.Undecided > 0:
		d.Hold = facts.Undecided
		d.recheck(decisionsCome)
	}
}

// recheck notes a time after which the decision may be another one.
func (d *Decision) recheck(after time.Duration) {
	if after > 0 && (d.Recheck == 0 || after < d.Recheck) {
		d.Recheck = after
	}
}

// Count is how many units were taken since the policy became Once.
type Count struct {
	// Before is what the account had counted then, Taken what it counted since.
	Before, Taken int64
}

// Next is the count after the account came to a total. An account that was lost, and began anew, takes nothing back.
func (c Count) Next(total int64) Count {
	if total-c.Before < c.Taken {
		c.Before = total - c.Taken
	}
	c.Taken = total - c.Before
	return c
}
