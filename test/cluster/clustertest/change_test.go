package clustertest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// stale returns a client and a pod, as it was before another writer changed it.
func stale(t *testing.T) (client.Client, *corev1.Pod) {
	t.Helper()
	c := SharedAPIServer(t)
	cl, err := c.Client()
	require.NoError(t, err)
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "c"}}}}
	pod.Namespace, pod.Name, pod.Labels = Namespace(t, c, nil), "web", map[string]string{"a": "1", "b": "1"}
	require.NoError(t, cl.Create(t.Context(), pod))
	between(t, cl, pod.DeepCopy(), "first")
	return cl, pod
}

// between is what another writer does: it takes a label away and adds a condition.
func between(t *testing.T, cl client.Client, pod *corev1.Pod, condition corev1.PodConditionType) {
	t.Helper()
	Change(t, cl, pod, func(p *corev1.Pod) { delete(p.Labels, "a") })
	ChangeStatus(t, cl, pod, func(p *corev1.Pod) { addCondition(p, condition) })
}

func addCondition(pod *corev1.Pod, kind corev1.PodConditionType) {
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue})
}

func TestAnotherWriterIsNoConflict(t *testing.T) {
	cl, pod := stale(t)
	Change(t, cl, pod, func(p *corev1.Pod) { p.Labels["b"] = "2" })
	require.Equal(t, map[string]string{"b": "2"}, pod.Labels)
	require.Len(t, pod.Status.Conditions, 1)
	between(t, cl, pod.DeepCopy(), "second")
	ChangeStatus(t, cl, pod, func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning })
	require.Equal(t, corev1.PodRunning, pod.Status.Phase)
}

func TestWhatAnotherWriterAddedToAListIsNotLost(t *testing.T) {
	cl, pod := stale(t)
	tries := 0
	RewriteStatus(t, cl, pod, func(p *corev1.Pod) {
		if tries++; tries == 1 {
			between(t, cl, p.DeepCopy(), "second")
		}
		addCondition(p, "ours")
	})
	require.Equal(t, 2, tries)
	require.Len(t, pod.Status.Conditions, 3, "two of theirs and ours")
	Rewrite(t, cl, pod, func(p *corev1.Pod) { p.Labels["c"] = "1" })
	require.Equal(t, map[string]string{"b": "1", "c": "1"}, pod.Labels, "what was read before and is gone is not written again")
}
