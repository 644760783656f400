package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/config"
)

// bounded changes the limits on units.
func bounded(change func(*config.Units)) func(*config.Config, *rest.Config) {
	return func(c *config.Config, _ *rest.Config) { change(&c.Units) }
}

func TestTheOperatorsLimitsOnUnits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		limits func(*config.Units)
		says   string
	}{
		"in a namespace": {func(u *config.Units) { u.MaxPerNamespace = 3 }, "--max-units-per-namespace"},
		"in all":         {func(u *config.Units) { u.Max = 3 }, "--max-units"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnvironment(t, nil)
			e.bindTo(e.nodes("a")...)
			e.startController(bounded(tc.limits))
			e.headroom("first", replicas(2))
			e.waitFilled("first", 2)
			e.headroom("second", replicas(2))
			h := e.waitStatus("second", v1alpha1.ReasonLimitReached, v1alpha1.ReasonNotReady, 1, 0)
			require.Contains(t, messageOf(h, v1alpha1.ConditionReady), tc.says)
			e.waitEvent("second", "CannotFill", tc.says)
			e.headroom("reserve", func(spec *v1alpha1.HeadroomSpec) { spec.Placement = v1alpha1.PlacementPerNode })
			e.waitStatus("reserve", v1alpha1.ReasonLimitReached, v1alpha1.ReasonNotReady, 0, 0)
			sets := &appsv1.DaemonSetList{}
			require.NoError(t, e.client.List(t.Context(), sets, client.InNamespace(e.namespace)))
			require.Empty(t, sets.Items)

			require.NoError(t, e.client.Delete(t.Context(), e.get("reserve")))
			e.change("first", replicas(1)) // and what that leaves the second gets, without anybody touching it
			e.waitFilled("second", 2)
		})
	}
	t.Run("of a Headroom", func(t *testing.T) {
		t.Parallel()
		e := newEnvironment(t, nil)
		e.bindTo(e.nodes("a")...)
		before := e.startController()
		e.headroom("web", replicas(5))
		e.waitFilled("web", 5)
		before.stop()

		e.startController(bounded(func(u *config.Units) { u.MaxPerHeadroom = 3 }))
		e.change("web", replicas(6))
		e.waitStatus("web", v1alpha1.ReasonLimitReached, v1alpha1.ReasonNotReady, 5, 0)
		require.Len(t, e.pods(), 5, "what is there stays")
		e.change("web", replicas(3))
		e.waitFilled("web", 3)
	})
}

// TestOthersUnitsNeedNotWaitForThoseOfTwoLargeHeadrooms has a scheduler that binds one unit after the other, in the order in which they
// came, and only as many as the test says.
func TestOthersUnitsNeedNotWaitForThoseOfTwoLargeHeadrooms(t *testing.T) {
	t.Parallel()
	const window = 10
	e := newEnvironment(t, nil)
	nodes, permits := e.nodes("a"), make(chan struct{}, 1000)
	e.bindBy(func(*corev1.Pod) string {
		<-permits
		return nodes[0]
	})
	t.Cleanup(func() { close(permits) })
	permit := func(n int) {
		for range n {
			permits <- struct{}{}
		}
	}
	most := e.mostPending()
	e.startController(bounded(func(u *config.Units) { u.MaxPending = window }))
	e.headroom("large-1", replicas(300))
	e.headroom("large-2", replicas(300))
	e.waitStatus("large-1", v1alpha1.ReasonValid, v1alpha1.ReasonToppingUp, 0, window/2)
	e.waitStatus("large-2", v1alpha1.ReasonValid, v1alpha1.ReasonToppingUp, 0, window/2)

	e.headroom("small", replicas(3))
	e.eventually("it has asked for units", func() error {
		if reasonOf(e.get("small"), v1alpha1.ConditionFilled) == "none" {
			return errNotYet
		}
		return nil
	})
	// All that were made already, those given back among them, which on a busy machine may be some more, and the first that are made afterwards.
	permit(6 * window)
	e.waitFilled("small", 3)
	h := e.get("large-1")
	require.Contains(t, messageOf(h, v1alpha1.ConditionFilled), "when it is their turn")
	permit(200)
	e.eventually("the others go on", func() error {
		if e.get("large-1").Status.ReadyReplicas+e.get("large-2").Status.ReadyReplicas < 110 {
			return errNotYet
		}
		return nil
	})
	require.LessOrEqual(t, most(), window)
}

// mostPending watches the pods of the namespace from now on. It returns how many of them waited for a node at a time at most, so far.
func (e *environment) mostPending() func() int {
	e.Helper()
	counts := make(chan int, 1)
	counts <- 0
	pending := map[string]bool{}
	e.changes(metav1.ListOptions{}, func([]corev1.Pod) {}, func(change watch.EventType, pod *corev1.Pod) {
		// The API server notes a deletion before it deletes; schedulers and autoscalers pass such a pod over.
		if change != watch.Deleted && pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil {
			pending[pod.Name] = true
		} else {
			delete(pending, pod.Name)
		}
		counts <- max(<-counts, len(pending))
	})
	return func() int {
		most := <-counts
		counts <- most
		return most
	}
}

// TestUnitsThatNobodySchedulesMakeRoomForOthers has units that no scheduler looks at fill the window.
func TestUnitsThatNobodySchedulesMakeRoomForOthers(t *testing.T) {
	t.Parallel()
	const window = 10
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	most := e.mostPending()
	started := e.startController(bounded(func(u *config.Units) { u.MaxPending = window }))
	e.headroom("hopeless", replicas(50), func(spec *v1alpha1.HeadroomSpec) { spec.SchedulerName = nobody })
	full := func() error {
		if pending := e.get("hopeless").Status.PendingReplicas; pending != window {
			return fmt.Errorf("%d are pending", pending)
		}
		return nil
	}
	e.eventually("the window is full", full)

	e.headroom("web", replicas(3))
	e.waitFilled("web", 3)
	require.LessOrEqual(t, started.labeled(t, "headroom_placeholders_deleted_total", "reason", "GivenBack"), 3.0, "no more than needed")
	e.eventually("the window is full again", full)
	require.LessOrEqual(t, most(), window)
}
