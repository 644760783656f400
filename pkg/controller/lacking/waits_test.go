package lacking

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
)

// newTold has a Watcher that knows one Headroom, whose units are of one CPU.
func newTold(t *testing.T) (*Watcher, *book) {
	t.Helper()
	accounts := &book{}
	return &Watcher{
		Namespaces: []string{"shop"}, Accounts: accounts, Clock: testingclock.NewFakeClock(epoch), waiting: map[types.UID]*waiting{},
		known: []Headroom{headroom(t, "open", nil, list("cpu", "1"))}, asOf: epoch,
	}, accounts
}

func TestAPodIsToldThatThereIsNoRoomWhereASchedulerTriedIt(t *testing.T) {
	for name, change := range map[string]func(*corev1.PodCondition){
		"it is gated":           func(c *corev1.PodCondition) { c.Reason = corev1.PodReasonSchedulingGated },
		"the scheduler failed":  func(c *corev1.PodCondition) { c.Reason = corev1.PodReasonSchedulerError },
		"it was scheduled then": func(c *corev1.PodCondition) { c.Status = corev1.ConditionTrue },
	} {
		t.Run(name, func(t *testing.T) {
			pod := toldPod()
			change(&pod.Status.Conditions[0])
			at, said := told(pod)
			require.Zero(t, at)
			require.Empty(t, said)
		})
	}
}

func TestUnitsThatWaitForANodeLackNoUnits(t *testing.T) {
	w, accounts := newTold(t)
	unit := toldPod()
	unit.Labels = map[string]string{v1alpha1.LabelHeadroom: "open"}
	handler{w, t.Context()}.OnAdd(unit, false)
	require.Empty(t, accounts.missed)
	_, waits := w.Waiting(unit.UID)
	require.False(t, waits)
}

func TestShortIsAYoungPodThatLacksRoomWhereTheUnitsWouldGo(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*corev1.Pod)
		age    time.Duration
		want   bool
	}{
		"it was just created":            {want: true},
		"it was almost ten minutes ago":  {age: 10*time.Minute - time.Second, want: true},
		"it was ten minutes ago":         {age: 10 * time.Minute},
		"it may go there only":           {change: func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"pool": "a"} }, want: true},
		"it may not go there":            {change: func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"pool": "b"} }},
		"nobody told it":                 {change: func(p *corev1.Pod) { p.Status.Conditions = nil }},
		"it waits for something else":    {change: func(p *corev1.Pod) { p.Status.Conditions[0].Message = "0/3 nodes are available: 3 node(s) had taints." }},
		"headroom is there, but no help": {change: func(p *corev1.Pod) { p.Status.Conditions[0].Message += " 1 would have the room, but do not suit it" }},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := newTold(t)
			pod := toldPod()
			pod.CreationTimestamp = metav1.NewTime(epoch)
			if tc.change != nil {
				tc.change(pod)
			}
			h := handler{w, t.Context()}
			h.OnAdd(pod, false)
			require.Equal(t, tc.want, w.Short(epoch.Add(tc.age), map[string]string{"pool": "a"}))
			h.OnDelete(pod)
			require.False(t, w.Short(epoch.Add(tc.age), map[string]string{"pool": "a"}), "it is gone")
		})
	}
}

// TestWhatIsKeptOfAPodDecidesLikeThePod has every field that the decision reads.
func TestWhatIsKeptOfAPodDecidesLikeThePod(t *testing.T) {
	pod := toldPod()
	pod.Labels = map[string]string{"app": "api"}
	pod.CreationTimestamp = metav1.NewTime(epoch)
	pod.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "api", UID: "rs", Controller: ptr.To(true)}}
	pod.Spec.NodeSelector = map[string]string{"pool": "a"}
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: pools(corev1.NodeSelectorOpIn, "a")},
	}}
	pod.Spec.Priority, pod.Spec.PreemptionPolicy = ptr.To[int32](7), ptr.To(corev1.PreemptNever)
	pod.Spec.RuntimeClassName, pod.Spec.Overhead = ptr.To("kata"), list("cpu", "250m")
	pod.Spec.Containers[0].Resources.Requests = list("cpu", "1", "memory", "1Gi")
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
		Resources: corev1.ResourceRequirements{Requests: list("cpu", "2", "example.com/gpu", "1")},
	})
	pod.Spec.InitContainers = []corev1.Container{{
		RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways), Resources: corev1.ResourceRequirements{Requests: list("cpu", "100m")},
	}, {Resources: corev1.ResourceRequirements{Requests: list("cpu", "3", "memory", "1Mi")}}}
	pod.Status.NominatedNodeName = "n1"
	pod.Status.Conditions = append([]corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}, pod.Status.Conditions...)
	kept, err := trim(pod)
	require.NoError(t, err)
	trimmed, ok := kept.(*corev1.Pod)
	require.True(t, ok)
	require.Equal(t, podOf(pod, consumerOf(pod), nil), podOf(trimmed, consumerOf(trimmed), nil))
	require.Equal(t, "ReplicaSet/api", consumerOf(trimmed).Owner)
	require.Equal(t, []string{pod.ResourceVersion, "2026-01-01T00:00:00Z"}, []string{
		trimmed.ResourceVersion, trimmed.CreationTimestamp.UTC().Format(time.RFC3339)})
	require.Len(t, trimmed.Status.Conditions, 1)
}

func TestPodResourcesOfAllContainersAreKept(t *testing.T) {
	pod := toldPod()
	pod.Spec.Resources = &corev1.ResourceRequirements{Requests: list("cpu", "5")}
	kept, err := trim(pod)
	require.NoError(t, err)
	trimmed, ok := kept.(*corev1.Pod)
	require.True(t, ok)
	require.Equal(t, "5", podOf(trimmed, account.Consumer{}, nil).Requests.Cpu().String())
}

// TestAControllerThatMayNotReadNamespacesAsksForNone has no cache: whatever is read from it panics.
func TestAControllerThatMayNotReadNamespacesAsksForNone(t *testing.T) {
	w, _ := newTold(t)
	require.Equal(t, map[string]string{corev1.LabelMetadataName: "shop"}, w.NamespaceLabels(t.Context(), "shop"))
}

func TestAPodMayTakeUnitsOfTheLowestStep(t *testing.T) {
	values := map[string]int32{"high": 5, "low": -10, "other": -100}
	for name, tc := range map[string]struct {
		classes []string
		value   int32
		ok      bool
	}{
		"the lowest is last":  {[]string{"high", "low"}, -10, true},
		"the lowest is first": {[]string{"low", "high"}, -10, true},
		"one is not there":    {[]string{"gone", "high"}, 5, true},
		"none is there":       {[]string{"gone"}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			value, ok := lowest(values, tc.classes)
			require.Equal(t, tc.ok, ok)
			require.Equal(t, tc.value, value)
		})
	}
}

func TestContradicts(t *testing.T) {
	known := map[string]string{"pool": "a"}
	for operator, want := range map[corev1.NodeSelectorOperator][2]bool{
		corev1.NodeSelectorOpIn: {false, true}, corev1.NodeSelectorOpNotIn: {true, false}, corev1.NodeSelectorOpDoesNotExist: {true, true},
		corev1.NodeSelectorOpExists: {false, false},
	} {
		for i, value := range []string{"a", "b"} {
			require.Equal(t, want[i], contradicts(&corev1.NodeSelectorRequirement{Key: "pool", Operator: operator, Values: []string{value}}, known),
				"%s %s", operator, value)
		}
		require.False(t, contradicts(&corev1.NodeSelectorRequirement{Key: "other", Operator: operator, Values: []string{"a"}}, known))
	}
}

// TestAPodIsLookedAtAgainUntilTheHeadroomsAreYoungerThanWhatItWasTold: another pod has them read meanwhile.
func TestAPodIsLookedAtAgainUntilTheHeadroomsAreYoungerThanWhatItWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, known := newWatched(t)
		first, second := toldPod(), toldPod()
		second.Name, second.UID = "other", "other"
		for _, pod := range []*corev1.Pod{first, second} {
			pod.Spec.Containers[0].Resources.Requests = list("example.com/gpu", "1")
		}
		h.OnAdd(first, false)
		pass(freshness * 3 / 4)
		h.OnAdd(second, false)
		require.Equal(t, 2, known.lists)
		pass(time.Hour)
		require.Equal(t, 2, known.lists)
	})
}

// TestShortIsAPodAsItIsNow: what schedulers say of it changes while it waits.
func TestShortIsAPodAsItIsNow(t *testing.T) {
	w, _ := newTold(t)
	untold, lacks, elsewhere := toldPod(), toldPod(), toldPod()
	untold.Status.Conditions = nil
	elsewhere.Status.Conditions[0].Message = "0/3 nodes are available: 3 node(s) had taints."
	for _, pod := range []*corev1.Pod{untold, lacks, elsewhere} {
		pod.CreationTimestamp = metav1.NewTime(epoch)
	}
	h, before := handler{w, t.Context()}, untold
	h.OnAdd(untold, true)
	for _, tc := range []struct {
		pod  *corev1.Pod
		want bool
	}{{untold, false}, {lacks, true}, {elsewhere, false}, {lacks, true}} {
		h.OnUpdate(before, tc.pod)
		require.Equal(t, tc.want, w.Short(epoch, nil))
		before = tc.pod
	}
}

// TestAMissIsOfTheTimeAtWhichAPodWasToldSo, whenever it is heard of.
func TestAMissIsOfTheTimeAtWhichAPodWasToldSo(t *testing.T) {
	w, accounts := newTold(t)
	now := testingclock.NewFakeClock(epoch.Add(time.Minute))
	w.Clock, w.asOf = now, now.Now()
	handler{w, t.Context()}.OnAdd(toldPod(), false)
	require.Len(t, accounts.missed, 1)
	require.Equal(t, map[types.NamespacedName]time.Time{{Namespace: "shop", Name: "open"}: epoch}, accounts.latest)
}

// TestAPodThatWaitedBeforeIsInTheAccountAlsoIfItIsLookedAtAgain, as its Headroom was not known at the first look.
func TestAPodThatWaitedBeforeIsInTheAccountAlsoIfItIsLookedAtAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		initial bool
		missed  []account.Miss
	}{
		"it waited before": {initial: true}, "it came since": {missed: []account.Miss{account.MissNoneReady}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, accounts, _ := newWatched(t)
				accounts.through = epoch
				h.OnAdd(toldPod(), tc.initial)
				require.Empty(t, accounts.waiting, "the Headroom is not known yet")
				pass(2 * freshness)
				require.Equal(t, map[types.UID]int{"api": 1}, accounts.waiting)
				require.Equal(t, tc.missed, accounts.missed)
			})
		})
	}
}

// TestShortIsAnyOfManyPods, wherever the others may go and whatever they wait for.
func TestShortIsAnyOfManyPods(t *testing.T) {
	w, _ := newTold(t)
	h := handler{w, t.Context()}
	for i, pool := range []string{"a", "b", "c", "d"} {
		pod := toldPod()
		pod.UID, pod.CreationTimestamp = types.UID(fmt.Sprint("api-", i)), metav1.NewTime(epoch)
		pod.Spec.NodeSelector = map[string]string{"pool": pool}
		h.OnAdd(pod, false)
	}
	for _, pool := range []string{"a", "b", "c", "d"} {
		require.True(t, w.Short(epoch, map[string]string{"pool": pool}))
	}
	require.False(t, w.Short(epoch, map[string]string{"pool": "e"}))
}

// TestWhyNoUnitServesDependsOnWhetherAnyOfThatHeadroomIsReady: of others the pod could have none.
func TestWhyNoUnitServesDependsOnWhetherAnyOfThatHeadroomIsReady(t *testing.T) {
	for ready, want := range map[int]account.Miss{0: account.MissNoneReady, 1: account.MissOther} {
		w, accounts := newTold(t)
		accounts.ready = ready
		handler{w, t.Context()}.OnAdd(toldPod(), false)
		require.Equal(t, []account.Miss{want}, accounts.missed)
		require.Equal(t, []types.NamespacedName{{Namespace: "shop", Name: "open"}}, accounts.asked)
	}
}

// TestWhoWaitedBeforeIsComparedWithTheAccountOfItsHeadroom: pods of another may have been told later.
func TestWhoWaitedBeforeIsComparedWithTheAccountOfItsHeadroom(t *testing.T) {
	w, accounts := newTold(t)
	w.known = []Headroom{forApp(t, "a"), forApp(t, "b")}
	accounts.latest = map[types.NamespacedName]time.Time{
		{Namespace: "shop", Name: "a"}: epoch.Add(-time.Minute), {Namespace: "shop", Name: "b"}: epoch.Add(time.Minute),
	}
	for _, app := range []string{"b", "a"} {
		pod := toldPod()
		pod.UID, pod.Labels = types.UID(app), map[string]string{"app": app}
		handler{w, t.Context()}.OnAdd(pod, true)
	}
	require.Len(t, accounts.missed, 1, "that of a came while no controller looked")
	require.Equal(t, map[types.UID]int{"a": 1, "b": 1}, accounts.waiting)
}
