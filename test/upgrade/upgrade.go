// Package upgrade checks that Headrooms that an earlier version stored keep working when the CRD becomes the one of this version.
package upgrade

import (
	_ "embed" // for the CRD of the earlier version
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
)

// crd is that of commit 2ab7e04, without the descriptions: short name hr, replicas of any number with placement PerNode, zones in the
// status, and the scale subresource reading status.replicas.
//
//go:embed crd-of-2ab7e04.yaml
var crd []byte

// stored are Headrooms with everything that has changed since.
const stored = `
- apiVersion: headroom.dev/v1alpha1
  kind: Headroom
  metadata: {name: web}
  spec: {replicas: 4, requests: {cpu: "1"}, consumers: {minPriority: 5}}
- apiVersion: headroom.dev/v1alpha1
  kind: Headroom
  metadata: {name: reserve}
  spec: {replicas: 3, placement: PerNode, requests: {cpu: "1"}}
`

const storedStatus = `
observedGeneration: 1
desiredReplicas: 4
replicas: 4
readyReplicas: 3
pendingReplicas: 1
selector: headroom.dev/headroom=web
capacity: {cpu: "3"}
domains: [{zone: "", readyReplicas: 1}, {zone: a, readyReplicas: 2}]
zones: "-:1 a:2"
conditions:
- {type: Ready, status: "True", reason: Valid, message: fine, lastTransitionTime: "2026-01-01T00:00:00Z"}
`

const soon = 5 * time.Minute

// Check stores Headrooms by the CRD of the earlier version, updates the CRD, and reads, scales and changes them. The API server must
// serve no Headrooms yet.
func Check(t *testing.T, c *cluster.Cluster, namespace string) {
	t.Helper()
	cl, err := c.Client()
	require.NoError(t, err)
	store(t, c, cl, namespace)
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(root, "manifests/crd")))
	awaitNewRules(t, cl, namespace)

	web, reserve := get(t, cl, namespace, "web"), get(t, cl, namespace, "reserve")
	for _, headroom := range []*v1alpha1.Headroom{web, reserve} {
		require.EqualValues(t, 3, headroom.Status.ReadyReplicas)
		require.Len(t, headroom.Status.Conditions, 1)
		require.Empty(t, headroom.Status.Spread)
	}
	checkScale(t, cl, web, reserve)
	checkSpec(t, cl, reserve)
	for _, headroom := range []*v1alpha1.Headroom{web, reserve} {
		checkStatus(t, cl, headroom)
	}
}

func store(t *testing.T, c *cluster.Cluster, cl client.Client, namespace string) {
	t.Helper()
	definitions, err := cluster.Parse(crd)
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), definitions...))
	var objects []map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(stored), &objects))
	for _, object := range objects {
		headroom := &unstructured.Unstructured{Object: object}
		headroom.SetNamespace(namespace)
		require.NoError(t, cl.Create(t.Context(), headroom))
		var status map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(storedStatus), &status))
		headroom.Object["status"] = status
		require.NoError(t, cl.Status().Update(t.Context(), headroom))
		require.Contains(t, headroom.Object["status"], "zones", "the earlier version stored it")
	}
}

// awaitNewRules waits until the API server serves by the CRD of this version.
func awaitNewRules(t *testing.T, cl client.Client, namespace string) {
	t.Helper()
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		headroom := &v1alpha1.Headroom{}
		headroom.Namespace, headroom.Name = namespace, "new"
		headroom.Spec.Requests = corev1.ResourceList{"cpu": resource.MustParse("1")}
		headroom.Spec.Placement, headroom.Spec.Replicas = v1alpha1.PlacementPerNode, new(int32)
		err := cl.Create(t.Context(), headroom, client.DryRunAll)
		require.ErrorContains(collect, err, "replicas must be 1, the default, with placement PerNode")
	}, soon, 50*time.Millisecond)
}

func checkScale(t *testing.T, cl client.Client, web, reserve *v1alpha1.Headroom) {
	t.Helper()
	scale := &autoscalingv1.Scale{}
	require.NoError(t, cl.SubResource("scale").Get(t.Context(), web, scale))
	require.EqualValues(t, 4, scale.Spec.Replicas)
	require.Equal(t, "headroom.dev/headroom=web", scale.Status.Selector)
	scale.Spec.Replicas = 5
	require.NoError(t, cl.SubResource("scale").Update(t.Context(), web, client.WithSubResourceBody(scale)))

	require.NoError(t, cl.SubResource("scale").Get(t.Context(), reserve, scale))
	for replicas, refused := range map[int32]bool{3: false, 1: false, 4: true, 0: true} {
		scale.Spec.Replicas = replicas
		err := cl.SubResource("scale").Update(t.Context(), reserve.DeepCopy(), client.WithSubResourceBody(scale.DeepCopy()), client.DryRunAll)
		if refused {
			require.ErrorContains(t, err, "replicas must be 1, the default, with placement PerNode")
		} else {
			require.NoError(t, err, "%d replicas", replicas)
		}
	}
}

// checkSpec changes a Headroom that could not be made any more, everywhere but where it is not valid.
func checkSpec(t *testing.T, cl client.Client, reserve *v1alpha1.Headroom) {
	t.Helper()
	reserve.Labels = map[string]string{"team": "a"}
	reserve.Spec.Requests = corev1.ResourceList{"cpu": resource.MustParse("2")}
	require.NoError(t, cl.Update(t.Context(), reserve))

	applied := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "headroom.dev/v1alpha1", "kind": "Headroom",
		"metadata": map[string]any{"name": reserve.Name, "namespace": reserve.Namespace},
		"spec":     map[string]any{"placement": "PerNode", "requests": map[string]any{"cpu": "3"}},
	}}
	config := client.ApplyConfigurationFromUnstructured(applied)
	require.NoError(t, cl.Apply(t.Context(), config, client.FieldOwner("a user"), client.ForceOwnership))
	*reserve = *get(t, cl, reserve.Namespace, reserve.Name)
	require.EqualValues(t, 3, *reserve.Spec.Replicas)
	require.Equal(t, "3", reserve.Spec.Requests.Cpu().String())
	require.EqualValues(t, 3, reserve.Status.ReadyReplicas)
}

// checkStatus writes the status as the controller does.
func checkStatus(t *testing.T, cl client.Client, headroom *v1alpha1.Headroom) {
	t.Helper()
	headroom = get(t, cl, headroom.Namespace, headroom.Name)
	base := headroom.DeepCopy()
	headroom.Status.ScaleReplicas = 4
	headroom.Status.Spread = v1alpha1.SpreadStatus{
		TopologyKey: corev1.LabelTopologyZone, Domains: []v1alpha1.DomainStatus{{Name: "", ReadyReplicas: 1}, {Name: "a", ReadyReplicas: 3}},
	}
	patch := client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})
	require.NoError(t, cl.Status().Patch(t.Context(), headroom, patch))
	scale := &autoscalingv1.Scale{}
	require.NoError(t, cl.SubResource("scale").Get(t.Context(), headroom, scale))
	require.EqualValues(t, 4, scale.Status.Replicas)
	raw := &unstructured.Unstructured{}
	raw.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))
	require.NoError(t, cl.Get(t.Context(), client.ObjectKeyFromObject(headroom), raw))
	require.NotContains(t, raw.Object["status"], "zones", "what the earlier version said is gone")
	require.NotContains(t, raw.Object["status"], "domains")
}

func get(t *testing.T, cl client.Client, namespace, name string) *v1alpha1.Headroom {
	t.Helper()
	headroom := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	require.NoError(t, cl.Get(t.Context(), client.ObjectKeyFromObject(headroom), headroom))
	return headroom
}
