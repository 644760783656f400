package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/pkg/view/ledger"
	"github.com/headroom-dev/headroom/pkg/view/table"
)

const ledgerLong = `Prints who took which unit, when, by which rule, and after how long a unit was bound in its place, the newest first.

It comes from the accounts that headroom-controller keeps (kubectl get headroomaccounts), which remember the last 100 takes of each Headroom
one by one. The rule is in the scheduler's event, which a cluster keeps for an hour unless told otherwise; after that it is left out.`

const ledgerExample = `  # Who took units of this namespace's Headrooms
  kubectl headroom ledger

  # Which workloads took most in the last hour, of all Headrooms
  kubectl headroom ledger -A --since 1h --by workload

  # For a spreadsheet
  kubectl headroom ledger -A -o csv > ledger.csv`

// ledgerOptions are the flags of "kubectl headroom ledger".
type ledgerOptions struct {
	access *access
	output *output
	since  time.Duration
	by     string
}

func newLedger(streams genericiooptions.IOStreams) *cobra.Command {
	o := &ledgerOptions{access: newAccess(), output: newOutput(streams, formatJSON, formatYAML, formatWide, formatCSV)}
	command := &cobra.Command{
		Use:               "ledger [HEADROOM ...]",
		Short:             "Print who took units, when, and by which rule",
		Long:              ledgerLong,
		Example:           ledgerExample,
		ValidArgsFunction: o.access.completeHeadrooms,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	flags := command.Flags()
	flags.DurationVar(&o.since, "since", 0, "only what was taken so long ago at most, for example 1h30m; 0 for all that is remembered")
	flags.StringVar(&o.by, "by", "", "sums by headroom, namespace (of the pods that took units) or workload, in place of single units")
	_ = command.RegisterFlagCompletionFunc("by", cobra.FixedCompletions([]string{"headroom", "namespace", "workload"},
		cobra.ShellCompDirectiveNoFileComp))
	o.output.addFlag(command)
	o.access.addFlags(flags, true)
	return command
}

func (o *ledgerOptions) validate() error {
	switch {
	case o.since < 0:
		return errors.New("--since is a length of time, and not below 0")
	case o.by != "" && !slices.Contains(ledger.Groups(), ledger.By(o.by)):
		return fmt.Errorf("--by %s is not known: use one of headroom, namespace, workload", o.by)
	default:
		return o.output.validate()
	}
}

func (o *ledgerOptions) run(ctx context.Context, names []string) error {
	if err := o.validate(); err != nil {
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
	report, err := reader.ledger(ctx, namespace, names, o.since)
	if err != nil {
		return err
	}
	o.output.notes(report.NotSeen)
	o.output.notes(report.NotListed)
	if len(report.Takes) == 0 && (o.output.format == "" || o.output.format == formatWide) {
		_, err := fmt.Fprintf(o.output.streams.ErrOut, "No pod has taken a unit of the Headrooms %s%s.\n", place(namespace), within(o.since))
		return err
	}
	if o.by != "" {
		summary := report.Summary(ledger.By(o.by))
		if o.output.format == formatCSV {
			return summary.CSV(o.output.streams.Out)
		}
		return o.output.print(summary, func(style table.Style) string { return summary.Text(o.wide(style)) })
	}
	if o.output.format == formatCSV {
		return report.CSV(o.output.streams.Out)
	}
	return o.output.print(report, func(style table.Style) string { return report.Text(o.wide(style)) })
}

// wide lets lines be of any length with -o wide.
func (o *ledgerOptions) wide(style table.Style) table.Style {
	if o.output.format == formatWide {
		style.Width = 0
	}
	return style
}

func within(since time.Duration) string {
	if since == 0 {
		return ""
	}
	return " within " + since.String()
}

// ledger gathers accounts, and the events that say by which rule units were taken.
func (r *reader) ledger(ctx context.Context, namespace string, names []string, since time.Duration) (ledger.Report, error) {
	var accounts v1alpha1.HeadroomAccountList
	if err := r.list(ctx, &accounts, "headroomaccounts.headroom.dev", namespace); err != nil {
		return ledger.Report{}, err
	}
	in := ledger.Input{Accounts: accounts.Items, Now: time.Now()}
	if since > 0 {
		in.Since = in.Now.Add(-since)
	}
	for _, name := range names {
		if !slices.ContainsFunc(in.Accounts, func(a v1alpha1.HeadroomAccount) bool { return a.Name == name }) {
			return ledger.Report{}, notFound("there is no account of a Headroom %s among those %s", name, place(namespace))
		}
	}
	if len(names) > 0 {
		in.Accounts = slices.DeleteFunc(in.Accounts, func(a v1alpha1.HeadroomAccount) bool { return !slices.Contains(names, a.Name) })
	}
	var notSeen []string
	for _, where := range ledger.ConsumerNamespaces(in.Accounts) {
		err := r.swapEvents(ctx, where, func(event *corev1.Event) { in.Events = append(in.Events, *event) })
		if err != nil && !lacking(err) {
			return ledger.Report{}, err
		}
		if err != nil {
			notSeen = append(notSeen, "by which rule is not shown for pods of namespace "+where+": "+err.Error())
		}
	}
	report := ledger.New(in)
	report.NotSeen = append(report.NotSeen, notSeen...)
	return report, nil
}

// swapEvents visits the scheduler's events of a namespace, page by page.
func (r *reader) swapEvents(ctx context.Context, namespace string, visit func(*corev1.Event)) error {
	var next string
	for {
		var events corev1.EventList
		err := r.list(ctx, &events, "events", namespace, client.MatchingFields{"reason": swapevent.Reason}, client.Limit(pageSize),
			client.Continue(next))
		if err != nil {
			return err
		}
		for i := range events.Items {
			visit(&events.Items[i])
		}
		if next = events.Continue; next == "" {
			return nil
		}
	}
}
