package scheduler

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// ordinary builds a pod that is no placeholder, bound to the node.
func ordinary(name, node, cpuRequest string, priority int32) *st.PodWrapper {
	return builders.Consumer(name, cpu(cpuRequest)).Node(node).Priority(priority).ZeroTerminationGracePeriod()
}

// letPreempt tells the observer that kube-scheduler's own preemption may take ordinary pods here.
func (w *world) letPreempt() {
	w.rules.MayBePreempted = func(*corev1.Pod) bool { return true }
	w.rules.MayVanish = func(*corev1.Pod) bool { return true }
}

func TestPreemptionStaysOrdinaryWhereNoHeadroomHelps(t *testing.T) {
	cases := []struct {
		name     string
		pods     []*st.PodWrapper // on n0 and n1, each of 2 cores
		consumer *st.PodWrapper
		wantNode string
		wantGone []string
	}{
		{
			name:     "the pods of lowest priority go",
			pods:     []*st.PodWrapper{ordinary("low", "n0", "2", -50), ordinary("high", "n1", "2", 50)},
			consumer: consumer("web", cpu("2")).Priority(100), wantNode: "n0", wantGone: []string{"low"},
		},
		{
			name:     "the node with the lowest highest victim is chosen",
			pods:     []*st.PodWrapper{ordinary("a", "n0", "1", 10), ordinary("b", "n0", "1", 1), ordinary("c", "n1", "1", 5), ordinary("d", "n1", "1", 5)},
			consumer: consumer("web", cpu("2")).Priority(100), wantNode: "n1", wantGone: []string{"c", "d"},
		},
		{
			name:     "no more pods go than are needed",
			pods:     []*st.PodWrapper{ordinary("a", "n0", "1", 1), ordinary("b", "n0", "1", 2), ordinary("c", "n1", "2", 100)},
			consumer: consumer("web", cpu("1")).Priority(100), wantNode: "n0", wantGone: []string{"a"},
		},
		{
			name:     "a pod goes that the consumer must not be beside",
			pods:     []*st.PodWrapper{ordinary("beside", "n0", "1", 1).Label("app", "db"), ordinary("full", "n1", "2", 200)},
			consumer: notBeside("db", consumer("web", cpu("1")).Priority(100)), wantNode: "n0", wantGone: []string{"beside"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.letPreempt()
			w.nodes(t, cpu("2"), "a", "b")
			var all []string
			for _, pod := range c.pods {
				all = append(all, w.place(t, pod))
			}
			w.startPlugin(t)
			w.CreatePods(t, c.consumer.Obj())

			require.Equal(t, c.wantNode, w.WaitBound(t, "web")["web"])

			left := w.remaining(t, all)
			require.Len(t, left, len(all)-len(c.wantGone))
			for _, name := range c.wantGone {
				require.NotContains(t, left, name)
			}
		})
	}
}

// notBeside keeps a pod off nodes with pods of the app.
func notBeside(app string, pod *st.PodWrapper) *st.PodWrapper {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	return pod.PodAntiAffinity(corev1.LabelHostname, selector, st.PodAntiAffinityWithRequiredReq)
}

func TestPreemptionSparesPodsOfEqualPriority(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("2"), "a")
	equal := w.place(t, ordinary("equal", "n0", "2", 100))
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("1")).Priority(100).Obj())

	w.WaitUnschedulable(t, "web")
	require.Equal(t, []string{equal}, w.remaining(t, []string{equal}))
}

func TestANominatedPodGivesWayToOneOfHigherPriority(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("2"), "a")
	victim := w.slowVictim(t)
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("2")).Priority(50).Obj())
	w.waitNominated(t, "web", "n0")
	w.CreatePods(t, consumer("vip", cpu("2")).Priority(100).Obj())
	w.waitNominated(t, "vip", "n0")
	w.remove(t, victim)

	require.Equal(t, "n0", w.WaitBound(t, "vip")["vip"])
	require.Empty(t, w.Pod(t, "web").Spec.NodeName)
}

func TestPreemptionIsNotForThoseWhoNeverPreempt(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("2"), "a")
	units := w.hold(t, "n0")
	low := w.place(t, ordinary("low", "n0", "1", -50))
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("1")).Priority(100).PreemptionPolicy(corev1.PreemptNever).Obj())

	w.WaitUnschedulable(t, "web")

	require.Equal(t, units, w.remaining(t, units), "neither a placeholder")
	require.Equal(t, []string{low}, w.remaining(t, []string{low}), "nor an ordinary pod goes")
}

func TestPodsThatNeverPreemptTakeTheHeadroomThatAllowsThem(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a", "a")
	deaf := w.hold(t, "n0")
	polite := v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow}
	units := w.fill(t, w.CreateHeadroom(t, builders.Headroom("polite", cpu("1")).Consumers(polite).Obj()), "n1")
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("1")).Priority(100).PreemptionPolicy(corev1.PreemptNever).Obj())

	require.Equal(t, "n1", w.WaitBound(t, "web")["web"])
	w.requireOneAttempt(t, "web")
	require.Empty(t, w.remaining(t, units))
	require.Equal(t, deaf, w.remaining(t, deaf), "by default such pods take nothing")
}

func TestHeadroomGoesBeforeOrdinaryPodsOfLowerPriority(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("2"), "a")
	units := w.hold(t, "n0")
	low := w.place(t, ordinary("low", "n0", "1", -100))
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	w.WaitBound(t, "web")

	require.Empty(t, w.remaining(t, units))
	require.Equal(t, []string{low}, w.remaining(t, []string{low}))
}

func TestPreemptionRespectsDisruptionBudgets(t *testing.T) {
	w := newWorld(t)
	w.letPreempt()
	w.nodes(t, cpu("2"), "a", "b")
	guarded := w.place(t, ordinary("guarded", "n0", "2", 1).Label("app", "guarded"))
	open := w.place(t, ordinary("open", "n1", "2", 5).Label("app", "open"))
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "guarded"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: ptr.To(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "guarded"}},
		},
	}
	created, err := w.Client.PolicyV1().PodDisruptionBudgets(w.Namespace).Create(t.Context(), budget, metav1.CreateOptions{})
	require.NoError(t, err)
	clustertest.ChangeStatus(t, w.Headrooms, created, func(b *policyv1.PodDisruptionBudget) {
		b.Status = policyv1.PodDisruptionBudgetStatus{CurrentHealthy: 1, DesiredHealthy: 1, ExpectedPods: 1, ObservedGeneration: 1}
	})
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("2")).Priority(100).Obj())

	require.Equal(t, "n1", w.WaitBound(t, "web")["web"], "although the pod there has the higher priority")
	require.Equal(t, []string{guarded}, w.remaining(t, []string{guarded, open}))
}

func TestPreemptionWaitsForGracefulVictimsAndKeepsTheirRoom(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("2"), "a", "a")
	victim := w.slowVictim(t)
	// A placeholder that the consumer may take, but that does not make the room, whatever becomes of the pods beside it.
	w.hold(t, "n1")
	w.place(t, ordinary("stays", "n1", "500m", 200))
	done := w.place(t, ordinary("done", "n1", "500m", 200))
	scheduler := w.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)
	w.CreatePods(t, consumer("web", cpu("2")).Priority(100).Obj())
	w.waitNominated(t, "web", "n0")
	w.Eventually(t, "waiting for the scheduler to see the victim leave: until then it keeps the consumer out of its queue", func(context.Context) string {
		for _, info := range scheduler.Cache.Dump().Nodes["n0"].GetPods() {
			if info.GetPod().Name == victim && info.GetPod().DeletionTimestamp == nil {
				return "it does not yet"
			}
		}
		return ""
	})

	// The next attempt, in vain. The nomination stays.
	w.remove(t, done)
	w.Eventually(t, "waiting for the next attempt", func(context.Context) string {
		if message := scheduledMessage(w.Pod(t, "web")); !strings.Contains(message, "terminating pod on the nominated node") {
			return message
		}
		return ""
	})
	require.Equal(t, "n0", w.Pod(t, "web").Status.NominatedNodeName)

	// A pod of lower priority comes while the victim takes its time. The room that becomes free is not for it.
	w.CreatePods(t, consumer("late", cpu("2")).Priority(10).Obj())
	w.WaitUnschedulable(t, "late")
	require.Empty(t, w.Pod(t, "web").Spec.NodeName)
	w.remove(t, victim)

	require.Equal(t, "n0", w.WaitBound(t, "web")["web"])
	require.Empty(t, w.Pod(t, "late").Spec.NodeName)
}

// TestAPodWhoseVictimsWentByAnotherHandIsBoundNevertheless is about pods that kube-scheduler's preemption forgets for five minutes.
func TestAPodWhoseVictimsWentByAnotherHandIsBoundNevertheless(t *testing.T) {
	w := newWorld(t)
	w.letPreempt()
	w.nodes(t, cpu("2"), "a")
	victims := []string{w.place(t, ordinary("a", "n0", "1", 1)), w.place(t, ordinary("b", "n0", "1", 1))}
	begun, gone := make(chan struct{}), make(chan struct{})
	begin, end := sync.OnceFunc(func() { close(begun) }), sync.OnceFunc(func() { close(gone) })
	t.Cleanup(end)
	faults := schedulerharness.NewFaults()
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if strings.HasSuffix(r.Path, "/pods/a/status") || strings.HasSuffix(r.Path, "/pods/b/status") {
			return &schedulerharness.Fault{Before: func() error { begin(); <-gone; return nil }}
		}
		return nil
	})
	scheduler := w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.CreatePods(t, consumer("web", cpu("2")).Priority(100).Obj())
	await(t, begun, "the first eviction")
	w.waitNominated(t, "web", "n0")
	for _, victim := range victims {
		w.remove(t, victim)
	}
	w.Eventually(t, "waiting for the scheduler to see the victims gone, while its preemption has not found out", func(context.Context) string {
		if pods := len(scheduler.Cache.Dump().Nodes["n0"].GetPods()); pods > 0 {
			return fmt.Sprintf("there are %d", pods)
		}
		return ""
	})
	end()
	w.WaitBound(t, "web")
}

// scheduledMessage returns what the pod's condition PodScheduled says.
func scheduledMessage(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			return condition.Message
		}
	}
	return "nothing yet"
}

func TestANominatedPodsRoomIsNotSwappedAway(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("3"), "a")
	units := w.hold(t, "n0")
	victim := w.slowVictim(t)
	w.startPlugin(t)
	// Needs the ordinary pod's room and the placeholder's.
	w.CreatePods(t, consumer("web", cpu("3")).Priority(100).Obj())
	w.waitNominated(t, "web", "n0")
	w.CreatePods(t, consumer("late", cpu("1")).Priority(10).Obj())
	w.WaitUnschedulable(t, "late")
	w.remove(t, victim)

	require.Equal(t, "n0", w.WaitBound(t, "web")["web"])
	require.Empty(t, w.remaining(t, units))
}
