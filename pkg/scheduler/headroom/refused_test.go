package headroom

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/test/builders"
)

// refusing is a fixture in which the API server refuses to delete placeholders of the Headrooms that the test names, for longer than a
// moment, as the pod finds out.
func refusing(t *testing.T, c cluster, pod *corev1.Pod, headrooms ...string) *fixture {
	t.Helper()
	c.pending = []*corev1.Pod{pod}
	f, clock := newFixture(t, c), testingclock.NewFakeClock(time.Unix(1, 0))
	f.shared.refusals = eviction.NewRefusals(clock, func(types.NamespacedName) {})
	f.evictor.Refusals = f.shared.refusals
	f.client.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		for _, headroom := range headrooms {
			if name := action.(clienttesting.DeleteAction).GetName(); strings.HasPrefix(name, headroom) {
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, name, errors.New("no"))
			}
		}
		return false, nil, nil
	})
	for range 2 {
		c, state := f.decided(t, pod)
		require.NotNil(t, c.swap)
		require.True(t, strings.HasPrefix(c.swap.Victims[0].Name, headrooms[0]), "the first in the order")
		require.True(t, f.Reserve(t.Context(), state, pod, c.swap.Node).IsSuccess())
		require.False(t, f.Bind(t.Context(), state, pod, c.swap.Node).IsSuccess())
		f.Unreserve(t.Context(), state, pod, c.swap.Node)
		clock.Step(3 * time.Second)
	}
	return f
}

func TestAConsumerTakesOtherHeadroomWhereTheAPIServerDeletesNoPlaceholders(t *testing.T) {
	for name, priority := range map[string]int32{"a pod of no importance": 0, "a system-critical one": nodeCritical} {
		t.Run(name, func(t *testing.T) {
			frozen, open := hr("a-frozen", "1"), hr("open", "1")
			pod := wants("1").Priority(priority).Obj()
			f := refusing(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("1")).Obj()},
				pods:  []*corev1.Pod{unit(frozen, 0, "a").Obj(), unit(open, 0, "b").Obj()},
			}, pod, "a-frozen")
			c, _ := f.decided(t, pod)
			require.NotNil(t, c.swap)
			require.Equal(t, []string{"open-headroom-0"}, names(c.swap.Victims))
		})
	}
}

// TestAPodForWhichNothingCanBeDeletedIsToldSo: what is told that there is no room, an autoscaler hears of.
func TestAPodForWhichNothingCanBeDeletedIsToldSo(t *testing.T) {
	pod := wants("1").Priority(1000).Obj()
	f := refusing(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()},
		pods:  []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj(), on("a", "running", "1")},
	}, pod, "open")
	require.Equal(t, "1 of 1 nodes hold headroom, none for this pod: the API server refuses to delete the placeholders of default/open",
		f.missed(t, pod))

	nominated, state := f.postFiltered(t, pod)
	require.Empty(t, nominated)
	require.False(t, f.fitsWithout(t, state, pod, []string{"open-headroom-0"}), "preemption has nothing of it either")
	require.True(t, f.fitsWithout(t, state, pod, []string{"running"}))
}

func TestASystemCriticalPodIsNotKeptWaitingByPlaceholdersThatCannotBeDeleted(t *testing.T) {
	pod := wants("1").Priority(nodeCritical).Obj()
	shut := closedHeadroom()
	f := refusing(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()},
		pods:  []*corev1.Pod{unit(shut, 0, "a").Obj(), on("a", "running", "1")}, headrooms: []*v1alpha1.Headroom{shut},
	}, pod, "closed")
	nominated, state := f.postFiltered(t, pod)
	require.Empty(t, nominated)
	require.False(t, f.fitsWithout(t, state, pod, []string{"closed-headroom-0"}))
	require.True(t, f.fitsWithout(t, state, pod, []string{"running"}))
	require.Contains(t, f.missed(t, pod), "the API server refuses to delete the placeholders of default/closed")
}

// preemptor is a pod for which others are preempted.
type preemptor struct{ *corev1.Pod }

func (p preemptor) UID() types.UID               { return p.Pod.UID }
func (p preemptor) SchedulerName() string        { return p.Spec.SchedulerName }
func (p preemptor) Obj() runtime.Object          { return p.Pod }
func (p preemptor) Pods() map[string]*corev1.Pod { return map[string]*corev1.Pod{p.Name: p.Pod} }
func (p preemptor) Priority() int32              { return *p.Spec.Priority }
func (p preemptor) Type() string                 { return "pod" }

// nodeA is a candidate of which nothing but the node is asked.
type nodeA struct{ preemption.Candidate }

func (nodeA) Name() string { return "a" }

// TestAPreemptionThatIsRefusedCountsAsWell has a placeholder in the way of a pod by its host port, which no swap takes.
func TestAPreemptionThatIsRefusedCountsAsWell(t *testing.T) {
	held, pod := unit(hr("open", "1"), 0, "a").HostPort(80).Obj(), wants("1").HostPort(80).Priority(1000).Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj()}, pods: []*corev1.Pod{held}, pending: []*corev1.Pod{pod},
		others: []runtime.Object{held},
	})
	clock := testingclock.NewFakeClock(time.Unix(1, 0))
	f.shared.refusals = eviction.NewRefusals(clock, func(types.NamespacedName) {})
	f.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, held.Name, errors.New("no"))
	})
	for range 2 {
		_, err := f.preemption.Executor.PreemptPod(t.Context(), nodeA{}, preemptor{pod}, held, Name)
		require.True(t, apierrors.IsForbidden(err), err)
		clock.Step(3 * time.Second)
	}
	nominated, _ := f.postFiltered(t, pod)
	require.Empty(t, nominated)
	require.Contains(t, f.missed(t, pod), "the API server refuses to delete the placeholders of default/open")
}

// TestWhatTheAPIServerRefusesToSwapsIsKnownToAll, as to kubectl headroom.
func TestWhatTheAPIServerRefusesToSwapsIsKnownToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pod := wants("1").Obj()
		f, state := swapping(t, pod)
		f.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "open-headroom-0", errors.New("no"))
		})
		for range 2 {
			require.Empty(t, f.shared.state().Undeletable)
			require.Equal(t, fwk.Error, f.Bind(t.Context(), state, pod, "a").Code())
			time.Sleep(3 * time.Second) //nolint:forbidigo // the clock is synctest's
		}
		require.Equal(t, []string{"default/open"}, f.shared.state().Undeletable)
	})
}
