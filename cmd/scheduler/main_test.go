package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/pkg/scheduler/headroom"
)

const manifests = "../../manifests/scheduler"

// setUp sets the scheduler up as its command does before it runs, from a configuration file. No API server is needed for
// that; the one here knows nothing.
func setUp(t *testing.T, text string) (*config.KubeSchedulerConfiguration, *scheduler.Scheduler, error) {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: server.URL}},
		Contexts:       map[string]*clientcmdapi.Context{"c": {Cluster: "c"}},
		CurrentContext: "c",
	}, kubeconfig))
	file := filepath.Join(t.TempDir(), "scheduler-config.yaml")
	text = strings.Replace(text, "clientConnection:\n", "clientConnection:\n  kubeconfig: "+kubeconfig+"\n", 1)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	opts := options.NewOptions()
	opts.ConfigFile = file
	opts.SecureServing.Listener = listener
	completed, built, err := app.Setup(t.Context(), opts, plugins()...)
	if err != nil {
		return nil, nil, err
	}
	return &completed.ComponentConfig, built, nil
}

func TestTheManifestsConfigurationsSetTheSchedulerUp(t *testing.T) {
	tests := map[string]struct {
		profiles       []string
		leaseIn, lease string
	}{
		"second-scheduler": {[]string{"headroom-scheduler"}, "headroom-system", "headroom-scheduler"},
		"main-scheduler":   {[]string{"default-scheduler", "headroom-scheduler"}, "kube-system", "kube-scheduler"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(manifests, name, "scheduler-config.yaml"))
			require.NoError(t, err)
			cfg, built, err := setUp(t, string(text))
			require.NoError(t, err)
			require.InDelta(t, 1000, cfg.ClientConnection.QPS, 0)
			require.EqualValues(t, 2000, cfg.ClientConnection.Burst)
			require.Equal(t, tt.leaseIn, cfg.LeaderElection.ResourceNamespace)
			require.Equal(t, tt.lease, cfg.LeaderElection.ResourceName)
			require.Len(t, built.Profiles, len(tt.profiles))
			for _, profile := range tt.profiles {
				require.Contains(t, built.Profiles, profile)
			}

			plugins := built.Profiles["headroom-scheduler"].ListPlugins()
			require.Equal(t, []string{headroom.Name, names.DefaultBinder}, enabled(plugins.Bind))
			require.Equal(t, headroom.Name, enabled(plugins.PostFilter)[0])
			require.Equal(t, []string{headroom.QueueSortName}, enabled(plugins.QueueSort))
			require.Contains(t, enabled(plugins.PostFilter), names.DefaultPreemption)
			require.Contains(t, enabled(plugins.Filter), headroom.Name)
			require.NotContains(t, enabled(plugins.Filter), names.NodeResourcesFit)
			require.Contains(t, enabled(plugins.Score), names.NodeResourcesFit)
		})
	}
}

func TestTheDefaultProfileOfTheMainSchedulerIsUpstreamsButForTheQueue(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(manifests, "main-scheduler", "scheduler-config.yaml"))
	require.NoError(t, err)
	_, built, err := setUp(t, string(text))
	require.NoError(t, err)
	_, stock, err := setUp(t, "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nclientConnection:\n  qps: 1\n")
	require.NoError(t, err)
	want := stock.Profiles["default-scheduler"].ListPlugins()
	want.QueueSort.Enabled = []config.Plugin{{Name: headroom.QueueSortName}}
	require.Equal(t, want, built.Profiles["default-scheduler"].ListPlugins())
}

// TestAConfigurationWithoutTheQueueSortPluginStarts keeps configurations valid that people have made of the shipped ones of earlier versions.
func TestAConfigurationWithoutTheQueueSortPluginStarts(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(manifests, "second-scheduler", "scheduler-config.yaml"))
	require.NoError(t, err)
	sort := "      queueSort:\n        enabled:\n          - name: HeadroomQueueSort\n        disabled:\n          - name: PrioritySort\n"
	without := strings.Replace(string(text), sort, "", 1)
	require.NotEqual(t, string(text), without)
	_, built, err := setUp(t, without+"  - schedulerName: default-scheduler\n")
	require.NoError(t, err)
	require.Len(t, built.Profiles, 2)
	require.Equal(t, []string{names.PrioritySort}, enabled(built.Profiles["headroom-scheduler"].ListPlugins().QueueSort))
}

func TestABadArgumentFailsStartUpWithItsPath(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(manifests, "second-scheduler", "scheduler-config.yaml"))
	require.NoError(t, err)
	for args, want := range map[string]string{
		"{victimWaitSecond: 3}":    `decoding .profiles[0].pluginConfig[0]`,
		"{victimWaitSeconds: -3}":  `args.victimWaitSeconds: Invalid value: -3: must be between 0 and 600`,
		"{nodeRules: [{name: X}]}": `args.nodeRules[0].name: Unsupported value: "X"`,
	} {
		t.Run(args, func(t *testing.T) {
			_, _, err := setUp(t, string(text)+"    pluginConfig: [{name: Headroom, args: "+args+"}]\n")
			require.ErrorContains(t, err, want)
		})
	}
}

func TestThePluginDoesNotTurnBatchingOff(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(manifests, "second-scheduler", "scheduler-config.yaml"))
	require.NoError(t, err)
	pod := &corev1.Pod{Spec: corev1.PodSpec{SchedulerName: "headroom-scheduler"}}

	// Upstream's default spreading signs no pod, with or without the plugin.
	_, built, err := setUp(t, string(text))
	require.NoError(t, err)
	require.Nil(t, built.Profiles["headroom-scheduler"].SignPod(t.Context(), pod))

	_, built, err = setUp(t, string(text)+"    pluginConfig:\n    - name: PodTopologySpread\n"+
		"      args: {defaultingType: List, defaultConstraints: []}\n")
	require.NoError(t, err)
	require.NotNil(t, built.Profiles["headroom-scheduler"].SignPod(t.Context(), pod))
}

func TestTheMetricsAreServedBesideKubeSchedulers(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(manifests, "second-scheduler", "scheduler-config.yaml"))
	require.NoError(t, err)
	_, _, err = setUp(t, string(text))
	require.NoError(t, err)
	families, err := legacyregistry.DefaultGatherer.Gather()
	require.NoError(t, err)
	served := map[string]bool{}
	for _, family := range families {
		served[family.GetName()] = true
	}
	for _, name := range []string{
		"headroom_scheduler_swaps_total", "headroom_scheduler_swap_duration_seconds", "headroom_scheduler_swap_victims",
		"headroom_scheduler_swap_waste_ratio", "headroom_scheduler_misses_total", "headroom_build_info", "kubernetes_build_info",
	} {
		require.True(t, served[name], name)
	}
}

// TestBothConfigurationsRunTheSameProfile keeps the two files, which kustomize cannot share a part of, alike.
func TestBothConfigurationsRunTheSameProfile(t *testing.T) {
	profile := func(name string) any {
		text, err := os.ReadFile(filepath.Join(manifests, name, "scheduler-config.yaml"))
		require.NoError(t, err)
		var file struct {
			Profiles []map[string]any `json:"profiles"`
		}
		require.NoError(t, yaml.Unmarshal(text, &file))
		return file.Profiles[len(file.Profiles)-1]
	}
	require.Equal(t, profile("second-scheduler"), profile("main-scheduler"))
}

func enabled(set config.PluginSet) []string {
	var all []string
	for _, plugin := range set.Enabled {
		all = append(all, plugin.Name)
	}
	return all
}
