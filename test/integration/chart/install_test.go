package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// target is a cluster that a release is installed into, with the namespaces headroom-system, shop and search.
type target struct {
	*testing.T
	cluster    *cluster.Cluster
	client     client.Client
	kubeconfig string
}

func newTarget(t *testing.T) *target {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{APIServerOnly: true})
	cl, err := c.Client()
	require.NoError(t, err)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, c.Kubeconfig(kubeconfig))
	for name, labels := range map[string]map[string]string{
		systemNamespace: {"pod-security.kubernetes.io/enforce": "restricted"}, "shop": nil, "search": nil,
	} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
		require.NoError(t, cl.Create(t.Context(), namespace))
	}
	return &target{T: t, cluster: c, client: cl, kubeconfig: kubeconfig}
}

// helm runs a command of Helm on the release headroom.
func (e *target) helm(command string, args ...string) string {
	e.Helper()
	out, err := tool(e.T, e.kubeconfig, "helm", append([]string{command, "headroom", "--namespace", systemNamespace}, args...)...)
	require.NoError(e, err)
	return out
}

func (e *target) kubectl(args ...string) string {
	e.Helper()
	out, err := tool(e.T, e.kubeconfig, "kubectl", args...)
	require.NoError(e, err)
	return out
}

// get reads an object of the cluster by one that was rendered.
func (e *target) get(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	e.Helper()
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(object.GroupVersionKind())
	return found, e.client.Get(e.Context(), client.ObjectKeyFromObject(object), found)
}

func (e *target) crd() *unstructured.Unstructured {
	e.Helper()
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	require.NoError(e, e.client.Get(e.Context(), client.ObjectKey{Name: "headrooms.headroom.dev"}, crd))
	return crd
}

// headroom makes a Headroom.
func (e *target) headroom(namespace, name string) *unstructured.Unstructured {
	e.Helper()
	headroom := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "headroom.dev/v1alpha1", "kind": "Headroom",
		"metadata": map[string]any{"name": name, "namespace": namespace},
		"spec":     map[string]any{"replicas": int64(2), "requests": map[string]any{"cpu": "1"}},
	}}
	require.EventuallyWithT(e, func(t *assert.CollectT) { // Helm does not wait until the API server serves a CRD.
		require.NoError(t, e.client.Create(e.Context(), headroom))
	}, soon, 50*time.Millisecond)
	return headroom
}

// unknown is the field of a Headroom's spec that olderChart does not know. No rule of the CRD mentions it.
const unknown = "runtimeClassName"

// olderChart is the chart as it could have been in an earlier version: another number, and a CRD that knows less.
func olderChart(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "headroom")
	require.NoError(t, os.CopyFS(dir, os.DirFS(chartDir(t))))
	edit := func(file string, change func(fields map[string]any)) {
		path := filepath.Join(dir, file)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var fields map[string]any
		require.NoError(t, yaml.Unmarshal(data, &fields))
		change(fields)
		data, err = yaml.Marshal(fields)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	edit("Chart.yaml", func(fields map[string]any) { fields["version"] = "0.0.1" })
	edit(filepath.Join("files", "crd.yaml"), func(fields map[string]any) {
		delete(specProperties(t, fields), unknown)
		fields["metadata"].(map[string]any)["annotations"].(map[string]any)["controller-gen.kubebuilder.io/version"] = "v0.0.1"
	})
	return dir
}

// specProperties are the fields of a Headroom's spec by the CRD.
func specProperties(t *testing.T, crd map[string]any) map[string]any {
	t.Helper()
	versions, _, err := unstructured.NestedSlice(crd, "spec", "versions")
	require.NoError(t, err)
	require.Len(t, versions, 1)
	raw := crd["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)["schema"]
	spec := raw.(map[string]any)["openAPIV3Schema"].(map[string]any)["properties"].(map[string]any)["spec"]
	return spec.(map[string]any)["properties"].(map[string]any)
}

func TestAReleaseIsInstalledUpgradedAndUninstalled(t *testing.T) {
	for name, values := range map[string][]string{
		"cluster-wide": nil,
		"namespaced":   {"--set", "rbac.scope=Namespaced", "--set", "rbac.namespaces={shop,search}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTarget(t)
			values = append(values, "--set", "networkPolicy.enabled=true")
			e.helm("install", append([]string{olderChart(t)}, values...)...)
			require.NotContains(e, specProperties(e.T, e.crd().Object), unknown)
			e.requirePodsPassPodSecurity()
			headroom := e.headroom("shop", "web")

			// The same release with the chart of now, and values of now.
			changed := append(values, "--set", "controller.replicas=3", "--set", "scheduler.args.victimWaitSeconds=5")
			out := e.helm("upgrade", append([]string{chartDir(t)}, changed...)...)
			require.Contains(e, out, "REVISION: 2")
			require.Contains(e, specProperties(e.T, e.crd().Object), unknown, "Helm must upgrade the CRD")
			rendered := render(t, changed...)
			for _, object := range rendered {
				found, err := e.get(object)
				require.NoError(e, err, "%s %s", object.GetKind(), object.GetName())
				if object.GetKind() != "CustomResourceDefinition" {
					require.Equal(e, object.GetLabels()["helm.sh/chart"], found.GetLabels()["helm.sh/chart"], "%s", object.GetName())
				}
			}
			replicas, _, _ := unstructured.NestedInt64(e.rendered(rendered, "Deployment", "headroom-controller").Object, "spec", "replicas")
			require.EqualValues(e, 3, replicas)
			require.Contains(e, text(t, e.rendered(rendered, "ConfigMap", "headroom-scheduler-config")), "victimWaitSeconds: 5")
			e.requirePodsPassPodSecurity()

			e.helm("uninstall")
			for _, object := range rendered {
				_, err := e.get(object)
				if object.GetKind() == "CustomResourceDefinition" {
					require.NoError(e, err, "Headrooms live on")
					continue
				}
				require.True(e, apierrors.IsNotFound(err), "%s %s: %v", object.GetKind(), object.GetName(), err)
			}
			_, err := e.get(headroom)
			require.NoError(e, err)

			e.helm("install", append([]string{chartDir(t)}, values...)...)
			_, err = e.get(headroom)
			require.NoError(e, err)
		})
	}
}

// rendered returns the cluster's object of a kind and name that was rendered.
func (e *target) rendered(objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	e.Helper()
	found, err := e.get(find(e.T, objects, kind, name))
	require.NoError(e, err)
	return found
}

// requirePodsPassPodSecurity makes the pods of each Deployment in a dry run, in the namespace that enforces level restricted.
func (e *target) requirePodsPassPodSecurity() {
	e.Helper()
	var deployments appsv1.DeploymentList
	require.NoError(e, e.client.List(e.Context(), &deployments, client.InNamespace(systemNamespace)))
	require.Len(e, deployments.Items, 2)
	for i := range deployments.Items {
		template := deployments.Items[i].Spec.Template
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "try-", Namespace: systemNamespace, Labels: template.Labels},
			Spec:       template.Spec,
		}
		privileged := pod.DeepCopy()
		require.NoError(e, e.client.Create(e.Context(), pod, client.DryRunAll))
		privileged.Spec.Containers[0].SecurityContext = nil
		require.ErrorContains(e, e.client.Create(e.Context(), privileged, client.DryRunAll), "PodSecurity", "the check must be on")
	}
}

// TestTheHeadroomOfOpenFaaSIsNoObstacle installs the chart where a CRD of the same kind, plural and singular is.
func TestTheHeadroomOfOpenFaaSIsNoObstacle(t *testing.T) {
	t.Parallel()
	e := newTarget(t)
	theirs, err := cluster.Parse([]byte(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: headrooms.openfaas.com
spec:
  group: openfaas.com
  scope: Namespaced
  names: {kind: Headroom, plural: headrooms, singular: headroom, listKind: HeadroomList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`))
	require.NoError(e, err)
	require.NoError(e, e.cluster.Apply(e.Context(), theirs...))
	require.NoError(e, e.cluster.Apply(e.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "openfaas.com/v1", "kind": "Headroom", "metadata": map[string]any{"name": "theirs", "namespace": "shop"},
		"spec": map[string]any{"requests": map[string]any{"cpu": "1"}},
	}}))

	// OpenFaaS has its users make this one, of the same name and value as the chart's.
	require.NoError(e, e.client.Create(e.Context(), &schedulingv1.PriorityClass{
		ObjectMeta: metav1.ObjectMeta{Name: "headroom"}, Value: -10, PreemptionPolicy: ptr.To(corev1.PreemptNever),
	}))

	notes := e.helm("install", chartDir(t), "--set", "priorityClasses=null")
	require.Contains(e, notes, "headrooms.headroom.dev")
	require.Contains(e, notes, "openfaas.com")
	e.headroom("shop", "ours")

	for _, ours := range []string{"headrooms.headroom.dev", "headroom.headroom.dev", "hdr", "headroom", "headrooms"} {
		require.EventuallyWithT(e, func(t *assert.CollectT) { // discovery follows
			out, err := tool(e.T, e.kubeconfig, "kubectl", "get", ours, "-n", "shop", "-o", "name")
			require.NoError(t, err)
			require.Equal(t, "headroom.headroom.dev/ours", strings.TrimSpace(out), ours)
		}, soon, 50*time.Millisecond)
	}
	require.Equal(e, "headroom.openfaas.com/theirs", strings.TrimSpace(e.kubectl("get", "headrooms.openfaas.com", "-n", "shop", "-o", "name")))
	e.helm("uninstall")
	require.Equal(e, "headroom.openfaas.com/theirs", strings.TrimSpace(e.kubectl("get", "headrooms.openfaas.com", "-n", "shop", "-o", "name")))
}

// TestTheNamespacedControllerWorksInItsNamespacesAlone runs the controller with the rights of the chart's RoleBindings.
func TestTheNamespacedControllerWorksInItsNamespacesAlone(t *testing.T) {
	t.Parallel()
	e := newTarget(t)
	objects := render(t, "--set", "rbac.scope=Namespaced", "--set", "rbac.namespaces={shop,search}", "--set", "scheduler.enabled=false")
	binary, err := cluster.FindProduct("headroom-controller")
	require.NoError(e, err)
	controller, err := e.cluster.RunDeployment(e.Context(), objects, binary,
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--leader-elect-lease-namespace="+systemNamespace)
	require.NoError(e, err)
	outside := e.headroom("default", "outside")
	e.headroom("search", "inside")
	inside := e.headroom("shop", "inside")

	require.EventuallyWithT(e, func(t *assert.CollectT) {
		for _, namespace := range []string{"shop", "search"} {
			var pods corev1.PodList
			require.NoError(t, e.client.List(e.Context(), &pods, client.InNamespace(namespace)))
			require.Len(t, pods.Items, 2)
		}
		found, err := e.get(inside)
		require.NoError(t, err)
		require.Contains(t, found.Object, "status")
	}, soon, 50*time.Millisecond)

	found, err := e.get(outside)
	require.NoError(e, err)
	require.NotContains(e, found.Object, "status")
	log, err := os.ReadFile(controller.Log())
	require.NoError(e, err)
	require.NotContains(e, strings.ToLower(string(log)), "forbidden")

	kubeconfig, err := e.cluster.KubeconfigFor(e.Context(), systemNamespace, "headroom-controller")
	require.NoError(e, err)
	for namespace, want := range map[string]string{"shop": "yes", "search": "yes", "default": "no", systemNamespace: "no"} {
		out, _ := tool(t, kubeconfig, "kubectl", "auth", "can-i", "create", "pods", "-n", namespace)
		require.Equal(e, want, strings.TrimSpace(out), namespace)
	}
}
