package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
)

// printPlaceholders prints the placeholders of each node in the order in which they go.
func (c *cluster) printPlaceholders(out io.Writer) error {
	var text strings.Builder
	for _, n := range c.nodes {
		if len(n.takeable) == 0 {
			continue
		}
		for i := range n.takeable {
			n.takeable[i].Surplus = evictionorder.Waste(n.takeable[i].Requests, nil, n.allocatable)
		}
		slices.SortFunc(n.takeable, evictionorder.Compare)
		fmt.Fprintf(&text, "node %s: its placeholders, in the order in which they go\n", n.name)
		writePlaceholders(&text, n.takeable)
	}
	return finish(out, &text, "No node holds a placeholder.\n")
}

func writePlaceholders(text *strings.Builder, placeholders []evictionorder.Placeholder) {
	for i, p := range placeholders {
		fmt.Fprintf(text, "%3d. %s\n", i+1, p.Name)
		if i+1 < len(placeholders) {
			fmt.Fprintf(text, "     %s\n", evictionorder.Explain(p, placeholders[i+1]))
		}
	}
}

// option is a node on which the consumer fits, with the placeholders that go for it.
type option struct {
	evidence evictionorder.Node
	victims  []evictionorder.Placeholder
	rest     []evictionorder.Placeholder
}

// printNodes prints the nodes on which the consumer fits in the order in which they are chosen, and why it fits on no other.
func (c *cluster) printNodes(out io.Writer) error {
	var options []option
	var misfits strings.Builder
	for _, n := range c.nodes {
		if found, why := c.option(n); why == "" {
			options = append(options, found)
		} else {
			fmt.Fprintf(&misfits, "  %s: %s\n", n.name, why)
		}
	}
	slices.SortFunc(options, func(a, b option) int { return c.order.Compare(a.evidence, b.evidence) })

	var text strings.Builder
	if len(options) > 0 {
		fmt.Fprintf(&text, "pod %s/%s: the nodes with room for it, in the order in which they are chosen\n",
			c.consumer.Namespace, c.consumer.Name)
	}
	for i, o := range options {
		fmt.Fprintf(&text, "%3d. %s %s\n", i+1, o.evidence.Name, taking(o.victims))
		if len(o.victims) > 0 && len(o.rest) > 0 {
			fmt.Fprintf(&text, "     not %s: %s\n", o.rest[0].Name, whyNot(o))
		}
		if i+1 < len(options) {
			fmt.Fprintf(&text, "     %s\n", c.order.Explain(o.evidence, options[i+1].evidence))
		}
	}
	if misfits.Len() > 0 {
		fmt.Fprintf(&text, "nodes without room for it\n%s", misfits.String())
	}
	return finish(out, &text, "There is no node.\n")
}

// option returns what it takes for the consumer to fit on a node, or why it cannot.
func (c *cluster) option(n *node) (found option, why string) {
	shortfall := evictionorder.Shortfall(nil, c.request, n.requested, n.allocatable)
	victims, ok := evictionorder.Pick(n.takeable, shortfall, n.allocatable)
	if !ok {
		if len(n.refusals) > 0 {
			slices.Sort(n.refusals)
			return option{}, strings.Join(slices.Compact(n.refusals), "; ")
		}
		return option{}, "it does not hold enough headroom"
	}
	evidence := evictionorder.Node{
		Name: n.name, Distance: c.anchors.Distance(n.labels), Evictions: len(victims),
		Waste: evictionorder.Waste(evictionorder.Evicted(nil, victims), shortfall, n.allocatable),
	}
	if len(victims) == 0 {
		evidence.Waste = 0
	}
	evidence.Left = evictionorder.Left(nil, victims, c.around(n))
	evidence.Domains = c.domains(n, victims)
	return option{evidence: evidence, victims: victims, rest: n.takeable[len(victims):]}, ""
}

// around returns the units of a Headroom in the node's domain of each of its spread keys.
func (c *cluster) around(n *node) func(headroom int) []int {
	return func(index int) []int {
		h := c.headrooms[index]
		units := make([]int, len(h.keys))
		for i, key := range h.keys {
			units[i] = h.units[i][n.labels[key]]
		}
		return units
	}
}

// domains names the Headroom and domain behind each entry of Left.
func (c *cluster) domains(n *node, victims []evictionorder.Placeholder) []evictionorder.Domain {
	var domains []evictionorder.Domain
	for i, index := range evictionorder.Losers(victims, c.around(n)) {
		h := c.headrooms[index]
		domains = append(domains, evictionorder.Domain{Key: h.keys[i], Value: n.labels[h.keys[i]], Headroom: h.name.String()})
	}
	return domains
}

func taking(victims []evictionorder.Placeholder) string {
	if len(victims) == 0 {
		return "as it is"
	}
	names := make([]string, 0, len(victims))
	for _, victim := range victims {
		names = append(names, victim.Name)
	}
	return "takes " + strings.Join(names, ", ")
}

// whyNot says why the first placeholder that stays does.
func whyNot(o option) string {
	last := o.victims[len(o.victims)-1]
	if evictionorder.Compare(o.rest[0], last) < 0 {
		return "the others are enough without it"
	}
	return evictionorder.Explain(last, o.rest[0]).String()
}

func finish(out io.Writer, text *strings.Builder, empty string) error {
	if text.Len() == 0 {
		text.WriteString(empty)
	}
	_, err := io.WriteString(out, text.String())
	return err
}
