package observer

import (
	"testing"

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
