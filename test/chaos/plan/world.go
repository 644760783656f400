package plan

import (
	"fmt"
	"time"
)

// Schedulers that pods name.
const (
	HeadroomScheduler = "headroom-scheduler"
	DefaultScheduler  = "default-scheduler"
)

// PriorityClasses that a run needs beside the product's own.
const (
	// ClassUnits is for units, and made anew with other values during a run.
	ClassUnits = "chaos-units"
	// ClassHigh is above ordinary pods.
	ClassHigh = "chaos-high"
	// ClassPatient is above ordinary pods and never preempts.
	ClassPatient = "chaos-patient"
	// ClassCritical is Kubernetes' own for what the cluster cannot do without.
	ClassCritical = "system-cluster-critical"
)

// Values of the PriorityClasses at the beginning.
const (
	ClassUnitsValue   int32 = -7
	ClassHighValue    int32 = 1000
	ClassPatientValue int32 = 500
)

// Size of the cluster.
const (
	NodeCount = 12
	ZoneCount = 3
	// NodeCPU in thousandths of a core, NodeMemory in MiB and NodePods are what a node has.
	NodeCPU    int64 = 4000
	NodeMemory int64 = 16 * 1024
	NodePods   int64 = 14
)

// Namespaces of everything that has one.
func Namespaces() []string { return []string{"chaos-a", "chaos-b"} }

// Nodes are the names of the nodes.
func Nodes() []string {
	nodes := make([]string, NodeCount)
	for i := range nodes {
		nodes[i] = fmt.Sprintf("chaos-%02d", i+1)
	}
	return nodes
}

// Plan is a whole run.
type Plan struct {
	// Seed it was drawn from.
	Seed uint64
	// Headrooms that are there at the beginning.
	Headrooms []Headroom
	// Skews are how far the clocks of the components are ahead at the beginning.
	Skews map[Component]time.Duration
	// Actions in the order in which they are due.
	Actions []Action
}
