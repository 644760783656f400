package v1alpha1

import (
	"slices"
	"strconv"
)

// LadderPolicy says whether the units of a Headroom stand on steps of priority.
// +kubebuilder:validation:Enum=Enabled;Disabled
type LadderPolicy string

const (
	// LadderEnabled gives the units the PriorityClasses of the ladder.
	LadderEnabled LadderPolicy = "Enabled"
	// LadderDisabled gives all units the same PriorityClass.
	LadderDisabled LadderPolicy = "Disabled"
)

// LadderSteps is how many steps of priority the ladder has: as many as there are values from -10, below which Cluster Autoscaler ignores
// pods, to -1, above which ordinary pods could not take a unit.
const LadderSteps = 10

// ladderPrefix is what the names of the ladder's PriorityClasses begin with.
const ladderPrefix = "headroom-ladder-"

// LadderPriorityClasses are the names of the ladder's PriorityClasses, the first to go first.
func LadderPriorityClasses() []string {
	names := make([]string, LadderSteps)
	for i := range names {
		names[i] = ladderPrefix + strconv.Itoa(i+1)
	}
	return names
}

// IsLadderPriorityClass reports whether a PriorityClass of this name is one of the ladder's.
func IsLadderPriorityClass(name string) bool { return slices.Contains(LadderPriorityClasses(), name) }
