package headroom

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

const (
	benchNodes = 5000
	// benchApps is how many pods a node has beside its placeholder. Plugins that look at the pods of all nodes cost accordingly.
	benchApps = 99
)

// fullCluster has a placeholder of half a node on each node, beside pods that fill the other half, in three zones.
func fullCluster(nodes int) cluster {
	h := builders.Headroom("web", builders.Resources{"cpu": "2", "memory": "4Gi"}).Namespace("default").UID("h").Obj()
	c := cluster{headrooms: []*v1alpha1.Headroom{h}}
	for i := range nodes {
		name := fmt.Sprintf("node-%d", i)
		c.nodes = append(c.nodes, builders.Node(name, fmt.Sprintf("r-%d", i%3), builders.Resources{"cpu": "4", "memory": "8Gi"}).Obj())
		c.pods = append(c.pods, builders.Placeholder(h, i).UID(fmt.Sprint("placeholder-", i)).Node(name).Obj())
		c.pods = append(c.pods, apps(name)...)
	}
	return c
}

// apps are the pods of a node, which fill half of it. They share what is alike: there are half a million of them.
func apps(node string) []*corev1.Pod {
	like := builders.Consumer("app", builders.Resources{"cpu": "20m", "memory": "41Mi"}).Namespace("default").Node(node).Obj()
	pods := make([]*corev1.Pod, benchApps)
	for i := range pods {
		pod := *like
		pod.Name = fmt.Sprint("app-", node, "-", i)
		pod.UID = types.UID(pod.Name)
		pods[i] = &pod
	}
	return pods
}

func benchConsumer() *corev1.Pod {
	return builders.Consumer("consumer", builders.Resources{"cpu": "2", "memory": "4Gi"}).Namespace("default").UID("consumer").Obj()
}

// A burst of pods alike for which plugins look at the pods of all nodes.
func BenchmarkPreFilterOfAConsumerThatReachesBeyondNodes(b *testing.B) {
	spread := func(action corev1.UnsatisfiableConstraintAction) []corev1.TopologySpreadConstraint {
		return []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: action,
			LabelSelector: metav1.AddLabelToSelector(&metav1.LabelSelector{}, "app", "web"),
		}}
	}
	for name, change := range map[string]func(*corev1.Pod){
		"must-spread": func(pod *corev1.Pod) { pod.Spec.TopologySpreadConstraints = spread(corev1.DoNotSchedule) },
		"may-spread":  func(pod *corev1.Pod) { pod.Spec.TopologySpreadConstraints = spread(corev1.ScheduleAnyway) },
		"of-a-service": func(pod *corev1.Pod) {
			pod.Labels = map[string]string{"app": "web"}
		},
		"near": func(pod *corev1.Pod) { pod.Annotations = map[string]string{v1alpha1.AnnotationNear: "app=web"} },
	} {
		b.Run(name, func(b *testing.B) {
			c := fullCluster(benchNodes)
			c.others = []runtime.Object{service("web")}
			f := newFixture(b, c)
			pod := benchConsumer()
			change(pod)
			b.ReportAllocs()
			for b.Loop() {
				if c, _ := f.decided(b, pod); c.swap == nil {
					b.Fatal("the consumer must get headroom")
				}
			}
		})
	}
}

// A burst: pods alike, each of which takes another placeholder.
func BenchmarkPreFilterOfConsumersAlike(b *testing.B) {
	c := fullCluster(benchNodes)
	f := newFixture(b, c)
	b.ReportAllocs()
	taken := 0
	for b.Loop() {
		pod := benchConsumer()
		pod.UID = types.UID(fmt.Sprint("consumer-", taken))
		cycle, state := f.decided(b, pod)
		if cycle.swap == nil {
			b.Fatal("the consumer must get headroom")
		}
		f.take(b, pod, cycle, state)
		if taken++; taken == benchNodes/2 {
			b.StopTimer()
			f = newFixture(b, c)
			taken = 0
			b.StartTimer()
		}
	}
}

// BenchmarkGroup has a group of 500 pods take 500 of 1,000 units. The PreFilter of its first member finds the places of all. Both this and
// the cycles of the whole group, up to the last Permit, are told, without what kube-scheduler itself does between plugins.
func BenchmarkGroup(b *testing.B) {
	const size = 500
	c := fullCluster(2 * size)
	for i := range size {
		pod := member1("training", i)
		pod.Spec.Containers = benchConsumer().Spec.Containers
		c.pending = append(c.pending, pod)
	}
	var first, whole time.Duration
	for b.Loop() {
		b.StopTimer()
		f := newFixture(b, c)
		f.shared.gangs.Set(podGroup("training", size))
		b.StartTimer()
		begun := time.Now()
		f.decided(b, c.pending[0])
		first += time.Since(begun)
		for i, pod := range c.pending {
			if _, status := f.schedule(b, pod); status.IsWait() == (i == size-1) {
				b.Fatalf("member %d: %s", i, status.Message())
			}
		}
		whole += time.Since(begun)
	}
	b.ReportMetric(first.Seconds()*1000/float64(b.N), "first-ms")
	b.ReportMetric(whole.Seconds()*1000/float64(b.N), "group-ms")
}

func BenchmarkPreFilterWhereThereIsFreeRoom(b *testing.B) {
	c := fullCluster(benchNodes)
	c.nodes = append(c.nodes, builders.Node("free", "r-0", builders.Resources{"cpu": "4", "memory": "8Gi"}).Obj())
	f := newFixture(b, c)
	pod := benchConsumer()
	b.ReportAllocs()
	for b.Loop() {
		if c, _ := f.decided(b, pod); c.swap != nil {
			b.Fatal("the consumer must take the free node")
		}
	}
}

func BenchmarkAssess(b *testing.B) {
	f := newFixture(b, fullCluster(benchNodes))
	c, _ := f.decided(b, benchConsumer())
	b.ReportAllocs()
	for b.Loop() {
		f.selector.CountCandidates(c.consumer)
	}
}

func BenchmarkRefresh(b *testing.B) {
	f := newFixture(b, fullCluster(benchNodes))
	f.decided(b, benchConsumer())
	b.ReportAllocs()
	for b.Loop() {
		f.shared.inventory.Refresh(f.nodes, false)
	}
}

func BenchmarkFilterWithoutPlaceholders(b *testing.B) {
	f := newFixture(b, freeNode())
	pod := benchConsumer()
	_, state := f.decided(b, pod)
	ctx := context.Background()
	b.Run("Headroom", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.Filter(ctx, state, pod, f.nodes[0])
		}
	})
	b.Run("NodeResourcesFit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.fit.Filter(ctx, state, pod, f.nodes[0])
		}
	})
}

// freeNode is one node that has room, and no placeholder.
func freeNode() cluster {
	return cluster{
		nodes: []*corev1.Node{builders.Node("free", "r-0", builders.Resources{"cpu": "4", "memory": "8Gi"}).Obj()},
		pods:  apps("free"),
	}
}

func TestFilterAllocatesNothingOfItsOwnWithoutPlaceholders(t *testing.T) {
	// All that the process allocates meanwhile is counted, also by goroutines that an earlier test leaves behind. Divided by so many runs and
	// rounded down, that is nothing; one allocation of each run is one.
	const runs = 10_000
	beside := fullCluster(1)
	beside.nodes = append(beside.nodes, builders.Node("small", "r-0", builders.Resources{"cpu": "1", "memory": "8Gi"}).Obj())
	for name, tc := range map[string]struct {
		cluster cluster
		node    string
		swap    bool
		fits    bool
	}{
		"of a pod that needs no headroom":                        {freeNode(), "free", false, true},
		"of a pod that takes headroom elsewhere, on a full node": {beside, "small", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, tc.cluster)
			pod := benchConsumer()
			c, state := f.decided(t, pod)
			require.Equal(t, tc.swap, c.swap != nil)
			node, err := f.snapshot.NodeInfos().Get(tc.node)
			require.NoError(t, err)
			ctx := context.Background()
			require.Equal(t, tc.fits, f.Filter(ctx, state, pod, node).IsSuccess())
			ours := testing.AllocsPerRun(runs, func() { f.Filter(ctx, state, pod, node) })
			stock := testing.AllocsPerRun(runs, func() { f.fit.Filter(ctx, state, pod, node) })
			assert.Zero(t, ours-stock, "more than NodeResourcesFit's own %v", stock)
		})
	}
}
