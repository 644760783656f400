package headroom

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/accounts"
	"github.com/headroom-dev/headroom/pkg/controller/promised"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// onNodes is a scene with a unit on each of so many nodes.
func onNodes(t *testing.T, n int) *scene {
	t.Helper()
	s := newScene(t, webOf(int32(n))) //nolint:gosec // a handful
	for i := range n {
		name := fmt.Sprint("node-", i)
		require.NoError(t, s.api.Create(t.Context(), readyNode(name)))
		require.NoError(t, s.api.Create(t.Context(), placeholderOf(webOf(0), i, func(pod *corev1.Pod) { pod.Spec.NodeName = name })))
	}
	s.reconcile()
	require.Empty(t, s.writes())
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))
	return s
}

// node changes a node.
func (s *scene) node(name string, change func(*corev1.Node)) {
	s.t.Helper()
	node := readyNode(name)
	require.NoError(s.t, s.api.Get(s.t.Context(), client.ObjectKey{Name: name}, node))
	change(node)
	require.NoError(s.t, s.api.Update(s.t.Context(), node))
}

func cordoned(yes bool) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Spec.Unschedulable = yes }
}

func TestUnitsOnACordonedNodeAreNotReadyAndAreMadeElsewhereAfterAMinute(t *testing.T) {
	s := onNodes(t, 4)
	s.node("node-1", cordoned(true))
	retry := s.reconcile()
	require.Equal(t, time.Minute, retry)
	require.Empty(t, s.writes())
	status := s.headroom().Status
	require.EqualValues(t, 3, status.ReadyReplicas)
	require.EqualValues(t, 1, status.UnavailableReplicas)
	require.Equal(t, v1alpha1.ReasonUnavailable, s.reason(v1alpha1.ConditionFilled))
	s.Accounts.(*accounts.Keeper).Read(client.ObjectKeyFromObject(s.headroom()), func(a *account.Account) {
		require.Equal(t, 3, *a.Hours()[0].Lowest, "the account, too, counts what could be taken")
	})

	s.clock.Step(retry)
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-4"}, s.writes())
	s.all(func(pod *corev1.Pod) {
		if pod.Spec.NodeName == "" {
			bind(pod)
		}
	})
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))
	require.EqualValues(t, 5, s.headroom().Status.Replicas)
	require.EqualValues(t, 4, s.headroom().Status.ScaleReplicas)

	s.node("node-1", cordoned(false))
	retry = s.reconcile()
	require.Equal(t, 5*time.Minute, retry)
	require.Empty(t, s.writes(), "the node may go again")
	s.clock.Step(retry)
	s.reconcile()
	require.Len(t, s.writes(), 1, "one unit too many goes")
	require.Len(t, s.pods(), 4)
}

// TestWhatOnlyAdmissionToleratesIsNotAvailable: units may carry more tolerations than the spec names, by an admission plugin or by the
// controller of DaemonSets; consumers do not.
func TestWhatOnlyAdmissionToleratesIsNotAvailable(t *testing.T) {
	s := onNodes(t, 2)
	s.all(func(pod *corev1.Pod) {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists})
	})
	s.node("node-0", cordoned(true))
	s.reconcile()
	require.EqualValues(t, 1, s.headroom().Status.ReadyReplicas)
	require.EqualValues(t, 1, s.headroom().Status.UnavailableReplicas)
}

// waits is a pod of one CPU that waits for a node.
func waits(node string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api", UID: "api"}}
	pod.Spec.Containers = []corev1.Container{{
		Name: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("1")}},
	}}
	pod.Spec.Priority, pod.Status.NominatedNodeName = ptr.To[int32](100), node
	return pod
}

// allocatable gives a node so many CPUs and room for ten pods.
func (s *scene) allocatable(name, cpu string) {
	s.t.Helper()
	node := readyNode(name)
	require.NoError(s.t, s.api.Get(s.t.Context(), client.ObjectKey{Name: name}, node))
	node.Status.Allocatable = corev1.ResourceList{"cpu": resource.MustParse(cpu), "pods": resource.MustParse("10")}
	require.NoError(s.t, s.api.Status().Update(s.t.Context(), node))
}

func TestAUnitThatIsPromisedToAPodThatWaitsIsNotReady(t *testing.T) {
	s := onNodes(t, 2)
	s.allocatable("node-0", "1500m")
	s.nominations.Saw(waits("node-0"))
	require.Equal(t, promised.Settle, s.reconcile(), "whatever else wakes it")
	require.EqualValues(t, 2, s.headroom().Status.ReadyReplicas, "as a rule it is bound within moments")
	s.clock.Step(promised.Settle)
	s.reconcile()
	status := s.headroom().Status
	require.EqualValues(t, 1, status.ReadyReplicas)
	require.EqualValues(t, 1, status.UnavailableReplicas)
	require.Equal(t, v1alpha1.ReasonUnavailable, s.reason(v1alpha1.ConditionFilled))
	require.Contains(t, s.message(v1alpha1.ConditionFilled), "1 unavailable (one on node node-0 is promised to a pod that waits)")

	s.clock.Step(time.Minute)
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-2"}, s.writes(), "another in its place")

	s.nominations.Gone("api")
	s.reconcile()
	require.Zero(t, s.headroom().Status.UnavailableReplicas)
}

// member is a pod of app=web that waits in a group for its node.
func member(uid types.UID, node string) *corev1.Pod {
	pod := waits(node)
	pod.UID, pod.Spec.Priority = uid, ptr.To[int32](0)
	pod.Labels = map[string]string{"app": "web", "scheduling.x-k8s.io/pod-group": "training"}
	return pod
}

// TestReservedUnitsThatArePromisedToAGroupAreLeftAlone has four units, two of which a group of two is to have, which their priority is above.
func TestReservedUnitsThatArePromisedToAGroupAreLeftAlone(t *testing.T) {
	h := webOf(4)
	h.Spec.Reserved = true
	h.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	class := &schedulingv1.PriorityClass{
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.ReservedPriorityClassName}, Value: 1_000_000, PreemptionPolicy: ptr.To(corev1.PreemptNever),
	}
	s := newScene(t, h, class)
	s.Limits.AllowReserved = true
	for i := range 4 {
		name := fmt.Sprint("node-", i)
		require.NoError(t, s.api.Create(t.Context(), readyNode(name)))
		s.allocatable(name, "1")
		require.NoError(t, s.api.Create(t.Context(), placeholderOf(h, i, func(pod *corev1.Pod) {
			pod.Spec.NodeName, pod.Spec.Priority = name, ptr.To[int32](1_000_000)
		})))
	}
	s.reconcile()
	require.EqualValues(t, 4, s.headroom().Status.ReadyReplicas)
	stranger := member("stranger", "node-0")
	stranger.Labels["app"] = "db"
	s.nominations.Saw(stranger)
	s.reconcile()
	require.EqualValues(t, 4, s.headroom().Status.ReadyReplicas, "they are for others")

	s.nominations.Saw(member("a", "node-2"))
	s.nominations.Saw(member("b", "node-3"))
	s.reconcile()
	status := s.headroom().Status
	require.EqualValues(t, 2, status.ReadyReplicas)
	require.EqualValues(t, 2, status.UnavailableReplicas)
	require.Empty(t, s.writes())

	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Requests["memory"] = resource.MustParse("1Gi") })
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576", "delete Pod web-headroom-1", "create Pod web-headroom-4"}, s.writes(), "a rollout takes another")
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](1) })
	s.reconcile()
	require.Equal(t, []string{"delete Pod web-headroom-4", "delete Pod web-headroom-0"}, s.writes(), "and so does a smaller number")
	s.reconcile()
	require.Empty(t, s.writes())

	s.nominations.Gone("b")
	s.reconcile()
	require.Equal(t, []string{"delete Pod web-headroom-3"}, s.writes(), "the group has given it back")
}

func TestAUnitBesideWhichAWaitingPodFitsIsReady(t *testing.T) {
	s := onNodes(t, 1)
	leaving := placeholderOf(webOf(0), 7, func(pod *corev1.Pod) { // it makes the room
		pod.Spec.NodeName, pod.Finalizers = "node-0", []string{"example.com/hold"}
	})
	require.NoError(t, s.api.Create(t.Context(), leaving))
	require.NoError(t, s.api.Delete(t.Context(), leaving))
	s.allocatable("node-0", "2")
	s.nominations.Saw(waits("node-0"))
	s.clock.Step(promised.Settle)
	s.reconcile()
	require.EqualValues(t, 1, s.headroom().Status.ReadyReplicas)
	require.Zero(t, s.headroom().Status.UnavailableReplicas)
}

// TestAUnitThatTheControllerDeletesMakesRoomForAWaitingPod: the API server may still list it. That it is not of lower priority keeps it from
// being taken instead.
func TestAUnitThatTheControllerDeletesMakesRoomForAWaitingPod(t *testing.T) {
	s := onNodes(t, 1)
	leaving := placeholderOf(webOf(0), 7, func(pod *corev1.Pod) { pod.Spec.NodeName, pod.Spec.Priority = "node-0", ptr.To[int32](100) })
	require.NoError(t, s.api.Create(t.Context(), leaving))
	s.expectations.expectDeleted(leaving.UID, topup.ReasonSurplus)
	s.allocatable("node-0", "2")
	s.nominations.Saw(waits("node-0"))
	s.clock.Step(promised.Settle)
	s.reconcile()
	require.EqualValues(t, 1, s.headroom().Status.ReadyReplicas)
	require.Zero(t, s.headroom().Status.UnavailableReplicas)
}

func TestAControllerOfSomeNamespacesAsksForTheirPodsAlone(t *testing.T) {
	s := onNodes(t, 1)
	elsewhere := waits("")
	elsewhere.Namespace, elsewhere.Name, elsewhere.UID, elsewhere.Spec.NodeName = "bank", "db", "db", "node-0"
	require.NoError(t, s.api.Create(t.Context(), elsewhere))
	s.allocatable("node-0", "2")
	s.nominations.Saw(waits("node-0"))
	s.clock.Step(promised.Settle)
	s.Namespaces = []string{"shop"}
	s.reconcile()
	require.Zero(t, s.headroom().Status.UnavailableReplicas, "it may not look at others")
	s.Namespaces = nil
	s.reconcile()
	require.EqualValues(t, 1, s.headroom().Status.UnavailableReplicas)
}

// timedQueue tells after how long a Headroom is to be looked at.
type timedQueue struct {
	podQueue
	after chan time.Duration
}

func (q timedQueue) AddAfter(_ reconcile.Request, after time.Duration) { q.after <- after }

func TestTheHeadroomsOfANodeAreLookedAtWhenANominationCounts(t *testing.T) {
	s := onNodes(t, 1)
	q := timedQueue{podQueue: newQueue(t), after: make(chan time.Duration)}
	require.NoError(t, s.wakeUp(t.Context(), q))
	for after, want := range map[time.Duration]time.Duration{promised.Settle: promised.Settle, 0: settle} {
		s.nodes <- nodeWake{node: "node-0", after: after}
		require.Equal(t, want, <-q.after)
	}
}

func TestUnavailableUnitsGoFirst(t *testing.T) {
	s := onNodes(t, 4)
	s.node("node-0", cordoned(true))
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](3) })
	s.reconcile()
	require.Equal(t, []string{"delete Pod web-headroom-0"}, s.writes())
}

func TestNodesThatKarpenterConsolidatesAddNoUnit(t *testing.T) {
	s := onNodes(t, 12)
	for i := range 3 {
		s.node(fmt.Sprint("node-", i), func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: "karpenter.sh/disrupted", Effect: corev1.TaintEffectNoSchedule}}
		})
	}
	s.reconcile()
	s.clock.Step(time.Hour)
	s.reconcile()
	require.Empty(t, s.writes())
	require.EqualValues(t, 3, s.headroom().Status.UnavailableReplicas)
}

func TestUnitsOfAPriorityClassThatWasMadeAnewAreReplacedWithBackOff(t *testing.T) {
	s := onNodes(t, 4)
	s.all(func(pod *corev1.Pod) { pod.Spec.Priority = ptr.To[int32](-9) }) // the class says -5
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576", "delete Pod web-headroom-3", "create Pod web-headroom-4"}, s.writes())
	require.EqualValues(t, 3, s.headroom().Status.OutdatedReplicas)
	deleted, _ := s.counted("headroom_placeholders_deleted_total")
	require.InDelta(t, 1, deleted, 0)

	// Admission gives the new one the same as the old ones.
	writes := 0
	for range 200 {
		s.all(func(pod *corev1.Pod) {
			pod.Spec.Priority = ptr.To[int32](-9)
			if pod.Spec.NodeName == "" {
				bind(pod)
			}
		})
		s.reconcile()
		for _, write := range s.writes() {
			if write[:6] == "delete" {
				writes++
			}
		}
		s.clock.Step(3 * time.Second)
	}
	require.LessOrEqual(t, writes, 16, "1, 2, 4 ... 60, 60 ... seconds apart")
	require.GreaterOrEqual(t, writes, 10)
}

func TestWhatIsInjectedIsToldOfAndCounted(t *testing.T) {
	s := onNodes(t, 1)
	s.all(func(pod *corev1.Pod) {
		pod.Spec.InitContainers = []corev1.Container{{
			Name: "proxy", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways),
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("500m")}},
		}}
	})
	s.deviations.failed(web, 1, nil) // it was tried a moment ago
	s.reconcile()
	require.Empty(t, s.writes())
	status := s.headroom().Status
	require.EqualValues(t, 1, status.OutdatedReplicas)
	cpu := status.Capacity["cpu"]
	require.Equal(t, "1500m", cpu.String(), "what the node has given away")
	require.Equal(t, v1alpha1.ReasonRollingOut, s.reason(v1alpha1.ConditionFilled))
}

func TestARealPodDressedUpAsAPlaceholderIsNeitherCountedNorTouched(t *testing.T) {
	h := webOf(1)
	dressedUp := placeholderOf(h, 0, func(pod *corev1.Pod) {
		pod.Spec.Priority, pod.Spec.PriorityClassName = ptr.To[int32](1000), "urgent"
	})
	s := newScene(t, h, dressedUp)
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-1"}, s.writes())
	require.Zero(t, s.headroom().Status.ReadyReplicas)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](0) })
	s.reconcile()
	require.Equal(t, []string{"delete Pod web-headroom-1"}, s.writes())
	require.NotNil(t, metav1.GetControllerOf(dressedUp))
}

func TestOnlyWhatMattersOfANodeIsLookedAt(t *testing.T) {
	changed := func(change func(*corev1.Node)) bool {
		before, after := readyNode("n"), readyNode("n")
		change(after)
		return nodeChanged().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after})
	}
	require.False(t, changed(func(n *corev1.Node) { n.ResourceVersion = "8" }), "a heartbeat")
	require.True(t, changed(cordoned(true)))
	require.True(t, changed(func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }))
	require.True(t, changed(func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "a"}} }))
	require.True(t, changed(func(n *corev1.Node) { n.Labels["a"] = "b" }))
	require.True(t, changed(func(n *corev1.Node) { n.DeletionTimestamp = ptr.To(metav1.Now()) }))
}

// observedAccounts notes what it was told of last.
type observedAccounts struct {
	Accounts
	ready, missing int
}

func (a *observedAccounts) Observed(headroom types.NamespacedName, generation int64, ready, missing int, at time.Time) {
	a.ready, a.missing = ready, missing
	a.Accounts.Observed(headroom, generation, ready, missing, at)
}

// TestAUnitThatCannotBeTakenIsNotMissing: it is there, and nothing that is bound refills it.
func TestAUnitThatCannotBeTakenIsNotMissing(t *testing.T) {
	s := onNodes(t, 2)
	told := &observedAccounts{Accounts: s.Accounts}
	s.Accounts = told
	s.node("node-1", cordoned(true))
	s.reconcile()
	require.Equal(t, 1, told.ready)
	require.Zero(t, told.missing)
}
