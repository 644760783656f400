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
	require.Contains(t, reasons[0], "headroom-scheduler: a pod of a DaemonSet waits for node n: default/daemon")
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

// TestAPodIsLookedAtAgainOnlyAsLongAsItIsTheOneThatWaits hears of it once, and what there is under its name changes meanwhile.
func TestAPodIsLookedAtAgainOnlyAsLongAsItIsTheOneThatWaits(t *testing.T) {
	another, bound := daemon("n", "1").Obj(), daemon("n", "1").Node("n").Obj()
	another.UID = "another"
	for name, tc := range map[string]struct {
		is   *corev1.Pod
		ends bool
		want bool
	}{
		"it waits on":                {is: daemon("n", "1").Obj(), want: true},
		"another one is in its name": {is: another},
		"it is bound":                {is: bound},
		"it is gone":                 {},
		"the scheduler ends":         {is: daemon("n", "1").Obj(), ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				y, client := yielding(t, func(*corev1.Pod) bool { return false })
				pods := informers.NewSharedInformerFactory(client, 0).Core().V1().Pods()
				y.Pods = pods.Lister()
				asked := 0
				y.PodsOn = func(string) []*corev1.Pod { asked++; return nil }
				y.Observe(ctx, daemon("n", "1").Obj())
				require.Equal(t, 1, asked)
				if tc.is != nil {
					require.NoError(t, pods.Informer().GetStore().Add(tc.is))
				}
				if tc.ends {
					cancel()
				}
				time.Sleep(again + time.Second) //nolint:forbidigo // the clock is synctest's
				synctest.Wait()
				require.Equal(t, tc.want, asked > 1)
			})
		})
	}
}

func TestAPodThatWaitsNoMoreIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		y, _ := yielding(t, func(*corev1.Pod) bool { return false })
		y.PodsOn = func(string) []*corev1.Pod { return nil }
		y.Observe(ctx, daemon("n", "1").Obj())
		require.NotZero(t, y.backoff.Get("daemon"))
		time.Sleep(2*most + time.Minute) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.Empty(t, y.looks)
		later := daemon("n", "1").Obj()
		later.UID = "later"
		y.Observe(ctx, later)
		require.Zero(t, y.backoff.Get("daemon"), "or every pod that ever waited is kept")
		cancel()
		time.Sleep(again) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
	})
}

func TestNoUnitYieldsOnANodeThatIsGone(t *testing.T) {
	y, client := yielding(t, func(*corev1.Pod) bool { return false })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	y.Observe(ctx, daemon("other", "1").Obj())
	require.Zero(t, deletions(client))
	require.Empty(t, y.victims("other", daemon("other", "1").Obj()))
}

func TestAPodThatWaitsForNoCertainNodeCostsNothing(t *testing.T) {
	y, client := yielding(t, func(*corev1.Pod) bool { return false })
	y.Observe(t.Context(), daemon("n", "1").Node("n").Obj())
	require.Empty(t, y.looks)
	require.Zero(t, y.backoff.Get("daemon"))
	require.Zero(t, deletions(client))
}
