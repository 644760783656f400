// Package deploy tests the product as its manifests deploy it: with their configuration, credentials and rights.
package deploy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/observer"
)

const (
	nodes = 12
	zones = 3
	// soon is how long anything may take that takes a second on an idle machine.
	soon = 5 * time.Minute
	// glance is how often a test looks.
	glance = 100 * time.Millisecond
)

// atOnce is how many tests run at a time, unless -test.parallel says otherwise: each starts a control plane, and then mostly waits.
const atOnce = 3

func TestMain(m *testing.M) {
	clustertest.SetParallel(atOnce)
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

// TestABurstIsServedAndHeadroomComesBack is the life of the product in small, for each way to deploy the scheduler: twelve full
// nodes with one unit each, a burst that takes all of them, and the units back in all zones when the burst is over.
func TestABurstIsServedAndHeadroomComesBack(t *testing.T) {
	t.Parallel()
	for _, way := range []string{cluster.SecondScheduler, cluster.MainScheduler} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			c, log := startAudited(t)
			require.NoError(t, c.AddNodes(ctx, cluster.Nodes{Count: nodes, Zones: zones, CPU: resource.MustParse("4")}))
			cl, err := c.Client()
			require.NoError(t, err)
			namespace := clustertest.Namespace(t, c, nil)
			defer observer.Require(t, c.RESTConfig(), observer.Rules{
				MayVanish:  func(pod *corev1.Pod) bool { return strings.HasPrefix(pod.Name, "burst-") },
				IgnoreBind: func(pod *corev1.Pod) bool { return strings.HasPrefix(pod.Name, "full-") },
			})()
			_, err = c.RunController(ctx, "--placeholder-scheduler-name=headroom-scheduler")
			require.NoError(t, err)
			_, err = c.RunHeadroomScheduler(ctx, way)
			require.NoError(t, err)
			burstAndRefill(t, cl, namespace)
			requireNothingForbidden(t, log)
		})
	}
}

// burstAndRefill makes a Headroom that takes all the room, has a burst take it, and waits until it is back. It returns the Headroom.
func burstAndRefill(t *testing.T, cl client.Client, namespace string) *v1alpha1.Headroom {
	t.Helper()
	fillHalf(t, cl, namespace)
	headroom := builders.Headroom("web", builders.Resources{"cpu": "2"}).Namespace(namespace).Replicas(nodes).Obj()
	require.NoError(t, cl.Create(t.Context(), headroom))
	waitFilled(t, cl, headroom)

	burst := make([]*corev1.Pod, 0, nodes)
	for i := range nodes {
		pod := builders.Consumer(fmt.Sprint("burst-", i), builders.Resources{"cpu": "2"}).Namespace(namespace).
			SchedulerName("headroom-scheduler").ZeroTerminationGracePeriod().Obj()
		burst = append(burst, pod)
		require.NoError(t, cl.Create(t.Context(), pod))
	}
	waitRunning(t, cl, burst)
	requireSwaps(t, cl, namespace)

	for _, pod := range burst {
		require.NoError(t, cl.Delete(t.Context(), pod))
	}
	waitFilled(t, cl, headroom)
	return headroom
}

// fillHalf puts a pod of half a node on each node.
func fillHalf(t *testing.T, cl client.Client, namespace string) {
	t.Helper()
	var all corev1.NodeList
	require.NoError(t, cl.List(t.Context(), &all))
	require.Len(t, all.Items, nodes)
	for i := range all.Items {
		pod := builders.Consumer(fmt.Sprint("full-", i), builders.Resources{"cpu": "2"}).Namespace(namespace).Node(all.Items[i].Name).Obj()
		require.NoError(t, cl.Create(t.Context(), pod))
	}
}

// waitFilled waits until all units are bound, evenly over the zones.
func waitFilled(t *testing.T, cl client.Client, headroom *v1alpha1.Headroom) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(headroom), headroom))
		require.EqualValues(t, nodes, headroom.Status.ReadyReplicas)
		require.Len(t, headroom.Status.Spread.Domains, zones)
		for _, domain := range headroom.Status.Spread.Domains {
			require.EqualValues(t, nodes/zones, domain.ReadyReplicas, "units in zone %s", domain.Name)
		}
	}, soon, glance)
}

func waitRunning(t *testing.T, cl client.Client, pods []*corev1.Pod) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		for _, pod := range pods {
			require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(pod), pod))
			require.Equal(t, corev1.PodRunning, pod.Status.Phase, "pod %s", pod.Name)
		}
	}, soon, glance)
}

// requireSwaps checks what the scheduler told about the burst: one swap a pod, with its reason, and no failed attempt.
func requireSwaps(t *testing.T, cl client.Client, namespace string) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		var events eventsv1.EventList
		require.NoError(t, cl.List(context.Background(), &events, client.InNamespace(namespace)))
		swaps := map[string]string{}
		for _, event := range events.Items {
			if event.Reason == swapevent.Reason {
				swaps[event.Regarding.Name] = event.Note
			}
		}
		require.Len(t, swaps, nodes)
		for consumer, note := range swaps {
			require.Regexp(t, `^Took \S+/web-headroom-\d+ on node node-\d+: .+`, note, "swap of %s", consumer)
		}
	}, soon, glance)

	var events eventsv1.EventList
	require.NoError(t, cl.List(t.Context(), &events, client.InNamespace(namespace)))
	for _, event := range events.Items {
		failed := event.Reason == "FailedScheduling" && strings.HasPrefix(event.Regarding.Name, "burst-")
		require.False(t, failed, "the first attempt of %s failed: %s", event.Regarding.Name, event.Note)
	}
}

// manifests is the folder of a part of the product's manifests.
func manifests(t *testing.T, part string) string {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	return filepath.Join(root, "manifests", part)
}
