package deploy

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/podgroups"
)

// TestP9AGroupThatWaitsOutlivesTheKillOfItsScheduler kills headroom-scheduler by SIGKILL while three of four members of a group wait in
// Permit, and starts it again. Before that, the controller does not count the units that are promised to them as ready.
func TestP9AGroupThatWaitsOutlivesTheKillOfItsScheduler(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.Start(t, cluster.Options{})
	groups, err := podgroups.Install(c.RESTConfig())
	require.NoError(t, err)
	require.NoError(t, c.AddNodes(ctx, cluster.Nodes{Count: 5, CPU: resource.MustParse("1")}))
	cl, err := c.Client()
	require.NoError(t, err)
	clientset, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	namespace := clustertest.Namespace(t, c, nil)
	gate := podgroups.NewGate(clientset, namespace, 3)
	t.Cleanup(gate.Stop)
	_, err = c.RunController(ctx, "--placeholder-scheduler-name=headroom-scheduler")
	require.NoError(t, err)
	program := deployGated(t, c, gate)
	scheduler, err := program.Start("--secure-port=0")
	require.NoError(t, err)
	headroom := builders.Headroom("web", builders.Resources{"cpu": "1"}).Namespace(namespace).Replicas(5).Obj()
	require.NoError(t, cl.Create(ctx, headroom))
	waitReady(t, cl, headroom, 5)

	group := &schedulingv1alpha1.PodGroup{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "training"}}
	group.Spec.MinMember = 4
	require.NoError(t, groups.Create(ctx, group))
	var members []*corev1.Pod
	for i := range 4 {
		pod := builders.Consumer(fmt.Sprint("member-", i), builders.Resources{"cpu": "1"}).Namespace(namespace).
			SchedulerName("headroom-scheduler").Label(schedulingv1alpha1.PodGroupLabel, "training").Obj()
		members = append(members, pod)
		require.NoError(t, cl.Create(ctx, pod))
	}
	select {
	case <-gate.Reached:
	case <-time.After(soon):
		require.Fail(t, "the scheduler is not held up")
	}
	waitReady(t, cl, headroom, 2)
	scheduler.Kill()
	require.Equal(t, 5, units(t, cl, namespace), "nothing was evicted")
	gate.Open()

	_, err = program.Start("--secure-port=0")
	require.NoError(t, err)

	waitRunning(t, cl, members)
	waitReady(t, cl, headroom, 1)
}

// deployGated returns headroom-scheduler as a second scheduler, with a gate among its extenders.
func deployGated(t *testing.T, c *cluster.Cluster, gate *podgroups.Gate) *cluster.Program {
	t.Helper()
	binary, err := cluster.FindProduct("headroom-scheduler")
	require.NoError(t, err)
	objects, err := c.Tools().Kustomize(t.Context(), manifests(t, filepath.Join("scheduler", cluster.SecondScheduler)))
	require.NoError(t, err)
	changed := 0
	for _, object := range objects {
		text, found, err := unstructured.NestedString(object.Object, "data", "scheduler-config.yaml")
		require.NoError(t, err)
		if !found {
			continue
		}
		text += fmt.Sprintf("extenders:\n- {urlPrefix: %q, filterVerb: %s, nodeCacheCapable: true, httpTimeout: 10m}\n", gate.URL, podgroups.FilterVerb)
		require.NoError(t, unstructured.SetNestedField(object.Object, text, "data", "scheduler-config.yaml"))
		changed++
	}
	require.Equal(t, 1, changed)
	program, err := c.Deploy(t.Context(), objects, binary, c.RESTConfig())
	require.NoError(t, err)
	return program
}

func waitReady(t *testing.T, cl client.Client, headroom *v1alpha1.Headroom, ready int32) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(headroom), headroom))
		require.Equal(t, ready, headroom.Status.ReadyReplicas)
	}, soon, glance)
}

// units counts the placeholders of a namespace.
func units(t *testing.T, cl client.Client, namespace string) int {
	t.Helper()
	list := &corev1.PodList{}
	require.NoError(t, cl.List(t.Context(), list, client.InNamespace(namespace), client.HasLabels{v1alpha1.LabelHeadroom}))
	return len(list.Items)
}
