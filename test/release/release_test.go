//go:build release

package release

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/cluster/process"
)

const (
	// earlier is the state of the product from which is upgraded.
	earlier = "2ab7e04"
	// soon is how long anything may take that takes a second on an idle machine.
	soon = 5 * time.Minute
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

func TestWhatIsInstalledFromARelease(t *testing.T) {
	for name, objects := range map[string]func(*testing.T, *cluster.Cluster) []*unstructured.Unstructured{
		"by the chart":     func(t *testing.T, c *cluster.Cluster) []*unstructured.Unstructured { return ofChart(t, c) },
		"by headroom.yaml": func(t *testing.T, _ *cluster.Cluster) []*unstructured.Unstructured { return ofManifests(t) },
	} {
		t.Run(name, func(t *testing.T) {
			c := clustertest.Start(t, cluster.Options{})
			require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 6, Zones: 3}))
			all := objects(t, c)
			requireDigests(t, all)
			run(t, c, all, binaryOf(t, "headroom-controller"), binaryOf(t, "headroom-scheduler"))
			cl, err := c.Client()
			require.NoError(t, err)
			create(t, c, "web.yaml")
			waitFilled(t, cl)
			// 14 CPUs are free; of 18 pods of one, four take headroom.
			burst := deployment(t)
			require.NoError(t, c.Apply(t.Context(), burst))
			require.EventuallyWithT(t, func(t *assert.CollectT) {
				require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(burst), burst))
				ready, _, _ := unstructured.NestedInt64(burst.Object, "status", "readyReplicas")
				require.EqualValues(t, 18, ready)
				require.EqualValues(t, 6, headroom(t, cl).Status.ReadyReplicas)
			}, soon, 100*time.Millisecond)
		})
	}
}

// TestAnUpgradeLosesNoPlaceholder runs the earlier state by its own manifests, lets it fill a Headroom, and installs the release over it.
func TestAnUpgradeLosesNoPlaceholder(t *testing.T) {
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	old := t.TempDir()
	command(t, root, "bash", "-c", "git archive "+earlier+" | tar -x -C "+old)
	for _, program := range []string{"controller", "scheduler"} {
		command(t, old, "bash", "-c", "ldflags=$(VERSION=v0.0.1 hack/version.sh ldflags headroom-"+program+"); "+
			"go build -ldflags \"$ldflags\" -o bin/headroom-"+program+" ./cmd/"+program)
	}
	c := clustertest.Start(t, cluster.Options{})
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 6, Zones: 3}))
	objects, err := c.Tools().Kustomize(t.Context(), filepath.Join(old, "manifests/default"))
	require.NoError(t, err)
	programs := run(t, c, objects, filepath.Join(old, "bin/headroom-controller"), filepath.Join(old, "bin/headroom-scheduler"))
	cl, err := c.Client()
	require.NoError(t, err)
	create(t, c, "web.yaml")
	waitFilled(t, cl)
	before := placeholders(t, cl)
	require.Len(t, before, 10)

	for _, program := range programs {
		program.Stop()
	}
	run(t, c, ofManifests(t), binaryOf(t, "headroom-controller"), binaryOf(t, "headroom-scheduler"))
	require.EventuallyWithT(t, func(t *assert.CollectT) { // until the new controller has written a status, and so seen all
		require.NotEmpty(t, headroom(t, cl).Status.Spread.Domains)
	}, soon, 100*time.Millisecond)
	require.Never(t, func() bool { return len(placeholders(t, cl)) != 10 }, 5*time.Second, 100*time.Millisecond)
	require.Equal(t, before, placeholders(t, cl))
	require.EqualValues(t, 10, headroom(t, cl).Status.ReadyReplicas)
	require.Zero(t, headroom(t, cl).Status.OutdatedReplicas)
}

// run deploys both programs by manifests that hold them together, and starts them.
func run(t *testing.T, c *cluster.Cluster, objects []*unstructured.Unstructured, controller, scheduler string) []*process.Process {
	t.Helper()
	only := func(name string) []*unstructured.Unstructured {
		var some []*unstructured.Unstructured
		for _, object := range objects {
			if object.GetKind() != "Deployment" || object.GetName() == name {
				some = append(some, object)
			}
		}
		return some
	}
	c1, err := c.RunDeployment(t.Context(), only("headroom-controller"), controller,
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--leader-elect-lease-namespace=headroom-system")
	require.NoError(t, err)
	c2, err := c.RunDeployment(t.Context(), only("headroom-scheduler"), scheduler, "--secure-port=0")
	require.NoError(t, err)
	return []*process.Process{c1, c2}
}

// requireDigests fails unless every image of the product is named by its digest, and none is "latest".
func requireDigests(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	images := 0
	for _, object := range objects {
		containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
		require.NoError(t, err)
		for _, container := range containers {
			image, _ := container.(map[string]any)["image"].(string)
			require.Regexp(t, `^ghcr\.io/headroom-dev/headroom-(controller|scheduler)(:v[^@]+)?@sha256:[0-9a-f]{64}$`, image)
			images++
		}
	}
	require.Equal(t, 2, images)
}

func create(t *testing.T, c *cluster.Cluster, sample string) {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(root, "manifests/samples", sample)))
}

func headroom(t require.TestingT, cl client.Client) *v1alpha1.Headroom {
	h := &v1alpha1.Headroom{}
	require.NoError(t, cl.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: "web"}, h))
	return h
}

func waitFilled(t *testing.T, cl client.Client) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.EqualValues(t, 10, headroom(t, cl).Status.ReadyReplicas)
	}, soon, 100*time.Millisecond)
}

// placeholders are the bound placeholders, by name.
func placeholders(t require.TestingT, cl client.Client) map[string]types.UID {
	pods := &corev1.PodList{}
	require.NoError(t, cl.List(context.Background(), pods, client.InNamespace("default"), client.MatchingLabels{v1alpha1.LabelHeadroom: "web"}))
	found := map[string]types.UID{}
	for _, pod := range pods.Items {
		if pod.Spec.NodeName != "" {
			found[pod.Name] = pod.UID
		}
	}
	return found
}

// deployment is a burst of 18 pods that may take headroom.
func deployment(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	objects, err := cluster.Parse([]byte(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: burst, namespace: default}, spec: {replicas: 18,
selector: {matchLabels: {app: burst}}, template: {metadata: {labels: {app: burst, tier: web}}, spec: {schedulerName: headroom-scheduler,
containers: [{name: main, image: "example.org/main:1", resources: {requests: {cpu: "1"}}}]}}}}`))
	require.NoError(t, err)
	return objects[0]
}
