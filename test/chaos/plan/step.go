package plan

import (
	"fmt"
	"strings"
	"time"
)

// Action is one step, and when it is due.
type Action struct {
	// At is when it is due, counted from the beginning of the run.
	At time.Duration
	// Step is what to do.
	Step Step
}

// String is the action on one line.
func (a Action) String() string { return fmt.Sprintf("%8.3fs %s", a.At.Seconds(), a.Step) }

// Step is one thing to do. Its String says all of it on one line.
type Step interface{ fmt.Stringer }

// Shape is what the pods of a burst look like.
type Shape struct {
	// Namespace they are in, one of Namespaces.
	Namespace string
	// App is the value of their label app.
	App string
	// CPU in thousandths of a core, Memory in MiB.
	CPU, Memory int64
	// Class is their PriorityClass, empty for none.
	Class string
	// Scheduler is their spec.schedulerName.
	Scheduler string
	// Zone is the zone that their nodeSelector names, empty for any.
	Zone string
	// Apart gives them required anti-affinity against their own kind on the host.
	Apart bool
	// Spread has them spread over zones, with DoNotSchedule and a skew of one.
	Spread bool
	// Grace is their grace period in seconds.
	Grace int64
}

// String is the shape on one line, what is not set left out.
func (s Shape) String() string {
	text := fmt.Sprintf("%s app=%s %dm %dMi %s", s.Namespace, s.App, s.CPU, s.Memory, s.Scheduler)
	for _, part := range []struct {
		set  bool
		text string
	}{
		{s.Class != "", " class=" + s.Class},
		{s.Zone != "", " zone=" + s.Zone},
		{s.Apart, " apart"},
		{s.Spread, " spread"},
		{s.Grace > 0, fmt.Sprintf(" grace=%ds", s.Grace)},
	} {
		if part.set {
			text += part.text
		}
	}
	return text
}

// Burst creates pods at once: Name-0, Name-1 and so on, or a Deployment of that many.
type Burst struct {
	Name       string
	Count      int
	Deployment bool
	Shape      Shape
}

// String implements Step.
func (b Burst) String() string {
	kind := "pods"
	if b.Deployment {
		kind = "deployment"
	}
	return fmt.Sprintf("burst %s: %d %s, %s", b.Name, b.Count, kind, b.Shape)
}

// End deletes the pods From up to, and without, To of a burst, or its Deployment.
type End struct {
	Burst      Burst
	From, To   int
	Deployment bool
}

// String implements Step.
func (e End) String() string { return fmt.Sprintf("end %s: %d to %d", e.Burst.Name, e.From, e.To) }

// Resize changes the number of pods of a Deployment.
type Resize struct {
	Burst Burst
	Count int
}

// String implements Step.
func (r Resize) String() string { return fmt.Sprintf("resize %s to %d", r.Burst.Name, r.Count) }

// Relabel changes the label app of every pod of a burst that is no Deployment.
type Relabel struct {
	Burst Burst
	App   string
}

// String implements Step.
func (r Relabel) String() string { return fmt.Sprintf("relabel %s as app=%s", r.Burst.Name, r.App) }

// Grow changes what each running pod of a burst that is no Deployment asks for, where it runs.
type Grow struct {
	Burst Burst
	// CPU in thousandths of a core.
	CPU int64
}

// String implements Step.
func (g Grow) String() string { return fmt.Sprintf("grow %s to %dm", g.Burst.Name, g.CPU) }

// Headroom is a Headroom as it should be.
type Headroom struct {
	Namespace, Name string
	Replicas        int32
	// CPU and Memory of a unit, as in a Shape.
	CPU, Memory int64
	// Class is its PriorityClass, empty for the default.
	Class string
	// PerNode is its placement.
	PerNode bool
	// App restricts its consumers to that label, empty for everybody.
	App string
	// AllNamespaces has it admit consumers of all namespaces.
	AllNamespaces bool
	// Spread has its units spread over zones, with ScheduleAnyway.
	Spread bool
	// Note is the value of a label of its units: a change of it replaces them.
	Note string
	// Reserved keeps its units for those that App names. It needs App, and leaves Class out.
	Reserved bool
	// Ladder has its units on steps of priority. It goes with neither Reserved nor PerNode, and leaves Class out.
	Ladder bool
	// Refill says which units are made anew, and when. Not with PerNode.
	Refill Refill
}

// Refill says which units are made anew, and when. The zero value is all, at once.
type Refill struct {
	// Delay is how long after a unit went another one is made.
	Delay time.Duration
	// MaxPending is how many units may wait at a time, 0 for any number.
	MaxPending int32
	// Once leaves out those that pods took.
	Once bool
}

// String is the refill in a few words, empty for the zero value.
func (r Refill) String() string {
	text := ""
	if r.Delay > 0 {
		text += fmt.Sprintf(" refill after %s", r.Delay)
	}
	if r.MaxPending > 0 {
		text += fmt.Sprintf(" refill by %d", r.MaxPending)
	}
	if r.Once {
		text += " once"
	}
	return text
}

// String is the Headroom on one line.
func (h Headroom) String() string {
	text := fmt.Sprintf("%s/%s: %d x %dm %dMi", h.Namespace, h.Name, h.Replicas, h.CPU, h.Memory)
	for _, part := range []struct {
		set  bool
		text string
	}{
		{h.Class != "", " class=" + h.Class},
		{h.PerNode, " per node"},
		{h.App != "", " for app=" + h.App},
		{h.AllNamespaces, " of all namespaces"},
		{h.Spread, " spread"},
		{h.Note != "", " note=" + h.Note},
		{h.Reserved, " reserved"},
		{h.Ladder, " ladder"},
		{true, h.Refill.String()},
	} {
		if part.set {
			text += part.text
		}
	}
	return text
}

// Keep creates a Headroom, or makes the one there is look like this.
type Keep struct{ Headroom Headroom }

// String implements Step.
func (k Keep) String() string { return "headroom " + k.Headroom.String() }

// Drop deletes a Headroom.
type Drop struct{ Headroom Headroom }

// String implements Step.
func (d Drop) String() string { return "drop headroom " + d.Headroom.Namespace + "/" + d.Headroom.Name }

// Class is a PriorityClass that is deleted, and made anew if Value is set.
type Class struct {
	Name string
	// Value of the new class.
	Value int32
	// Preempts gives it the preemptionPolicy PreemptLowerPriority, which no Headroom may have.
	Preempts bool
}

// String implements Step.
func (c Class) String() string {
	return fmt.Sprintf("priority class %s made anew: value %d, preempts %t", c.Name, c.Value, c.Preempts)
}

// Cordon makes a node unschedulable, or schedulable again.
type Cordon struct {
	Node string
	On   bool
}

// String implements Step.
func (c Cordon) String() string { return fmt.Sprintf("cordon %s: %t", c.Node, c.On) }

// Vanish deletes a node, Return makes it anew.
type (
	Vanish struct{ Node string }
	Return struct{ Node string }
)

// String implements Step.
func (v Vanish) String() string { return "node " + v.Node + " vanishes" }

// String implements Step.
func (r Return) String() string { return "node " + r.Node + " returns" }

// Component is a program of the product.
type Component string

// The components.
const (
	Scheduler  Component = "headroom-scheduler"
	Controller Component = "headroom-controller"
)

// Kill ends a component by SIGKILL and starts it again after Pause, with a clock that is Skew ahead of everybody else's.
type Kill struct {
	Component Component
	Pause     time.Duration
	Skew      time.Duration
}

// String implements Step.
func (k Kill) String() string {
	return fmt.Sprintf("kill %s, start it again after %s with a clock %s ahead", k.Component, k.Pause, k.Skew)
}

// FaultKind is how the API server treats a component.
type FaultKind string

// The kinds of faults.
const (
	// TooManyRequests answers 429 to a share of the requests.
	TooManyRequests FaultKind = "429"
	// Conflict answers 409 to a share of the writes.
	Conflict FaultKind = "409"
	// ServerError answers 500 to a share of the requests.
	ServerError FaultKind = "500"
	// Slow holds every request back for a random time of up to Delay.
	Slow FaultKind = "slow"
	// Away refuses every request.
	Away FaultKind = "away"
	// CutWatches ends every watch that is open.
	CutWatches FaultKind = "cut-watches"
	// Lag holds back what watches have to say until the fault is over.
	Lag FaultKind = "lag"
)

// Fault treats the requests of a component badly for a while.
type Fault struct {
	Component Component
	Kind      FaultKind
	For       time.Duration
	// Percent of the requests that are spoilt.
	Percent int
	// Delay of Slow.
	Delay time.Duration
}

// String implements Step.
func (f Fault) String() string {
	text := fmt.Sprintf("fault %s for %s", f.Kind, f.Component)
	if f.For > 0 {
		text += fmt.Sprintf(" lasting %s", f.For)
	}
	if f.Percent > 0 {
		text += fmt.Sprintf(", %d %%", f.Percent)
	}
	if f.Delay > 0 {
		text += fmt.Sprintf(", up to %s", f.Delay)
	}
	return strings.TrimSpace(text)
}
