package scheduler

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// cores is how many a node has in the competition of two schedulers.
const cores = 10

// runKubelets stands in for kubelets of nodes with that many cores, where pods request one: it runs the pods of a node in the order in which it
// hears of them, and rejects those for which there is no room. Whoever made a rejected pod makes another.
func (w *world) runKubelets(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	changes, err := w.Client.CoreV1().Pods(w.Namespace).Watch(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		admitted, known := map[string]map[types.UID]bool{}, map[types.UID]bool{}
		for change := range changes.ResultChan() {
			pod, ok := change.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			switch node := pod.Spec.NodeName; {
			case node == "":
			case change.Type == watch.Deleted:
				delete(admitted[node], pod.UID)
			case known[pod.UID]:
			case len(admitted[node]) == cores:
				known[pod.UID] = true
				w.reject(ctx, t, pod)
			default:
				known[pod.UID] = true
				if admitted[node] == nil {
					admitted[node] = map[types.UID]bool{}
				}
				admitted[node][pod.UID] = true
				w.patchStatus(ctx, t, pod, `{"status":{"phase":"Running"}}`)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		changes.Stop()
		<-done
	})
}

// reject fails a pod as a kubelet does, and makes another in its place.
func (w *world) reject(ctx context.Context, t *testing.T, pod *corev1.Pod) {
	w.patchStatus(ctx, t, pod, `{"status":{"phase":"Failed","reason":"OutOfcpu"}}`)
	if pod.Labels[v1alpha1.LabelHeadroom] != "" {
		return
	}
	again := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod.Name + "-again", Labels: pod.Labels}, Spec: *pod.Spec.DeepCopy()}
	again.Spec.NodeName = ""
	if _, err := w.Client.CoreV1().Pods(w.Namespace).Create(ctx, again, metav1.CreateOptions{}); err != nil && ctx.Err() == nil {
		t.Errorf("making a pod anew: %v", err)
	}
}

func (w *world) patchStatus(ctx context.Context, t *testing.T, pod *corev1.Pod, patch string) {
	_, err := w.Client.CoreV1().Pods(w.Namespace).Patch(ctx, pod.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	if err != nil && ctx.Err() == nil && !strings.Contains(err.Error(), "not found") {
		t.Errorf("writing the status of pod %s: %v", pod.Name, err)
	}
}

// competition is what came of one.
type competition struct {
	// web and stock are the consumers, and the pods of the stock scheduler, that run.
	web, stock int
	// rejected are the pods that a kubelet rejected, preempted the units that kube-scheduler's preemption took.
	rejected, preempted int
	// took is how long it was until all consumers ran, or all room was used.
	took time.Duration
}

func (c competition) String() string {
	return fmt.Sprintf("%d consumers and %d pods of the other scheduler run after %s; a kubelet rejected %d pods, %d units were preempted",
		c.web, c.stock, c.took.Round(time.Millisecond), c.rejected, c.preempted)
}

// compete has 100 consumers of headroom-scheduler and 100 pods of a stock scheduler, which wait for exactly the same room, come for 100 cores of
// 10 nodes. hold puts units there first.
func compete(t *testing.T, hold func(t *testing.T, w *world, nodes []string)) (c competition) {
	t.Helper()
	const count = 100
	w := newWorld(t)
	w.judged = true // what kubelets reject is counted here
	nodes := w.nodes(t, cpu(fmt.Sprint(cores)), repeat(4, "a", "b", "c")[:count/cores]...)
	hold(t, w, nodes)
	w.runKubelets(t)
	w.StartHeadroom(t, guarded(t, w.CreateNamespace(t, nil)), nil)
	w.StartScheduler(t, schedulerharness.SchedulerOptions{})
	began := time.Now()
	for i := range count {
		w.CreatePods(t, builders.Consumer(fmt.Sprintf("stock-%d", i), cpu("1")).Obj(),
			consumer(fmt.Sprintf("web-%d", i), cpu("1")).Label("app", "web").Obj())
	}
	w.Eventually(t, "waiting for all room to be used", func(context.Context) string {
		c.web, c.stock, c.rejected = 0, 0, 0
		for name, pod := range w.Pods(t) {
			kind, _, _ := strings.Cut(name, "-")
			switch {
			case pod.Status.Phase == corev1.PodFailed:
				c.rejected++
			case kind == "web" && pod.Status.Phase == corev1.PodRunning:
				c.web++
			case kind == "stock" && pod.Status.Phase == corev1.PodRunning:
				c.stock++
			}
		}
		if c.web+c.stock < count {
			return fmt.Sprintf("%d consumers and %d others run", c.web, c.stock)
		}
		return ""
	})
	c.took = time.Since(began)
	history, err := w.observer.Stop(t.Context())
	require.NoError(t, err)
	preempted := map[types.UID]bool{}
	for _, event := range history {
		if event.Pod != nil && event.Pod.Labels[v1alpha1.LabelHeadroom] != "" {
			for _, condition := range event.Pod.Status.Conditions {
				if condition.Type == corev1.DisruptionTarget && condition.Reason == corev1.PodReasonPreemptionByScheduler {
					preempted[event.Pod.UID] = true
				}
			}
		}
	}
	c.preempted = len(preempted)
	return c
}

// TestReservedUnitsBesideASecondScheduler compares three kinds of room for which pods of two schedulers compete. docs/concepts/two-schedulers.md
// tells what comes out.
func TestReservedUnitsBesideASecondScheduler(t *testing.T) {
	perNode := func(nodes []string) (all []string) {
		for _, node := range nodes {
			for range cores {
				all = append(all, node)
			}
		}
		return all
	}
	outcome := map[string]competition{}
	for name, hold := range map[string]func(*testing.T, *world, []string){
		"free room":      func(*testing.T, *world, []string) {},
		"ordinary units": func(t *testing.T, w *world, nodes []string) { w.hold(t, perNode(nodes)...) },
		"reserved units": func(t *testing.T, w *world, nodes []string) { w.reserve(t, perNode(nodes)...) },
	} {
		t.Run(name, func(t *testing.T) {
			outcome[name] = compete(t, hold)
			t.Logf("%s: %s", name, outcome[name])
		})
	}
	reserved := outcome["reserved units"]
	require.Zero(t, reserved.preempted, "no other scheduler takes a reserved unit")
	race := outcome["free room"].rejected
	require.LessOrEqual(t, reserved.stock, race+2, "units lost between the eviction and the bind, of 100; beside the race for free room")
	require.Positive(t, outcome["ordinary units"].preempted, "the other scheduler takes what it can: the comparison is one")
}
