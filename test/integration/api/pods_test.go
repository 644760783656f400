package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// restricted is a namespace in which Pod Security admits next to nothing.
func restricted(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	require.NoError(t, c.ApplyFiles(t.Context(), repositoryPath(t, "manifests/controller/priority-class.yaml")))
	return clustertest.Namespace(t, c, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
}

// created is the Headroom as the API server keeps it.
func created(t *testing.T, cl client.Client, obj *unstructured.Unstructured) *v1alpha1.Headroom {
	t.Helper()
	require.NoError(t, cl.Create(t.Context(), obj, client.FieldValidation(metav1.FieldValidationStrict)))
	headroom := &v1alpha1.Headroom{}
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, headroom))
	return headroom
}

// Whatever the API accepts, the API server accepts a placeholder made from it, in a restricted namespace too.
func TestPlaceholdersAreAdmittedToRestrictedNamespaces(t *testing.T) {
	c, cl := apiServer(t)
	namespace := restricted(t, c)
	longest := strings.Repeat("n", 63)
	for _, tc := range []struct{ name, headroom, spec string }{
		{name: "the smallest", headroom: "smallest", spec: "requests: {cpu: 1}"},
		{name: "only memory", headroom: "memory", spec: "requests: {cpu: 0, memory: 1Gi}"},
		{name: "the longest name", headroom: longest, spec: "requests: {cpu: 1}"},
		{name: "a name with dots", headroom: "web.eu-1", spec: "requests: {cpu: 1}"},
		{name: "a GPU alone", headroom: "gpu", spec: "requests: {nvidia.com/gpu: 1}"},
		{name: "huge pages", headroom: "huge", spec: "requests: {hugepages-2Mi: 4Mi, cpu: 1}"},
		{name: "everything else", headroom: "all", spec: `
requests: {cpu: 1500m, memory: 1.5Gi, ephemeral-storage: 1Gi, example.com/fpga: 2}
nodeSelector: {pool: a}
tolerations: [{key: spot, operator: Exists}]
topologySpreadConstraints:
- {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}
- {maxSkew: 1, topologyKey: host, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {headroom: all}}}
schedulerName: headroom-scheduler
image: registry.example/warm:2
imagePullSecrets: [{name: pull}]
podLabels: {team: search}
podAnnotations: {example.com/Note: x}
securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}
podSecurityContext: {fsGroup: 2000, runAsUser: 1000}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			headroom := created(t, cl, headroom(t, namespace, tc.headroom, tc.spec))
			pod := placeholder.Build(headroom, placeholder.Defaults{}, 9999)
			require.NoError(t, cl.Create(t.Context(), pod))
			require.Equal(t, int32(-10), *pod.Spec.Priority)
			require.Equal(t, corev1.PreemptNever, *pod.Spec.PreemptionPolicy)
			require.Empty(t, pod.Spec.Volumes)
			require.NotEqual(t, corev1.PodQOSGuaranteed, pod.Status.QOSClass)
			require.Equal(t, placeholder.TemplateHash(headroom, placeholder.Defaults{}), pod.Annotations[v1alpha1.AnnotationTemplateHash])
			require.NoError(t, cl.Delete(t.Context(), pod))

			headroom.Spec.TopologySpreadConstraints = nil
			require.NoError(t, cl.Create(t.Context(), placeholder.BuildDaemonSet(headroom, placeholder.Defaults{})))
		})
	}
}

func TestPlaceholdersThatAskForMoreThanRestrictedAreRefused(t *testing.T) {
	c, cl := apiServer(t)
	namespace := restricted(t, c)
	for name, spec := range map[string]string{
		"root":       "requests: {cpu: 1}\npodSecurityContext: {runAsUser: 0}",
		"privileged": "requests: {cpu: 1}\nsecurityContext: {privileged: true}",
	} {
		t.Run(name, func(t *testing.T) {
			pod := placeholder.Build(created(t, cl, headroom(t, namespace, name, spec)), placeholder.Defaults{}, 0)
			require.ErrorContains(t, cl.Create(t.Context(), pod), `violates PodSecurity "restricted:latest"`)

			// A namespace that allows it gets it: the spec does not contradict itself.
			pod.Namespace, pod.OwnerReferences = clustertest.Namespace(t, c, nil), nil
			require.NoError(t, cl.Create(t.Context(), pod))
		})
	}
}
