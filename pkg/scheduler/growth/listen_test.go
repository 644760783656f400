package growth

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// listening is bubble with an informer that follows the API server, and counts how often the pods of the node were looked at.
func listening(t *testing.T, change func(s *scenery), test func(t *testing.T, g *growing, looks func() int)) {
	t.Helper()
	bubble(t, change, func(t *testing.T, g *growing) {
		ctx, cancel := context.WithCancel(t.Context())
		count, pods := 0, g.OnNode
		g.OnNode = func(node string) []*corev1.Pod {
			count++ // nodes are looked at one by one: there is one
			return pods(node)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.Pods.RunWithContext(ctx)
		}()
		defer func() {
			cancel()
			<-done
		}()
		synctest.Wait()
		test(t, g, func() int {
			synctest.Wait()
			was := count
			count = 0
			return was
		})
	})
}

func TestADeferredResizeIsSeenWhenThePodIs(t *testing.T) {
	listening(t, func(*scenery) {}, func(t *testing.T, g *growing, _ func() int) {
		require.Equal(t, "unit", g.annotations(t)[v1alpha1.AnnotationTook])
	})
}

func TestAResizeIsSeenWhenItIsDeferred(t *testing.T) {
	undecided := func(s *scenery) { s.web.Status.Conditions = nil }
	listening(t, undecided, func(t *testing.T, g *growing, _ func() int) {
		require.Empty(t, g.annotations(t))
		g.web.Status.Conditions = resized("web", "4").Status.Conditions
		_, err := g.client.CoreV1().Pods("default").UpdateStatus(t.Context(), g.web, metav1.UpdateOptions{})
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, "unit", g.annotations(t)[v1alpha1.AnnotationTook])
	})
}

// TestANodeWithADeferredResizeIsLookedAtWheneverAPodOfItComesChangesOrGoes: the room that the pod waits for may be there.
func TestANodeWithADeferredResizeIsLookedAtWheneverAPodOfItComesChangesOrGoes(t *testing.T) {
	large := func(s *scenery) {
		s.web = resized("web", "9")
		s.web.Namespace = "default"
	}
	listening(t, large, func(t *testing.T, g *growing, looks func() int) {
		pods := g.client.CoreV1().Pods("default")
		require.Positive(t, looks())
		require.Zero(t, looks())
		other := resized("other", "2")
		other.Namespace, other.Status.Conditions = "default", nil
		_, err := pods.Create(t.Context(), other, metav1.CreateOptions{})
		require.NoError(t, err)
		require.Equal(t, 1, looks())
		_, err = pods.Update(t.Context(), other, metav1.UpdateOptions{})
		require.NoError(t, err)
		require.Equal(t, 1, looks())
		leaves := other.DeepCopy()
		leaves.DeletionTimestamp = &metav1.Time{Time: builders.Epoch()}
		_, err = pods.Update(t.Context(), leaves, metav1.UpdateOptions{})
		require.NoError(t, err)
		require.Equal(t, 1, looks(), "it begins to go")
		elsewhere := other.DeepCopy()
		elsewhere.Name, elsewhere.UID, elsewhere.Spec.NodeName = "elsewhere", "elsewhere", "m"
		waits := other.DeepCopy()
		waits.Name, waits.UID, waits.Spec.NodeName = "waits", "waits", ""
		for _, pod := range []*corev1.Pod{elsewhere, waits} {
			_, err = pods.Create(t.Context(), pod, metav1.CreateOptions{})
			require.NoError(t, err)
		}
		require.Zero(t, looks(), "that changes nothing on the node")
		waits.Spec.NodeName = "n"
		_, err = pods.Update(t.Context(), waits, metav1.UpdateOptions{})
		require.NoError(t, err)
		require.Equal(t, 1, looks(), "it is bound")
		require.NoError(t, pods.Delete(t.Context(), "other", metav1.DeleteOptions{}))
		require.Equal(t, 1, looks())

		require.Contains(t, g.missed, g.web.UID)
		require.NoError(t, pods.Delete(t.Context(), "web", metav1.DeleteOptions{}))
		looks()
		require.NotContains(t, g.missed, g.web.UID, "nothing is kept of a pod that is gone")
		require.NoError(t, pods.Delete(t.Context(), "spare-headroom-0", metav1.DeleteOptions{}))
		require.Zero(t, looks(), "nobody waits for it")
	})
}

// overheard is an informer that tells its one listener what a test says.
type overheard struct {
	cache.SharedIndexInformer
	listener cache.ResourceEventHandler
}

func (o *overheard) AddEventHandler(listener cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	o.listener = listener
	return nil, nil
}

// TestAPodWhoseEndWasMissedIsForgottenToo: the watch broke off, and all that the informer knows is how the pod was last.
func TestAPodWhoseEndWasMissedIsForgottenToo(t *testing.T) {
	bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pods := &overheard{SharedIndexInformer: informers.NewSharedInformerFactory(g.client, 0).Core().V1().Pods().Informer()}
		options, looks := g.Options, 0
		options.Pods = pods
		options.OnNode = func(string) []*corev1.Pod {
			looks++
			return nil
		}
		own, err := New(ctx, options)
		require.NoError(t, err)
		gone := resized("gone", "4")
		own.countMiss(gone, TooSmall)
		own.leftFor(gone.UID, "unit")
		require.NoError(t, pods.GetStore().Add(g.web))
		pods.listener.OnDelete(cache.DeletedFinalStateUnknown{Key: "default/gone", Obj: gone})
		synctest.Wait()
		require.Empty(t, own.missed)
		require.Empty(t, own.left)
		require.Equal(t, 1, looks, "web may grow into the room that it leaves")
	})
}

func TestThereIsNoGrowerWithoutItsIndex(t *testing.T) {
	_, err := New(t.Context(), newGrowing(t.Context(), t, func(*scenery) {}).Options)
	require.ErrorContains(t, err, "indexing pods whose resize is deferred", "the informer has an index of that name")
}
