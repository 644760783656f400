package headroom

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/podwire"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
)

// counted are the pods that rules count, listed when the test says so.
type counted struct {
	t      *testing.T
	listed chan struct{}
	events *watch.FakeWatcher
}

func (c *counted) IsWatchListSemanticsUnSupported() bool { return true }

// List lists three pods.
func (c *counted) List(ctx context.Context, _ string, _ metav1.ListOptions) (runtime.Object, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.listed:
		return &podwire.Pods{ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: c.pods(0, 3)}, nil
	}
}

func (c *counted) Watch(context.Context, string, metav1.ListOptions) (watch.Interface, error) {
	return c.events, nil
}

// come has pods first to last-1 bound.
func (c *counted) come(first, last int) {
	c.events.Modify(&podwire.Changes{Pods: c.pods(first, last), ResourceVersion: fmt.Sprint(last)})
}

// leave has a pod gone.
func (c *counted) leave(pod int) {
	gone := &podwire.Pod{Namespace: web.Namespace, Name: fmt.Sprint("p", pod)}
	c.events.Modify(&podwire.Changes{Pods: []*podwire.Pod{gone}, ResourceVersion: "100"})
}

func (c *counted) pods(first, last int) []*podwire.Pod {
	var pods []*podwire.Pod
	for i := first; i < last; i++ {
		pod, err := podwire.Of(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: fmt.Sprint("p", i)}, Spec: corev1.PodSpec{NodeName: "n1"},
		})
		require.NoError(c.t, err)
		pods = append(pods, pod)
	}
	return pods
}

// sizedWeb is the Headroom web with at least that many units, and a tenth of the namespace's pods.
func sizedWeb(floor int32) *v1alpha1.Headroom {
	h := webOf(floor)
	h.Spec.Sizing = &v1alpha1.Sizing{Max: ptr.To[int32](5), Rules: []v1alpha1.SizingRule{
		{Name: "tenth", PercentOf: &v1alpha1.PercentOf{Percent: 10, Pods: &metav1.LabelSelector{}}},
	}}
	return h
}

// follow has the scene count pods, which are not listed yet.
func (s *scene) follow(t *testing.T) *counted {
	t.Helper()
	c := &counted{t: t, listed: make(chan struct{}), events: watch.NewFake()}
	s.Workloads = workload.New(t.Context(), workload.Options{Pods: c})
	s.Workloads.OnChange(func(headroom types.NamespacedName) { s.wake <- headroom })
	return c
}

func TestANewHeadroomIsReportedOnceItsPodsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, sizedWeb(0))
		pods := s.follow(t)
		require.Zero(t, s.reconcile(), "it is told")
		require.Empty(t, s.requests)

		close(pods.listed)
		require.Equal(t, web, <-s.wake)
		s.reconcile()
		require.Equal(t, []string{"create Pod web-headroom-0", "report Headroom web"}, s.requests)
		require.Equal(t, "1 unit: rule tenth asks for 1 and no rule for more. 10 % of 3 bound pods of the namespace is 0.30, rounded up to 1.",
			s.headroom().Status.Sizing.Message)
	})
}

func TestANewHeadroomIsReportedIfItsPodsAreNotCountedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, sizedWeb(1))
		s.follow(t)
		s.reconcile()
		require.Empty(t, s.requests)

		require.Equal(t, web, <-s.wake, "though nothing was read")
		s.reconcile()
		require.Equal(t, []string{"create Pod web-headroom-0", "report Headroom web"}, s.requests)
		require.Equal(t, v1alpha1.ReasonReading, s.reason(v1alpha1.ConditionSized))
		require.Contains(t, s.headroom().Status.Sizing.Rules[0].Message, "the pods of namespace shop was not read yet")
	})
}

// TestAHeadroomThatHasASizeIsToppedUpWhilePodsAreRead: after a start of the controller, units that are missing are not kept waiting.
func TestAHeadroomThatHasASizeIsToppedUpWhilePodsAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := sizedWeb(0)
		h.Status.ObservedGeneration = 1
		h.Status.Sizing = &v1alpha1.SizingStatus{Replicas: 2, Rule: "tenth", Rules: []v1alpha1.SizingRuleStatus{{Name: "tenth", Replicas: 2}}}
		s := newScene(t, h)
		s.follow(t)
		s.reconcile()
		s.clock.Step(recallFor)
		s.reconcile()
		require.Len(t, s.pods(), 2)
	})
}
