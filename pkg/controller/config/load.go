package config

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

// AddFlags adds a flag for every field, with the values that the configuration has now as defaults.
func (c *Config) AddFlags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&c.Namespaces, "namespaces", c.Namespaces, "Namespaces to work in, separated by commas. Empty: all.")
	flags.Int32Var(&c.Placeholders.MaxPriority, "max-priority", c.Placeholders.MaxPriority,
		"Highest priority that placeholders may have. Raise it only for reserves that ordinary pods must not take.")
	flags.Int32Var(&c.Placeholders.MinPriority, "min-priority", c.Placeholders.MinPriority,
		"Lowest priority that placeholders may have. Cluster Autoscaler ignores pods below -10.")
	flags.BoolVar(&c.Placeholders.AllowPreemptingPriorityClass, "allow-preempting-priority-class",
		c.Placeholders.AllowPreemptingPriorityClass, "Allow PriorityClasses whose preemptionPolicy is not Never.")
	flags.BoolVar(&c.Placeholders.AllowReserved, "allow-reserved", c.Placeholders.AllowReserved,
		"Allow Headrooms with spec.reserved, whose units other schedulers do not preempt for ordinary pods.")
	flags.BoolVar(&c.Placeholders.Ladder, "ladder", c.Placeholders.Ladder,
		"Give units of Headrooms that say nothing of it steps of priority, for clusters in which kube-scheduler alone takes units.")
	flags.StringVar(&c.Placeholders.DefaultImage, "default-image", c.Placeholders.DefaultImage,
		"Image of placeholders whose Headroom names none.")
	flags.StringSliceVar(&c.Placeholders.AllowedImages, "allowed-images", c.Placeholders.AllowedImages,
		"Images that Headrooms may name beside the default one, separated by commas. One that ends in /*, :* or @* stands for all that\n"+
			"begin so, * for every image.")
	flags.StringVar(&c.Placeholders.PodSecurityLevel, "pod-security-level", c.Placeholders.PodSecurityLevel,
		"Pod Security level that all placeholders have to meet, whatever their namespace enforces: baseline or restricted.")
	flags.StringVar(&c.Placeholders.SchedulerName, "placeholder-scheduler-name", c.Placeholders.SchedulerName,
		"Scheduler of placeholders whose Headroom names none. Empty: the cluster's default.")
	flags.IntVar(&c.Units.MaxPerHeadroom, "max-units-per-headroom", c.Units.MaxPerHeadroom, "Units that one Headroom may have. 0: no bound.")
	flags.IntVar(&c.Units.MaxPerNamespace, "max-units-per-namespace", c.Units.MaxPerNamespace,
		"Units that the Headrooms of a namespace may have together. 0: no bound.")
	flags.IntVar(&c.Units.Max, "max-units", c.Units.Max, "Units that all Headrooms may have together. 0: no bound.")
	flags.IntVar(&c.Units.MaxPending, "max-pending-units", c.Units.MaxPending,
		"Units of all Headrooms that may wait for a node at a time, shared out among them. 0: no bound.")
	flags.Float64Var(&c.Prices.Node, "node-price", c.Prices.Node,
		"What a node costs an hour, in your currency, for status.usage.cost and metrics. 0: not known.")
	flags.StringVar(&c.Prices.Label, "price-label", c.Prices.Label,
		"Label or annotation of nodes that says what they cost an hour; it wins over --node-price. Empty: none.")
	flags.BoolVar(&c.HideNamesOfOtherNamespaces, "hide-names-of-other-namespaces", c.HideNamesOfOtherNamespaces,
		"Leave names of pods of other namespaces than a Headroom's out of its events and its account.")
	flags.BoolVar(&c.LeaderElection.Enabled, "leader-elect", c.LeaderElection.Enabled,
		"Work only while holding a Lease, so that several controllers can run.")
	flags.StringVar(&c.LeaderElection.LeaseName, "leader-elect-lease-name", c.LeaderElection.LeaseName, "Name of that Lease.")
	flags.StringVar(&c.LeaderElection.LeaseNamespace, "leader-elect-lease-namespace", c.LeaderElection.LeaseNamespace,
		"Namespace of that Lease. Empty: the one the controller runs in.")
	flags.StringVar(&c.Identity, "identity", c.Identity,
		"Name of the installation; its replicas share it. Empty: namespace and name of its Lease.")
	flags.Float32Var(&c.Client.QPS, "kube-api-qps", c.Client.QPS, "Requests a second to the API server, sustained.")
	flags.IntVar(&c.Client.Burst, "kube-api-burst", c.Client.Burst, "Requests to the API server that may exceed that for a moment.")
	flags.StringVar(&c.MetricsBindAddress, "metrics-bind-address", c.MetricsBindAddress,
		"host:port to serve metrics on, over HTTPS, to who may get /metrics. 0: none.")
	flags.StringVar(&c.MetricsCertDir, "metrics-cert-dir", c.MetricsCertDir,
		"Folder with tls.crt and tls.key for the metrics. Empty: a self-signed certificate.")
	flags.StringVar(&c.HealthProbeBindAddress, "health-probe-bind-address", c.HealthProbeBindAddress,
		"host:port to serve /healthz and /readyz on. 0: none.")
	flags.IntVar(&c.ConcurrentReconciles, "concurrent-reconciles", c.ConcurrentReconciles, "Headrooms worked on at once.")
}

// Load reads the configuration file, if one is named, and lets the flags that were given in args win over it. The result
// is valid.
func Load(path string, given *pflag.FlagSet) (*Config, error) {
	c := Default()
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration file: %w", err)
		}
		if err := yaml.UnmarshalStrict(data, c, yaml.DisallowUnknownFields); err != nil {
			return nil, fmt.Errorf("configuration file %s: %w", path, err)
		}
	}
	if err := c.override(given); err != nil {
		return nil, err
	}
	if errs := c.Validate(); len(errs) > 0 {
		return nil, fmt.Errorf("invalid configuration: %w", errs.ToAggregate())
	}
	return c, nil
}

// override sets the fields whose flag was given on the command line.
func (c *Config) override(given *pflag.FlagSet) error {
	mine := pflag.NewFlagSet("", pflag.ContinueOnError)
	c.AddFlags(mine)
	var failed error
	given.Visit(func(f *pflag.Flag) {
		own := mine.Lookup(f.Name)
		if own == nil || failed != nil {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			failed = own.Value.(pflag.SliceValue).Replace(list.GetSlice())
			return
		}
		failed = own.Value.Set(f.Value.String())
	})
	return failed
}
