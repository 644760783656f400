// Command sandbox runs a Kubernetes cluster to try Headroom in, on this machine and without containers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/test/cluster"
)

func main() {
	ctrllog.SetLogger(logr.Discard()) // Else it complains after 30 seconds, with a stack trace.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "sandbox: "+err.Error())
		os.Exit(1)
	}
}

// run runs the cluster until ctx ends, which is no error, or until a part of the cluster dies, which is one.
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
	if err := setUp(ctx, c, &opts, out); err != nil {
		return quiet(ctx, c.KeepLogs(err))
	}
	say(out, "Ready after %s.\n", time.Since(started).Round(100*time.Millisecond))
	say(out, "%s", usage(opts, c))
	select {
	case <-ctx.Done():
		return nil
	case err := <-c.Died():
		return c.KeepLogs(err)
	}
}

// quiet drops an error that comes of ending the sandbox by Ctrl-C.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // Ctrl-C during the start is no failure.
	}
	return err
}

// setUp adds nodes, schedulers and the product, and writes the kubeconfig file.
func setUp(ctx context.Context, c *cluster.Cluster, opts *options, out io.Writer) error {
	if opts.kubeconfig == "" {
		opts.kubeconfig = filepath.Join(c.Dir(), "kubeconfig")
	}
	if err := c.Kubeconfig(opts.kubeconfig); err != nil {
		return err
	}
	say(out, "Adding nodes: %d, zones: %d ...", opts.nodes, opts.zones)
	if err := c.AddNodes(ctx, opts.nodeSpec()); err != nil {
		return err
	}
	if err := c.InstallCRD(ctx); err != nil {
		return err
	}
	if err := runScheduler(ctx, c, opts); err != nil {
		return err
	}
	if !opts.has(partController) {
		return nil
	}
	var args []string
	if opts.has(partScheduler) {
		args = append(args, "--placeholder-scheduler-name=headroom-scheduler")
	}
	if opts.controllerPort != 0 {
		args = append(args, fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", opts.controllerPort))
	}
	_, err := c.RunController(ctx, args...)
	return err
}

// runScheduler runs one process for all pods: with the plugin, or as a plain kube-scheduler.
func runScheduler(ctx context.Context, c *cluster.Cluster, opts *options) error {
	if opts.has(partScheduler) {
		var args []string
		if opts.schedulerPort != 0 { // Outside of a pod it has to be told whom to ask about those who come.
			args = append(args, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", opts.schedulerPort),
				"--authentication-kubeconfig="+opts.kubeconfig, "--authorization-kubeconfig="+opts.kubeconfig)
		}
		_, err := c.RunHeadroomScheduler(ctx, cluster.MainScheduler, args...)
		return err
	}
	binary, err := cluster.FindProduct("headroom-scheduler")
	if err != nil {
		return err
	}
	_, err = c.RunScheduler("kube-scheduler", binary)
	return err
}

func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }

// usage is what the user reads when the sandbox is ready.
func usage(opts options, c *cluster.Cluster) string {
	kubeconfig, err := filepath.Abs(opts.kubeconfig)
	if err != nil {
		kubeconfig = opts.kubeconfig
	}
	text := fmt.Sprintf(usageCluster, kubeconfig, c.Tools().Dir)
	if opts.has(partController) {
		text += usageController
		if opts.has(partScheduler) {
			text += fmt.Sprintf(usageScheduler, opts.burst())
		}
	}
	if opts.controllerPort != 0 {
		text += fmt.Sprintf(usageControllerPort, opts.controllerPort)
	}
	if opts.schedulerPort != 0 {
		text += fmt.Sprintf(usageSchedulerPort, opts.schedulerPort)
	}
	return text + fmt.Sprintf(usageEnd, c.LogDir())
}

const usageCluster = `In another terminal:

  export KUBECONFIG=%s PATH=%s:$PATH

  kubectl get nodes -L topology.kubernetes.io/zone
  kubectl create deployment hello --image=hello --replicas=30
  kubectl get pods -o wide
`

const usageController = `
Keep room for six pods of one CPU, and see it held:

  kubectl create -f - <<EOF
  {apiVersion: headroom.dev/v1alpha1, kind: Headroom, metadata: {name: web}, spec: {replicas: 6, requests: {cpu: "1"}}}
  EOF
  kubectl get hdr -o wide
  kubectl describe hdr web
`

const usageScheduler = `
Pods of headroom-scheduler take it when there is no other room:

  kubectl create -f - <<EOF
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: burst}
  spec:
    replicas: %d
    selector: {matchLabels: {app: burst}}
    template:
      metadata: {labels: {app: burst}}
      spec:
        schedulerName: headroom-scheduler
        containers: [{name: main, image: main, resources: {requests: {cpu: "1"}}}]
  EOF
  kubectl get events --field-selector involvedObject.kind=Headroom    # who took what, and what is left
`

const usageControllerPort = `
What headroom-controller measures:

  curl -sk -H "Authorization: Bearer $(kubectl config view --raw -o jsonpath='{.users[0].user.token}')" https://127.0.0.1:%d/metrics
`

const usageSchedulerPort = `
headroom-scheduler answers at https://127.0.0.1:%d, to the same credentials: /metrics, and what
kubectl headroom explain pod --from-scheduler asks for.
`

const usageEnd = `
The logs are in %s. Ctrl-C ends the sandbox and removes all of it.`
