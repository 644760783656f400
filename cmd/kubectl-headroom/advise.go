package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/view/advice"
	"github.com/headroom-dev/headroom/pkg/view/table"
)

const adviseLong = `Says how many units each Headroom needed by its own history, why so many and not one less, and what the others cost.

It is the base-stock rule: as many units as cover what pods took and lacked within one refill time, in all but a small share of the time
(--served). A price is what you say it is: --node-price for all nodes, or --price-label, a label or annotation of nodes. A unit is charged
the share of a node that it takes, so costs are estimates. Nothing is asked of any cloud.`

const adviseExample = `  # Of all namespaces
  kubectl headroom advise -A

  # With what a node costs an hour
  kubectl headroom advise -A --node-price 0.384

  # With prices in a label of the nodes
  kubectl headroom advise -A --price-label example.com/price-per-hour`

// adviseOptions are the flags of "kubectl headroom advise".
type adviseOptions struct {
	access     *access
	output     *output
	served     float64
	nodePrice  float64
	priceLabel string
}

func newAdvise(streams genericiooptions.IOStreams) *cobra.Command {
	o := &adviseOptions{access: newAccess(), output: newOutput(streams, formatJSON, formatYAML, formatWide)}
	command := &cobra.Command{
		Use:     "advise",
		Short:   "Say how many units each Headroom needed, and what the others cost",
		Long:    adviseLong,
		Example: adviseExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := command.Flags()
	flags.Float64Var(&o.served, "served", 99.9,
		"the share of the time, in percent, in which all demand is to be served at once, from 50 to 99.999")
	flags.Float64Var(&o.nodePrice, "node-price", 0, "what a node costs an hour, in your currency; 0 for not known")
	flags.StringVar(&o.priceLabel, "price-label", "",
		"the label or annotation of nodes that says what they cost an hour; it wins over --node-price")
	o.output.addFlag(command)
	o.access.addFlags(flags, true)
	return command
}

func (o *adviseOptions) run(ctx context.Context) error {
	switch {
	case !(o.served >= 50 && o.served <= 99.999): // not a number is neither
		return errors.New("--served is from 50 to 99.999 percent")
	case !(o.nodePrice >= 0):
		return errors.New("--node-price is not below 0")
	}
	if err := o.output.validate(); err != nil {
		return err
	}
	namespace, err := o.access.namespace()
	if err != nil {
		return err
	}
	report, err := o.gather(ctx, namespace)
	if err != nil {
		return err
	}
	o.output.notes(report.NotSeen)
	if len(report.Headrooms) == 0 && (o.output.format == "" || o.output.format == formatWide) {
		_, err := fmt.Fprintf(o.output.streams.ErrOut, "Nothing is known of Headrooms %s.\n", place(namespace))
		return err
	}
	return o.output.print(report, func(style table.Style) string {
		if o.output.format == formatWide {
			style.Width = 0
		}
		return report.Text(style)
	})
}

func (o *adviseOptions) gather(ctx context.Context, namespace string) (advice.Report, error) {
	reader, err := o.access.reader()
	if err != nil {
		return advice.Report{}, err
	}
	var headrooms v1alpha1.HeadroomList
	if err := reader.list(ctx, &headrooms, "headrooms.headroom.dev", namespace); err != nil {
		return advice.Report{}, err
	}
	var accounts v1alpha1.HeadroomAccountList
	if err := reader.list(ctx, &accounts, "headroomaccounts.headroom.dev", namespace); err != nil {
		return advice.Report{}, err
	}
	in := &advice.Input{Headrooms: headrooms.Items, Accounts: accounts.Items, Served: o.served / 100, Now: time.Now()}
	var notSeen []string
	if o.nodePrice > 0 || o.priceLabel != "" {
		var nodes corev1.NodeList
		err := reader.list(ctx, &nodes, "nodes", "")
		if err != nil && !lacking(err) {
			return advice.Report{}, err
		}
		if err != nil {
			notSeen = append(notSeen, "costs are not shown: "+err.Error())
		}
		in.Nodes = o.priced(nodes.Items)
		if err == nil && len(in.Nodes) == 0 {
			notSeen = append(notSeen, fmt.Sprintf("costs are not shown: no node has the label or annotation %s with a price", o.priceLabel))
		}
	}
	report := advice.New(in)
	report.NotSeen = append(report.NotSeen, notSeen...)
	return report, nil
}

// priced are the nodes of which the price is known.
func (o *adviseOptions) priced(nodes []corev1.Node) []advice.PricedNode {
	var priced []advice.PricedNode
	for i := range nodes {
		price := o.nodePrice
		if text, ok := labelOf(&nodes[i], o.priceLabel); ok {
			if said, err := strconv.ParseFloat(text, 64); err == nil && said >= 0 {
				price = said
			}
		}
		if price > 0 {
			priced = append(priced, advice.PricedNode{Allocatable: nodes[i].Status.Allocatable, Price: price})
		}
	}
	return priced
}

// labelOf is the value of a label, or of an annotation.
func labelOf(node *corev1.Node, key string) (value string, ok bool) {
	if value, ok = node.Labels[key]; ok {
		return value, true
	}
	value, ok = node.Annotations[key]
	return value, ok
}
