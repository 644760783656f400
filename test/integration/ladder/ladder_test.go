// Package ladder tests how evenly a stock kube-scheduler spends the units of a Headroom over the zones, with the real binaries.
package ladder

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
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
	"github.com/headroom-dev/headroom/test/cluster/process"
)

const (
	zones  = 3
	soon   = 5 * time.Minute
	glance = 200 * time.Millisecond
)

// report adds what is told in the documentation and not promised, which takes some minutes more.
var report = flag.Bool("report", false, "measure also without the ladder, and where several units of a zone share a step")

func TestMain(m *testing.M) {
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

// TestStockPreemptionSpendsEvenly fills nodes of which each has room for one unit, has as many pods come as there are units left to take,
// in one burst and for any node, and counts what is left in each zone. From 100 nodes on kube-scheduler looks at a sample of them.
func TestStockPreemptionSpendsEvenly(t *testing.T) {
	for _, tc := range []struct {
		nodes, units int
		// most is the largest difference over the zones with the ladder, when half of the units are taken.
		most int
	}{
		{nodes: 30, units: 30, most: 2},
		{nodes: 300, units: 150, most: 2},
		{nodes: 300, units: 300, most: -1}, // ten units of a zone share a step: told, and not promised
	} {
		if tc.most < 0 && !*report {
			continue
		}
		t.Run(fmt.Sprintf("%d nodes, %d units", tc.nodes, tc.units), func(t *testing.T) {
			w := newWorld(t, tc.nodes)
			policies := []v1alpha1.LadderPolicy{v1alpha1.LadderEnabled}
			if *report {
				policies = []v1alpha1.LadderPolicy{v1alpha1.LadderDisabled, v1alpha1.LadderEnabled}
			}
			for _, policy := range policies {
				left := w.halve(policy, tc.units)
				difference := slices.Max(left) - slices.Min(left)
				t.Logf("ladder %s: left in the zones %v, difference %d", policy, left, difference)
				if policy == v1alpha1.LadderEnabled && tc.most >= 0 {
					require.LessOrEqual(t, difference, tc.most)
				}
			}
		})
	}
}

// world is a cluster with headroom-controller and a kube-scheduler that has no plugin of ours.
type world struct {
	*testing.T
	cluster    *cluster.Cluster
	client     client.Client
	controller *process.Process
	nodes      int
}

func newWorld(t *testing.T, nodes int) *world {
	c := clustertest.Start(t, cluster.Options{})
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: nodes, Zones: zones, CPU: resource.MustParse("1")}))
	cl, err := c.Client()
	require.NoError(t, err)
	scheduler, err := cluster.FindProduct("headroom-scheduler")
	require.NoError(t, err)
	_, err = c.RunScheduler("kube-scheduler", scheduler) // without a configuration it is a plain kube-scheduler
	require.NoError(t, err)
	controller, err := c.RunController(t.Context())
	require.NoError(t, err)
	return &world{T: t, cluster: c, client: cl, controller: controller, nodes: nodes}
}

// halve fills the nodes with units and other pods, has half of the units taken, and returns how many are left in each zone.
func (w *world) halve(policy v1alpha1.LadderPolicy, units int) []int {
	w.Helper()
	namespace := clustertest.Namespace(w.T, w.cluster, nil)
	headroom := spread(namespace, units, policy)
	require.NoError(w, w.client.Create(w.Context(), headroom))
	w.waitFor(headroom, func(collect *assert.CollectT) { require.EqualValues(collect, units, headroom.Status.ReadyReplicas) })
	w.Logf("filled: %s", headroom.Status.Spread.Summary)
	if policy == v1alpha1.LadderEnabled {
		w.requireOnSteps(namespace)
	}

	w.burst(namespace, "other", w.nodes-units)
	w.burst(namespace, "consumer", units/2)
	left := w.leftByZone(namespace)
	w.clear(namespace, headroom)
	return left
}

// spread is a Headroom of that many units of one core, with a hard constraint over zones.
func spread(namespace string, units int, policy v1alpha1.LadderPolicy) *v1alpha1.Headroom {
	headroom := builders.Headroom("web", builders.Resources{"cpu": "1"}).Namespace(namespace).Replicas(int32(units)).Obj() //nolint:gosec // few
	headroom.Spec.Ladder = policy
	headroom.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelHeadroom: "web"}},
	}}
	return headroom
}

// waitFor reads a Headroom again and again until it is as it should be.
func (w *world) waitFor(headroom *v1alpha1.Headroom, check func(*assert.CollectT)) {
	w.Helper()
	require.EventuallyWithT(w, func(collect *assert.CollectT) {
		require.NoError(collect, w.client.Get(w.Context(), client.ObjectKeyFromObject(headroom), headroom))
		check(collect)
	}, soon, glance)
}

// requireOnSteps checks that each zone has its units on as many steps as there are, and about evenly.
func (w *world) requireOnSteps(namespace string) {
	w.Helper()
	zoneOf, count := w.zoneOf(), map[string]map[string]int{}
	for _, pod := range w.units(namespace) {
		zone := zoneOf[pod.Spec.NodeName]
		if count[zone] == nil {
			count[zone] = map[string]int{}
		}
		count[zone][pod.Spec.PriorityClassName]++
	}
	for zone, steps := range count {
		w.Logf("steps of zone %s: %v", zone, steps)
		counts := slices.Collect(maps.Values(steps))
		all := 0
		for _, n := range counts {
			all += n
		}
		require.Len(w, counts, min(all, v1alpha1.LadderSteps), "steps of zone %s: %v", zone, steps)
		unevenness := 1 // none where each has a step of its own
		if all > v1alpha1.LadderSteps {
			unevenness = 2 // a unit whose attempt has to be repeated exchanges its zone with another
		}
		require.LessOrEqual(w, slices.Max(counts)-slices.Min(counts), unevenness, "steps of zone %s: %v", zone, steps)
	}
}

// burst makes pods that fit where one unit does, or on a free node, and waits until all are bound.
func (w *world) burst(namespace, name string, pods int) {
	w.Helper()
	for i := range pods {
		pod := builders.Consumer(fmt.Sprintf("%s-%d", name, i), builders.Resources{"cpu": "1"}).Namespace(namespace).Label("burst", name).Obj()
		require.NoError(w, w.client.Create(w.Context(), pod))
	}
	require.EventuallyWithT(w, func(collect *assert.CollectT) {
		list := &corev1.PodList{}
		require.NoError(collect, w.client.List(w.Context(), list, client.InNamespace(namespace), client.MatchingLabels{"burst": name}))
		bound := 0
		for i := range list.Items {
			if list.Items[i].Spec.NodeName != "" {
				bound++
			}
		}
		require.Equal(collect, pods, bound)
	}, soon, glance)
}

// units are the placeholders that hold room.
func (w *world) units(namespace string) []corev1.Pod {
	w.Helper()
	list := &corev1.PodList{}
	require.NoError(w, w.client.List(w.Context(), list, client.InNamespace(namespace), client.HasLabels{v1alpha1.LabelHeadroom}))
	return slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool { return pod.Spec.NodeName == "" })
}

// zoneOf is the zone of each node.
func (w *world) zoneOf() map[string]string {
	w.Helper()
	list, zones := &corev1.NodeList{}, map[string]string{}
	require.NoError(w, w.client.List(w.Context(), list))
	for i := range list.Items {
		zones[list.Items[i].Name] = list.Items[i].Labels[corev1.LabelTopologyZone]
	}
	return zones
}

// leftByZone is how many units hold room in each zone, in the order of the zones' names.
func (w *world) leftByZone(namespace string) []int {
	w.Helper()
	zoneOf, count := w.zoneOf(), map[string]int{}
	for _, zone := range zoneOf {
		count[zone] = 0
	}
	for _, pod := range w.units(namespace) {
		count[zoneOf[pod.Spec.NodeName]]++
	}
	var left []int
	for _, zone := range slices.Sorted(maps.Keys(count)) {
		left = append(left, count[zone])
	}
	return left
}

// clear deletes the Headroom and all pods, and waits until the nodes are empty.
func (w *world) clear(namespace string, headroom *v1alpha1.Headroom) {
	w.Helper()
	require.NoError(w, w.client.Delete(w.Context(), headroom))
	require.EventuallyWithT(w, func(collect *assert.CollectT) {
		require.NoError(collect, w.client.DeleteAllOf(w.Context(), &corev1.Pod{}, client.InNamespace(namespace), client.GracePeriodSeconds(0)))
		list := &corev1.PodList{}
		require.NoError(collect, w.client.List(w.Context(), list, client.InNamespace(namespace)))
		require.Empty(collect, list.Items)
	}, soon, glance)
}
