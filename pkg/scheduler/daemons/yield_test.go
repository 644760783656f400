package daemons

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
)

// yielding returns a Yielder for one node of four cores that a unit fills, and what deletes pods.
func yielding(t *testing.T, isPlaceholder func(*corev1.Pod) bool) (*Yielder, *fake.Clientset) {
	t.Helper()
	node, held := builders.Node("n", "", cpu("4")).Obj(), unit("a", "4", 0).Obj()
	client := fake.NewClientset([]runtime.Object{node, held}...)
	factory := informers.NewSharedInformerFactory(client, 0)
	require.NoError(t, factory.Core().V1().Nodes().Informer().GetStore().Add(node))
	evictor := &eviction.Evictor{
		Client: client, Pods: factory.Core().V1().Pods().Lister(), Reservations: eviction.NewReservations(func(string) {}),
		Credits: eviction.NewCredits(clock.RealClock{}),
	}
	return New(Options{
		Evictor: evictor, Nodes: factory.Core().V1().Nodes().Lister(), Pods: factory.Core().V1().Pods().Lister(),
		PodsOn: func(string) []*corev1.Pod { return []*corev1.Pod{held} }, IsUnit: placeholder.IsReserved, IsPlaceholder: isPlaceholder,
	}), client
}

// deletions counts those that a client asked for.
func deletions(client *fake.Clientset) (n int) {
	for _, action := range client.Actions() {
		if _, ok := action.(clienttesting.DeleteAction); ok {
			n++
		}
	}
	return n
}

func TestAUnitYieldsOnceAndSaysWhy(t *testing.T) {
	y, client := yielding(t, func(*corev1.Pod) bool { return false })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	y.Observe(ctx, daemon("n", "1").Obj())
	y.Observe(ctx, daemon("n", "1").Obj()) // the next event; the unit has not gone yet
	require.EventuallyWithT(t, func(t *assert.CollectT) { assert.Equal(t, 1, deletions(client)) }, time.Minute, time.Millisecond)
	var reasons []string
	for _, action := range client.Actions() {
		if patch, ok := action.(clienttesting.PatchAction); ok {
			reasons = append(reasons, string(patch.GetPatch()))
		}
	}
	require.Len(t, reasons, 1)
	require.Contains(t, reasons[0], swapevent.ReasonYielded)
	require.Contains(t, reasons[0], "default/daemon")
}

// TestUnitsYieldEverLaterToAPodThatIsNotHelped has each unit that goes replaced on the same node.
func TestUnitsYieldEverLaterToAPodThatIsNotHelped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		y, client := yielding(t, func(*corev1.Pod) bool { return false })
		var held atomic.Pointer[corev1.Pod]
		held.Store(unit("a", "4", 0).Obj())
		y.PodsOn = func(string) []*corev1.Pod { return []*corev1.Pod{held.Load()} }
		var gone atomic.Int64
		client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			next := held.Load().DeepCopy()
			next.UID = types.UID(fmt.Sprint("unit-", gone.Add(1)))
			held.Store(next)
			return true, nil, nil
		})
		for range 600 {
			y.Observe(ctx, daemon("n", "1").Obj())
			time.Sleep(time.Second) //nolint:forbidigo // the clock is synctest's
			synctest.Wait()
		}
		require.InDelta(t, 6, gone.Load(), 1, "10 s, 20 s, 40 s, ...")
	})
}

// TestAPodThatWaitsOnIsLookedAtAgainEachTime hears of the pod once, and has another unit come in the place of each one that goes.
func TestAPodThatWaitsOnIsLookedAtAgainEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		y, client := yielding(t, func(*corev1.Pod) bool { return false })
		pods := informers.NewSharedInformerFactory(client, 0).Core().V1().Pods()
		require.NoError(t, pods.Informer().GetStore().Add(daemon("n", "1").Obj()))
		y.Pods = pods.Lister()
		var held atomic.Pointer[corev1.Pod]
		held.Store(unit("a", "4", 0).Obj())
		y.PodsOn = func(string) []*corev1.Pod { return []*corev1.Pod{held.Load()} }
		var gone atomic.Int64
		client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			next := held.Load().DeepCopy()
			next.UID = types.UID(fmt.Sprint("unit-", gone.Add(1)))
			held.Store(next)
			return true, nil, nil
		})
		y.Observe(ctx, daemon("n", "1").Obj())
		time.Sleep(10 * time.Minute) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.InDelta(t, 6, gone.Load(), 1, "after 10 s, 20 s, 40 s, ... without any other event")
	})
}

func TestNoUnitYieldsToAPlaceholder(t *testing.T) {
	y, client := yielding(t, func(*corev1.Pod) bool { return true })
	y.Observe(t.Context(), daemon("n", "1").Obj())
	require.Empty(t, y.looks, "it is not looked at again either")
	require.Zero(t, deletions(client))
}
