// Package gangs tests that the groups of pods that scheduler-plugins knows take headroom for all of their members or for none.
package gangs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/gang"
	"github.com/headroom-dev/headroom/pkg/scheduler/headroom"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/observer"
	"github.com/headroom-dev/headroom/test/podgroups"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

func TestMain(m *testing.M) { schedulerharness.Main(m, schedulerharness.Options{}) }

var oneCPU = builders.Resources{corev1.ResourceCPU: "1"}

// world is a cluster with PodGroups.
type world struct {
	*schedulerharness.Cluster
	groups ctrlclient.Client
	spare  *v1alpha1.Headroom
	held   int
	// probes counts the pods that seen made.
	probes int
}

// newWorld returns a cluster with a Headroom of units of one core, which an observer judges when the test ends.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Cluster: schedulerharness.New(t)}
	var err error
	w.groups, err = podgroups.Install(w.Config)
	require.NoError(t, err)
	observer.Require(t, w.Config, observer.Rules{
		IgnoreBind: func(pod *corev1.Pod) bool { return pod.Labels[v1alpha1.LabelHeadroom] != "" },
		Names:      func(_, pod *corev1.Pod) bool { return pod.Labels["app"] == "web" },
		MayVanish:  func(pod *corev1.Pod) bool { return pod.Labels[gang.Label] != "" }, // by the hand of a test
	})
	w.spare = w.CreateHeadroom(t, builders.Headroom("spare", oneCPU).Obj())
	return w
}

// units makes nodes that are full of one unit each and returns the names of the units.
func (w *world) units(t *testing.T, count int) (names []string) {
	t.Helper()
	for range count {
		node := fmt.Sprintf("n%d", w.held)
		// The unit first, so that the room is never free.
		names = append(names, w.CreatePods(t, builders.Placeholder(w.spare, w.held).Node(node).Obj())[0].Name)
		w.CreateNodes(t, builders.Node(node, "a", oneCPU).Obj())
		w.held++
	}
	return names
}

// lateUnit makes one more node that is full of a unit, while a scheduler runs and members of a group wait for room.
func (w *world) lateUnit(t *testing.T) {
	t.Helper()
	node := fmt.Sprintf("n%d", w.held)
	w.CreatePods(t, builders.Placeholder(w.spare, w.held).Node(node).Obj())
	w.seen(t, schedulerharness.HeadroomScheduler)
	w.CreateNodes(t, builders.Node(node, "a", oneCPU).Obj())
	w.held++
}

// seen waits until a scheduler that runs knows of all pods that exist: it has tried a later one, which fits nowhere. It hears of nodes and of
// pods by watches of their own, and would take a new node for free if it heard of that before the unit on it.
func (w *world) seen(t *testing.T, scheduler string) {
	t.Helper()
	w.probes++
	name := fmt.Sprintf("later-%d", w.probes)
	w.CreatePods(t, builders.Consumer(name, builders.Resources{corev1.ResourceCPU: "10"}).SchedulerName(scheduler).Obj())
	w.WaitUnschedulable(t, name)
}

func (w *world) start(t *testing.T) {
	t.Helper()
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)
}

// group creates a PodGroup.
func (w *world) group(t *testing.T, name string, minMember int, change ...func(*schedulingv1alpha1.PodGroupSpec)) {
	t.Helper()
	group := &schedulingv1alpha1.PodGroup{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: name}}
	group.Spec.MinMember = int32(minMember)
	for _, change := range change {
		change(&group.Spec)
	}
	require.NoError(t, w.groups.Create(t.Context(), group))
}

// namesOf returns the names of the first members of a group.
func namesOf(group string, count int) (names []string) {
	for i := range count {
		names = append(names, fmt.Sprintf("%s-%d", group, i))
	}
	return names
}

// memberOf builds a pod of one core that is labeled as a member of a group.
func memberOf(group, name string) *st.PodWrapper {
	return builders.Consumer(name, oneCPU).SchedulerName(schedulerharness.HeadroomScheduler).Label(gang.Label, group)
}

// members creates the first members of a group.
func (w *world) members(t *testing.T, group string, count int) []string {
	t.Helper()
	names := namesOf(group, count)
	for _, name := range names {
		w.CreatePods(t, memberOf(group, name).Obj())
	}
	return names
}

// remaining returns which of the pods exist and are not being deleted.
func (w *world) remaining(t *testing.T, names []string) []string {
	t.Helper()
	pods := w.Pods(t)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return pods[name] == nil || pods[name].DeletionTimestamp != nil })
}

// bound returns which of the pods have a node.
func (w *world) bound(t *testing.T, names []string) []string {
	t.Helper()
	pods := w.Pods(t)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return pods[name] == nil || pods[name].Spec.NodeName == "" })
}

// waitUnschedulable waits until the scheduler says of a pod that it is unschedulable, in these words among others.
func (w *world) waitUnschedulable(t *testing.T, name, words string) {
	t.Helper()
	w.Eventually(t, "waiting for a pod to be unschedulable", func(context.Context) string {
		for _, condition := range w.Pod(t, name).Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && strings.Contains(condition.Message, words) {
				return ""
			}
		}
		return fmt.Sprintf("%s: %v", name, w.Pod(t, name).Status.Conditions)
	})
}

// waitNominated waits until these pods, and no others of the test, wait in Permit: kube-scheduler nominates them to their nodes then.
func (w *world) waitNominated(t *testing.T, names ...string) {
	t.Helper()
	w.Eventually(t, "waiting for pods to be nominated", func(context.Context) string {
		var nominated []string
		for name, pod := range w.Pods(t) {
			if pod.Spec.NodeName == "" && pod.Status.NominatedNodeName != "" {
				nominated = append(nominated, name)
			}
		}
		slices.Sort(nominated)
		if !slices.Equal(nominated, names) {
			return fmt.Sprint(nominated)
		}
		return ""
	})
}

// waiters are which groups wait in Permit, by the history of the API server.
type waiters struct {
	watch watch.Interface
	done  chan struct{}
	both  []string
}

// watchWaiters records from now on every moment in which members of more than one group wait in Permit.
func (w *world) watchWaiters(t *testing.T) *waiters {
	t.Helper()
	list, err := w.Client.CoreV1().Pods(w.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	watched, err := w.Client.CoreV1().Pods(w.Namespace).Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	require.NoError(t, err)
	r := &waiters{watch: watched, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		waiting := map[string]string{}
		for event := range watched.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if !ok || pod.Labels[gang.Label] == "" {
				continue
			}
			delete(waiting, pod.Name)
			if event.Type != watch.Deleted && pod.Spec.NodeName == "" && pod.Status.NominatedNodeName != "" {
				waiting[pod.Name] = pod.Labels[gang.Label]
			}
			for name, group := range waiting {
				if group != pod.Labels[gang.Label] && waiting[pod.Name] != "" {
					r.both = append(r.both, name+" and "+pod.Name)
				}
			}
		}
	}()
	return r
}

// stop ends the record and returns which pods of different groups waited at the same time.
func (r *waiters) stop() []string {
	r.watch.Stop()
	<-r.done
	return r.both
}

// gate is a plugin of a scheduler that holds it up in Reserve, which no dry run calls, when so many members of groups have come there.
type gate struct {
	members int
	reached chan string
	open    chan struct{}
	opened  sync.Once
}

func (*gate) Name() string { return "Gate" }

func (g *gate) Reserve(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, _ string) *fwk.Status {
	if pod.Labels[gang.Label] == "" {
		return nil
	}
	if g.members--; g.members == 0 {
		g.reached <- pod.Name
		<-g.open
	}
	return nil
}

func (*gate) Unreserve(context.Context, fwk.CycleState, *corev1.Pod, string) {}

// Open lets the scheduler go on. It may be called again.
func (g *gate) Open() { g.opened.Do(func() { close(g.open) }) }

// startGated starts a scheduler that is held up in the cycle of the last of so many members, while the others wait. It returns the name of
// that one when that is so, and what others the group has.
func (w *world) startGated(t *testing.T, members []string, faults *schedulerharness.Faults) (
	scheduler *schedulerharness.Scheduler, g *gate, last string, others []string,
) {
	t.Helper()
	g = &gate{members: len(members), reached: make(chan string, 1), open: make(chan struct{})}
	cfg := schedulerharness.SecondScheduler(t)
	cfg.Profiles[0].Plugins.Reserve.Enabled = append(cfg.Profiles[0].Plugins.Reserve.Enabled, config.Plugin{Name: g.Name()})
	scheduler = w.StartScheduler(t, schedulerharness.SchedulerOptions{Config: cfg, Faults: faults, Registry: frameworkruntime.Registry{
		headroom.Name: headroom.New, headroom.QueueSortName: headroom.NewQueueSort,
		g.Name(): func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error) { return g, nil },
	}})
	t.Cleanup(g.Open)
	w.Eventually(t, "waiting for the scheduler to be held up", func(context.Context) string {
		select {
		case last = <-g.reached:
			return ""
		default:
			return "the last member has not come so far"
		}
	})
	others = slices.DeleteFunc(slices.Clone(members), func(name string) bool { return name == last })
	return scheduler, g, last, others
}
