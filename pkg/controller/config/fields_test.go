package config

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// changed is a configuration in which every field has a value that is neither its default nor that of another field.
func changed() *Config {
	return &Config{
		TypeMeta:   metav1.TypeMeta{APIVersion: "controller.config.headroom.dev/v1alpha1", Kind: "HeadroomControllerConfiguration"},
		Namespaces: []string{"shop", "bank"},
		Placeholders: Placeholders{
			MaxPriority: 5, MinPriority: -7, AllowPreemptingPriorityClass: true, AllowReserved: true, DefaultImage: "example.com/pause:1",
			AllowedImages: []string{"example.com/a:1", "example.com/b/*"}, PodSecurityLevel: "restricted", Ladder: true, SchedulerName: "mine",
		},
		Units:                      Units{MaxPerHeadroom: 11, MaxPerNamespace: 12, Max: 13, MaxPending: 14},
		Prices:                     Prices{Node: 0.25, Label: "example.com/price"},
		HideNamesOfOtherNamespaces: true,
		LeaderElection:             LeaderElection{Enabled: false, LeaseName: "lease", LeaseNamespace: "leases"},
		Identity:                   "one",
		Client:                     Client{QPS: 15, Burst: 16},
		MetricsBindAddress:         ":17",
		MetricsCertDir:             "/certs",
		HealthProbeBindAddress:     ":18",
		ConcurrentReconciles:       19,
	}
}

func TestEachFieldHasItsNameInTheFile(t *testing.T) {
	c, err := load(t, header+`
namespaces: [shop, bank]
placeholders:
  maxPriority: 5
  minPriority: -7
  allowPreemptingPriorityClass: true
  allowReserved: true
  defaultImage: example.com/pause:1
  allowedImages: [example.com/a:1, example.com/b/*]
  podSecurityLevel: restricted
  ladder: true
  schedulerName: mine
units: {maxPerHeadroom: 11, maxPerNamespace: 12, max: 13, maxPending: 14}
prices: {node: 0.25, label: example.com/price}
hideNamesOfOtherNamespaces: true
leaderElection: {enabled: false, leaseName: lease, leaseNamespace: leases}
identity: one
client: {qps: 15, burst: 16}
metricsBindAddress: ":17"
metricsCertDir: /certs
healthProbeBindAddress: ":18"
concurrentReconciles: 19
`)
	require.NoError(t, err)
	require.Equal(t, changed(), c)
}

func TestEachFieldHasItsFlag(t *testing.T) {
	args := []string{
		"--namespaces=shop,bank", "--max-priority=5", "--min-priority=-7", "--allow-preempting-priority-class", "--allow-reserved",
		"--default-image=example.com/pause:1", "--allowed-images=example.com/a:1,example.com/b/*", "--pod-security-level=restricted", "--ladder",
		"--placeholder-scheduler-name=mine", "--max-units-per-headroom=11", "--max-units-per-namespace=12", "--max-units=13",
		"--max-pending-units=14", "--node-price=0.25", "--price-label=example.com/price", "--hide-names-of-other-namespaces",
		"--leader-elect=false", "--leader-elect-lease-name=lease", "--leader-elect-lease-namespace=leases", "--identity=one",
		"--kube-api-qps=15", "--kube-api-burst=16", "--metrics-bind-address=:17", "--metrics-cert-dir=/certs",
		"--health-probe-bind-address=:18", "--concurrent-reconciles=19",
	}
	c, err := load(t, "", args...)
	require.NoError(t, err)
	require.Equal(t, changed(), c)
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Default().AddFlags(flags)
	count := 0
	flags.VisitAll(func(*pflag.Flag) { count++ })
	require.Len(t, args, count, "no flag is left out here")
}

// TestAControllerThatWasToldNothing has the defaults that the comments of the fields promise.
func TestAControllerThatWasToldNothing(t *testing.T) {
	c, err := load(t, "")
	require.NoError(t, err)
	require.NotEmpty(t, c.Placeholders.DefaultImage)
	c.Placeholders.DefaultImage = ""
	require.Equal(t, &Config{
		TypeMeta:               metav1.TypeMeta{APIVersion: "controller.config.headroom.dev/v1alpha1", Kind: "HeadroomControllerConfiguration"},
		Placeholders:           Placeholders{MaxPriority: -1, MinPriority: -10, PodSecurityLevel: "baseline"},
		Units:                  Units{MaxPerHeadroom: 10_000, MaxPending: 500},
		LeaderElection:         LeaderElection{Enabled: true, LeaseName: "headroom-controller"},
		Client:                 Client{QPS: 200, Burst: 400},
		MetricsBindAddress:     ":8443",
		HealthProbeBindAddress: ":8081",
		ConcurrentReconciles:   4,
	}, c)
}

// TestFlagsOfOthersAreLeftToThem: the command has some for its logs.
func TestFlagsOfOthersAreLeftToThem(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Default().AddFlags(flags)
	flags.Int("a", 0, "comes before the others")
	flags.Int("v", 0, "is of the logs")
	require.NoError(t, flags.Parse([]string{"--a=1", "--v=3", "--max-priority=5"}))
	c, err := Load("", flags)
	require.NoError(t, err)
	require.EqualValues(t, 5, c.Placeholders.MaxPriority)
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := load(t, header+"concurrentReconciles: 0\nprices: {node: 1000000001}\n", "--default-image= x", "--namespaces=a,b,a")
	for _, want := range []string{
		"invalid configuration", "concurrentReconciles: Invalid value: 0: must be at least 1", "prices.node: Invalid value",
		"placeholders.defaultImage: Invalid value", "namespaces[2]: Duplicate value",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "namespaces[1]")
	_, err = load(t, "", "--node-price=1000000000")
	require.NoError(t, err)
	_, err = load(t, header+"units: many\n")
	require.ErrorContains(t, err, "config.yaml")
}

// TestAFlagThatCannotBeReadIsAnErrorWhateverComesAfterIt: who runs the controller must not believe that it is heeded.
func TestAFlagThatCannotBeReadIsAnErrorWhateverComesAfterIt(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.String("max-priority", "", "takes words")
	flags.Int("max-units", 0, "comes after it")
	require.NoError(t, flags.Parse([]string{"--max-priority=high", "--max-units=3"}))
	_, err := Load("", flags)
	require.ErrorContains(t, err, "high")
}
