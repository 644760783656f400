package daemons

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	clienttesting "k8s.io/client-go/testing"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func TestAllUnitsInTheWayYieldToThePodWhereverTheyAreFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, client := yielding(t, func(*corev1.Pod) bool { return false })
		held := []*corev1.Pod{unit("a", "2", 0).Obj(), unit("b", "2", 1).Namespace("shop").Obj()}
		y.PodsOn = func(string) []*corev1.Pod { return held }
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		y.Observe(ctx, daemon("n", "4").Obj())
		synctest.Wait()
		var gone, told []string
		for _, action := range client.Actions() {
			switch action := action.(type) {
			case clienttesting.DeleteAction:
				gone = append(gone, action.GetNamespace()+"/"+action.GetName())
			case clienttesting.PatchAction:
				require.Contains(t, string(action.GetPatch()), "a pod of a DaemonSet waits for node n: default/daemon")
				told = append(told, action.GetNamespace()+"/"+action.GetName())
			}
		}
		require.ElementsMatch(t, []string{"default/a", "shop/b"}, gone)
		require.ElementsMatch(t, gone, told, "each says for whom it goes")
	})
}

// TestNoUnitYieldsWherePlaceholdersCanBePreempted: the pod's own scheduler makes room for it, and a reserved unit would go for nothing.
func TestNoUnitYieldsWherePlaceholdersCanBePreempted(t *testing.T) {
	for name, tc := range map[string]struct {
		beside *corev1.Pod
		want   int
	}{
		"a placeholder":       {beside: ordinary("spare", "2").Obj()},
		"a pod that is none":  {beside: running("web", "2").Obj(), want: 1},
		"one that leaves now": {beside: running("web", "2").Terminating().Obj()},
	} {
		t.Run(name, func(t *testing.T) {
			y, _ := yielding(t, isOne)
			y.IsUnit = placeholder.IsReserved
			y.PodsOn = func(string) []*corev1.Pod { return []*corev1.Pod{unit("a", "2", 0).Obj(), tc.beside} }
			require.Len(t, y.victims("n", daemon("n", "2").Obj()), tc.want)
		})
	}
}

// counting counts how often a pod is looked up.
type counting struct {
	corelisters.PodLister
	lookups atomic.Int64
}

func (c *counting) Pods(namespace string) corelisters.PodNamespaceLister {
	c.lookups.Add(1)
	return c.PodLister.Pods(namespace)
}

func TestAPodOfWhichMuchIsHeardIsLookedAtAgainOnceATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		y, client := yielding(t, func(*corev1.Pod) bool { return false })
		y.PodsOn = func(string) []*corev1.Pod { return nil }
		pods := &counting{PodLister: informers.NewSharedInformerFactory(client, 0).Core().V1().Pods().Lister()}
		y.Pods = pods
		for _, name := range strings.Fields("daemon daemon daemon another another") {
			pod := daemon("n", "1").UID(name).Obj()
			y.Observe(ctx, pod)
		}
		time.Sleep(again) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.EqualValues(t, 2, pods.lookups.Load(), "however many events there are of each")
	})
}
