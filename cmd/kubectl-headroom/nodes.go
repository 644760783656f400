package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/headroom-dev/headroom/pkg/view/nodes"
	"github.com/headroom-dev/headroom/pkg/view/table"
)

const nodesLong = `Prints how much of each node is used, held as headroom and free, zone by zone, as bars.

Used is what pods request that are no placeholders, headroom what placeholders do. With rights in one namespace only, what other namespaces
use cannot be counted, and the command says so.`

const nodesExample = `  # All nodes, drawn anew as they change
  kubectl headroom nodes --watch

  # Memory, of the nodes that hold headroom
  kubectl headroom nodes --resource memory --with-headroom`

// nodesOptions are the flags of "kubectl headroom nodes".
type nodesOptions struct {
	access       *access
	output       *output
	watch        watchOptions
	resource     string
	zoneKey      string
	withHeadroom bool
}

func newNodes(streams genericiooptions.IOStreams) *cobra.Command {
	o := &nodesOptions{access: newAccess(), output: newOutput(streams, formatJSON, formatYAML, formatWide)}
	command := &cobra.Command{
		Use:     "nodes",
		Short:   "Print what is used, held as headroom and free on each node",
		Long:    nodesLong,
		Example: nodesExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := command.Flags()
	flags.StringVar(&o.resource, "resource", string(corev1.ResourceCPU), "the resource to count, for example memory, pods or nvidia.com/gpu")
	flags.StringVar(&o.zoneKey, "zone-label", corev1.LabelTopologyZone, "the node label whose values are the zones")
	flags.BoolVar(&o.withHeadroom, "with-headroom", false, "leave out nodes that hold no headroom; their zones count them all the same")
	_ = command.RegisterFlagCompletionFunc("resource", cobra.FixedCompletions([]string{"cpu", "memory", "pods", "ephemeral-storage"},
		cobra.ShellCompDirectiveNoFileComp))
	o.output.addFlag(command)
	o.watch.addFlags(flags)
	o.access.addFlags(flags, false)
	return command
}

func (o *nodesOptions) run(ctx context.Context) error {
	switch {
	case o.resource == "":
		return errors.New("--resource is the name of a resource, for example cpu")
	case o.zoneKey == "":
		return errors.New("--zone-label is the name of a node label")
	}
	if err := errors.Join(o.output.validate(), o.watch.validate(o.output)); err != nil {
		return err
	}
	namespace, err := o.access.ownNamespace()
	if err != nil {
		return err
	}
	clientset, err := o.access.clientset()
	if err != nil {
		return err
	}
	seen, err := lookAround(ctx, clientset, namespace)
	if err != nil {
		return err
	}
	if o.watch.on {
		following := seen.follow(ctx)
		return o.watch.run(ctx, o.output, "Nodes", func(context.Context) (page, error) {
			found, err := following()
			if err != nil {
				return page{}, err
			}
			report := o.report(found, seen)
			return page{text: report.Text, notes: report.NotSeen}, nil
		})
	}
	found, err := seen.list(ctx)
	if err != nil {
		return err
	}
	report := o.report(found, seen)
	o.output.notes(report.NotSeen)
	return o.output.print(report, func(style table.Style) string {
		if o.output.format == formatWide {
			style.Width = 0
		}
		return report.Text(style)
	})
}

func (o *nodesOptions) report(found found, seen *sight) nodes.Report {
	report := nodes.New(nodes.Input{
		Nodes: found.nodes, NodesSeen: seen.nodes, Pods: found.pods, DaemonSets: found.headroomOf, Resource: corev1.ResourceName(o.resource),
		ZoneKey: o.zoneKey, OnlyHeadroom: o.withHeadroom,
	})
	report.NotSeen = seen.notSeen
	return report
}

// patience is how long the first lists of a watch may take.
const patience = 2 * time.Minute
