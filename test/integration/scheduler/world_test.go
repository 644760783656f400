// Package scheduler tests the scheduler with the Headroom plugin against a real API server: each property of the design by name, what can
// go wrong in the middle of a swap, crashes, and what has to stay as stock kube-scheduler does it.
package scheduler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/observer"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

func TestMain(m *testing.M) { schedulerharness.Main(m, schedulerharness.Options{}) }

// cpu is short for a request of CPU.
func cpu(quantity string) builders.Resources { return builders.Resources{corev1.ResourceCPU: quantity} }

// world is a cluster under observation.
type world struct {
	*schedulerharness.Cluster
	observer *observer.Observer
	rules    observer.Rules
	judged   bool
	history  observer.History
}

// newWorld returns an empty cluster that is watched until the test ends; what the observer then finds fails the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Cluster: schedulerharness.New(t)}
	var err error
	// Not the test's context: that ends before the test's cleanups run.
	w.observer, err = observer.Watch(context.WithoutCancel(t.Context()), w.Config)
	require.NoError(t, err)
	w.rules.DaemonSets = w.observer.HeadroomOfDaemonSet
	// What a test puts on a node itself is its own business.
	w.rules.IgnoreBind = func(pod *corev1.Pod) bool { return pod.Annotations[placedByTest] != "" }
	t.Cleanup(func() { w.judge(t) })
	return w
}

// placedByTest marks pods that a test bound itself.
const placedByTest = "test.headroom.dev/placed"

// judge ends the observation, fails the test for what the observer finds, and returns the history. It may be called more than once.
func (w *world) judge(t *testing.T) observer.History {
	t.Helper()
	if w.judged {
		return w.history
	}
	w.judged = true
	var err error
	w.history, err = w.observer.Stop(context.WithoutCancel(t.Context()))
	require.NoError(t, err)
	for _, violation := range observer.Check(context.WithoutCancel(t.Context()), w.history, w.rules) {
		t.Errorf("%s", violation)
	}
	return w.history
}

// requireOneAttempt fails the test if one of the pods ever showed PodScheduled=False. It ends the observation.
func (w *world) requireOneAttempt(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		require.False(t, w.everUnschedulable(t, name), "P6: pod %s was not bound by its first attempt", name)
	}
}

// everUnschedulable reports whether a pod ever showed PodScheduled=False. It ends the observation.
func (w *world) everUnschedulable(t *testing.T, name string) bool {
	t.Helper()
	return slices.ContainsFunc(w.judge(t), func(event observer.Event) bool {
		return event.Pod != nil && event.Pod.Name == name && slices.ContainsFunc(event.Pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse
		})
	})
}

// startPlugin starts a scheduler with the plugin, deployment B.
func (w *world) startPlugin(t *testing.T) {
	t.Helper()
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)
}

// consumer builds a pod for the profile with the plugin.
func consumer(name string, requests builders.Resources) *st.PodWrapper {
	return builders.Consumer(name, requests).SchedulerName(schedulerharness.HeadroomScheduler)
}

// onlyFor admits the pods of one app.
func onlyFor(app string) v1alpha1.Consumers {
	return v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}
}

// hold creates the Headroom spare, of units of one core that are open to all, puts one on each of the nodes and returns their names.
func (w *world) hold(t *testing.T, nodes ...string) []string {
	t.Helper()
	return w.fill(t, w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj()), nodes...)
}

// fill puts the next placeholders of the Headroom on the nodes, one each, and returns their names.
func (w *world) fill(t *testing.T, h *v1alpha1.Headroom, nodes ...string) []string {
	t.Helper()
	var names []string
	for _, node := range nodes {
		names = append(names, w.place(t, builders.Placeholder(h, w.placeholders(t, h)).Node(node)))
	}
	return names
}

// waitNominated waits until kube-scheduler's preemption makes room for the pod on the node.
func (w *world) waitNominated(t *testing.T, pod, node string) {
	t.Helper()
	w.Eventually(t, "waiting for the nomination", func(context.Context) string {
		if got := w.Pod(t, pod).Status.NominatedNodeName; got != node {
			return fmt.Sprintf("it is %q", got)
		}
		return ""
	})
}

// await waits for the signal that a fault gives, as long as a test waits for anything.
func await(t *testing.T, signal <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-signal:
	case <-time.After(schedulerharness.Timeout):
		require.Fail(t, "waited in vain for "+what)
	}
}

func (w *world) placeholders(t *testing.T, h *v1alpha1.Headroom) int {
	t.Helper()
	list, err := w.Client.CoreV1().Pods(h.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: v1alpha1.LabelHeadroom + "=" + h.Name})
	require.NoError(t, err)
	return len(list.Items)
}

// place creates a pod that is bound from birth and returns its name.
func (w *world) place(t *testing.T, pod *st.PodWrapper) string {
	t.Helper()
	return w.CreatePods(t, pod.Annotation(placedByTest, "true").Obj())[0].Name
}

// remove ends a pod at once, as a kubelet does after its grace period.
func (w *world) remove(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, w.Client.CoreV1().Pods(w.Namespace).Delete(t.Context(), name, *metav1.NewDeleteOptions(0)))
}

// slowVictim creates an ordinary pod of two cores on n0 that takes its time to go, and returns its name.
func (w *world) slowVictim(t *testing.T) string {
	t.Helper()
	w.letPreempt()
	return w.place(t, ordinary("victim", "n0", "2", 1).TerminationGracePeriodSeconds(30))
}

// nodes creates one node of that size in each zone given, n0, n1, ..., and returns their names.
func (w *world) nodes(t *testing.T, size builders.Resources, zones ...string) []string {
	t.Helper()
	var names []string
	for i, zone := range zones {
		name := fmt.Sprintf("n%d", i)
		w.CreateNodes(t, builders.Node(name, zone, size).Obj())
		names = append(names, name)
	}
	return names
}

// remaining returns which of the pods still exist and are not being deleted, in the order given.
func (w *world) remaining(t *testing.T, names []string) []string {
	t.Helper()
	pods := w.Pods(t)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return pods[name] == nil || pods[name].DeletionTimestamp != nil })
}

// evictionsOf lists the pods whose deletion the scheduler has asked for, in order.
func evictionsOf(faults *schedulerharness.Faults) []string {
	var names []string
	for _, write := range faults.Writes() {
		if write.IsEviction() {
			names = append(names, write.Path[strings.LastIndex(write.Path, "/")+1:])
		}
	}
	return names
}

// zonesOf counts the placeholders that remain in each zone.
func (w *world) zonesOf(t *testing.T, names []string) map[string]int {
	t.Helper()
	nodes, err := w.Client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	zone := map[string]string{}
	for _, node := range nodes.Items {
		zone[node.Name] = node.Labels[corev1.LabelTopologyZone]
	}
	pods, counts := w.Pods(t), map[string]int{}
	for _, name := range w.remaining(t, names) {
		counts[zone[pods[name].Spec.NodeName]]++
	}
	return counts
}

// boundConsumers waits for that many pods that are no placeholders to be bound.
func (w *world) boundConsumers(t *testing.T, want int) func(context.Context) string {
	return func(context.Context) string {
		bound := 0
		for _, pod := range w.Pods(t) {
			if pod.Labels[v1alpha1.LabelHeadroom] == "" && pod.Spec.NodeName != "" {
				bound++
			}
		}
		if bound != want {
			return fmt.Sprintf("%d of %d consumers are bound", bound, want)
		}
		return ""
	}
}
