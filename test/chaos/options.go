package chaos

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Way is how headroom-scheduler is deployed.
type Way string

const (
	// Beside runs it beside a stock kube-scheduler (way B).
	Beside Way = "B"
	// Alone runs it as the only scheduler, with a profile for every pod (way C).
	Alone Way = "C"
)

// What a Finding may be about, beside the properties of the design.
const (
	// Only placeholders are evicted, and no node is overcommitted.
	P1, P5 = "P1", "P5"
	// Nothing dies for empty room, the account adds up, no hole is filled twice.
	P12, P13, P15 = "P12", "P13", "P15"
	// Race is an overcommit by pods of two schedulers that were bound to a node at nearly the same time.
	Race = "race"
	// Reserved is an overcommit by a pod of another scheduler that got the room of a reserved unit, between its eviction and the bind of the pod
	// that took it.
	Reserved = "reserved"
	// Guard is a guard that holds something or stays.
	Guard = "guard"
	// Kubelet is a pod that the kubelet would reject.
	Kubelet = "kubelet"
	// Wait is a pod that waits although there is a place for it.
	Wait = "wait"
	// Size is a Headroom that has neither its size nor a true reason for that.
	Size = "size"
	// Status is a status that is not what the cluster shows.
	Status = "status"
	// Idle is a write of a component that has nothing to do.
	Idle = "idle"
	// Died is a component that ended by itself.
	Died = "died"
	// Leak is a component that has more goroutines or memory than at the beginning.
	Leak = "leak"
)

// All are the things that a Finding may be about.
func All() []string {
	return []string{P1, P5, P12, P13, P15, Reserved, Guard, Race, Kubelet, Wait, Size, Status, Idle, Died, Leak}
}

// Required are those that are failures unless Options say otherwise. The others are counted.
func Required() []string { return []string{P1, P5, Guard, Wait, Size, Status, Idle, Died, Leak} }

// racesAllowed is one race in so many binds that is no failure: two schedulers that bind at the same time cannot know.
const racesAllowed = 1000

// Options of a run.
type Options struct {
	// Seed that everything is drawn from.
	Seed uint64
	// Length of the traffic.
	Length time.Duration
	// Way of deployment.
	Way Way
	// Idle is how long the components must not write at the end. Zero: it is not looked at.
	Idle time.Duration
	// Without leaves out every Headroom and the controller: the same traffic on the same schedulers, for comparison.
	Without bool
	// Races is how many races the same seed had without Headrooms. Where Race must hold, so many and one in 1,000 binds are no failure.
	Races int
	// MustHold is what failures are about. Nil: Required.
	MustHold []string
	// LogDir keeps all logs of the run. It is made if it does not exist.
	LogDir string
	// Out gets what the run tells. Nil: nothing is told.
	Out io.Writer
}

func (o *Options) validate() error {
	if o.MustHold == nil {
		o.MustHold = Required()
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	for _, property := range o.MustHold {
		if !slices.Contains(All(), property) {
			return fmt.Errorf("there is no property %q: choose from %s", property, strings.Join(All(), ", "))
		}
	}
	switch {
	case o.Way != Beside && o.Way != Alone:
		return fmt.Errorf("there is no way %q: choose %s or %s", o.Way, Beside, Alone)
	case o.Races < 0:
		return fmt.Errorf("there cannot have been %d races", o.Races)
	case o.Length < 0:
		return fmt.Errorf("a run cannot last %s", o.Length)
	case o.LogDir == "":
		return errors.New("a run needs a folder for its logs")
	}
	return nil
}
