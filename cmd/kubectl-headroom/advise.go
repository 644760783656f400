package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
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

// servedByDefault is the share of the time, in percent, in which all demand is to be served at once.
const servedByDefault = 99.9

// adviseOptions are the flags of "kubectl headroom advise".
type adviseOptions struct {
	access *access
	output *output
	served float64
	prices prices
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
	flags.Float64Var(&o.served, "served", servedByDefault,
		"the share of the time, in percent, in which all demand is to be served at once, from 50 to 99.999")
	o.prices.addFlags(flags)
	o.output.addFlag(command)
	o.access.addFlags(flags, true)
	return command
}

func (o *adviseOptions) run(ctx context.Context) error {
	if !(o.served >= 50 && o.served <= 99.999) { // not a number is neither
		return errors.New("--served is from 50 to 99.999 percent")
	}
	if err := errors.Join(o.prices.validate(), o.output.validate()); err != nil {
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
	nodes, notSeen, err := o.prices.look(ctx, reader)
	if err != nil {
		return advice.Report{}, err
	}
	report := advice.New(&advice.Input{
		Headrooms: headrooms.Items, Accounts: accounts.Items, Nodes: nodes, Served: o.served / 100, Now: time.Now(),
	})
	report.NotSeen = append(report.NotSeen, notSeen...)
	return report, nil
}
