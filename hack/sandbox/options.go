package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/headroom-dev/headroom/test/cluster"
)

// Parts of the product that --without leaves out.
const (
	partController = "controller"
	partScheduler  = "scheduler"
)

// Bounds of the flags. Some thousand nodes is what two cores carry.
const (
	maxNodes = 5000
	maxZones = 26
)

// helpText precedes the list of flags.
const helpText = "sandbox runs a Kubernetes cluster to try Headroom in, until Ctrl-C.\n\nUsage: sandbox [flags]\n\n%s"

// options are the flags.
type options struct {
	nodes      int
	zones      int
	nodeCPU    string
	nodeMemory string
	nodePods   int
	kubeconfig string
	port       int
	without    []string
	// controllerPort and schedulerPort are where the two answer, 0 for nowhere.
	controllerPort, schedulerPort int
}

// parseOptions reads and checks the flags. The error is one sentence, or pflag.ErrHelp after the help was written to
// out.
func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	flags := pflag.NewFlagSet("sandbox", pflag.ContinueOnError)
	flags.SetOutput(out)
	flags.SortFlags = false
	flags.Usage = func() {
		_, _ = fmt.Fprintf(out, helpText, flags.FlagUsages())
	}
	flags.IntVar(&o.nodes, "nodes", 12, "number of nodes")
	flags.IntVar(&o.zones, "zones", 3, "number of zones that the nodes lie in, in turn")
	flags.StringVar(&o.nodeCPU, "node-cpu", "4", "CPU of a node")
	flags.StringVar(&o.nodeMemory, "node-memory", "16Gi", "memory of a node")
	flags.IntVar(&o.nodePods, "node-pods", 110, "number of pods that a node takes")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "`FILE` to write the kubeconfig to (default: one that goes with the sandbox)")
	flags.IntVar(&o.port, "port", 0, "port of the API server on 127.0.0.1 (default: a free one)")
	flags.IntVar(&o.controllerPort, "controller-port", 0, "port of headroom-controller's metrics on 127.0.0.1 (default: none)")
	flags.IntVar(&o.schedulerPort, "scheduler-port", 0, "port of headroom-scheduler's metrics and /configz on 127.0.0.1 (default: none)")
	flags.StringSliceVar(&o.without, "without", nil, "parts of Headroom to leave out: controller, scheduler")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("sandbox takes flags only, not %q", flags.Arg(0))
	}
	return o, o.validate()
}

func (o options) validate() error {
	for _, number := range []struct {
		flag            string
		value, min, max int
	}{
		{"nodes", o.nodes, 1, maxNodes}, {"zones", o.zones, 1, maxZones}, {"node-pods", o.nodePods, 1, 10000}, {"port", o.port, 0, 65535},
		{"controller-port", o.controllerPort, 0, 65535}, {"scheduler-port", o.schedulerPort, 0, 65535},
	} {
		if number.value < number.min || number.value > number.max {
			return fmt.Errorf("--%s must be from %d to %d, not %d", number.flag, number.min, number.max, number.value)
		}
	}
	if o.zones > o.nodes {
		return fmt.Errorf("--zones must not be more than --nodes: %d nodes cannot lie in %d zones", o.nodes, o.zones)
	}
	for flag, value := range map[string]string{"node-cpu": o.nodeCPU, "node-memory": o.nodeMemory} {
		if quantity, err := resource.ParseQuantity(value); err != nil || quantity.Sign() <= 0 {
			return fmt.Errorf("--%s must be a quantity above zero, such as 4 or 16Gi, not %q", flag, value)
		}
	}
	for _, part := range o.without {
		if !slices.Contains([]string{partController, partScheduler}, part) {
			return fmt.Errorf("--without takes %s and %s, not %q", partController, partScheduler, part)
		}
	}
	return o.validateKubeconfig()
}

// validateKubeconfig refuses a file that cannot be written, and one that holds the way to another cluster.
func (o options) validateKubeconfig() error {
	if o.kubeconfig == "" {
		return nil
	}
	existing, err := clientcmd.LoadFromFile(o.kubeconfig)
	switch {
	case os.IsNotExist(err):
		if info, err := os.Stat(filepath.Dir(o.kubeconfig)); err != nil || !info.IsDir() {
			return fmt.Errorf("--kubeconfig %s cannot be written: its folder does not exist", o.kubeconfig)
		}
		return nil
	case err != nil:
		return fmt.Errorf("--kubeconfig %s exists and is not a kubeconfig: choose another file", o.kubeconfig)
	}
	for name, server := range existing.Clusters {
		if name != cluster.KubeconfigName || !strings.HasPrefix(server.Server, "https://127.0.0.1:") {
			return fmt.Errorf("--kubeconfig %s leads to the cluster %q: choose another file, this one would be lost", o.kubeconfig, name)
		}
	}
	return nil
}

// has reports whether a part of the product is wanted.
func (o options) has(part string) bool { return !slices.Contains(o.without, part) }

// burst is how many pods of one CPU leave two of six placeholders when nothing else runs.
func (o options) burst() int64 {
	cpu := resource.MustParse(o.nodeCPU)
	return max(int64(o.nodes)*(cpu.MilliValue()/1000)-2, 1)
}

func (o options) nodeSpec() cluster.Nodes {
	return cluster.Nodes{
		Count: o.nodes, Zones: o.zones,
		CPU: resource.MustParse(o.nodeCPU), Memory: resource.MustParse(o.nodeMemory),
		Pods: *resource.NewQuantity(int64(o.nodePods), resource.DecimalSI),
	}
}
