package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/view/status"
	"github.com/headroom-dev/headroom/pkg/view/table"
)

const statusLong = `Prints of every Headroom how many units it wants, how many can be taken now and in which zones, how many are missing,
unavailable or outdated and why, and how many pods took lately, and which was the last.

WANTED is the sum of READY, UNAVAILABLE (held on a node to which no pod can be bound now) and MISSING (on no node), unless more is held than
wanted. TAKEN 24H and LACKED 24H are the units that pods took, and that entitled pods lacked, in the last 24 full hours and the present
one.`

const statusExample = `  # The Headrooms of the namespace
  kubectl headroom status

  # Of all namespaces, drawn anew as they change
  kubectl headroom status -A --watch

  # How many units of web can be taken
  kubectl headroom status web -o json | jq .headrooms[0].ready`

// statusOptions are the flags of "kubectl headroom status".
type statusOptions struct {
	access *access
	output *output
	watch  watchOptions
}

func newStatus(streams genericiooptions.IOStreams) *cobra.Command {
	o := &statusOptions{access: newAccess(), output: newOutput(streams, formatJSON, formatYAML, formatWide)}
	command := &cobra.Command{
		Use:               "status [NAME ...]",
		Short:             "Print what each Headroom holds, what is missing and why",
		Long:              statusLong,
		Example:           statusExample,
		ValidArgsFunction: o.access.completeHeadrooms,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	o.output.addFlag(command)
	o.watch.addFlags(command.Flags())
	o.access.addFlags(command.Flags(), true)
	return command
}

func (o *statusOptions) run(ctx context.Context, names []string) error {
	if err := errors.Join(o.output.validate(), o.watch.validate(o.output)); err != nil {
		return err
	}
	namespace, err := o.access.namespace()
	if err != nil {
		return err
	}
	reader, err := o.access.reader()
	if err != nil {
		return err
	}
	layout := status.Layout{Namespaces: namespace == "", Wide: o.output.format == formatWide}
	if o.watch.on {
		return o.watch.run(ctx, o.output, "Headrooms "+place(namespace), func(ctx context.Context) (page, error) {
			report, err := reader.status(ctx, namespace, names)
			if err != nil {
				return page{}, err
			}
			return page{notes: report.NotSeen, text: func(style table.Style) string {
				return orNone(report.Text(layout, style), namespace)
			}}, nil
		})
	}
	report, err := reader.status(ctx, namespace, names)
	if err != nil {
		return err
	}
	o.output.notes(report.NotSeen)
	if len(report.Headrooms) == 0 && o.output.format != formatJSON && o.output.format != formatYAML {
		_, err := fmt.Fprint(o.output.streams.ErrOut, orNone("", namespace))
		return err
	}
	return o.output.print(report, func(style table.Style) string { return report.Text(layout, style) })
}

func place(namespace string) string {
	if namespace == "" {
		return "of all namespaces"
	}
	return "of namespace " + namespace
}

func orNone(text, namespace string) string {
	if text != "" {
		return text
	}
	return "No Headrooms " + place(namespace) + ".\n"
}

// status gathers the Headrooms of a namespace, or of all, and what their accounts say of them.
func (r *reader) status(ctx context.Context, namespace string, names []string) (status.Report, error) {
	var headrooms v1alpha1.HeadroomList
	if err := r.list(ctx, &headrooms, "headrooms.headroom.dev", namespace); err != nil {
		return status.Report{}, err
	}
	in := status.Input{Headrooms: headrooms.Items, Now: time.Now()}
	if len(names) > 0 {
		for _, name := range names {
			if !slices.ContainsFunc(in.Headrooms, func(h v1alpha1.Headroom) bool { return h.Name == name }) {
				return status.Report{}, notFound(
					"there is no Headroom %s among those %s: kubectl headroom status -A lists all", name, place(namespace))
			}
		}
		in.Headrooms = slices.DeleteFunc(in.Headrooms, func(h v1alpha1.Headroom) bool { return !slices.Contains(names, h.Name) })
	}
	var accounts v1alpha1.HeadroomAccountList
	err := r.list(ctx, &accounts, "headroomaccounts.headroom.dev", namespace)
	if err != nil && !lacking(err) {
		return status.Report{}, err
	}
	in.Accounts, in.AccountsSeen = accounts.Items, err == nil
	report := status.New(in)
	if err != nil {
		report.NotSeen = append(report.NotSeen, "who took what is not shown: "+err.Error())
	}
	return report, nil
}

// completeHeadrooms completes the names of Headrooms.
func (a *access) completeHeadrooms(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	namespace, err := a.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	reader, err := a.reader()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var headrooms v1alpha1.HeadroomList
	if err := reader.list(cmd.Context(), &headrooms, "headrooms.headroom.dev", namespace); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for i := range headrooms.Items {
		if !slices.Contains(args, headrooms.Items[i].Name) {
			names = append(names, headrooms.Items[i].Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
