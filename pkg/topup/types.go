package topup

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Desired is what should be there.
type Desired struct {
	// Replicas is the number of units that should exist. Below zero counts as zero.
	Replicas int
	// Template identifies what a unit should be made from, as placeholder.TemplateHash says. Units with another value are
	// replaced.
	Template string
	// PendingReplacements is the number of replacements with New.FromRollout whose old unit was deleted and whose new one could
	// not be created yet, because a quota or admission refuses it. Start with 0, add 1 when the deletion succeeded, take 1 away
	// when a creation with FromRollout succeeded. It keeps a rollout of units that the API server refuses from going on; 0 after
	// a restart is right enough: placeholders have no grace period, so at most one replacement is under way when a controller
	// dies.
	PendingReplacements int
	// Surge is how many units there may be beside Replicas, because some are unavailable. See NextSurge.
	Surge Surge
	// CoolingDown are ordinals that must not be given to new units now, because units of these names went a moment ago. Those of units
	// that a plan deletes have to be among them as soon as the units are no longer observed.
	CoolingDown []int
}

// State is where a unit is in its life.
type State int

const (
	// Pending is a unit that is on no node. A unit that was created and is not yet observed has to be given as Pending too,
	// or a rollout would take the next before this one is back.
	Pending State = iota
	// Bound is a unit that holds room on a node.
	Bound
	// Terminating is a unit whose deletion was asked for and that is not yet gone. It does not count; its name is taken.
	Terminating
	// Lost is a unit that will never hold room again although it exists: failed, rejected by a kubelet, evicted, finished,
	// orphaned, or on a node that is gone.
	Lost
	// Foreign is an object of somebody else under the name of a unit. It is left alone; its name is taken.
	Foreign
)

// Unit is one placeholder as observed.
type Unit struct {
	// Name and UID identify the object; a deletion must use the UID as precondition.
	Name string
	UID  types.UID
	// Ordinal is the number in the name, or negative if the name is not one that Plan gives. Such a unit counts like any
	// other and is the first of its kind to go.
	Ordinal int
	// State is where the unit is in its life.
	State State
	// Template identifies what the unit was made from.
	Template string
	// Nonconforming says that the unit is not what Template promises: admission changed it, or the value of its PriorityClass is
	// another one now. It is replaced like one of another template.
	Nonconforming bool
	// Unavailable says that no pod could be bound in the place of the unit now, because of its node. Only read if State is Bound.
	Unavailable bool
	// NodeLeaving says that an autoscaler, or somebody else, is taking the unit's node away for good. Only read if Unavailable.
	NodeLeaving bool
	// Promised says that a pod that waits is to have the room of the unit, which is left alone until that pod has taken it or waits no
	// more. Only read if State is Bound.
	Promised bool
	// FromRollout says that a rollout created the unit in the place of one that held room (see Creation.FromRollout).
	FromRollout bool
	// Domains are the topology domains of the unit's node, one for each topology key of the Headroom, the most important
	// first. Only read if State is Bound; a missing value counts as the domain "".
	Domains []string
	// Step is the unit's step of priority, from 1, which goes first; see pkg/ladder. 0: it stands on none.
	Step int
	// Created is when the unit was created.
	Created time.Time
	// BoundAt is when the unit was bound. Only read if State is Bound.
	BoundAt time.Time
}

// Reason says why a unit is deleted or replaced.
type Reason string

const (
	// ReasonSurplus is a unit more than Desired.Replicas.
	ReasonSurplus Reason = "Surplus"
	// ReasonLost is a unit in state Lost.
	ReasonLost Reason = "Lost"
	// ReasonOutdated is a unit of another template.
	ReasonOutdated Reason = "Outdated"
	// ReasonNonconforming is a unit of the desired template that is not what the template says.
	ReasonNonconforming Reason = "Nonconforming"
	// ReasonGivenBack is a unit that waited where others wait for theirs, see pkg/allotment. No plan has it.
	ReasonGivenBack Reason = "GivenBack"
	// ReasonHeldBack is a unit that waited where spec.refill lets fewer wait. No plan has it.
	ReasonHeldBack Reason = "HeldBack"
)

// Creation is one unit to create.
type Creation struct {
	// Ordinal gives the name.
	Ordinal int
	// FromRollout has to be kept with the unit and handed back in Unit.FromRollout.
	FromRollout bool
}

// Replacement is one unit to delete and, after that, one to create: Old gives its room and its share of a quota to New.
type Replacement struct {
	// Old is the unit to delete.
	Old Unit
	// New is the unit to create, under another name. It does not matter whether Old is gone by then.
	New Creation
	// Reason says why.
	Reason Reason
}

// Deletion is one unit to delete.
type Deletion struct {
	// Old is the unit to delete.
	Old Unit
	// Reason says why.
	Reason Reason
}

// Actions leads from what is observed to what is desired. No unit to create has the ordinal of another, of a unit that is observed, or one
// that cools down. Each list is in a fixed order.
type Actions struct {
	// Delete are the units to delete, in the order in which they should go.
	Delete []Deletion
	// Replace are the units to delete and create anew. Finish one before the next: what a crash in between can lose is then
	// one unit.
	Replace []Replacement
	// Create are the units to create, lowest ordinal first.
	Create []Creation
	// Outdated is the number of bound units of another template, or nonconforming ones, that Replace leaves for later: not 0 means
	// that a rollout goes on, and that Plan has to be asked again when a unit was bound, deleted or lost.
	Outdated int
}
