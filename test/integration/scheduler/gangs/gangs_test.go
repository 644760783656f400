package gangs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/podgroups"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

var errKilled = errors.New("the scheduler dies here")

// seeds is how often two groups compete.
const seeds = 50

// TestP11OneOfTwoGroupsGetsTheUnits has two groups of six, of equal priority, compete for eight units, in every order of their pods that
// the seeds come to. One is bound, at no time do both wait in Permit, and nothing is evicted for the other.
func TestP11OneOfTwoGroupsGetsTheUnits(t *testing.T) {
	w := newWorld(t)
	w.start(t)
	w.units(t, 8)
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(seed, 0))
		names := map[string][]string{}
		var pods []*corev1.Pod
		for _, side := range []string{"a", "b"} {
			group := fmt.Sprintf("%s%d", side, seed)
			names[side] = namesOf(group, 6)
			w.group(t, group, 6)
			for _, name := range names[side] {
				pods = append(pods, memberOf(group, name).Obj())
			}
		}
		random.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
		record := w.watchWaiters(t)

		w.CreatePods(t, pods...)

		loser := ""
		w.Eventually(t, fmt.Sprintf("seed %d: waiting for one of the groups to be bound", seed), func(context.Context) string {
			a, b := len(w.bound(t, names["a"])), len(w.bound(t, names["b"]))
			if loser = "b"; b > a {
				loser = "a"
			}
			if max(a, b) == 6 {
				return ""
			}
			return fmt.Sprintf("%d and %d are", a, b)
		})
		for _, name := range names[loser] {
			w.waitUnschedulable(t, name, "missing cpu")
		}
		require.Empty(t, w.bound(t, names[loser]), "seed %d", seed)
		require.Len(t, w.placeholders(t), 2, "seed %d: units that are left", seed)
		require.Empty(t, record.stop(), "seed %d: both groups waited", seed)
		w.again(t, names["a"], names["b"])
	}
}

// placeholders returns the names of the units that there are.
func (w *world) placeholders(t *testing.T) []string {
	t.Helper()
	var names []string
	for i := range w.held {
		names = append(names, builders.Placeholder(w.spare, i).Obj().Name)
	}
	return w.remaining(t, names)
}

// again deletes pods and puts back the units that are gone.
func (w *world) again(t *testing.T, groups ...[]string) {
	t.Helper()
	for _, names := range groups {
		for _, name := range names {
			w.delete(t, name)
		}
		w.WaitGone(t, names...)
	}
	there := w.Pods(t)
	for i := range w.held {
		pod := builders.Placeholder(w.spare, i).Node(fmt.Sprintf("n%d", i)).Obj()
		if there[pod.Name] == nil {
			w.CreatePods(t, pod)
		}
	}
}

func (w *world) delete(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, w.Client.CoreV1().Pods(w.Namespace).Delete(t.Context(), name, *metav1.NewDeleteOptions(0)))
}

func TestAGroupThatLacksRoomSaysHowMuchAndTakesNothing(t *testing.T) {
	w := newWorld(t)
	units := w.units(t, 2)
	w.start(t)
	w.group(t, "web", 3)

	names := w.members(t, "web", 3)

	for _, name := range names {
		w.waitUnschedulable(t, name, "there is none for 1 of them: missing cpu 1") // also those that came before the last one
	}
	require.Equal(t, units, w.remaining(t, units))
	w.lateUnit(t)
	w.WaitBound(t, names...) // without anybody's help
	w.WaitGone(t, units...)
}

func TestAGroupTakesNothingBeforeItsMembersAreThere(t *testing.T) {
	w := newWorld(t)
	units := w.units(t, 3)
	w.start(t)
	w.group(t, "web", 3)
	names := w.members(t, "web", 2)
	for _, name := range names {
		w.waitUnschedulable(t, name, "pods of its group are there, 3 are needed before it takes headroom")
	}
	require.Equal(t, units, w.remaining(t, units))

	w.CreatePods(t, memberOf("web", "web-2").Obj())

	w.WaitBound(t, append(names, "web-2")...)
	w.WaitGone(t, units...)
}

// TestP10AGroupThatNeedsNoHeadroomIsNotHeldUp has free room beside the units: the members are bound as they come, complete or not.
func TestP10AGroupThatNeedsNoHeadroomIsNotHeldUp(t *testing.T) {
	w := newWorld(t)
	units := w.units(t, 2)
	w.CreateNodes(t, builders.Node("free", "a", builders.Resources{"cpu": "3"}).Obj())
	w.start(t)
	w.group(t, "web", 3)
	record := w.watchWaiters(t)

	first := w.members(t, "web", 1)

	require.Equal(t, "free", w.WaitBound(t, first...)["web-0"])
	w.CreatePods(t, memberOf("web", "web-1").Obj(), memberOf("web", "web-2").Obj())
	for _, node := range w.WaitBound(t, "web-1", "web-2") {
		require.Equal(t, "free", node)
	}
	require.Equal(t, units, w.remaining(t, units))
	require.Empty(t, record.stop())
}

// TestFreeRoomCounts has a group of four find room for two beside two units.
func TestFreeRoomCounts(t *testing.T) {
	w := newWorld(t)
	units := w.units(t, 2)
	w.CreateNodes(t, builders.Node("free", "a", builders.Resources{"cpu": "2"}).Obj())
	w.start(t)
	w.group(t, "web", 4)

	nodes := w.WaitBound(t, w.members(t, "web", 4)...)

	count := map[string]int{}
	for _, node := range nodes {
		count[node]++
	}
	require.Equal(t, map[string]int{"free": 2, "n0": 1, "n1": 1}, count)
	w.WaitGone(t, units...)
}

// TestMoreMembersThanAreNeededTakeHeadroomEachForItself has two units for the two pods beyond the minimum, of which one may take the last.
func TestMoreMembersThanAreNeededTakeHeadroomEachForItself(t *testing.T) {
	w := newWorld(t)
	w.units(t, 3)
	w.start(t)
	w.group(t, "web", 2)

	names := w.members(t, "web", 4)

	w.Eventually(t, "waiting for three of them to be bound", func(context.Context) string {
		if bound := w.bound(t, names); len(bound) != 3 {
			return fmt.Sprint(bound)
		}
		return ""
	})
	require.Empty(t, w.placeholders(t))
}

func TestALabelWithoutAPodGroupMeansNothingAndIsSaidOnce(t *testing.T) {
	w := newWorld(t)
	w.units(t, 1)
	w.start(t)
	w.CreatePods(t, memberOf("nobody", "big").Req(builders.Resources{"cpu": "2"}).Obj())
	w.waitUnschedulable(t, "big", "")
	w.CreatePods(t, memberOf("nobody", "web").Obj())

	w.WaitBound(t, "web")

	w.Eventually(t, "waiting for the event", func(ctx context.Context) string {
		said := map[string]int{}
		events, err := w.Client.EventsV1().Events(w.Namespace).List(ctx, metav1.ListOptions{})
		require.NoError(t, err)
		for _, event := range events.Items {
			if event.Reason == "PodGroupNotFound" {
				said[event.Regarding.Name]++
				require.Nil(t, event.Series)
			}
		}
		if len(said) != 2 || said["web"] != 1 || said["big"] != 1 {
			return fmt.Sprint(said)
		}
		return ""
	})
}

func TestWithoutTheDefinitionTheLabelMeansNothing(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, podgroups.Remove(t.Context(), w.Config))
	w.Eventually(t, "waiting for PodGroups to be unknown to the API server", func(ctx context.Context) string {
		if err := w.groups.List(ctx, &schedulingv1alpha1.PodGroupList{}); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("listing them gives %v", err)
		}
		return ""
	})
	w.units(t, 1)
	w.start(t)

	w.CreatePods(t, memberOf("web", "web-0").Obj())

	w.WaitBound(t, "web-0")
}

// TestAGroupIsGivenUpWhen has three of four members wait in Permit, and the scheduler held up before the fourth. Then something happens, and
// everything is given back while it is still held up.
func TestAGroupIsGivenUpWhen(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(*schedulingv1alpha1.PodGroupSpec)
		happens func(t *testing.T, w *world, last, other string)
		// lost is a unit that does not come back, bound whether the group is in the end.
		lost  int
		bound bool
	}{
		"a member that waits is deleted": {happens: func(t *testing.T, w *world, _, other string) { w.delete(t, other) }},
		"a member that has not come yet is deleted": {
			happens: func(t *testing.T, w *world, last, _ string) { w.delete(t, last) },
		},
		"a unit is deleted": {
			happens: func(t *testing.T, w *world, _, _ string) { w.delete(t, "spare-headroom-0") }, lost: 1, bound: true,
		},
		"its time is over": {
			change: func(spec *schedulingv1alpha1.PodGroupSpec) {
				seconds := int32(15) // long enough that the test sees the others wait on a busy machine
				spec.ScheduleTimeoutSeconds = &seconds
			},
			bound: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.units(t, 4)
			change := tc.change
			if change == nil {
				change = func(*schedulingv1alpha1.PodGroupSpec) {}
			}
			w.group(t, "web", 4, change)
			members := w.members(t, "web", 4)
			_, g, last, others := w.startGated(t, members, nil)
			w.waitNominated(t, others...)
			if tc.happens != nil {
				tc.happens(t, w, last, others[0])
			}
			w.waitNominated(t) // nobody: what was reserved is given back
			require.Empty(t, w.bound(t, members))
			require.Len(t, w.placeholders(t), 4-tc.lost, "nothing is evicted")

			g.Open()

			if tc.bound {
				w.WaitBound(t, members...)
				return
			}
			left := w.remaining(t, members)
			w.waitUnschedulable(t, left[0], "3 pods of its group are there, 4 are needed")
			require.Empty(t, w.bound(t, left))
			require.Len(t, w.placeholders(t), 4)
		})
	}
}

// TestThePodGroupIsLeftAlone has a scheduler serve a group, and looks at what is written to the object.
func TestThePodGroupIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.units(t, 2)
	w.start(t)
	w.group(t, "web", 2)
	group := &schedulingv1alpha1.PodGroup{}
	key := ctrlclient.ObjectKey{Namespace: w.Namespace, Name: "web"}
	require.NoError(t, w.groups.Get(t.Context(), key, group))
	before := group.ResourceVersion

	w.WaitBound(t, w.members(t, "web", 2)...)

	require.NoError(t, w.groups.Get(t.Context(), key, group))
	require.Equal(t, before, group.ResourceVersion)
}

// TestP9AGroupThatWaitsOutlivesItsScheduler kills the scheduler while three of four members wait, and starts another.
func TestP9AGroupThatWaitsOutlivesItsScheduler(t *testing.T) {
	w := newWorld(t)
	units := w.units(t, 5)
	w.group(t, "web", 4)
	w.group(t, "db", 4)
	members := w.members(t, "web", 4)
	faults := schedulerharness.NewFaults()
	doomed, g, _, waiting := w.startGated(t, members, faults)
	w.waitNominated(t, waiting...)
	others := w.members(t, "db", 4)
	faults.Sever(errKilled)
	g.Open()
	doomed.Kill()
	require.Len(t, w.remaining(t, units), 5)

	w.start(t)

	w.Eventually(t, "waiting for one of the groups to be bound", func(context.Context) string {
		a, b := len(w.bound(t, members)), len(w.bound(t, others))
		if max(a, b) == 4 && min(a, b) == 0 {
			return ""
		}
		return fmt.Sprintf("%d and %d are", a, b)
	})
	require.Len(t, w.remaining(t, units), 1)
}
