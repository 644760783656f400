package headroom

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
)

// swapping is a fixture in which the pod was decided to go to the node a, in the place of the one placeholder there is, which was
// reserved for it.
func swapping(t *testing.T, pod *corev1.Pod) (*fixture, *framework.CycleState) {
	t.Helper()
	held := unit(hr("open", "1"), 0, "a").Obj()
	held.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{held}, pending: []*corev1.Pod{pod},
	})
	for _, pod := range []*corev1.Pod{held, pod} {
		require.NoError(t, f.client.Tracker().Add(pod))
	}
	c, state := f.decided(t, pod)
	require.NotNil(t, c.swap)
	require.True(t, f.Reserve(t.Context(), state, pod, "a").IsSuccess())
	return f, state
}

// bindings are the bindings that the API server was asked for.
func (f *fixture) bindings() (bindings []*corev1.Binding) {
	for _, action := range f.client.Actions() {
		if create, ok := action.(clienttesting.CreateActionImpl); ok && action.GetSubresource() == "binding" {
			bindings = append(bindings, create.Object.(*corev1.Binding))
		}
	}
	return bindings
}

func TestABindingIsOfThatPodAndCarriesWhatItTook(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	require.True(t, f.Bind(t.Context(), state, pod, "a").IsSuccess())
	require.Equal(t, []*corev1.Binding{{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "consumer", UID: "consumer", Annotations: map[string]string{v1alpha1.AnnotationTook: "open-headroom-0"},
		},
		Target: corev1.ObjectReference{Kind: "Node", Name: "a"},
	}}, f.bindings())
}

func TestWhatAPodTookIsWrittenInTheOrderOfNames(t *testing.T) {
	var held []*corev1.Pod
	var want []string
	for i := range 6 {
		held = append(held, unit(hr("open", "1"), i, "a").Obj())
		held[i].TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
		want = append(want, held[i].Name)
	}
	pod := wants("6").Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("6")).Obj()}, pods: held, pending: []*corev1.Pod{pod},
	})
	for _, pod := range append(held, pod) {
		require.NoError(t, f.client.Tracker().Add(pod))
	}
	_, state := f.decided(t, pod)
	require.True(t, f.Reserve(t.Context(), state, pod, "a").IsSuccess())
	require.True(t, f.Bind(t.Context(), state, pod, "a").IsSuccess())
	require.Equal(t, strings.Join(want, ","), f.bindings()[0].Annotations[v1alpha1.AnnotationTook])
}

// TestASwapCountsWhatItEvictedItself has two placeholders in its way, of which the decision of another pod evicted one.
func TestASwapCountsWhatItEvictedItself(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	shared := unit(hr("open", "1"), 7, "a").Obj()
	cycleOf(state).swap.Victims = append(cycleOf(state).swap.Victims, shared)
	f.shared.reservations.Reserve(pod.UID, []*corev1.Pod{shared})
	f.shared.reservations.Gone(shared.UID) // as after the deletion for the other pod
	victims := func() float64 { return gathered(t, "headroom_scheduler_swap_victims")[0].GetHistogram().GetSampleSum() }
	before := victims()
	require.True(t, f.Bind(t.Context(), state, pod, "a").IsSuccess())
	f.PostBind(t.Context(), state, pod, "a")
	require.InDelta(t, 1, victims()-before, 0, "else one placeholder would count twice")
	require.Contains(t, <-f.events.Events, "it also uses the room of 1 that were evicted for other pods")
}

// TestASwapWhosePlaceholdersAllWentForOthersSaysSo: no eviction was for this pod, and it has the room of one.
func TestASwapWhosePlaceholdersAllWentForOthersSaysSo(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	f.shared.reservations.Gone("open-headroom-0") // as after the deletion for another pod
	require.True(t, f.Bind(t.Context(), state, pod, "a").IsSkip(), "DefaultBinder binds it")
	f.PostBind(t.Context(), state, pod, "a")
	event := <-f.events.Events
	require.Contains(t, event, swapevent.ReasonShared)
	require.Contains(t, event, "open-headroom-0")
	require.Empty(t, f.client.Actions(), "it took nothing, which needs no annotation")
	f.shared.reservations.ObserveNode("a", func(types.UID) bool { return false })
	require.False(t, f.shared.reservations.Reserved("open-headroom-0"), "nothing is kept of it")
}

func TestAPodThatTookNothingIsBoundWithoutAWord(t *testing.T) {
	f, pod := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}}), wants("1").Obj()
	_, state := f.decided(t, pod)
	require.True(t, f.Bind(t.Context(), state, pod, "a").IsSkip())
	f.PostBind(t.Context(), state, pod, "a")
	require.Empty(t, f.events.Events)
}

func TestABindingLeavesThePodsOtherAnnotationsTheRoomThatTheyHave(t *testing.T) {
	pod := wants("1").Obj()
	pod.Annotations = map[string]string{"example.com/long": strings.Repeat("x", 245<<10)}
	require.Equal(t, map[string]string{v1alpha1.AnnotationTook: "+1"}, annotation(pod, []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj()}))
}

func TestAPodIsNotBoundUntilItsRoomIsFree(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	f.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "open-headroom-0", errors.New("no"))
	})
	status := f.Bind(t.Context(), state, pod, "a")
	require.Equal(t, fwk.Error, status.Code(), "a skip would leave the pod to the next Bind plugin")
	require.Empty(t, f.bindings())
}

func TestWhatABoundPodTookIsFreeForNobodyAndCreditedOnce(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	require.True(t, f.Bind(t.Context(), state, pod, "a").IsSuccess())
	f.PostBind(t.Context(), state, pod, "a")

	require.Contains(t, <-f.events.Events, "open-headroom-0")
	gone := func(*corev1.Pod) bool { return true }
	require.Empty(t, f.shared.credits.Of(pod.UID, "a", gone), "another attempt of this pod would count it again")
	require.True(t, f.shared.reservations.Reserved("open-headroom-0"), "the scheduler's cache still has it")
	f.shared.reservations.ObserveNode("a", func(types.UID) bool { return false })
	require.False(t, f.shared.reservations.Reserved("open-headroom-0"))
}

func TestTheEventLeavesOutNamesOfOtherNamespacesIfWanted(t *testing.T) {
	for name, tc := range map[string]struct {
		hide      bool
		namespace string
		named     bool
	}{
		"all are named by default":   {namespace: "shop", named: true},
		"those of other namespaces":  {hide: true, namespace: "shop"},
		"not those of the pod's own": {hide: true, namespace: "default", named: true},
	} {
		t.Run(name, func(t *testing.T) {
			pod := wants("1").Namespace(tc.namespace).Obj()
			f, state := swapping(t, pod)
			f.args.HideNamesOfOtherNamespaces, f.events.Verbose = tc.hide, true
			require.True(t, f.Bind(t.Context(), state, pod, "a").IsSuccess())
			f.PostBind(t.Context(), state, pod, "a")
			event := <-f.events.Events
			require.Contains(t, event, swapevent.Reason)
			require.Equal(t, tc.named, strings.Contains(event, "open-headroom-0"), event)
			require.Equal(t, tc.named, strings.Contains(event, "{kind=Pod"), "whom the event relates to is a name, too: %s", event)
		})
	}
}

// othersBind is the framework of a profile with one more Bind plugin.
type othersBind struct{ framework.Framework }

func (o othersBind) ListPlugins() *schedulerconfig.Plugins {
	plugins := o.Framework.ListPlugins().DeepCopy()
	plugins.Bind.Enabled = append(plugins.Bind.Enabled, schedulerconfig.Plugin{Name: "NotInTree"})
	return plugins
}

func TestWhereAnotherPluginMayBindThePodIsAnnotatedAfterwards(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	f.handle = othersBind{f.handle}
	require.True(t, f.Bind(t.Context(), state, pod, "a").IsSkip())
	require.Empty(t, f.bindings())
	f.PostBind(t.Context(), state, pod, "a")

	var patches []string
	for _, action := range f.client.Actions() {
		if patch, ok := action.(clienttesting.PatchActionImpl); ok {
			patches = append(patches, patch.GetSubresource()+" "+string(patch.Patch))
		}
	}
	require.Equal(t, []string{`status {"metadata":{"annotations":{"` + v1alpha1.AnnotationTook + `":"open-headroom-0"},"uid":"consumer"}}`}, patches,
		"it must not be written on another pod of the name")
}

func TestAPodIsGoneWhenAnotherHasItsName(t *testing.T) {
	held := unit(hr("open", "1"), 0, "a").Obj()
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{held}})
	require.False(t, f.isGone(held))
	successor := held.DeepCopy()
	successor.UID = "successor"
	store := f.handle.SharedInformerFactory().Core().V1().Pods().Informer().GetStore()
	require.NoError(t, store.Update(successor))
	require.True(t, f.isGone(held))
	require.NoError(t, store.Delete(successor))
	require.True(t, f.isGone(held))
}

// TestNoCreditIsKeptOfAConsumerThatWentDuringItsSwap has the consumer deleted while the API server deletes its placeholder: the eviction is
// noted after all else of the consumer was forgotten.
func TestNoCreditIsKeptOfAConsumerThatWentDuringItsSwap(t *testing.T) {
	for name, gone := range map[string]bool{"it went": true, "it waits for its next attempt": false} {
		t.Run(name, func(t *testing.T) {
			pod := wants("1").Obj()
			f, state := swapping(t, pod)
			f.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				if !gone {
					return false, nil, nil
				}
				f.shared.credits.Settle(pod.UID)
				return false, nil, f.factory.Core().V1().Pods().Informer().GetStore().Delete(pod)
			})
			f.client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
				return action.GetSubresource() == "binding", nil, apierrors.NewInternalError(errors.New("etcd"))
			})
			require.Equal(t, fwk.Error, f.Bind(t.Context(), state, pod, "a").Code())
			f.Unreserve(t.Context(), state, pod, "a")
			_, known := f.shared.credits.To("open-headroom-0")
			require.Equal(t, !gone, known)
		})
	}
}

// TestADeletionWhoseAnswerWasLostCountsOnceThePlaceholderIsGone: the next attempt of the consumer takes nothing itself.
func TestADeletionWhoseAnswerWasLostCountsOnceThePlaceholderIsGone(t *testing.T) {
	for name, gone := range map[string]bool{"it went": true, "it is there": false} {
		t.Run(name, func(t *testing.T) {
			pod := wants("1").Obj()
			f, state := swapping(t, pod)
			f.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, errors.New("connection reset")
			})
			require.Equal(t, fwk.Error, f.Bind(t.Context(), state, pod, "a").Code())
			if gone {
				require.NoError(t, f.factory.Core().V1().Pods().Informer().GetStore().Delete(unit(hr("open", "1"), 0, "a").Obj()))
			}
			require.Equal(t, !gone, f.Bind(t.Context(), framework.NewCycleState(), pod, "a").IsSkip())
			require.Equal(t, gone, len(f.bindings()) == 1)
		})
	}
}

// TestTheTimeOfACreditBeginsWhenThePlaceholderIsGone, which finalizers may have kept for long.
func TestTheTimeOfACreditBeginsWhenThePlaceholderIsGone(t *testing.T) {
	pod, now := wants("1").Obj(), testingclock.NewFakePassiveClock(builders.Epoch())
	f, state := swapping(t, pod)
	f.shared.credits = eviction.NewCredits(now)
	f.evictor.Credits = f.shared.credits
	require.True(t, f.Bind(t.Context(), state, pod, "a").IsSuccess())
	now.SetTime(now.Now().Add(eviction.CreditLifetime))
	f.shared.podGone(t.Context(), unit(hr("open", "1"), 0, "a").Obj())
	credited := func() int { return len(f.shared.credits.Of(pod.UID, "a", func(*corev1.Pod) bool { return true })) }
	now.SetTime(now.Now().Add(eviction.CreditLifetime))
	require.Equal(t, 1, credited())
	now.SetTime(now.Now().Add(1))
	require.Zero(t, credited())
}

func TestWhenAConsumerGoesItsCreditsGo(t *testing.T) {
	pod := wants("1").Obj()
	f, state := swapping(t, pod)
	// The API server refuses the binding, so that the credit waits for another attempt.
	f.client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return action.GetSubresource() == "binding", nil, apierrors.NewInternalError(errors.New("etcd"))
	})
	require.Equal(t, fwk.Error, f.Bind(t.Context(), state, pod, "a").Code())
	gone := func(*corev1.Pod) bool { return true }
	require.Len(t, f.shared.credits.Of(pod.UID, "a", gone), 1)
	f.shared.waiting.Add(pod, f.shared.waiting.Generation())
	require.True(t, f.shared.waiting.CountOnce(pod.UID))

	factory := f.handle.SharedInformerFactory()
	t.Cleanup(factory.Shutdown)
	factory.Start(t.Context().Done())
	// An informer is synced when it has listed. What is deleted before it watches, too, a fake API server never tells it.
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(f.client.Actions(), func(a clienttesting.Action) bool { return a.Matches("watch", "pods") })
	}, patience, glance)
	require.NoError(t, f.client.CoreV1().Pods("default").Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
	// Long before it would have expired.
	require.Eventually(t, func() bool { return len(f.shared.credits.Of(pod.UID, "a", gone)) == 0 }, eviction.CreditLifetime/2, glance)
	require.Eventually(t, func() bool { return f.shared.waiting.CountOnce(pod.UID) }, patience, glance, "nor is it kept among those that wait")
}

// TestAPlaceholderWhoseEndWasMissedIsGone: the next one of its name comes as a change of it.
func TestAPlaceholderWhoseEndWasMissedIsGone(t *testing.T) {
	pod := wants("1").Obj()
	f, _ := swapping(t, pod)
	victim := unit(hr("open", "1"), 0, "a").Obj()
	changed := victim.DeepCopy()
	changed.Labels["example.com/new"] = "yes"
	f.shared.podUpdated(t.Context(), victim, changed)
	require.False(t, f.shared.reservations.Evicted(victim.UID), "it is still there")
	next := unit(hr("open", "1"), 0, "b").UID("next").Obj()
	f.shared.podUpdated(t.Context(), victim, next)
	require.True(t, f.shared.reservations.Evicted(victim.UID), "nobody waits for it any more")
}
