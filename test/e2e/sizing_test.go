package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/observer"
)

const (
	// share is the percentage of the workload that is held ready.
	share = 20
	// window is for how long a larger size counts on.
	window = 20 * time.Second
	// rest is how long Karpenter must leave the nodes alone to count as done. It looks every ten seconds, and acts 15 seconds later.
	rest = 30 * time.Second
	// largest is what the largest node has, of which a part may be left over.
	largest = 4
)

// TestSizedHeadroomWithKarpenter scales a workload from 10 to 50 replicas and back, with a fifth of it as headroom. The second rule is
// about every pod of the namespace: it would count the placeholders if anything did, and each node that they bring would bring the next.
func TestSizedHeadroomWithKarpenter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createWorkload(t)
	w.scale(t, "deployment/"+workload, 10)
	w.waitRunning(t, 10)
	w.createSizedHeadroom(t)
	w.waitSized(t, 2)

	w.scale(t, "deployment/"+workload, 50)
	w.waitRunning(t, 50)
	w.waitSized(t, 10)
	w.waitRest(t)
	w.waitSized(t, 10) // still
	require.LessOrEqual(t, w.nodesCPU(t), int64((50+10)*unitCPU+largest), "nodes for 50 pods and 10 units, and no more: %v", w.claims)

	before := w.workloadPods(t)
	scaled := time.Now()
	w.scale(t, "deployment/"+workload, 10)
	w.eventually(t, func(collect *assert.CollectT) { require.Len(collect, w.workloadPods(collect), 10) }, "the others go")
	for _, pod := range without(before, w.workloadPods(t)) {
		w.scaledDown.Insert(pod.UID)
	}
	w.waitSized(t, 2)
	require.GreaterOrEqual(t, time.Since(scaled), window, "10 units count for the whole window")
	w.eventually(t, func(collect *assert.CollectT) {
		require.LessOrEqual(collect, w.nodesCPU(collect), int64((10+2)*unitCPU+largest))
	}, "nodes for 10 pods and 2 units, and no more")
	w.waitSized(t, 2) // still

	history, err := w.observer.Stop(context.Background())
	require.NoError(t, err)
	// The controller takes units away as the size falls, and another unit may be bound where one was.
	mayVanish := func(pod *corev1.Pod) bool {
		return w.mayVanish(pod) || pod.Labels[v1alpha1.LabelHeadroom] == headroomName
	}
	for _, violation := range observer.Check(w.ctx, history, observer.Rules{MayVanish: mayVanish}) {
		t.Error(violation)
	}
	require.Empty(t, w.forbidden(t))
}

// createSizedHeadroom makes a Headroom without any units of its own.
func (w *world) createSizedHeadroom(t *testing.T) {
	t.Helper()
	target := &v1alpha1.WorkloadReference{APIVersion: "apps/v1", Kind: "Deployment", Name: workload}
	require.NoError(t, w.client.Create(w.ctx, &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: headroomName},
		Spec: v1alpha1.HeadroomSpec{
			Replicas: ptr.To[int32](0), Requests: unit(),
			Sizing: &v1alpha1.Sizing{
				Max:       ptr.To[int32](50),
				ScaleDown: &v1alpha1.SizingScaleDown{StabilizationWindow: &metav1.Duration{Duration: window}},
				Rules: []v1alpha1.SizingRule{
					{Name: "web", PercentOf: &v1alpha1.PercentOf{Percent: share, Target: target}},
					{Name: "all", PercentOf: &v1alpha1.PercentOf{Percent: share, Pods: &metav1.LabelSelector{}}},
				},
			},
		},
	}))
}

// waitSized waits until the Headroom asks for so many units, and has them.
func (w *world) waitSized(t *testing.T, units int32) {
	t.Helper()
	w.eventually(t, func(collect *assert.CollectT) {
		h := &v1alpha1.Headroom{}
		require.NoError(collect, w.client.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: headroomName}, h))
		require.NotNil(collect, h.Status.Sizing)
		require.Equal(collect, units, h.Status.Sizing.Replicas, h.Status.Sizing.Message)
		require.Equal(collect, units, h.Status.ReadyReplicas)
		require.Zero(collect, h.Status.PendingReplicas)
	}, "the Headroom is sized and filled")
}

// waitRest waits until Karpenter neither orders nor gives back.
func (w *world) waitRest(t *testing.T) {
	t.Helper()
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		require.Greater(collect, w.claims.quietFor(), rest)
	}, rest+2*patience, time.Second, "Karpenter does not come to rest")
}

// nodesCPU is what the nodes that there are have for pods.
func (w *world) nodesCPU(t require.TestingT) int64 {
	var sum int64
	for _, node := range w.nodesByName(t) {
		sum += node.Status.Allocatable.Cpu().Value()
	}
	return sum
}
