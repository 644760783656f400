package scheduler

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// The API server keeps an object that has finalizers, deleted or not, and its room counts as taken as long as it is there: the observer
// would see the node overcommitted.
func TestAPlaceholderThatAFinalizerKeepsIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	held := builders.Placeholder(spare, 0).Node("n0")
	held.Finalizers = []string{"example.com/hold"}
	unit := w.place(t, held)
	faults := schedulerharness.NewFaults()
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	w.Eventually(t, "waiting for the eviction", func(context.Context) string {
		if pod := w.Pod(t, unit); pod == nil || pod.DeletionTimestamp != nil {
			return ""
		}
		return "it was not asked for yet"
	})
	require.Never(t, func() bool { return w.Pod(t, "web").Spec.NodeName != "" }, time.Second, 50*time.Millisecond, "the room is not free")
	require.NotNil(t, w.Pod(t, unit))
	_, err := w.Client.CoreV1().Pods(w.Namespace).Patch(
		t.Context(), unit, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	require.NoError(t, err)

	require.Equal(t, "n0", w.WaitBound(t, "web")["web"])
	require.Equal(t, []string{unit}, evictionsOf(faults))
	w.requireOneAttempt(t, "web")
}
