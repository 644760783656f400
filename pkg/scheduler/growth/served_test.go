package growth

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestPodsOfOtherSchedulersLeaveTheUnitsToThoseThatAreServed, however important they are: nobody takes anything for them.
func TestPodsOfOtherSchedulersLeaveTheUnitsToThoseThatAreServed(t *testing.T) {
	important := int32(9)
	bubble(t, func(s *scenery) {
		stranger := resized("stranger", "4")
		stranger.Namespace, stranger.Spec.SchedulerName, stranger.Spec.Priority = "default", "theirs", &important
		stranger.Status.ContainerStatuses[0].AllocatedResources = quantities("0")
		s.others = []*corev1.Pod{stranger}
		s.web = resized("web", "4")
		s.web.Namespace = "default"
	}, func(t *testing.T, g *growing) {
		g.Look("n")
		synctest.Wait()
		require.Equal(t, "unit", g.annotations(t)[v1alpha1.AnnotationTook])
		require.NotContains(t, g.missed, types.UID("stranger"))
		require.Empty(t, g.annotationsOf(t, g.others[0]))
	})
}

func TestAPodForWhichUnitsAreAboutToBeGoneHasNotAskedInVain(t *testing.T) {
	bubble(t, func(s *scenery) {
		grace := int64(30)
		s.units[0].DeletionTimestamp, s.units[0].DeletionGracePeriodSeconds = &metav1.Time{Time: time.Now().Add(time.Minute)}, &grace
	}, func(t *testing.T, g *growing) {
		deletions := g.answers("delete", always(nil))
		require.True(t, g.Request(g.web))
		synctest.Wait()
		require.Zero(t, deletions.Load(), "it goes anyway")
	})
}

func TestAProfileIsServedAsItWasSaidLast(t *testing.T) {
	bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
		changed, known := g.Grower.profile("ours")
		require.True(t, known)
		changed.HideNames = !changed.HideNames
		g.Serve("ours", changed)
		now, known := g.Grower.profile("ours")
		require.True(t, known)
		require.Equal(t, changed.HideNames, now.HideNames)
	})
}

// TestAPlaceholderThatStaysGrowsForNobody: it counts as any other pod for the room that it holds, and takes none of others.
func TestAPlaceholderThatStaysGrowsForNobody(t *testing.T) {
	known := Knowledge{
		Serves:   func(string) bool { return true },
		OwnerOf:  func(*corev1.Pod) (placeholder.Owner, bool) { return placeholder.Owner{}, true },
		Identity: func(*corev1.Pod) entitlement.Consumer { return entitlement.Consumer{} },
		Stays:    func(types.UID) bool { return true },
	}
	scene := gather(builders.Node("n", "", builders.Resources{"cpu": "10"}).Obj(), []*corev1.Pod{resized("unit", "5")}, &known)
	require.Empty(t, scene.pods)
	require.Empty(t, scene.placeholders)
	require.EqualValues(t, 2000, scene.Used.At(evictionorder.MilliCPU))
}

func TestOfANodeThatCountsWhichPodsMayHaveAndEveryResourceThatTheyHold(t *testing.T) {
	node := builders.Node("n", "", builders.Resources{"cpu": "3", "memory": "3Gi", "ephemeral-storage": "3Gi", "pods": "5"}).Obj()
	node.Status.Capacity = corev1.ResourceList{}
	for name := range node.Status.Allocatable {
		node.Status.Capacity[name] = resource.MustParse("100Gi")
	}
	known := Knowledge{OwnerOf: func(*corev1.Pod) (placeholder.Owner, bool) { return placeholder.Owner{}, false },
		Serves: func(string) bool { return false }}
	var pods []*corev1.Pod
	for range 2 {
		pods = append(pods, builders.Consumer("web", builders.Resources{"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}).Obj())
	}
	scene := gather(node, pods, &known)
	require.Equal(t, evictionorder.Resources{5, 3000, 3 << 30, 3 << 30}, scene.Allocatable, "of what it has itself the system keeps some")
	require.Equal(t, evictionorder.Resources{2, 2000, 2 << 30, 2 << 30}, scene.Used)
}

// deaf is an informer that takes no listener, as one that has stopped.
type deaf struct{ cache.SharedIndexInformer }

func (deaf) AddEventHandler(cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	return nil, errors.New("it has stopped")
}

func TestThereIsNoGrowerThatHearsNothing(t *testing.T) {
	g := newGrowing(t.Context(), t, func(*scenery) {})
	options := g.Options
	options.Pods = deaf{informers.NewSharedInformerFactory(g.client, 0).Core().V1().Pods().Informer()}
	_, err := New(t.Context(), options)
	require.ErrorContains(t, err, "listening to pods: it has stopped")
}
