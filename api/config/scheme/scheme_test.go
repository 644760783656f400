package scheme_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	schedulerscheme "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/api/config"
	_ "github.com/headroom-dev/headroom/api/config/scheme"
	"github.com/headroom-dev/headroom/api/config/v1"
	"github.com/headroom-dev/headroom/api/config/validation"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
)

// load reads a configuration the way kube-scheduler does at start-up.
func load(t *testing.T, profiles string) (*schedulerconfig.KubeSchedulerConfiguration, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nprofiles:\n" + profiles
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return options.LoadConfigFromFile(klog.Background(), file)
}

// argsOf returns the Headroom plugin's arguments in the first profile.
func argsOf(t *testing.T, cfg *schedulerconfig.KubeSchedulerConfiguration) *config.HeadroomArgs {
	t.Helper()
	for _, plugin := range cfg.Profiles[0].PluginConfig {
		if plugin.Name == "Headroom" {
			require.IsType(t, &config.HeadroomArgs{}, plugin.Args)
			return plugin.Args.(*config.HeadroomArgs)
		}
	}
	t.Fatal("the profile has no arguments for the plugin Headroom")
	return nil
}

const enabled = `
- plugins:
    multiPoint:
      enabled: [{name: Headroom}]
`

func TestDefaultsAreThePublishedOnes(t *testing.T) {
	cfg, err := load(t, enabled)
	require.NoError(t, err)
	args := argsOf(t, cfg)
	require.Empty(t, validation.ValidateHeadroomArgs(nil, args))
	require.Equal(t, evictionorder.DefaultOrder(), args.Order())

	golden := filepath.Join("testdata", "defaults.yaml")
	versioned := &v1.HeadroomArgs{}
	require.NoError(t, schedulerscheme.Scheme.Convert(args, versioned, nil))
	got, err := yaml.Marshal(versioned)
	require.NoError(t, err)
	if os.Getenv("UPDATE_DEFAULTS") != "" {
		require.NoError(t, os.WriteFile(golden, got, 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "UPDATE_DEFAULTS=1 rewrites the file")
}

func TestArgumentsAreReadFromTheProfile(t *testing.T) {
	cfg, err := load(t, enabled+`
  pluginConfig:
  - name: Headroom
    args:
      topologyKeys: [example.com/rack]
      nodeRules: [{name: Spread}, {name: Nearest, tier: 2, weight: 10}, {name: LeastWaste, tier: 2}]
      swap: false
      victimWaitSeconds: 0
      evictionParallelism: 2
      minNodesToScore: 7
      hideNamesOfOtherNamespaces: true
      growInPlace: false
      guardHoles: All
      guardNamespace: spare-system
      ignoredResources: [example.com/licence]
      ignoredResourceGroups: [example.org]
`)
	require.NoError(t, err)
	args := argsOf(t, cfg)
	args.TypeMeta = (&config.HeadroomArgs{}).TypeMeta
	want := &config.HeadroomArgs{
		TopologyKeys: []string{"example.com/rack"},
		NodeRules: []config.NodeRule{
			{Name: "Spread", Tier: 1, Weight: 1}, {Name: "Nearest", Tier: 2, Weight: 10}, {Name: "LeastWaste", Tier: 2, Weight: 1},
		},
		EvictionParallelism:        2,
		HideNamesOfOtherNamespaces: true,
		MinNodesToScore:            7,
		GuardHoles:                 config.GuardAll,
		GuardNamespace:             "spare-system",
		IgnoredResources:           []string{"example.com/licence"},
		IgnoredResourceGroups:      []string{"example.org"},
	}
	require.Empty(t, cmp.Diff(want, args))
	require.Equal(t, []evictionorder.Tier{
		{{Rule: evictionorder.NodeSpread, Weight: 1}},
		{{Rule: evictionorder.NodeNearest, Weight: 10}, {Rule: evictionorder.NodeLeastWaste, Weight: 1}},
	}, args.Order().Tiers)
}

func TestATypoFailsStartUpWithTheFieldsPath(t *testing.T) {
	tests := map[string]struct{ args, want string }{
		"an unknown field": {
			args: "{victimWaitSecond: 3}",
			want: `.profiles[0].pluginConfig[0]: strict decoding error: decoding args for plugin Headroom: ` +
				`strict decoding error: unknown field "victimWaitSecond"`,
		},
		"an unknown field of a rule": {
			args: "{nodeRules: [{name: Spread}, {name: Nearest, wieght: 2}]}",
			want: `unknown field "nodeRules[1].wieght"`,
		},
		"a field twice": {
			args: "\n      swap: true\n      swap: false",
			want: `key "swap" already set`,
		},
		"a value of the wrong type": {
			args: "{swap: maybe}",
			want: `.profiles[0].pluginConfig[0]: decoding args for plugin Headroom`,
		},
		"another kind": {
			args: "{apiVersion: kubescheduler.config.k8s.io/v1, kind: NodeAffinityArgs}",
			want: `args for plugin Headroom were not of type HeadroomArgs.kubescheduler.config.k8s.io`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, enabled+"  pluginConfig:\n  - name: Headroom\n    args: "+tt.args+"\n")
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestEveryArgumentIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reference/scheduler-args.md")
	require.NoError(t, err)
	args := reflect.TypeFor[v1.HeadroomArgs]()
	for i := range args.NumField() {
		if name, _, _ := strings.Cut(args.Field(i).Tag.Get("json"), ","); name != "" {
			require.Contains(t, string(page), "`"+name+"`")
		}
	}
}
