package scheduler

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// withoutDefaultPreemption leaves eviction to the plugin alone, so that every eviction is its own.
func withoutDefaultPreemption(cfg *config.KubeSchedulerConfiguration) *config.KubeSchedulerConfiguration {
	for i := range cfg.Profiles {
		plugins := cfg.Profiles[i].Plugins
		isDefault := func(p config.Plugin) bool { return p.Name == names.DefaultPreemption }
		plugins.MultiPoint.Enabled = slices.DeleteFunc(plugins.MultiPoint.Enabled, isDefault)
		plugins.PostFilter.Enabled = slices.DeleteFunc(plugins.PostFilter.Enabled, isDefault)
	}
	return cfg
}

func TestP1OnlyPlaceholders(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("4"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	stray := builders.Placeholder(spare, 1).Node("n0")
	stray.OwnerReferences = nil
	foreign := builders.Placeholder(spare, 2).Node("n0")
	foreign.OwnerReferences[0].APIVersion, foreign.OwnerReferences[0].Kind = "apps/v1", "ReplicaSet"
	kept := []string{
		w.place(t, stray),
		w.place(t, foreign),
		w.place(t, builders.Placeholder(spare, 3).Node("n0").Priority(100)),
		w.place(t, builders.Consumer("ordinary", cpu("1")).Priority(-100).Node("n0")),
	}
	faults := schedulerharness.NewFaults()
	w.StartHeadroom(t, withoutDefaultPreemption(schedulerharness.SecondScheduler(t)), faults)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	w.WaitUnschedulable(t, "web")

	require.Equal(t, kept, w.remaining(t, kept), "a stray label, another controller, a higher priority and no label at all make no placeholder")
	require.Empty(t, evictionsOf(faults))
}

func TestP2NoNeedlessEviction(t *testing.T) {
	w := newWorld(t)
	// More nodes than stock kube-scheduler samples, and free room on one that a sample may well miss.
	const count, free = 160, 131
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	for i := range count {
		name := fmt.Sprintf("n%03d", i)
		w.CreateNodes(t, builders.Node(name, "a", cpu("1")).Obj())
		if i != free {
			w.place(t, builders.Placeholder(spare, i).Node(name))
		}
	}
	faults := schedulerharness.NewFaults()
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	require.Equal(t, fmt.Sprintf("n%03d", free), w.WaitBound(t, "web")["web"])
	require.Empty(t, evictionsOf(faults))
	w.requireOneAttempt(t, "web")
}

func TestP3Irreducible(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("4"), "a")
	small := w.CreateHeadroom(t, builders.Headroom("small", cpu("500m")).Obj())
	large := w.CreateHeadroom(t, builders.Headroom("large", cpu("1500m")).Obj())
	smalls := w.fill(t, small, repeat(5, "n0")...)
	larges := w.fill(t, large, "n0")
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("2")).Obj())

	w.WaitBound(t, "web")

	// The node is full with 5 x 500m + 1500m, so 2000m are missing: four small ones make exactly that, and so do a large and a small one.
	smallsGone, largesGone := 5-len(w.remaining(t, smalls)), 1-len(w.remaining(t, larges))
	require.Contains(t, [][2]int{{4, 0}, {1, 1}}, [2]int{smallsGone, largesGone}, "every other set has one in it that could have stayed")
}

func TestP4ThePublishedOrder(t *testing.T) {
	cases := []struct {
		name     string
		near     string
		consumer string
		want     string
	}{
		{name: "rule 1: the node in the zone of the pods that the annotation selects", near: "app=cache", consumer: "1", want: "n2"},
		{name: "rule 2: without anchors, the zone that keeps the most", consumer: "1", want: "n0"},
		{name: "rule 3: only the large node can serve a large consumer", consumer: "3", want: "n3"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			// Zone a: n0 and n1, two units. Zone b: n2, one unit, and the cache. Zone c: n3, one large unit of another Headroom.
			w.nodes(t, cpu("2"), "a", "a", "b")
			w.CreateNodes(t, builders.Node("n3", "c", cpu("4")).Obj())
			spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
			large := w.CreateHeadroom(t, builders.Headroom("large", cpu("3")).Obj())
			w.fill(t, spare, "n0", "n1", "n2")
			w.fill(t, large, "n3")
			for _, node := range []string{"n0", "n1", "n2", "n3"} {
				w.place(t, builders.Consumer("busy-"+node, cpu("1")).Node(node).Label("app", map[bool]string{true: "cache", false: "other"}[node == "n2"]))
			}
			w.startPlugin(t)
			pod := consumer("web", cpu(c.consumer))
			if c.near != "" {
				pod = pod.Annotations(map[string]string{v1alpha1.AnnotationNear: c.near})
			}
			w.CreatePods(t, pod.Obj())

			require.Equal(t, c.want, w.WaitBound(t, "web")["web"])
			w.requireOneAttempt(t, "web")
		})
	}
}

func TestP5NoOvercommit(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("4"), "a", "b", "c")
	w.hold(t, repeat(4, "n0", "n1", "n2")...)
	w.startPlugin(t)
	// Twice as many as there is room for: half of them stay pending, and no node holds more than it can at any time.
	for i := range 24 {
		w.CreatePods(t, consumer(fmt.Sprintf("web-%d", i), cpu("1")).Obj())
	}

	w.Eventually(t, "waiting for the room to be used up", w.boundConsumers(t, 12))
	w.judge(t) // the observer is the test
}

func TestP6OneCycle(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, builders.Resources{"cpu": "1", "pods": "2"}, "a", "b")
	w.hold(t, "n0")
	// On n1 only the number of pods stands in the way.
	tiny := w.CreateHeadroom(t, builders.Headroom("tiny", cpu("10m")).Obj())
	w.fill(t, tiny, "n1", "n1")
	w.startPlugin(t)
	w.CreatePods(t, consumer("by-cpu", cpu("1")).Obj())
	require.Equal(t, "n0", w.WaitBound(t, "by-cpu")["by-cpu"])
	w.CreatePods(t, consumer("by-pods", cpu("10m")).Obj())
	require.Equal(t, "n1", w.WaitBound(t, "by-pods")["by-pods"])

	w.requireOneAttempt(t, "by-cpu", "by-pods")
}

func TestP7SpreadKept(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes(t, cpu("1"), "a", "b", "c", "a", "b", "c", "a", "b", "c", "a", "b", "c")
	units := w.hold(t, nodes...)
	w.startPlugin(t)
	for i := range 9 {
		name := fmt.Sprintf("web-%d", i)
		w.CreatePods(t, consumer(name, cpu("1")).Obj())
		w.WaitBound(t, name)
		left := w.zonesOf(t, units)
		least, most := min(left["a"], left["b"], left["c"]), max(left["a"], left["b"], left["c"])
		require.LessOrEqual(t, most-least, 1, "after %d consumers %v is left", i+1, left)
	}
	require.Equal(t, map[string]int{"a": 1, "b": 1, "c": 1}, w.zonesOf(t, units), "the last unit of a zone goes last")
}

func TestP8Entitlement(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Consumers(onlyFor("db")).Obj())
	units := w.fill(t, spare, "n0")
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("1")).Label("app", "web").Obj())

	message := w.WaitUnschedulable(t, "web")
	require.Contains(t, message, "spare", "the message names the Headroom that does not admit the pod")
	require.Equal(t, units, w.remaining(t, units))

	// Live, without a restart.
	clustertest.Change(t, w.Headrooms, spare, func(h *v1alpha1.Headroom) { h.Spec.Consumers.PodSelector.MatchLabels["app"] = "web" })
	require.Equal(t, "n0", w.WaitBound(t, "web")["web"])
}

func TestP10Transparent(t *testing.T) {
	// The same pods onto the same free room, by stock kube-scheduler and by the profile with the plugin. The nodes differ in size, so that
	// scores rarely tie, and placeholders are around that nobody needs.
	placements := map[string]map[string]int{}
	for _, schedulerName := range []string{corev1.DefaultSchedulerName, schedulerharness.HeadroomScheduler} {
		t.Run(schedulerName, func(t *testing.T) {
			w := newWorld(t)
			for i, size := range []string{"7", "11", "13", "17"} {
				name := fmt.Sprintf("n%d", i)
				w.CreateNodes(t, builders.Node(name, "a", builders.Resources{"cpu": size, "memory": size + "Gi"}).Obj())
			}
			units := w.hold(t, "n0", "n1", "n2", "n3")
			w.StartHeadroom(t, schedulerharness.MainScheduler(t), nil)
			counts, pods := map[string]int{}, []string{}
			for i := range 20 {
				name := fmt.Sprintf("web-%d", i)
				pods = append(pods, name)
				w.CreatePods(t, builders.Consumer(name, builders.Resources{"cpu": "700m", "memory": "600Mi"}).SchedulerName(schedulerName).Obj())
				counts[w.WaitBound(t, name)[name]]++
			}
			require.Equal(t, units, w.remaining(t, units))
			placements[schedulerName] = counts
			w.requireOneAttempt(t, pods...)
		})
	}
	require.Equal(t, placements[corev1.DefaultSchedulerName], placements[schedulerharness.HeadroomScheduler])
}

// repeat returns each of the values that many times.
func repeat(times int, values ...string) []string {
	var all []string
	for range times {
		all = append(all, values...)
	}
	return all
}
