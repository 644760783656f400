// Package explanation says of one pod which units it took and why, and which it would take if it came now, or why it can take none and what
// would have to change. It is pure.
package explanation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/view/table"
)

// Explanation is what is printed, also as JSON and YAML.
type Explanation struct {
	// Pod is namespace/name.
	Pod string `json:"pod"`
	// State says in one sentence where the pod is, empty for one that does not exist yet.
	State string `json:"state,omitempty"`
	// Took are the units that the pod took, by the account.
	Took []Taken `json:"took,omitempty"`
	// Rule is why these, by the scheduler's event.
	Rule string `json:"rule,omitempty"`
	// Now is what would happen if the pod came now, nil if too little of the cluster could be looked at to tell.
	Now *Prediction `json:"now,omitempty"`
	// Assumptions are what Now takes for granted.
	Assumptions []string `json:"assumptions,omitempty"`
	// NotSeen says what could not be looked at, and what it would have told.
	NotSeen []string `json:"notSeen,omitempty"`
}

// Taken is a unit that the pod took.
type Taken struct {
	// Headroom is whose unit it was, as namespace/name, and Placeholder the pod that held it.
	Headroom    string    `json:"headroom"`
	Placeholder string    `json:"placeholder"`
	Node        string    `json:"node"`
	Time        time.Time `json:"time"`
	// How is Swap or Preemption.
	How string `json:"how"`
}

// Prediction is what would happen. One of Fits, Takes and Refusal is set.
type Prediction struct {
	// Fits are the nodes on which the pod fits as it is.
	Fits []string `json:"fits,omitempty"`
	// Nodes is the number of all nodes.
	Nodes int `json:"nodes"`
	// Node is where the pod would go if it takes units, and Takes the placeholders, as namespace/name.
	Node  string   `json:"node,omitempty"`
	Takes []string `json:"takes,omitempty"`
	// Why is the rule that decides for this node.
	Why string `json:"why,omitempty"`
	// Refusal is why no headroom serves the pod, Reason the same as the metric headroom_scheduler_misses_total says it, empty if there is no
	// headroom at all.
	Refusal string             `json:"refusal,omitempty"`
	Reason  metrics.MissReason `json:"reason,omitempty"`
	// Remedies are what would have to change.
	Remedies []string `json:"remedies,omitempty"`
	// Misfits say why the pod cannot go to each node.
	Misfits []Misfit `json:"misfits,omitempty"`
}

// Misfit is why the pod cannot go to a node.
type Misfit struct {
	Node string `json:"node"`
	Why  string `json:"why"`
}

// Remedies says what would have to change for headroom to serve a pod. nonPreempting tells that its preemptionPolicy is Never.
func Remedies(reason metrics.MissReason, nonPreempting bool) []string {
	switch reason {
	case metrics.MissConsumers:
		return []string{
			"give the pod the labels that spec.consumers.podSelector of one of these Headrooms selects, or run it in a namespace that it selects",
			"or let spec.consumers of one of them select this pod",
		}
	case metrics.MissPriority:
		if nonPreempting {
			return []string{
				"let a Headroom serve such pods: spec.consumers.nonPreempting: Allow",
				"or use a PriorityClass whose preemptionPolicy is not Never",
			}
		}
		return []string{"give the pod a PriorityClass whose value is above that of the Headrooms' placeholders (-10 unless they name another)"}
	case metrics.MissTooSmall:
		return []string{
			"make the units of a Headroom as large as the pod (spec.requests): a pod takes units of one node only",
			"or keep more units, so that more of them are together on a node",
		}
	case metrics.MissFiltered:
		return []string{
			"give the Headroom the pod's placement rules (nodeSelector, affinity, tolerations), so that its units are on nodes that suit the pod",
		}
	default:
		return []string{
			"make a Headroom for such pods, or look at why the ones that there are hold nothing: kubectl headroom status -A",
		}
	}
}

const (
	// maxNames is how many nodes are named in a line.
	maxNames = 5
	// maxGroups is how many reasons of nodes are told one by one.
	maxGroups = 12
)

// Text is the explanation in sentences, at the time now.
func (e *Explanation) Text(style table.Style, now time.Time) string {
	var text strings.Builder
	line := func(color table.Color, indent int, format string, args ...any) {
		table.WriteIndented(&text, color, indent, fmt.Sprintf(format, args...), style)
	}
	if e.State == "" {
		line(table.Strong, 0, "Pod %s, if it came now", e.Pod)
	} else {
		line(table.Strong, 0, "Pod %s", e.Pod)
		line(table.Plain, 2, "%s", e.State)
		e.history(line, now)
	}
	if e.Now == nil {
		return text.String()
	}
	if e.State != "" {
		line(table.Strong, 0, "If it came now")
	}
	e.Now.sentences(line)
	line(table.Strong, 0, "This assumes that")
	for _, assumption := range e.Assumptions {
		line(table.Plain, 2, "- %s", assumption)
	}
	return text.String()
}

type writeLine func(color table.Color, indent int, format string, args ...any)

// history tells what the pod took.
func (e *Explanation) history(line writeLine, now time.Time) {
	for _, taken := range e.Took {
		line(table.Good, 2, "It took %s of Headroom %s on node %s, %s ago (%s).", taken.Placeholder, taken.Headroom, taken.Node,
			duration.HumanDuration(max(0, now.Sub(taken.Time))), taken.How)
	}
	if e.Rule != "" {
		line(table.Plain, 2, "Why there: %s", e.Rule)
	}
}

func (p *Prediction) sentences(line writeLine) {
	switch {
	case len(p.Fits) > 0:
		line(table.Good, 2,
			"It fits as it is on %d of %d nodes (%s), so it takes no unit. kube-scheduler's scores choose among them.", len(p.Fits),
			p.Nodes, some(p.Fits))
	case len(p.Takes) > 0:
		line(table.Good, 2, "It takes %s on node %s, and is bound there by its first attempt.", strings.Join(p.Takes, ", "), p.Node)
		line(table.Plain, 2, "Why there: %s", p.Why)
	default:
		line(table.Bad, 2, "No headroom serves it: %s.", strings.TrimSuffix(p.Refusal, "."))
		line(table.Strong, 0, "What would have to change")
		for _, remedy := range p.Remedies {
			line(table.Plain, 2, "- %s", remedy)
		}
		p.misfits(line)
	}
}

// misfits tells why not of nodes with the same reason at once, the most frequent first.
func (p *Prediction) misfits(line writeLine) {
	if len(p.Misfits) == 0 {
		return
	}
	byWhy := map[string][]string{}
	for _, misfit := range p.Misfits {
		byWhy[misfit.Why] = append(byWhy[misfit.Why], misfit.Node)
	}
	reasons := make([]string, 0, len(byWhy))
	for why := range byWhy {
		reasons = append(reasons, why)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(byWhy[b]), len(byWhy[a])), cmp.Compare(a, b))
	})
	line(table.Strong, 0, "Why not on the nodes, as they are")
	for _, why := range reasons[:min(maxGroups, len(reasons))] {
		line(table.Plain, 2, "%s: %s", some(byWhy[why]), why)
	}
	if more := len(reasons) - maxGroups; more > 0 {
		line(table.Plain, 2, "and %d more reasons: -o json has all", more)
	}
}

// some names the first of some nodes.
func some(nodes []string) string {
	if len(nodes) <= maxNames {
		return strings.Join(nodes, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(nodes[:maxNames], ", "), len(nodes)-maxNames)
}
