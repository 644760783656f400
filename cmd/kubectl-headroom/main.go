// Command kubectl-headroom is the plugin of kubectl for Headrooms: with it on the PATH, kubectl has the command "kubectl headroom".
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/headroom-dev/headroom/pkg/buildinfo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand(genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}).ExecuteContext(ctx)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "error: "+err.Error())
		os.Exit(exitCode(err))
	}
}

// newCommand returns "kubectl headroom" with all of its subcommands.
func newCommand(streams genericiooptions.IOStreams) *cobra.Command {
	command := &cobra.Command{
		Use:           "kubectl-headroom",
		Short:         "See what headroom there is, and who gets it",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl headroom"},
		Version:       buildinfo.Get().Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	command.SetIn(streams.In)
	command.SetOut(streams.Out)
	command.SetErr(streams.ErrOut)
	command.SetVersionTemplate("kubectl-headroom {{.Version}}\n")
	command.AddCommand(newStatus(streams), newNodes(streams), newLedger(streams), newExplain(streams), newAdvise(streams), newReport(streams))
	return command
}
