package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
)

// parkAfter is as short as it may be; a node takes a sixth of it.
const parkAfter = 30 * time.Second

// TestHeadroomAtTheLimitOfItsNodePool has a NodePool that may have two of the six nodes that six units need.
func TestHeadroomAtTheLimitOfItsNodePool(t *testing.T) {
	t.Parallel()
	// Karpenter asks whether a machine, of 4.1 or of 2.1 CPUs, is within what the limit leaves, and counts those that are there with what their
	// pods asked for, as the KWOK provider reports it: 6 for two units. That leaves 2.5, enough for a small one.
	w := newWorldOf(t, cluster.NodePool{
		Name: "default", ConsolidateAfter: -1, Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8500m")},
	})
	w.createParking(t, "3", 2)
	w.eventually(t, func(collect *assert.CollectT) {
		require.EqualValues(collect, 2, w.headroom(collect).Status.ReadyReplicas)
	}, "two units get nodes: of several at once Karpenter may make more nodes than its limits allow")
	w.scale(t, "headrooms.headroom.dev/"+headroomName, 6)

	w.eventually(t, func(collect *assert.CollectT) {
		h := w.headroom(collect)
		require.EqualValues(collect, 2, h.Status.ReadyReplicas)
		require.EqualValues(collect, 3, h.Status.ParkedReplicas, "of four that are missing one goes on asking")
		require.Len(collect, w.placeholders(collect), 3)
		filled := meta.FindStatusCondition(h.Status.Conditions, v1alpha1.ConditionFilled)
		require.Equal(collect, v1alpha1.ReasonAtCeiling, filled.Reason)
		require.Contains(collect, filled.Message, "of at most 8500m cpu; Karpenter says: ")
	}, "what finds no room is parked")

	// One fits beside each of the units, the third on a small node that the NodePool still may have, though a unit would need a large one.
	for i := range 3 {
		w.createPod(t, fmt.Sprint("small-", i), "1")
	}
	w.eventually(t, func(collect *assert.CollectT) {
		for _, pod := range w.pods(collect, "small=true") {
			require.Equal(collect, corev1.PodRunning, pod.Status.Phase, pod.Name)
		}
		require.Len(collect, w.pods(collect, "small=true"), 3)
	}, "smaller pods get the room that is left")
	require.EqualValues(t, 2, w.headroom(t).Status.ReadyReplicas, "and no unit went for them")

	raised := time.Now()
	pool := &unstructured.Unstructured{}
	pool.SetGroupVersionKind(schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodePool"})
	pool.SetName("default")
	require.NoError(t, w.client.Patch(t.Context(), pool, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"limits":{"cpu":"100"}}}`))))
	w.eventually(t, func(collect *assert.CollectT) {
		h := w.headroom(collect)
		require.EqualValues(collect, 6, h.Status.ReadyReplicas)
		require.Zero(collect, h.Status.ParkedReplicas)
	}, "the rest comes when the limit is raised")
	t.Logf("the refill was complete %s after the limit was raised; a node takes %s", time.Since(raised).Round(100*time.Millisecond), registration)
}

// TestUnitsThatCanNeverBePlacedKeepNobodyWaiting measures how long a pod waits for Karpenter, without and beside 2,000 units for which there is
// no machine large enough.
func TestUnitsThatCanNeverBePlacedKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, cluster.NodePool{Name: "default", ConsolidateAfter: -1})
	w.measure(t, "without", "without units")
	w.createParking(t, "64", 2000)
	w.eventually(t, func(collect *assert.CollectT) { require.NotEmpty(collect, w.placeholders(collect)) }, "units wait")
	w.measure(t, "before", "while units wait that are not parked yet")
	w.eventually(t, func(collect *assert.CollectT) {
		h := w.headroom(collect)
		require.EqualValues(collect, 1999, h.Status.ParkedReplicas)
		require.Len(collect, w.placeholders(collect), 1)
	}, "they are parked")
	w.measure(t, "parked", "beside 2,000 units that are parked")
}

// measure has three pods come, one after the other, each of which needs a node of its own, and says how long each waited.
func (w *world) measure(t *testing.T, prefix, when string) {
	t.Helper()
	var waits []time.Duration
	for i := range 3 {
		name, began := fmt.Sprintf("%s-%d", prefix, i), time.Now()
		w.createPod(t, name, "4")
		w.eventually(t, func(collect *assert.CollectT) {
			pod, err := w.clientset.CoreV1().Pods(w.namespace).Get(t.Context(), name, metav1.GetOptions{})
			require.NoError(collect, err)
			require.NotEmpty(collect, pod.Spec.NodeName)
		}, "the pod is bound")
		waits = append(waits, time.Since(began).Round(100*time.Millisecond))
	}
	t.Logf("%s, pods waited %v for Karpenter; a node takes %s", when, waits, registration)
}

// createParking makes a Headroom of units with so many CPUs that is not spread, and that parks.
func (w *world) createParking(t *testing.T, cpu string, replicas int32) {
	t.Helper()
	require.NoError(t, w.client.Create(w.ctx, &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: headroomName},
		Spec: v1alpha1.HeadroomSpec{
			Replicas: ptr.To(replicas), Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
			// For others than the pods of these tests, which get only what is free.
			Consumers: &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "nobody"}}},
			Refill:    &v1alpha1.Refill{ParkAfter: &metav1.Duration{Duration: parkAfter}},
		},
	}))
}

// createPod makes a pod of the stock kind.
func (w *world) createPod(t *testing.T, name, cpu string) {
	t.Helper()
	require.NoError(t, w.client.Create(w.ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: map[string]string{"small": "true"}},
		Spec: corev1.PodSpec{
			SchedulerName: "headroom-scheduler",
			Containers: []corev1.Container{{Name: "main", Image: "main", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
			}}},
		},
	}))
}

func (w *world) headroom(t require.TestingT) *v1alpha1.Headroom {
	h := &v1alpha1.Headroom{}
	require.NoError(t, w.client.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: headroomName}, h))
	return h
}
