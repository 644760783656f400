package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/headroom-dev/headroom/pkg/scheduler/explain"
)

const explainLong = `Prints in which order headroom-scheduler takes placeholders, and the rule that decides between neighbors.

With --consumer it says on which nodes this pod has room, which placeholders go for it on each, and in which order the nodes are chosen;
without it, in which order the placeholders of each node go for a pod that lacks nothing in particular.

The objects are those of the cluster that kubectl talks to, or come from files with -f. What kube-scheduler's Filter and Score plugins
say is left out: taints, volumes, required affinity and the like.`

const explainExample = `  # For the pod web-1 in the namespace shop, in the cluster
  kubectl headroom explain --consumer shop/web-1

  # From a file
  kubectl get headrooms.headroom.dev,daemonsets,nodes,namespaces,pods -A -o yaml > cluster.yaml
  kubectl headroom explain -f cluster.yaml --consumer shop/web-1`

// explainOptions are the flags of "kubectl headroom explain".
type explainOptions struct {
	files           []string
	consumer        string
	schedulerConfig string
	access          *access
	streams         genericiooptions.IOStreams
}

func newExplain(streams genericiooptions.IOStreams) *cobra.Command {
	o := &explainOptions{access: newAccess(), streams: streams}
	command := &cobra.Command{
		Use:     "explain [--consumer NAMESPACE/NAME] [-f FILE ...]",
		Short:   "Print which placeholders go first, and why",
		Long:    explainLong,
		Example: explainExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := command.Flags()
	flags.StringArrayVarP(&o.files, "filename", "f", nil,
		"`FILE` with Kubernetes objects, - for standard input; may be repeated. Without it the cluster is asked")
	flags.StringVar(&o.consumer, "consumer", "",
		"`NAMESPACE/NAME` of the pod that wants room; a NAME alone is looked for in the namespace of --namespace, or of the context")
	flags.StringVar(&o.schedulerConfig, "scheduler-config", "", "configuration `FILE` of headroom-scheduler, whose arguments for the plugin "+
		"apply: those of the consumer's profile. Default: the plugin's defaults")
	o.access.addFlags(flags, false)
	command.AddCommand(newExplainPod(streams))
	return command
}

// run gathers the objects and prints the order.
func (o *explainOptions) run(ctx context.Context) error {
	gathered, err := gatherObjects(ctx, o.access, o.files, o.streams.In)
	if err != nil {
		return err
	}
	consumer, err := o.findConsumer(gathered)
	if err != nil {
		return err
	}
	scheduler := ""
	if consumer != nil {
		scheduler = consumer.Spec.SchedulerName
	}
	profile, err := explain.ReadProfile(ctx, o.schedulerConfig, scheduler)
	if err != nil {
		return err
	}
	cluster, err := explain.New(gathered.Objects, profile)
	if err != nil {
		return err
	}
	if consumer == nil {
		return printPlaceholders(o.streams.Out, cluster)
	}
	return printNodes(o.streams.Out, cluster, consumer)
}

// gatherObjects reads the files, or the cluster where no file is named.
func gatherObjects(ctx context.Context, from *access, files []string, in io.Reader) (*objects, error) {
	if len(files) > 0 {
		return readFiles(files, in)
	}
	reader, err := from.reader()
	if err != nil {
		return nil, fmt.Errorf("%w (a file with its objects does as well)", err)
	}
	return reader.cluster(ctx)
}

// findConsumer returns the pod that --consumer names, nil without it.
func (o *explainOptions) findConsumer(gathered *objects) (*corev1.Pod, error) {
	if o.consumer == "" {
		return nil, nil
	}
	namespace := cmp.Or(*o.access.flags.Namespace, corev1.NamespaceDefault)
	if len(o.files) == 0 {
		var err error
		if namespace, err = o.access.ownNamespace(); err != nil {
			return nil, err
		}
	}
	return gathered.pod(o.consumer, namespace)
}
