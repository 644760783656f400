package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// Amounts are resources: CPU in thousandths of a core, Memory in MiB, GPU in pieces of an extended resource.
type Amounts struct{ CPU, Memory, GPU int64 }

func (a Amounts) plus(b Amounts) Amounts {
	return Amounts{a.CPU + b.CPU, a.Memory + b.Memory, a.GPU + b.GPU}
}

// each returns the amounts as a list, for rules that look at one resource after the other.
func (a Amounts) each() [3]int64 { return [3]int64{a.CPU, a.Memory, a.GPU} }

// Node is a node. An empty Zone means that it has no zone and no region label.
type Node struct {
	Name, Zone     string
	Size           Amounts
	Pods           int64 // how many pods it may have
	SSD            bool  // has the label disk=ssd
	Tainted        bool  // has a taint that only tolerating pods get past
	Cordoned       bool
	LacksHostLabel bool
}

// Headroom is a Headroom, and its placeholders share its size and priority.
type Headroom struct {
	Namespace, Name string
	Size            Amounts
	Priority        int32
	SpreadKeys      []string // of its topologySpreadConstraints; empty: it has none
	Consumers       *Consumers
	PerNode         bool // its placeholders belong to a DaemonSet of its own
	Reserved        bool // its placeholders are reserved units
}

// Consumers is who may take a Headroom.
type Consumers struct {
	App         string // podSelector app=App; empty: no podSelector
	Namespaces  string // "" : no namespaceSelector, "all": an empty one, else team=VALUE
	MinPriority *int32
	Polite      bool // nonPreempting: Allow
}

// Pod is a pod, bound unless it is the consumer.
type Pod struct {
	Namespace, Name string
	App             string // label app, empty: none
	Node            string
	Size            Amounts
	Priority        int32
	Terminating     bool
	Created         int // seconds after an epoch
	UID             string
	Group           string // of which PodGroup it is a member, empty: none

	Headroom int  // index of the Headroom whose placeholder it is, -1: none
	Reserved bool // a reserved unit; it may be one of a Headroom that no longer is reserved
	Stray    bool // carries a placeholder's label but has no controller

	// The rest is the consumer's alone.
	Never       bool   // preemptionPolicy Never
	Tolerates   bool   // the taint
	WantsSSD    bool   // nodeSelector disk=ssd
	Near        string // annotation: app=Near
	AffinityKey string // topology key of a pod affinity term
	AffinityApp string // its app, empty: no term
	Required    bool   // the term is required, else preferred
	AntiApp     string // required anti-affinity on the host to that app, empty: none
	PreferZone  string // preferred node affinity to that zone, empty: none
	SpreadKey   string // topology spread of its own app, DoNotSchedule, maxSkew 1; empty: none
}

// Pace is how soon one consumer comes after the other.
type Pace int

// A consumer comes when the one before it is bound, or when that has its node but is to evict for it yet, or right then, while it evicts.
const (
	WhenBound Pace = iota
	WhenReserved
	WhileEvicting
)

// String words it as the start of a sentence about the next consumer.
func (p Pace) String() string {
	return [...]string{"and then", "before it evicts", "while it evicts"}[p]
}

// Cluster is a cluster and the pods to schedule in it.
type Cluster struct {
	Teams     map[string]string // label team of each namespace
	Nodes     []Node
	Headrooms []Headroom
	Pods      []Pod
	// Consumer is the pod to schedule now, Then are those that come after it, each when the one before has its node.
	Consumer Pod
	Then     []Pod
	// Pace is how soon one consumer comes after the other.
	Pace Pace
	// OtherScores has the profile's other Score plugins take part.
	OtherScores bool
	// MinScored is the least number of tied nodes that are looked at for the score.
	MinScored int
}

// consumers are all pods to schedule, in order.
func (c *Cluster) consumers() []Pod { return append([]Pod{c.Consumer}, c.Then...) }

// now is the cluster when these pods are on their nodes and no others, and one of the consumers is to be scheduled. Promised placeholders,
// by name, are as good as gone.
func (c *Cluster) now(at map[types.NamespacedName]string, promised map[string]bool, consumer string) *Cluster {
	now := *c
	now.Pods, now.Then = nil, nil
	for _, p := range append(slices.Clone(c.Pods), c.consumers()...) {
		if p.Name == consumer {
			now.Consumer = p
			continue
		}
		node, there := at[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}]
		if !there {
			continue
		}
		p.Node, p.Terminating = node, p.Terminating || promised[p.Name]
		now.Pods = append(now.Pods, p)
	}
	return &now
}

// String is the cluster as a person reads it, one object a line.
func (c *Cluster) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "namespaces: %s; other Score plugins: %t, at least %d nodes scored\n", teams(c.Teams), c.OtherScores, c.MinScored)
	for i, h := range c.Headrooms {
		fmt.Fprintf(&b, "headroom %d: %s/%s %s priority %d%s%s%s\n", i, h.Namespace, h.Name, h.Size, h.Priority,
			when(len(h.SpreadKeys) > 0, " spread over "+strings.Join(h.SpreadKeys, ", ")), when(h.PerNode, " per node")+when(h.Reserved, " reserved"), h.Consumers)
	}
	for _, n := range c.Nodes {
		fmt.Fprintf(&b, "node %s: zone %q %s pods %d%s%s%s%s\n", n.Name, n.Zone, n.Size, n.Pods, when(n.SSD, " ssd"),
			when(n.Tainted, " tainted"), when(n.Cordoned, " cordoned"), when(n.LacksHostLabel, " no hostname label"))
		for _, p := range c.Pods {
			if p.Node == n.Name {
				fmt.Fprintf(&b, "    %s\n", p)
			}
		}
	}
	fmt.Fprintf(&b, "consumer: %s", c.Consumer)
	for _, p := range c.Then {
		fmt.Fprintf(&b, "\n%s: %s", c.Pace, p)
	}
	return b.String()
}

// GoString keeps rapid from printing every field.
func (c *Cluster) GoString() string { return "\n" + c.String() }

// String is "1000m 512Mi 2gpu", zeros left out.
func (a Amounts) String() string {
	var parts []string
	for i, unit := range []string{"m", "Mi", "gpu"} {
		if amount := a.each()[i]; amount != 0 {
			parts = append(parts, fmt.Sprintf("%d%s", amount, unit))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, " ")
}

// name reports whether there is a selector: a priority alone names nobody.
func (c *Consumers) name() bool { return c != nil && (c.App != "" || c.Namespaces != "") }

// String is " consumers: ...", and empty for nil.
func (c *Consumers) String() string {
	if c == nil {
		return ""
	}
	s := fmt.Sprintf(" consumers: app %q namespaces %q", c.App, c.Namespaces)
	if c.MinPriority != nil {
		s += fmt.Sprintf(" minPriority %d", *c.MinPriority)
	}
	s += when(c.Polite, " non-preempting pods too")
	return s
}

// String is everything about the pod that is not zero.
func (p Pod) String() string {
	return fmt.Sprintf("%s/%s %s priority %d%s", p.Namespace, p.Name, p.Size, p.Priority, strings.Join([]string{
		when(p.Headroom >= 0, fmt.Sprintf(" of headroom %d, created %d", p.Headroom, p.Created)),
		when(p.Reserved, " reserved"), when(p.Group != "", fmt.Sprintf(" member of %s, created %d", p.Group, p.Created)), when(p.App != "", " app="+p.App), when(p.Stray, " stray label"), when(p.Terminating, " terminating"), when(p.Never, " never preempts"),
		when(p.Tolerates, " tolerates"), when(p.WantsSSD, " wants ssd"), when(p.Near != "", " near app="+p.Near),
		when(p.AffinityApp != "", fmt.Sprintf(" affinity to app=%s on %s, required %t", p.AffinityApp, p.AffinityKey, p.Required)),
		when(p.AntiApp != "", " anti-affinity to app="+p.AntiApp), when(p.PreferZone != "", " prefers zone "+p.PreferZone),
		when(p.SpreadKey != "", " spreads over "+p.SpreadKey),
	}, ""))
}

func when(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}

func teams(of map[string]string) string {
	var all []string
	for namespace, team := range of {
		all = append(all, namespace+" (team="+team+")")
	}
	slices.SortFunc(all, cmp.Compare)
	return strings.Join(all, ", ")
}
