package docs_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	_ "github.com/headroom-dev/headroom/api/config/scheme"
	"github.com/headroom-dev/headroom/pkg/controller/config"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/docs"
)

// foreign are kinds of products that no test has, so that nothing but their YAML is read.
var foreign = []string{"Application", "Kustomization", "NodePool", "PodGroup", "ScaledObject"}

// judged are kinds of policy engines, which make test-policy-engines has: the blocks are those of its files.
var judged = []string{"ClusterPolicy", "K8sRequiredProbes", "PolicyException", "ValidatingPolicy"}

// schedulerProfile is a configuration that lacks what a fragment is put under.
const schedulerProfile = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: headroom-scheduler
  plugins:
    multiPoint: {enabled: [{name: Headroom}]}
`

// fragments are blocks that are no whole object, by page and first line, and what makes them whole: a check that is given the text. Nil
// says that nothing but its YAML is read.
var fragments = map[string]func(*testing.T, string){
	"docs/how-to/devices.md preBind:":                nil,
	"docs/how-to/opt-in.md spec:":                    nil,
	"docs/reference/kubernetes-versions.md args:":    nil,
	"docs/how-to/run-the-scheduler.md pluginConfig:": func(t *testing.T, text string) { checkScheduler(t, schedulerProfile+indent(text, 2)) },
	"docs/reference/scheduler-args.md nodeRules:": func(t *testing.T, text string) {
		checkScheduler(t, schedulerProfile+"  pluginConfig:\n  - name: Headroom\n    args:\n"+indent(text, 6))
	},
	"manifests/charts/headroom/README.md rbac:": checkValues,
	"docs/reference/headroom.md spec:": func(t *testing.T, text string) {
		headroom := "apiVersion: headroom.dev/v1alpha1\nkind: Headroom\nmetadata: {name: web}\n" + text
		checkObjects(t, served(t), docs.Block{Text: headroom})
	},
	"docs/how-to/install.md scopeSelector:": func(t *testing.T, text string) {
		c := served(t)
		quota := "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: quota}\nspec:\n  hard: {pods: 1}\n" + indent(text, 2)
		checkObjects(t, c, docs.Block{Text: quota})
	},
}

func TestEveryYAMLIsAcceptedOrIsKnownToNeedMore(t *testing.T) {
	c := served(t)
	objects := 0
	for _, block := range blocks(t) {
		if block.Language != "yaml" {
			continue
		}
		name := block.Page + " " + strings.TrimSpace(strings.SplitN(block.Text, "\n", 2)[0])
		t.Run(name, func(t *testing.T) {
			var content map[string]any
			require.NoError(t, yaml.UnmarshalStrict([]byte(strings.SplitN(block.Text, "\n---\n", 2)[0]), &content))
			switch {
			case content["kind"] == nil:
				whole, known := fragments[name]
				require.True(t, known, "the block is no whole object: make it one, or add it to the list of fragments")
				if whole != nil {
					whole(t, block.Text)
				}
			case content["kind"] == "KubeSchedulerConfiguration":
				checkScheduler(t, block.Text)
			case content["kind"] == "HeadroomControllerConfiguration":
				file := write(t, block.Text)
				_, err := config.Load(file, pflag.NewFlagSet("", pflag.ContinueOnError))
				require.NoError(t, err)
			case slices.Contains(foreign, content["kind"].(string)):
			case slices.Contains(judged, content["kind"].(string)):
				requirePolicySample(t, content)
			default:
				objects += checkObjects(t, c, block)
			}
		})
	}
	require.Greater(t, objects, 6)
}

// requirePolicySample fails unless the object is that of a file that the policy engines are tested with.
func requirePolicySample(t *testing.T, object map[string]any) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), "manifests/samples/policies/*/*.yaml"))
	require.NoError(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var sample map[string]any
		require.NoError(t, yaml.UnmarshalStrict(data, &sample))
		if reflect.DeepEqual(sample, object) {
			return
		}
	}
	require.FailNow(t, "no file of manifests/samples/policies holds this object, so that no policy engine is tested with it")
}

// served is an API server with the CRDs.
func served(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := clustertest.SharedAPIServer(t)
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(root(t), "manifests/crd")))
	return c
}

// checkObjects has the API server say what it would do with the objects of a block, unknown fields being errors, and returns how many they are.
func checkObjects(t *testing.T, c *cluster.Cluster, block docs.Block) int {
	t.Helper()
	cl, err := c.Client()
	require.NoError(t, err)
	namespace := clustertest.Namespace(t, c, nil)
	parsed, err := cluster.Parse([]byte(block.Text))
	require.NoError(t, err)
	for _, object := range parsed {
		require.NoError(t, tryCreate(t, cl, object, namespace), "%s %s", object.GetKind(), object.GetName())
	}
	return len(parsed)
}

func tryCreate(t *testing.T, cl client.Client, object *unstructured.Unstructured, namespace string) error {
	t.Helper()
	namespaced, err := cl.IsObjectNamespaced(object)
	require.NoError(t, err)
	if namespaced {
		object.SetNamespace(namespace)
	}
	return cl.Create(t.Context(), object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

// checkScheduler loads a configuration as headroom-scheduler does.
func checkScheduler(t *testing.T, text string) {
	t.Helper()
	_, err := options.LoadConfigFromFile(klog.Background(), write(t, text))
	require.NoError(t, err)
}

// checkValues renders the chart with values.
func checkValues(t *testing.T, text string) {
	t.Helper()
	out, err := newShell(t, clustertest.SharedAPIServer(t)).run(t,
		"helm template headroom manifests/charts/headroom --namespace headroom-system --kube-version 1.37.0 -f "+write(t, text))
	require.NoError(t, err, out)
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func indent(text string, by int) string {
	prefix := strings.Repeat(" ", by)
	return prefix + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+prefix) + "\n"
}
