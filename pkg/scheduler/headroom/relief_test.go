package headroom

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

// TestAsManyPlaceholdersGoFromANodeAsAreTooMuchForIt at once, and no more.
func TestAsManyPlaceholdersGoFromANodeAsAreTooMuchForIt(t *testing.T) {
	for name, tc := range map[string]struct {
		running string
		want    int
	}{"none": {running: "0"}, "one": {running: "1", want: 1}, "both": {running: "2", want: 2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRelieving(t, false, on("n", "running", tc.running), unit(hr("open", "1"), 0, "n").Obj(), unit(hr("open", "1"), 1, "n").Obj())
				r.look(t.Context(), "n", everyUnit)
				synctest.Wait()
				require.Len(t, r.deletions(), tc.want)
			})
		})
	}
}

// TestANodeThatDoesNotShrinkIsNotLookedAt: kubelets write their nodes' status every few minutes, and a reserved unit must not go by that.
func TestANodeThatDoesNotShrinkIsNotLookedAt(t *testing.T) {
	r := newRelieving(t, true, on("n", "running", "2"), reservedUnit(reservedFor("web"), 0, "n").Obj(),
		on("m", "other", "1"), unit(hr("open", "1"), 1, "m").Obj())
	for _, node := range []string{"n", "m"} {
		require.NoError(t, r.client.Tracker().Add(builders.Node(node, "", res("2")).Obj()))
	}
	require.NoError(t, r.followNodes(t.Context(), r.factory))
	t.Cleanup(r.factory.Shutdown)
	r.factory.Start(t.Context().Done())
	r.factory.WaitForCacheSync(t.Context().Done())
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(r.client.Actions(), func(a clienttesting.Action) bool { return a.Matches("watch", "nodes") })
	}, patience, glance)
	larger := builders.Node("n", "", builders.Resources{"cpu": "2", "memory": "1Gi"}).Label("example.com/new", "yes").Obj()
	for _, node := range []*corev1.Node{larger, builders.Node("m", "", res("1")).Obj()} {
		_, err := r.client.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
	// It is told of both in that order.
	require.Eventually(t, func() bool { return slices.Equal(r.deletions(), []string{"open-headroom-1"}) }, patience, glance)
	require.Zero(t, r.backoff.Get("n"), "that of a node which loses placeholders")
}

// TestAtTheStartNothingGoesBeforeAllThatIsThereIsKnown, be it only one of the lists that is missing.
func TestAtTheStartNothingGoesBeforeAllThatIsThereIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newRelieving(t, false, on("n", "running", "2"), unit(hr("open", "1"), 0, "n").Obj())
		go r.lookEverywhere(ctx, r.factory.Apps().V1().DaemonSets().Informer()) // which nobody has started
		time.Sleep(time.Hour)                                                   //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.Empty(t, r.asked())
		cancel()
		synctest.Wait()
		require.Empty(t, r.asked(), "nor once the scheduler ends")
	})
}

// TestNothingGoesFromANodeOnceTheSchedulerEnds, though a look at it was put off.
func TestNothingGoesFromANodeOnceTheSchedulerEnds(t *testing.T) {
	for name, ends := range map[string]bool{"it ends": true, "it goes on": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r := newRelieving(t, false, on("n", "running", "2"), unit(hr("open", "1"), 0, "n").Obj())
				r.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, apierrors.NewInternalError(errors.New("etcd"))
				})
				r.look(ctx, "n", everyUnit)
				synctest.Wait()
				require.Len(t, r.deletions(), 1)
				if ends {
					cancel()
				}
				time.Sleep(2 * relieveAgain) //nolint:forbidigo // the clock is synctest's
				synctest.Wait()
				require.Equal(t, ends, len(r.deletions()) == 1)
			})
		})
	}
}
