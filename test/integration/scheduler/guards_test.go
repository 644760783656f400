package scheduler

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/guard"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// guarded is the shipped configuration of a second scheduler, with its guards in that namespace.
func guarded(t *testing.T, namespace string) *schedulerconfig.KubeSchedulerConfiguration {
	t.Helper()
	cfg := schedulerharness.SecondScheduler(t)
	for i := range cfg.Profiles[0].PluginConfig {
		if args, ok := cfg.Profiles[0].PluginConfig[i].Args.(*config.HeadroomArgs); ok {
			args.GuardNamespace = namespace
		}
	}
	return cfg
}

// guards are the names of those that exist.
func (w *world) guards(t *testing.T, namespace string) (names []string) {
	t.Helper()
	list, err := w.Client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: v1alpha1.LabelGuard})
	require.NoError(t, err)
	for _, pod := range list.Items {
		names = append(names, pod.Name)
	}
	return names
}

// waitNoGuards waits until there are none.
func (w *world) waitNoGuards(t *testing.T, namespace string) {
	t.Helper()
	w.Eventually(t, "waiting for guards to go", func(context.Context) string { return strings.Join(w.guards(t, namespace), ", ") })
}

// TestP5AGuardIsThereFromBeforeTheEvictionUntilAfterTheBind, so that a pod of another scheduler which waits for the room never sees it free.
func TestP5AGuardIsThereFromBeforeTheEvictionUntilAfterTheBind(t *testing.T) {
	w := newWorld(t)
	system := w.CreateNamespace(t, nil)
	unit := w.reserve(t, w.nodes(t, cpu("1"), "a")...)[0]
	w.StartHeadroom(t, guarded(t, system), nil)
	w.StartScheduler(t, schedulerharness.SchedulerOptions{})
	w.CreatePods(t, builders.Consumer("stock", cpu("1")).Obj())
	w.WaitUnschedulable(t, "stock")

	w.CreatePods(t, consumer("web", cpu("1")).Label("app", "web").Obj())
	w.WaitBound(t, "web")
	w.waitNoGuards(t, system)

	at := map[string]uint64{}
	for _, event := range w.judge(t) {
		pod := event.Pod
		switch {
		case pod == nil:
		case pod.Labels[v1alpha1.LabelGuard] != "" && event.Type == watch.Added:
			require.Equal(t, "n0", pod.Spec.NodeName)
			at["guard"] = event.Revision
		case pod.Labels[v1alpha1.LabelGuard] != "" && event.Type == watch.Deleted:
			at["no guard"] = event.Revision
		case pod.Name == unit && event.Type == watch.Deleted:
			at["eviction"] = event.Revision
		case pod.Name == "web" && pod.Spec.NodeName != "" && at["bind"] == 0:
			at["bind"] = event.Revision
		}
	}
	require.Len(t, at, 4, "%v", at)
	require.Less(t, at["guard"], at["eviction"])
	require.Less(t, at["eviction"], at["bind"])
	require.Less(t, at["bind"], at["no guard"])
	require.Empty(t, w.Pod(t, "stock").Spec.NodeName)
}

// TestALeftoverGuardGoesAndKeepsOwnPodsFromNothing has a guard that a killed scheduler left. It keeps the other scheduler's pods off the node,
// and none of its own scheduler's.
func TestALeftoverGuardGoesAndKeepsOwnPodsFromNothing(t *testing.T) {
	w := newWorld(t)
	system := w.CreateNamespace(t, nil)
	w.nodes(t, cpu("2"), "a")
	left := guard.Build(system, "n0", "pause", "killed")
	left.Name = "left"
	w.CreatePods(t, left)
	w.CreatePods(t, builders.Consumer("stock", cpu("1")).Obj(), consumer("own", cpu("1")).Obj())
	w.StartScheduler(t, schedulerharness.SchedulerOptions{})
	w.WaitUnschedulable(t, "stock")
	require.Equal(t, []string{"left"}, w.guards(t, system))

	faults, bound := schedulerharness.NewFaults(), make(chan struct{})
	release := sync.OnceFunc(func() { close(bound) })
	t.Cleanup(release)
	// On a busy machine the pod may be tried later than the guard is given up.
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if !removedGuard(r, strings.HasSuffix(r.Path, "/pods/left")) {
			return nil
		}
		return &schedulerharness.Fault{Before: func() error { <-bound; return nil }}
	})
	w.StartHeadroom(t, guarded(t, system), faults)

	w.WaitBound(t, "own")
	release()
	w.WaitBound(t, "stock")
	order := map[string]int{}
	for i, event := range w.judge(t) {
		if pod := event.Pod; pod != nil && order[pod.Name] == 0 && (pod.Name == "left" && event.Type == watch.Deleted ||
			pod.Name != "left" && pod.Spec.NodeName != "") {
			order[pod.Name] = i
		}
	}
	require.Less(t, order["own"], order["left"], "the guard was still there")
	require.Less(t, order["left"], order["stock"])
}

// TestTheLabelOfGuardsMeansNothingElsewhere has a pod of a tenant with the label and an anti-affinity, which holds for everybody.
func TestTheLabelOfGuardsMeansNothingElsewhere(t *testing.T) {
	w := newWorld(t)
	system := w.CreateNamespace(t, nil)
	w.nodes(t, cpu("2"), "a")
	w.CreatePods(t, guard.Build(w.Namespace, "n0", "pause", "a tenant"))
	w.StartHeadroom(t, guarded(t, system), nil)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())
	require.Contains(t, w.WaitUnschedulable(t, "web"), "anti-affinity")
	require.Len(t, w.guards(t, w.Namespace), 1)
}

// TestP9CrashSafeWithAGuard kills the scheduler at each step of a swap that has a guard, beside a stock scheduler whose pod waits, and starts
// another. The consumer must be bound, the guard must go, and then the other pod gets what is left.
func TestP9CrashSafeWithAGuard(t *testing.T) {
	for _, c := range []struct {
		name string
		at   func(r schedulerharness.Request, guards bool) bool
		sent bool
	}{
		{"before the guard", madeGuard, false},
		{"after the guard, its answer lost", madeGuard, true},
		{"before the eviction", evicted, false},
		{"after the eviction, its answer lost", evicted, true},
		{"before the bind", func(r schedulerharness.Request, _ bool) bool { return r.IsBind() }, false},
		{"after the bind, its answer lost", func(r schedulerharness.Request, _ bool) bool { return r.IsBind() }, true},
		{"before the guard goes", removedGuard, false},
		{"after the guard went, the answer lost", removedGuard, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			system := w.CreateNamespace(t, nil)
			units := w.reserve(t, w.nodes(t, cpu("1"), "a", "b")...)
			faults, crashed := schedulerharness.NewFaults(), make(chan struct{})
			faults.Inject(crashAt(faults, crashed, func(r schedulerharness.Request) bool {
				return c.at(r, strings.Contains(r.Path, "/namespaces/"+system+"/"))
			}, 1, c.sent))
			doomed := w.StartHeadroom(t, guarded(t, system), faults)
			w.StartScheduler(t, schedulerharness.SchedulerOptions{})
			w.CreatePods(t, builders.Consumer("stock", cpu("1")).Obj())
			w.WaitUnschedulable(t, "stock")
			w.CreatePods(t, consumer("web", cpu("1")).Label("app", "web").Obj())
			await(t, crashed, "the crash")
			doomed.Kill()
			left := len(w.guards(t, system))

			w.StartHeadroom(t, guarded(t, system), nil)

			w.WaitBound(t, "web")
			w.waitNoGuards(t, system)
			require.LessOrEqual(t, left, 1)
			require.Len(t, w.remaining(t, units), 1, "no more units go than one swap needs")
			w.CreateNodes(t, builders.Node("more", "a", cpu("1")).Obj())
			require.Equal(t, "more", w.WaitBound(t, "stock")["stock"])
			w.judge(t)
		})
	}
}

func madeGuard(r schedulerharness.Request, guards bool) bool {
	return guards && r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/pods")
}

func evicted(r schedulerharness.Request, guards bool) bool { return !guards && r.IsEviction() }

func removedGuard(r schedulerharness.Request, guards bool) bool { return guards && r.IsEviction() }

// TestABurstOnOneNodeSharesGuards, and consumers of one node do not wait for each other.
func TestABurstOnOneNodeSharesGuards(t *testing.T) {
	w := newWorld(t)
	system := w.CreateNamespace(t, nil)
	w.nodes(t, cpu("10"), "a")
	units := w.reserve(t, repeat(10, "n0")...)
	w.StartHeadroom(t, guarded(t, system), nil)
	w.StartScheduler(t, schedulerharness.SchedulerOptions{})
	w.CreatePods(t, builders.Consumer("stock", cpu("1")).Obj())
	w.WaitUnschedulable(t, "stock")
	var pods []*corev1.Pod
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprintf("web-%d", i))
		pods = append(pods, consumer(names[i], cpu("1")).Label("app", "web").Obj())
	}
	w.CreatePods(t, pods...)
	w.WaitBound(t, names...)
	w.waitNoGuards(t, system)
	require.Empty(t, w.remaining(t, units))
	w.requireOneAttempt(t, names...)
	require.Empty(t, w.Pod(t, "stock").Spec.NodeName)
}
