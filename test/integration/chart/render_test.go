package chart

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/test/cluster"
)

func TestTheChartInstallsWhatTheKustomizationsInstall(t *testing.T) {
	for name, tt := range map[string]struct {
		resources, components, values []string
	}{
		"by default": {
			resources: []string{"default"},
		},
		"the controller alone": {
			resources: []string{"crd", "controller", "admission-policy"},
			values:    []string{"scheduler.enabled=false"},
		},
		"restricted to namespaces": {
			resources:  []string{"default"},
			components: []string{"controller/components/namespaced"},
			values:     []string{"rbac.scope=Namespaced", "rbac.namespaces={shop,search}"},
		},
		"with network policies": {
			resources:  []string{"default"},
			components: []string{"controller/components/network-policy", "scheduler/components/network-policy"},
			values:     []string{"networkPolicy.enabled=true"},
		},
		"with monitoring": {
			resources:  []string{"default"},
			components: []string{"controller/components/monitoring", "scheduler/components/monitoring"},
			values:     []string{"metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true"},
		},
		"with the dashboard": {
			resources:  []string{"default"},
			components: []string{"controller/components/dashboard"},
			values:     []string{"metrics.dashboard.enabled=true"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var args []string
			for _, value := range tt.values {
				args = append(args, "--set", value)
			}
			want := normalised(t, kustomize(t, tt.resources, tt.components))
			got := normalised(t, render(t, args...))
			require.Empty(t, cmp.Diff(want, got), "-kustomize +helm")
		})
	}
}

// kustomize renders an overlay as a user would write it, with bases and components of the repository.
func kustomize(t *testing.T, resources, components []string) []*unstructured.Unstructured {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	relative := func(paths []string) []string {
		var all []string
		for _, path := range paths {
			rel, err := filepath.Rel(dir, repository(t, "manifests", path))
			require.NoError(t, err)
			all = append(all, rel)
		}
		return all
	}
	overlay, err := yaml.Marshal(map[string]any{
		"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
		"resources": relative(resources), "components": relative(components),
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), overlay, 0o600))
	tools, err := cluster.FindTools()
	require.NoError(t, err)
	objects, err := tools.Kustomize(t.Context(), dir)
	require.NoError(t, err)
	return objects
}

// hash is what kustomize adds to the name of a ConfigMap, so that a change of it rolls the pods.
var hash = regexp.MustCompile(`^(headroom-scheduler-config)-[a-z0-9]{10}$`)

// normalised returns objects by kind and name, without what the two tools cannot have in common: the labels and annotations
// that are Helm's own, the Namespace, which Helm cannot install a release into and make at the same time, and the way in which a
// change of the scheduler's configuration rolls its pods.
func normalised(t *testing.T, objects []*unstructured.Unstructured) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, object := range objects {
		if object.GetKind() == "Namespace" {
			continue
		}
		object.SetName(hash.ReplaceAllString(object.GetName(), "$1"))
		for _, label := range []string{"helm.sh/chart", "app.kubernetes.io/managed-by"} {
			unstructured.RemoveNestedField(object.Object, "metadata", "labels", label)
		}
		if len(object.GetLabels()) == 0 {
			object.SetLabels(nil)
		}
		unstructured.RemoveNestedField(object.Object, "metadata", "annotations", "helm.sh/resource-policy")
		switch object.GetKind() {
		case "Deployment":
			unstructured.RemoveNestedField(object.Object, "spec", "template", "metadata", "annotations", "checksum/config")
			normaliseVolumes(t, object)
		case "ConfigMap":
			text, isConfig, _ := unstructured.NestedString(object.Object, "data", "scheduler-config.yaml")
			if !isConfig {
				break
			}
			var config map[string]any
			require.NoError(t, yaml.UnmarshalStrict([]byte(text), &config))
			object.Object["data"] = config
		}
		key := fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
		require.NotContains(t, all, key, "rendered twice")
		// One type of numbers.
		data, err := json.Marshal(object.Object)
		require.NoError(t, err)
		var plain map[string]any
		require.NoError(t, json.Unmarshal(data, &plain))
		all[key] = plain
	}
	return all
}

func normaliseVolumes(t *testing.T, deployment *unstructured.Unstructured) {
	t.Helper()
	path := []string{"spec", "template", "spec", "volumes"}
	volumes, _, err := unstructured.NestedSlice(deployment.Object, path...)
	require.NoError(t, err)
	for _, volume := range volumes {
		if source, ok := volume.(map[string]any)["configMap"].(map[string]any); ok {
			source["name"] = hash.ReplaceAllString(source["name"].(string), "$1")
		}
	}
	if len(volumes) > 0 {
		require.NoError(t, unstructured.SetNestedSlice(deployment.Object, volumes, path...))
	}
}

func TestValuesReachTheObjects(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	objects := render(t,
		"--set", "controller.image.digest="+digest, "--set", "scheduler.image.tag=v9", "--set", "image.pullPolicy=Always",
		"--set", "image.pullSecrets[0].name=registry", "--set", "controller.replicas=1", "--set", "controller.leaderElection=false",
		"--set", "controller.placeholders.maxPriority=0", "--set", "controller.placeholders.schedulerName=mine",
		"--set", "controller.units.maxPerHeadroom=0", "--set", "controller.units.maxPerNamespace=40", "--set", "controller.units.max=200",
		"--set", "controller.units.maxPending=50", "--set", "controller.hideNamesOfOtherNamespaces=true",
		"--set", "controller.prices.node=0.4", "--set", "controller.prices.label=example.com/price-per-hour",
		"--set", "controller.placeholders.allowedImages={a.example/*,b.example/c:1}", "--set", "controller.placeholders.podSecurityLevel=restricted",
		"--set", "scheduler.args.victimWaitSeconds=0", "--set", "scheduler.name=second",
		"--set", "controller.nodeSelector.pool=system", "--set", "controller.tolerations[0].operator=Exists",
		"--set", "scheduler.podDisruptionBudget.enabled=false",
		"--set", "metrics.readers[0].name=prometheus", "--set", "metrics.readers[0].namespace=monitoring")

	controller := text(t, find(t, objects, "Deployment", "headroom-controller"))
	for _, want := range []string{
		"image: ghcr.io/headroom-dev/headroom-controller@" + digest, "imagePullPolicy: Always", "name: registry", "replicas: 1",
		"--max-priority=0", "--placeholder-scheduler-name=mine", "--allowed-images=a.example/*,b.example/c:1", "--pod-security-level=restricted",
		"--max-units-per-headroom=0", "--max-units-per-namespace=40", "--max-units=200", "--max-pending-units=50", "--hide-names-of-other-namespaces",
		"--node-price=0.4", "--price-label=example.com/price-per-hour", "pool: system", "operator: Exists",
	} {
		require.Contains(t, controller, want)
	}
	require.Contains(t, controller, "--leader-elect=false")
	require.Contains(t, text(t, find(t, objects, "Deployment", "headroom-scheduler")), "headroom-scheduler:v9")
	config := text(t, find(t, objects, "ConfigMap", "headroom-scheduler-config"))
	require.Contains(t, config, "schedulerName: second")
	require.Contains(t, config, "victimWaitSeconds: 0")
	require.Contains(t, text(t, find(t, objects, "ClusterRoleBinding", "headroom-metrics-reader")), "namespace: monitoring")
	for _, object := range objects {
		require.NotEqual(t, "PodDisruptionBudget headroom-scheduler", object.GetKind()+" "+object.GetName())
	}
}

func TestTheSchedulerIsToldOfAnOlderCluster(t *testing.T) {
	const flag = "--emulated-version"
	for name, tt := range map[string]struct {
		args []string
		want string // empty: no flag
	}{
		"not on the version that it is made of":     {args: []string{"--kube-version", "1.37.4"}},
		"not on a later one":                        {args: []string{"--kube-version", "1.38.0"}},
		"on an earlier one":                         {args: []string{"--kube-version", "1.36.3"}, want: flag + "=1.36"},
		"on an earlier one of a provider":           {args: []string{"--kube-version", "v1.35.2-gke.1000"}, want: flag + "=1.35"},
		"as the values say":                         {args: []string{"--set", "scheduler.emulatedVersion=1.34"}, want: flag + "=1.34"},
		"once, where the flag is among those given": {args: []string{"--kube-version", "1.36.3", "--set", "scheduler.extraArgs={" + flag + "=1.35}"}, want: flag + "=1.35"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scheduler := text(t, find(t, render(t, tt.args...), "Deployment", "headroom-scheduler"))
			if tt.want == "" {
				require.NotContains(t, scheduler, flag)
				return
			}
			require.Equal(t, 1, strings.Count(scheduler, flag))
			require.Contains(t, scheduler, "- "+tt.want+"\n")
		})
	}
}

func TestWithoutLeaderElectionTheOldPodGoesFirst(t *testing.T) {
	objects := render(t, "--set", "controller.leaderElection=false", "--set", "controller.replicas=1")
	require.Contains(t, text(t, find(t, objects, "Deployment", "headroom-controller")), "type: Recreate")
	require.NotContains(t, text(t, find(t, objects, "Deployment", "headroom-scheduler")), "Recreate")
}

func TestTwoReleasesShareNoNameAndNoPod(t *testing.T) {
	names := map[string]bool{}
	for _, object := range render(t) {
		names[object.GetKind()+" "+object.GetName()] = true
	}
	other := renderRelease(t, "team-a", "--set", "crds.install=false", "--set", "priorityClasses=null",
		"--set", "scheduler.name=team-a")
	for _, object := range other {
		require.NotContains(t, names, object.GetKind()+" "+object.GetName())
	}
	deployment := find(t, other, "Deployment", "team-a-headroom-controller")
	selector, _, err := unstructured.NestedStringMap(deployment.Object, "spec", "selector", "matchLabels")
	require.NoError(t, err)
	require.Equal(t, "team-a", selector["app.kubernetes.io/instance"])
	require.Contains(t, text(t, deployment), "--leader-elect-lease-name=team-a-headroom-controller")
}

// TestAlertsAskForMetricsThatExist goes by the reference of the metrics, which other tests hold against the binaries.
func TestAlertsAskForMetricsThatExist(t *testing.T) {
	page, err := os.ReadFile(repository(t, "docs", "reference", "metrics.md"))
	require.NoError(t, err)
	metric := regexp.MustCompile(`headroom_[a-z_]+`)
	alerts := 0
	for _, object := range render(t, "--set", "metrics.prometheusRule.enabled=true") {
		if object.GetKind() != "PrometheusRule" {
			continue
		}
		groups, _, err := unstructured.NestedSlice(object.Object, "spec", "groups")
		require.NoError(t, err)
		for _, rule := range groups[0].(map[string]any)["rules"].([]any) {
			expr := rule.(map[string]any)["expr"].(string)
			names := metric.FindAllString(expr, -1)
			require.NotEmpty(t, names, expr)
			for _, name := range names {
				require.Contains(t, string(page), "`"+strings.TrimSuffix(name, "_bucket")+"`")
			}
			alerts++
		}
	}
	require.Greater(t, alerts, 5)
}

func text(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	data, err := yaml.Marshal(object.Object)
	require.NoError(t, err)
	return string(data)
}
