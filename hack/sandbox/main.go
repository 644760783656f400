// Command sandbox runs a Kubernetes cluster to play in, with Headroom in it, on this machine and without containers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/headroom-dev/headroom/test/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "sandbox: "+err.Error())
		os.Exit(1)
	}
}

// run plays until ctx ends, which is no error, or until a part of the cluster dies, which is one.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	opts, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	started := time.Now()
	say(out, "Starting the control plane ...")
	c, err := cluster.Start(ctx, cluster.Options{Port: opts.port})
	if err != nil {
		return quiet(ctx, err)
	}
	defer func() {
		say(out, "Stopping ...")
		err = errors.Join(err, c.Stop())
	}()
	if err := furnish(ctx, c, &opts, out); err != nil {
		return quiet(ctx, err)
	}
	say(out, "Ready after %s.\n", time.Since(started).Round(100*time.Millisecond))
	say(out, usage(opts, c))
	select {
	case <-ctx.Done():
		return nil
	case err := <-c.Died():
		return err
	}
}

// quiet drops an error whose cause is that the user has had enough.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // Ctrl-C during the start is no failure.
	}
	return err
}

// furnish adds nodes, schedulers and the product, and writes the kubeconfig file.
func furnish(ctx context.Context, c *cluster.Cluster, opts *options, out io.Writer) error {
	if opts.kubeconfig == "" {
		opts.kubeconfig = filepath.Join(c.Dir(), "kubeconfig")
	}
	if err := c.Kubeconfig(opts.kubeconfig); err != nil {
		return err
	}
	say(out, "Adding %d nodes in %d zones ...", opts.nodes, opts.zones)
	if err := c.AddNodes(ctx, opts.nodeSpec()); err != nil {
		return err
	}
	scheduler, err := cluster.FindProduct("headroom-scheduler")
	if err != nil {
		return err
	}
	if _, err := c.RunScheduler("kube-scheduler", scheduler); err != nil {
		return err
	}
	return nil
}

func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }

// usage is what the user reads when the sandbox is ready.
func usage(opts options, c *cluster.Cluster) string {
	kubeconfig, err := filepath.Abs(opts.kubeconfig)
	if err != nil {
		kubeconfig = opts.kubeconfig
	}
	text := fmt.Sprintf(`In another terminal:

  export KUBECONFIG=%s
  export PATH=%s:$PATH    # kubectl

  kubectl get nodes -L topology.kubernetes.io/zone
  kubectl create deployment hello --image=hello --replicas=30
  kubectl get pods -o wide
`, kubeconfig, c.Tools().Dir)
	if !slices.Contains(opts.without, partController) {
		text += ""
	}
	return text + fmt.Sprintf("\nThe logs are in %s. Ctrl-C ends the sandbox and removes all of it.", c.LogDir())
}
