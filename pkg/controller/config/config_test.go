package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func load(t *testing.T, file string, args ...string) (*Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Default().AddFlags(flags)
	require.NoError(t, flags.Parse(args))
	if file == "" {
		return Load("", flags)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
	return Load(path, flags)
}

const header = "apiVersion: controller.config.headroom.dev/v1alpha1\nkind: HeadroomControllerConfiguration\n"

func TestLoad(t *testing.T) {
	with := func(change func(*Config)) *Config {
		c := Default()
		change(c)
		return c
	}
	tests := map[string]struct {
		file string
		args []string
		want *Config
	}{
		"nothing given keeps every default": {want: Default()},
		"a file changes only what it names": {
			file: header + "placeholders: {maxPriority: 5}\n",
			want: with(func(c *Config) { c.Placeholders.MaxPriority = 5 }),
		},
		"a flag wins over the file": {
			file: header + "placeholders: {maxPriority: 5, minPriority: -5}\nnamespaces: [a, b]\n",
			args: []string{"--max-priority=7", "--namespaces=c"},
			want: with(func(c *Config) {
				c.Placeholders.MaxPriority, c.Placeholders.MinPriority, c.Namespaces = 7, -5, []string{"c"}
			}),
		},
		"prices": {
			file: header + "prices: {node: 0.2, label: example.com/a}\n",
			args: []string{"--price-label=example.com/price-per-hour"},
			want: with(func(c *Config) { c.Prices = Prices{Node: 0.2, Label: "example.com/price-per-hour"} }),
		},
		"a flag can say the default against the file": {
			file: header + "leaderElection: {enabled: false}\n",
			args: []string{"--leader-elect"},
			want: Default(),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, tc.file, tc.args...)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestLoadAcceptsWhatLiesOnABound(t *testing.T) {
	for name, args := range map[string][]string{
		"as many at once as in a second":          {"--kube-api-qps=200", "--kube-api-burst=200"},
		"one at a time":                           {"--concurrent-reconciles=1"},
		"one priority alone":                      {"--max-priority=-7", "--min-priority=-7"},
		"no bound of units":                       {"--max-units=0", "--max-pending-units=0"},
		"the longest identity":                    {"--identity=" + strings.Repeat("i", maxIdentity)},
		"nodes that cost nothing":                 {"--node-price=0"},
		"a lease's name, where there is no lease": {"--leader-elect=false", "--leader-elect-lease-name=A"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, "", args...)
			require.NoError(t, err)
		})
	}
}

func TestNoBoundOfUnitsIsNegative(t *testing.T) {
	for i, change := range []func(*Units){
		func(u *Units) { u.MaxPerHeadroom = -1 }, func(u *Units) { u.MaxPerNamespace = -1 },
		func(u *Units) { u.Max = -1 }, func(u *Units) { u.MaxPending = -1 },
	} {
		c := Default()
		change(&c.Units)
		require.Len(t, c.Validate(), 1, "%d", i)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := map[string]struct {
		file string
		args []string
		want string
	}{
		"a misspelt field":             {file: header + "placeholders: {maxPrio: 5}\n", want: `unknown field "maxPrio"`},
		"another version":              {file: "apiVersion: v1\nkind: HeadroomControllerConfiguration\n", want: "apiVersion: Unsupported value"},
		"a namespace that is no name":  {args: []string{"--namespaces=A_b"}, want: "namespaces[0]: Invalid value"},
		"a namespace named twice":      {args: []string{"--namespaces=a,a"}, want: "namespaces[1]: Duplicate value"},
		"priorities the wrong way":     {args: []string{"--max-priority=-20"}, want: "placeholders.minPriority: Invalid value"},
		"no image":                     {args: []string{"--default-image="}, want: "placeholders.defaultImage: Invalid value"},
		"an asterisk within a name":    {args: []string{"--allowed-images=a.example/x,b.example*"}, want: "placeholders.allowedImages[1]: Invalid value"},
		"no Pod Security at all":       {args: []string{"--pod-security-level=privileged"}, want: "placeholders.podSecurityLevel: Unsupported value"},
		"fewer than no units":          {args: []string{"--max-pending-units=-1"}, want: "units.maxPending: Invalid value"},
		"a price below nothing":        {args: []string{"--node-price=-1"}, want: "prices.node: Invalid value"},
		"a price that is no number":    {args: []string{"--node-price=NaN"}, want: "prices.node: Invalid value"},
		"a label that is no name":      {args: []string{"--price-label=what it costs"}, want: "prices.label: Invalid value"},
		"no requests to the API":       {args: []string{"--kube-api-qps=0"}, want: "client.qps: Invalid value"},
		"an identity that is too long": {args: []string{"--identity=" + strings.Repeat("i", maxIdentity+1)}, want: "identity: Too long"},
		"another kind":                 {file: "apiVersion: " + APIVersion + "\nkind: Other\n", want: "kind: Unsupported value"},
		"a burst below the rate":       {args: []string{"--kube-api-burst=1"}, want: "client.burst: Invalid value"},
		"nobody to do the work":        {args: []string{"--concurrent-reconciles=0"}, want: "concurrentReconciles: Invalid value"},
		"a scheduler that is no name":  {args: []string{"--placeholder-scheduler-name=A B"}, want: "placeholders.schedulerName"},
		"a lease name that is no name": {args: []string{"--leader-elect", "--leader-elect-lease-name=A"}, want: "leaderElection.leaseName"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, tc.file, tc.args...)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestLoadNamesTheMissingFile(t *testing.T) {
	_, err := Load("/does/not/exist.yaml", pflag.NewFlagSet("", pflag.ContinueOnError))
	require.ErrorContains(t, err, "reading the configuration file: open /does/not/exist.yaml")
}
