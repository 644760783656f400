package scheduler

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// credits returns which pods carry the UID of a placeholder in their annotation, by the UID.
func (w *world) credits(t *testing.T) map[types.UID][]string {
	t.Helper()
	credited := map[types.UID][]string{}
	for name, pod := range w.Pods(t) {
		value, ok := pod.Annotations[v1alpha1.AnnotationTook]
		if !ok {
			continue
		}
		took, err := swapevent.ParseAnnotation(value)
		require.NoError(t, err)
		require.Zero(t, took.Unnamed)
		for _, uid := range took.Placeholders {
			credited[uid] = append(credited[uid], name)
		}
	}
	return credited
}

// uidsOf returns the UIDs of pods.
func (w *world) uidsOf(t *testing.T, names []string) map[string]types.UID {
	t.Helper()
	uids, pods := map[string]types.UID{}, w.Pods(t)
	for _, name := range names {
		uids[name] = pods[name].UID
	}
	return uids
}

// namedInEvents counts the placeholders that the events of swaps name as taken, and waits until they name that many.
func (w *world) namedInEvents(t *testing.T, want int) map[string]int {
	t.Helper()
	named := map[string]int{}
	w.Eventually(t, "waiting for the events", func(ctx context.Context) string {
		clear(named)
		list, err := w.Client.EventsV1().Events(w.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=" + swapevent.Reason})
		if err != nil {
			return err.Error()
		}
		total := 0
		for _, event := range list.Items {
			swap, ok := swapevent.Parse(event.Note)
			if !ok {
				return "no note of a swap: " + event.Note
			}
			for _, placeholder := range swap.Placeholders {
				named[placeholder.Name]++
				total++
			}
		}
		if total < want {
			return fmt.Sprintf("they name %d of %d", total, want)
		}
		return ""
	})
	return named
}

// TestP13EachEvictionIsCreditedToOnePod has as many consumers as there are units come at once, so that many of them are promised the room of
// the same placeholders.
func TestP13EachEvictionIsCreditedToOnePod(t *testing.T) {
	for _, count := range []int{24, 480} {
		t.Run(fmt.Sprintf("%d units", count), func(t *testing.T) {
			w := newWorld(t)
			nodes := w.nodes(t, builders.Resources{corev1.ResourceCPU: "24", corev1.ResourcePods: "200"}, repeat(7, "a", "b", "c")[:count/24]...)
			spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
			var units []string
			for i := range count {
				units = append(units, w.place(t, builders.Placeholder(spare, i).Node(nodes[i%len(nodes)])))
			}
			uids := w.uidsOf(t, units)
			faults := schedulerharness.NewFaults()
			w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
			for i := range count {
				w.CreatePods(t, consumer(fmt.Sprintf("web-%d", i), cpu("1")).Obj())
			}

			w.Eventually(t, "waiting for the burst to be bound", w.boundConsumers(t, count))

			credited := w.credits(t)
			require.Len(t, credited, count)
			for _, uid := range uids {
				require.Len(t, credited[uid], 1, "each unit has one taker")
			}
			named := w.namedInEvents(t, count)
			require.Len(t, named, count)
			for _, unit := range units {
				require.Equal(t, 1, named[unit], "each unit is named once")
			}
			require.Len(t, faults.Writes(), 2*count, "a delete and a bind for each")
		})
	}
}

func TestP13APodThatSharesARoomIsNotCreditedWithIt(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("4"), "a")
	large := w.CreateHeadroom(t, builders.Headroom("large", cpu("4")).Obj())
	unit := w.fill(t, large, "n0")
	uid := w.uidsOf(t, unit)[unit[0]]
	w.startPlugin(t)
	var pods []string
	for i := range 4 {
		name := fmt.Sprintf("web-%d", i)
		pods = append(pods, name)
		w.CreatePods(t, consumer(name, cpu("1")).Obj())
	}

	w.WaitBound(t, pods...)

	require.Len(t, w.credits(t)[uid], 1)
	require.Equal(t, map[string]int{unit[0]: 1}, w.namedInEvents(t, 1))
}

func TestP13TheCreditOutlivesABindThatIsRefused(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	unit := w.hold(t, "n0")
	uid := w.uidsOf(t, unit)[unit[0]]
	faults, refused := schedulerharness.NewFaults(), 0
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if !r.IsBind() || refused == 2 {
			return nil
		}
		refused++
		return refuse()
	})
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	w.WaitBound(t, "web")

	require.Equal(t, []string{"web"}, w.credits(t)[uid])
	require.Equal(t, map[string]int{unit[0]: 1}, w.namedInEvents(t, 1))
}

func TestP13ADeletionWhoseAnswerIsLostIsCredited(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	unit := w.hold(t, "n0")
	uid := w.uidsOf(t, unit)[unit[0]]
	faults, lost := schedulerharness.NewFaults(), false
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if !r.IsEviction() || lost {
			return nil
		}
		lost = true
		return &schedulerharness.Fault{After: func() error { return errCrash }}
	})
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	w.WaitBound(t, "web")

	require.Equal(t, []string{"web"}, w.credits(t)[uid])
}
