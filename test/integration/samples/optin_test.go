package samples

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const (
	optInLabel        = "headroom.dev/opt-in"
	defaultScheduler  = "default-scheduler"
	headroomScheduler = "headroom-scheduler"
	// system is where the product itself runs.
	system = "headroom-system"
	// soon is how long anything may take that takes a second on an idle machine.
	soon = 5 * time.Minute
	// glance is how often a test looks.
	glance = 50 * time.Millisecond
)

func TestThePolicyChangesThePodsThatOptedInAndNoOthers(t *testing.T) {
	c := clustertest.SharedAPIServer(t)
	applyPolicy(t, c)
	in, out := clustertest.Namespace(t, c, map[string]string{optInLabel: "true"}), clustertest.Namespace(t, c, nil)
	for _, namespace := range []string{metav1.NamespaceSystem, system} {
		labelNamespace(t, c, namespace, optInLabel, "true")
	}
	waitPolicy(t, c, in)

	labelled := func(value string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) { pod.Labels = map[string]string{optInLabel: value} }
	}
	named := func(scheduler string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) { pod.Spec.SchedulerName = scheduler }
	}
	owned := func(apiVersion, kind string, controller *bool) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.OwnerReferences = []metav1.OwnerReference{
				{APIVersion: apiVersion, Kind: kind, Name: "owner", UID: "owner", Controller: controller},
			}
		}
	}
	onNode := func(pod *corev1.Pod) { pod.Spec.NodeName = "node-1" }
	asIs := func(*corev1.Pod) {}
	yes := ptr.To(true)

	for name, tc := range map[string]struct {
		namespace string
		change    func(*corev1.Pod)
		want      string
	}{
		"a pod of a namespace that opted in":                  {in, asIs, headroomScheduler},
		"a pod of a ReplicaSet there":                         {in, owned("apps/v1", "ReplicaSet", yes), headroomScheduler},
		"a pod that a DaemonSet owns but doesn't control":     {in, owned("apps/v1", "DaemonSet", nil), headroomScheduler},
		"a pod of somebody else's kind DaemonSet":             {in, owned("apps.example.com/v1", "DaemonSet", yes), headroomScheduler},
		"a pod of OpenFaaS' kind Headroom":                    {in, owned("openfaas.com/v1", "Headroom", yes), headroomScheduler},
		"a pod that names the default scheduler itself":       {in, named(defaultScheduler), headroomScheduler},
		"a pod that names another scheduler":                  {in, named("volcano"), "volcano"},
		"a pod that names headroom-scheduler":                 {in, named(headroomScheduler), headroomScheduler},
		"a pod of a DaemonSet":                                {in, owned("apps/v1", "DaemonSet", yes), defaultScheduler},
		"a placeholder":                                       {in, owned(v1alpha1.GroupVersion.String(), v1alpha1.KindHeadroom, yes), defaultScheduler},
		"a pod that is put on its node":                       {in, onNode, defaultScheduler},
		"a pod that opted out":                                {in, labelled("false"), defaultScheduler},
		"a pod that opted in by itself":                       {out, labelled("true"), headroomScheduler},
		"a pod that opted in and names another scheduler":     {out, func(pod *corev1.Pod) { labelled("true")(pod); named("volcano")(pod) }, "volcano"},
		"a pod of a namespace that did not opt in":            {out, asIs, defaultScheduler},
		"a pod that opted out, in a namespace that is not in": {out, labelled("false"), defaultScheduler},
		"a pod of kube-system, opted in by namespace":         {metav1.NamespaceSystem, asIs, defaultScheduler},
		"a pod of kube-system, opted in by itself":            {metav1.NamespaceSystem, labelled("true"), defaultScheduler},
		"a pod of headroom-system, opted in by namespace":     {system, asIs, defaultScheduler},
		"a pod of headroom-system, opted in by itself":        {system, labelled("true"), defaultScheduler},
		"a pod of the product, in a namespace that opted in":  {in, ofTheProduct, defaultScheduler},
	} {
		t.Run(name, func(t *testing.T) {
			pod := newPod()
			tc.change(pod)
			require.Equal(t, tc.want, schedulerOf(t, c, tc.namespace, pod))
		})
	}
}

// ofTheProduct makes the pod look like one of headroom-scheduler's or headroom-controller's.
func ofTheProduct(pod *corev1.Pod) {
	pod.Labels = map[string]string{"app.kubernetes.io/name": "headroom"}
}

func newPod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "pod-"},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: ptr.To(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{Name: "main", Image: "main", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			}}},
		},
	}
}

// schedulerOf returns the scheduler of the pod as the API server would store it.
func schedulerOf(t require.TestingT, c *cluster.Cluster, namespace string, pod *corev1.Pod) string {
	clientset, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	created, err := clientset.CoreV1().Pods(namespace).Create(context.Background(), pod, options)
	require.NoError(t, err)
	return created.Spec.SchedulerName
}

func applyPolicy(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	objects, err := c.Tools().Kustomize(t.Context(), sampleDir(t, "opt-in"))
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), objects...))
}

// waitPolicy waits until the API server, which learns of policies and namespaces by watches, acts by both bindings.
func waitPolicy(t *testing.T, c *cluster.Cluster, optedIn string) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.Equal(t, headroomScheduler, schedulerOf(t, c, optedIn, newPod()))
		pod := newPod()
		pod.Labels = map[string]string{optInLabel: "true"}
		require.Equal(t, headroomScheduler, schedulerOf(t, c, metav1.NamespaceDefault, pod))
	}, soon, glance)
}

func labelNamespace(t *testing.T, c *cluster.Cluster, namespace, key, value string) {
	t.Helper()
	objects, err := cluster.Parse(fmt.Appendf(nil, "{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {%s: %q}}}", namespace, key, value))
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), objects...))
}

func sampleDir(t *testing.T, name string) string {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	return filepath.Join(root, "manifests", "samples", name)
}
