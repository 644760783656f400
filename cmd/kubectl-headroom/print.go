package main

import (
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/explain"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// printPlaceholders prints the placeholders of each node in the order in which they go.
func printPlaceholders(out io.Writer, cluster *explain.Cluster) error {
	var text strings.Builder
	for _, node := range cluster.Placeholders() {
		fmt.Fprintf(&text, "node %s: its placeholders, in the order in which they go\n", node.Name)
		writePlaceholders(&text, node.Placeholders)
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

// printNodes prints the nodes on which the consumer fits in the order in which they are chosen, and why it fits on no other.
func printNodes(out io.Writer, cluster *explain.Cluster, consumer *corev1.Pod) error {
	options, misfits := cluster.Nodes(consumer)
	var text strings.Builder
	if len(options) > 0 {
		fmt.Fprintf(&text, "pod %s/%s: the nodes with room for it, in the order in which they are chosen\n", consumer.Namespace, consumer.Name)
	}
	for i, o := range options {
		fmt.Fprintf(&text, "%3d. %s %s\n", i+1, o.Evidence.Name, taking(o.Victims))
		if len(o.Victims) > 0 && len(o.Others) > 0 {
			fmt.Fprintf(&text, "     not %s: %s\n", o.Others[0].Name, whyNot(o))
		}
		if i+1 < len(options) {
			fmt.Fprintf(&text, "     %s\n", cluster.Order().Explain(o.Evidence, options[i+1].Evidence))
		}
	}
	if len(misfits) > 0 {
		text.WriteString("nodes without room for it\n")
	}
	for _, m := range misfits {
		fmt.Fprintf(&text, "  %s: %s\n", m.Node, m.Why)
	}
	return finish(out, &text, "There is no node.\n")
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
func whyNot(o selection.Option) string {
	last := o.Victims[len(o.Victims)-1]
	if evictionorder.Compare(o.Others[0], last) < 0 {
		return "the others are enough without it"
	}
	return evictionorder.Explain(last, o.Others[0]).String()
}

func finish(out io.Writer, text *strings.Builder, empty string) error {
	if text.Len() == 0 {
		text.WriteString(empty)
	}
	_, err := io.WriteString(out, text.String())
	return err
}
