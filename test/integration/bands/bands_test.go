// Package bands tests room on every node that ordinary pods cannot take: by priority alone with a stock kube-scheduler, and reserved with
// headroom-scheduler beside one.
package bands

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const (
	soon   = 5 * time.Minute
	glance = 100 * time.Millisecond
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

// world is a cluster of two nodes of the pool apps, of one core each, with a stock kube-scheduler and the controller.
type world struct {
	*testing.T
	cluster   *cluster.Cluster
	client    client.Client
	namespace string
}

func newWorld(t *testing.T, flags ...string) *world {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{})
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 2, CPU: resource.MustParse("1"), Labels: map[string]string{"pool": "apps"}}))
	cl, err := c.Client()
	require.NoError(t, err)
	scheduler, err := cluster.FindProduct("headroom-scheduler")
	require.NoError(t, err)
	_, err = c.RunScheduler("kube-scheduler", scheduler) // without a configuration it is a plain kube-scheduler
	require.NoError(t, err)
	_, err = c.RunController(t.Context(), flags...)
	require.NoError(t, err)
	return &world{T: t, cluster: c, client: cl, namespace: clustertest.Namespace(t, c, nil)}
}

// waitUnits waits until a Headroom has that many units that can be taken.
func (w *world) waitUnits(name string, want int32) {
	w.Helper()
	require.EventuallyWithT(w, func(t *assert.CollectT) {
		h := &v1alpha1.Headroom{}
		require.NoError(t, w.client.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, h))
		require.Equal(t, want, h.Status.ReadyReplicas, h.Status.Conditions)
	}, soon, glance)
}

// create makes a pod of 700m CPU, which fits on a node only in the place of a unit.
func (w *world) create(name string, change func(*corev1.Pod)) *corev1.Pod {
	w.Helper()
	pod := builders.Consumer(name, builders.Resources{"cpu": "700m"}).Namespace(w.namespace).ZeroTerminationGracePeriod().Obj()
	pod.Spec.Priority = nil // its class says it
	change(pod)
	require.NoError(w, w.client.Create(w.Context(), pod))
	return pod
}

func (w *world) waitBound(pod *corev1.Pod) {
	w.Helper()
	require.EventuallyWithT(w, func(t *assert.CollectT) {
		require.NoError(t, w.client.Get(w.Context(), client.ObjectKeyFromObject(pod), pod))
		require.NotEmpty(t, pod.Spec.NodeName, pod.Status.Conditions)
	}, soon, glance)
}

func (w *world) waitUnschedulable(pod *corev1.Pod) {
	w.Helper()
	require.EventuallyWithT(w, func(t *assert.CollectT) {
		require.NoError(t, w.client.Get(w.Context(), client.ObjectKeyFromObject(pod), pod))
		require.NotEmpty(t, pod.Status.Conditions)
		require.Equal(t, corev1.PodReasonUnschedulable, pod.Status.Conditions[0].Reason)
	}, soon, glance)
}

// TestTheSampleOfHighBandsKeepsRoomFromOrdinaryPodsOfAStockScheduler, and gives it to pods of the band above.
func TestTheSampleOfHighBandsKeepsRoomFromOrdinaryPodsOfAStockScheduler(t *testing.T) {
	w := newWorld(t, "--max-priority=900000000")
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	objects, err := cluster.ParseFiles(filepath.Join(root, "manifests", "samples", "bands", "headroom.yaml"))
	require.NoError(t, err)
	for _, object := range objects {
		if object.GetKind() == v1alpha1.KindHeadroom {
			object.SetNamespace(w.namespace)
		}
	}
	require.NoError(t, w.cluster.Apply(t.Context(), objects...))
	w.waitUnits("node-reserve", 2)

	ordinary := w.create("ordinary", func(*corev1.Pod) {})
	w.waitUnschedulable(ordinary)
	urgent := w.create("urgent", func(p *corev1.Pod) { p.Spec.PriorityClassName = "burst-critical" })
	w.waitBound(urgent)
	w.waitUnits("node-reserve", 1)
	require.NoError(t, w.client.Get(t.Context(), client.ObjectKeyFromObject(ordinary), ordinary))
	require.Empty(t, ordinary.Spec.NodeName)

	require.NoError(t, w.client.Delete(t.Context(), urgent))
	w.waitUnits("node-reserve", 2)
}

// TestReservedUnitsOnEachNodeReplaceTheBands: the pods that consumers name need no class of their own.
func TestReservedUnitsOnEachNodeReplaceTheBands(t *testing.T) {
	w := newWorld(t, "--allow-reserved", "--placeholder-scheduler-name=headroom-scheduler")
	_, err := w.cluster.RunHeadroomScheduler(t.Context(), cluster.SecondScheduler)
	require.NoError(t, err)
	h := builders.Headroom("node-reserve", builders.Resources{"cpu": "500m"}).Namespace(w.namespace).
		Consumers(v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}).Reserved().Obj()
	h.Spec.Placement = v1alpha1.PlacementPerNode
	require.NoError(t, w.client.Create(t.Context(), h))
	w.waitUnits(h.Name, 2)

	ordinary := w.create("ordinary", func(*corev1.Pod) {})
	w.waitUnschedulable(ordinary)
	// It must not race for the room between the eviction and the bind, see docs/concepts/two-schedulers.md.
	require.NoError(t, w.client.Delete(t.Context(), ordinary))
	web := w.create("web", func(p *corev1.Pod) {
		p.Labels = map[string]string{"app": "web"}
		p.Spec.SchedulerName = "headroom-scheduler"
	})
	w.waitBound(web)
	require.Zero(t, *web.Spec.Priority)
	w.waitUnits(h.Name, 1)
}
