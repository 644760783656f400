package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/buildinfo"
	"github.com/headroom-dev/headroom/pkg/view/advice"
	"github.com/headroom-dev/headroom/pkg/view/nodes"
	"github.com/headroom-dev/headroom/pkg/view/report"
)

const reportLong = `Writes one page of HTML, which needs nothing from elsewhere and can be mailed: how the Headrooms are, what became of
their units in the last days by the hour, how many were needed, who took most, and how full each zone is. With a price of nodes, also what
the units cost.`

const reportExample = `  # Of all namespaces
  kubectl headroom report -A -o report.html

  # With what a node costs an hour
  kubectl headroom report -A -o report.html --node-price 0.384`

// reportOptions are the flags of "kubectl headroom report".
type reportOptions struct {
	access  *access
	streams genericiooptions.IOStreams
	file    string
	days    int
	prices  prices
}

func newReport(streams genericiooptions.IOStreams) *cobra.Command {
	o := &reportOptions{access: newAccess(), streams: streams}
	command := &cobra.Command{
		Use:     "report -o FILE",
		Short:   "Write a page about state and last days",
		Long:    reportLong,
		Example: reportExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := command.Flags()
	flags.StringVarP(&o.file, "output", "o", "", "`FILE` to write, - for standard output")
	flags.IntVar(&o.days, "days", 7, "how many days to draw, from 1 to 14")
	o.prices.addFlags(flags)
	o.access.addFlags(flags, true)
	return command
}

func (o *reportOptions) run(ctx context.Context) error {
	switch {
	case o.file == "":
		return errors.New("-o names the file to write, for example report.html; - is standard output")
	case o.days < 1 || o.days > 14:
		return errors.New("--days is from 1 to 14, which is what accounts remember")
	}
	if err := o.prices.validate(); err != nil {
		return err
	}
	in, err := o.gather(ctx)
	if err != nil {
		return err
	}
	page, err := report.Page(in)
	if err != nil {
		return err
	}
	out := &output{streams: o.streams}
	out.notes(in.Status.NotSeen)
	if o.file == "-" {
		_, err := o.streams.Out.Write(page)
		return err
	}
	if err := writeFile(o.file, page); err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.streams.ErrOut, "Wrote %s.\n", o.file)
	return err
}

// writeFile writes a file at once: one that is there stays as it is if something goes wrong.
func writeFile(name string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".headroom-report-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = bytes.NewReader(data).WriteTo(file)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}

// gather asks for all that is on the page. What may not be looked at is left out, and said.
func (o *reportOptions) gather(ctx context.Context) (*report.Input, error) {
	namespace, err := o.access.namespace()
	if err != nil {
		return nil, err
	}
	reader, err := o.access.reader()
	if err != nil {
		return nil, err
	}
	config, err := o.access.config()
	if err != nil {
		return nil, err
	}
	in := &report.Input{
		Where: "Headrooms " + place(namespace) + " on " + config.Host, Days: o.days, Now: time.Now(), Version: buildinfo.Get().Version}
	if in.Status, err = reader.status(ctx, namespace, nil); err != nil {
		return nil, err
	}
	var accounts v1alpha1.HeadroomAccountList
	if err := reader.list(ctx, &accounts, "headroomaccounts.headroom.dev", namespace); err != nil && !lacking(err) {
		return nil, err
	}
	in.Accounts = accounts.Items
	if err := o.advise(ctx, reader, namespace, in); err != nil {
		return nil, err
	}
	if in.Ledger, err = reader.ledger(ctx, namespace, nil, time.Duration(o.days)*24*time.Hour); err != nil && !lacking(err) {
		return nil, err
	}
	if in.Nodes, err = o.nodes(ctx); lacking(err) {
		in.Status.NotSeen = append(in.Status.NotSeen, "how full the zones are is not shown: "+err.Error())
		return in, nil
	}
	return in, err
}

// advise adds how many units were needed, and what they cost.
func (o *reportOptions) advise(ctx context.Context, reader *reader, namespace string, in *report.Input) error {
	var headrooms v1alpha1.HeadroomList
	if err := reader.list(ctx, &headrooms, "headrooms.headroom.dev", namespace); err != nil {
		return err
	}
	nodes, notSeen, err := o.prices.look(ctx, reader)
	if err != nil {
		return err
	}
	in.Status.NotSeen = append(in.Status.NotSeen, notSeen...)
	in.Advice = advice.New(&advice.Input{
		Headrooms: headrooms.Items, Accounts: in.Accounts, Nodes: nodes, Served: servedByDefault / 100, Now: in.Now,
	}).Headrooms
	return nil
}

// nodes is how full the zones are.
func (o *reportOptions) nodes(ctx context.Context) (*nodes.Report, error) {
	namespace, err := o.access.ownNamespace()
	if err != nil {
		return nil, err
	}
	clientset, err := o.access.clientset()
	if err != nil {
		return nil, err
	}
	seen, err := lookAround(ctx, clientset, namespace)
	if err != nil {
		return nil, err
	}
	if !seen.nodes {
		return nil, &problem{code: exitForbidden, text: "no right to list nodes of the whole cluster: ask for the verbs list and watch on it"}
	}
	found, err := seen.list(ctx)
	if err != nil {
		return nil, err
	}
	room := (&nodesOptions{resource: string(corev1.ResourceCPU), zoneKey: corev1.LabelTopologyZone}).report(found, seen)
	return &room, nil
}
