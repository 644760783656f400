package account

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// newLearner is a cluster without free room, with both binaries and a Headroom of two units and more, by demand.
func newLearner(t *testing.T) *world {
	c := clustertest.Start(t, cluster.Options{})
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 1, CPU: resource.MustParse("6")}))
	cl, err := c.Client()
	require.NoError(t, err)
	w := &world{T: t, cluster: c, client: cl, namespace: clustertest.Namespace(t, c, nil)}
	w.startController()
	w.startScheduler()
	require.NoError(t, cl.Create(t.Context(), w.consumer("filler", "4")))
	w.headroom = builders.Headroom("web", cpu("1")).Namespace(w.namespace).Replicas(2).Obj()
	w.headroom.Spec.Sizing = &v1alpha1.Sizing{
		Max: ptr.To[int32](8), ScaleDown: &v1alpha1.SizingScaleDown{StabilizationWindow: &metav1.Duration{}},
		Rules: []v1alpha1.SizingRule{{Name: "learned", Demand: &v1alpha1.Demand{}}},
	}
	require.NoError(t, cl.Create(t.Context(), w.headroom))
	return w
}

func (w *world) consumer(name, size string) *corev1.Pod {
	return builders.Consumer(name, cpu(size)).Namespace(w.namespace).SchedulerName("headroom-scheduler").ZeroTerminationGracePeriod().Obj()
}

// waitSized waits until the status is of the newest spec, every rule is evaluated, and there is nothing wrong with it.
func (w *world) waitSized(wrong func(*v1alpha1.HeadroomStatus) error) {
	w.Helper()
	require.EventuallyWithT(w, func(t *assert.CollectT) {
		require.NoError(t, w.client.Get(context.Background(), client.ObjectKeyFromObject(w.headroom), w.headroom))
		status := &w.headroom.Status
		require.Equal(t, w.headroom.Generation, status.ObservedGeneration)
		sized := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSized)
		require.NotNil(t, sized)
		require.Equal(t, metav1.ConditionTrue, sized.Status, sized.Message)
		require.NotNil(t, status.Sizing)
		require.NoError(t, wrong(status))
	}, soon, glance)
}

// asks reports what is wrong unless the rule asks for so many units and says this.
func asks(atLeast, atMost int32, says string) func(*v1alpha1.HeadroomStatus) error {
	return func(status *v1alpha1.HeadroomStatus) error {
		rule := status.Sizing.Rules[0]
		if rule.Replicas < atLeast || rule.Replicas > atMost || !strings.Contains(rule.Message, says) {
			return fmt.Errorf("%d units desired; the rule asks for %d: %s", status.DesiredReplicas, rule.Replicas, rule.Message)
		}
		if status.DesiredReplicas != max(2, rule.Replicas) {
			return fmt.Errorf("%d units desired, while the rule asks for %d", status.DesiredReplicas, rule.Replicas)
		}
		return nil
	}
}

// TestDemandIsLearnedFromTheAccount has pods take units, and lack more, by the scheduler; nothing of the account is written by the test.
func TestDemandIsLearnedFromTheAccount(t *testing.T) {
	t.Parallel() // with the others: most of it is waiting
	w := newLearner(t)
	w.waitSized(func(status *v1alpha1.HeadroomStatus) error {
		if status.ReadyReplicas != 2 {
			return fmt.Errorf("%d units ready", status.ReadyReplicas)
		}
		return asks(0, 0, "no demand is known yet: ")(status)
	})

	t.Log("two pods take the units, the third one lacks one")
	for i := range 3 {
		require.NoError(t, w.client.Create(t.Context(), w.consumer(fmt.Sprint("burst-", i), "1")))
	}
	w.waitSized(asks(6, 6, "a burst is under way: in the last 2m pods took or lacked 3 units that have not come back; 6 cover as many again."))

	t.Log("a controller that has nothing but the account comes to the same")
	w.waitTaken(2)
	w.controller.Kill()
	clustertest.ChangeStatus(t, w.client, w.headroom, func(h *v1alpha1.Headroom) { h.Status.Sizing = nil })
	clustertest.Change(t, w.client, w.headroom, func(h *v1alpha1.Headroom) { h.Spec.Sizing.Max = ptr.To[int32](7) })
	w.startController()
	w.waitSized(asks(2, 6, " pods took or lacked "))
}
