package observer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/headroom-dev/headroom/test/builders"
)

// sized is a running pod that has so much CPU and asks for that much.
func sized(name, has, wants string) *corev1.Pod {
	pod := builders.Consumer(name, builders.Resources{corev1.ResourceCPU: wants}).UID(name).Node("n").Obj()
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: pod.Spec.Containers[0].Name, AllocatedResources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(has)},
	}}
	return pod
}

func TestARunningPodCountsForWhatIsAllocatedToIt(t *testing.T) {
	node := builders.Node("n", "", builders.Resources{corev1.ResourceCPU: "4", corev1.ResourcePods: "10"}).Obj()
	other := builders.Consumer("db", builders.Resources{corev1.ResourceCPU: "2"}).UID("db").Node("n").Obj()
	history := History{
		{Revision: 1, Type: watch.Added, Node: node},
		{Revision: 2, Type: watch.Added, Pod: sized("web", "2", "2")},
		{Revision: 3, Type: watch.Modified, Pod: sized("web", "2", "4")},
		{Revision: 4, Type: watch.Added, Pod: other},
	}
	require.Empty(t, Check(t.Context(), history, Rules{}), "a pod that waits for room does not have it")

	grown := Check(t.Context(), append(history, Event{Revision: 5, Type: watch.Modified, Pod: sized("web", "3", "4")}), Rules{})

	require.Len(t, grown, 1)
	require.Equal(t, "P5", grown[0].Property)
	require.Equal(t, uint64(5), grown[0].Revision)
}

func TestAPodThatGrowsWhileAnotherOneIsBoundIsARace(t *testing.T) {
	node := builders.Node("n", "", builders.Resources{corev1.ResourceCPU: "4", corev1.ResourcePods: "10"}).Obj()
	other := builders.Consumer("db", builders.Resources{corev1.ResourceCPU: "2"}).UID("db").Node("n").Obj()
	begun := builders.Epoch()
	for seconds, want := range map[time.Duration]string{1: "race", 9: "P5"} {
		history := History{
			{Revision: 1, At: begun, Type: watch.Added, Node: node},
			{Revision: 2, At: begun, Type: watch.Added, Pod: sized("web", "2", "4")},
			{Revision: 3, At: begun.Add(time.Minute), Type: watch.Added, Pod: other},
			{Revision: 4, At: begun.Add(time.Minute + seconds*time.Second), Type: watch.Modified, Pod: sized("web", "3", "4")},
		}
		found := Check(t.Context(), history, Rules{Race: 5 * time.Second})
		require.Len(t, found, 1)
		require.Equal(t, want, found[0].Property)
	}
}

func TestAPodThatIsBoundWhileAnotherOneIsResizedIsARace(t *testing.T) {
	node := builders.Node("n", "", builders.Resources{corev1.ResourceCPU: "4", corev1.ResourcePods: "10"}).Obj()
	other := builders.Consumer("db", builders.Resources{corev1.ResourceCPU: "2"}).UID("db").Node("n").Obj()
	begun := builders.Epoch()
	for seconds, want := range map[time.Duration]string{1: "race", 9: "P5"} {
		history := History{
			{Revision: 1, At: begun, Type: watch.Added, Node: node},
			{Revision: 2, At: begun, Type: watch.Added, Pod: sized("web", "2", "2")},
			{Revision: 3, At: begun.Add(time.Minute), Type: watch.Modified, Pod: sized("web", "2", "4")},
			{Revision: 4, At: begun.Add(time.Minute), Type: watch.Modified, Pod: sized("web", "4", "4")},
			{Revision: 5, At: begun.Add(time.Minute + seconds*time.Second), Type: watch.Added, Pod: other},
		}
		found := Check(t.Context(), history, Rules{Race: 5 * time.Second})
		require.Equal(t, want, found[0].Property)
	}
}

// TestAPodThatGoesWhileItTakesIsNotMissed: it cannot say any more what it took.
func TestAPodThatGoesWhileItTakesIsNotMissed(t *testing.T) {
	h := builders.Headroom("spare", builders.Resources{corev1.ResourceCPU: "1"}).UID("spare").Obj()
	unit := builders.Placeholder(h, 0).UID("unit").Node("n").Obj()
	for taking, want := range map[string]int{"": 1, "other,unit": 0} {
		web := sized("web", "2", "4")
		web.Annotations = map[string]string{takingAnnotation: taking}
		replay := NewReplay(Rules{Evicted: func(*corev1.Pod) bool { return true }, MayVanish: func(*corev1.Pod) bool { return true }})
		for i, event := range []Event{
			{Type: watch.Added, Node: builders.Node("n", "", builders.Resources{corev1.ResourceCPU: "4", corev1.ResourcePods: "10"}).Obj()},
			{Type: watch.Added, Pod: web}, {Type: watch.Added, Pod: unit}, {Type: watch.Deleted, Pod: unit}, {Type: watch.Deleted, Pod: web},
		} {
			event.Revision = uint64(i + 1) //nolint:gosec // five
			require.Empty(t, replay.Observe(t.Context(), event))
		}
		require.Len(t, replay.Account(nil), want)
	}
}
