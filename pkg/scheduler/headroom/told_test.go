package headroom

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// waitsForNodeA is a pod of a DaemonSet that waits for the node a.
func waitsForNodeA() *corev1.Pod {
	pod := unscheduled(wants("1").Name("daemon").UID("daemon"))
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "daemon", UID: "set", Controller: new(bool)}}
	*pod.OwnerReferences[0].Controller = true
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}}},
		}}},
	}}
	return pod
}

func TestWhatYieldsToAPodOfADaemonSet(t *testing.T) {
	web := reservedFor("web")
	others := reservedUnit(web, 0, "a").Obj()
	others.OwnerReferences[0].Name = "db" // the label names a Headroom that does not control it
	of := func(headroom string) *corev1.Pod {
		pod := waitsForNodeA()
		pod.Labels = map[string]string{v1alpha1.LabelHeadroom: headroom}
		pod.OwnerReferences = unit(hr(headroom, "1"), 7, "").Obj().OwnerReferences
		return pod
	}
	for name, tc := range map[string]struct {
		held, waits *corev1.Pod
		want        []string
	}{
		"a reserved unit": {held: reservedUnit(web, 0, "a").Obj(), waits: waitsForNodeA(), want: []string{"web-headroom-0"}},
		"not another unit, which its scheduler takes":   {held: unit(hr("open", "1"), 0, "a").Obj(), waits: waitsForNodeA()},
		"not a pod that only looks like a reserved one": {held: others, waits: waitsForNodeA()},
		"and nothing to a placeholder":                  {held: reservedUnit(web, 0, "a").Obj(), waits: of("open")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				node := builders.Node("a", "z-1", res("1")).Obj()
				f := newFixture(t, cluster{nodes: []*corev1.Node{node}, pods: []*corev1.Pod{tc.held}, pending: []*corev1.Pod{tc.waits}})
				require.NoError(t, f.factory.Core().V1().Nodes().Informer().GetStore().Add(node))
				require.NoError(t, f.client.Tracker().Add(tc.held))
				f.shared.yield(t.Context(), tc.waits)
				synctest.Wait()
				require.Equal(t, tc.want, f.deleted())
			})
		})
	}
}

// start has the fixture hear of what the API server has, until the test ends.
func (f *fixture) start(t *testing.T) {
	t.Helper()
	t.Cleanup(f.factory.Shutdown)
	f.factory.Start(t.Context().Done())
	f.factory.WaitForCacheSync(t.Context().Done())
	for _, kind := range []string{"pods", "nodes"} { // what comes before it watches, a fake API server never tells
		require.Eventually(t, func() bool {
			for _, action := range f.client.Actions() {
				if action.Matches("watch", kind) {
					return true
				}
			}
			return false
		}, patience, glance)
	}
}

// TestPodsThatComeChangeAndGoAreHeardOf on a node of two cores, of which a unit holds one.
func TestPodsThatComeChangeAndGoAreHeardOf(t *testing.T) {
	ordinary, reserved := unit(hr("open", "1"), 0, "a").Obj(), reservedUnit(reservedFor("web"), 0, "a").Obj()
	unknown := waitsForNodeA()
	unknown.Status.Conditions, unknown.Spec.Containers[0].Resources = nil, on("a", "running", "2").Spec.Containers[0].Resources
	for name, tc := range map[string]struct {
		held, before *corev1.Pod
		change       func(pod *corev1.Pod)
		// comes is a pod that comes in place of the change.
		comes *corev1.Pod
		want  []string
	}{
		"one that is made for a full node":           {held: ordinary, comes: on("a", "running", "2"), want: []string{"open-headroom-0"}},
		"one of a DaemonSet that waits for the node": {held: reserved, before: on("a", "running", "1"), comes: waitsForNodeA(), want: []string{"web-headroom-0"}},
		"one of a DaemonSet once it is known that it waits": {
			held: reserved, before: unknown, want: []string{"web-headroom-0"},
			change: func(pod *corev1.Pod) { pod.Status.Conditions = waitsForNodeA().Status.Conditions },
		},
		"one that grows where it is": {held: ordinary, before: on("a", "running", "1"), want: []string{"open-headroom-0"}, change: func(pod *corev1.Pod) {
			pod.Generation, pod.Spec.Containers[0].Resources = 2, on("a", "running", "2").Spec.Containers[0].Resources
		}},
	} {
		t.Run(name, func(t *testing.T) {
			others := []runtime.Object{builders.Node("a", "z-1", res("2")).Obj(), tc.held}
			if tc.before != nil {
				others = append(others, tc.before)
			}
			f := newFixture(t, cluster{others: others, headrooms: []*v1alpha1.Headroom{hr("open", "1"), reservedFor("web")}})
			f.start(t)
			require.Empty(t, f.deleted())
			if tc.comes != nil {
				_, err := f.client.CoreV1().Pods("default").Create(t.Context(), tc.comes, metav1.CreateOptions{})
				require.NoError(t, err)
			} else {
				tc.change(tc.before)
				_, err := f.client.CoreV1().Pods("default").Update(t.Context(), tc.before, metav1.UpdateOptions{})
				require.NoError(t, err)
			}
			require.Eventually(t, func() bool { return len(f.deleted()) == len(tc.want) }, patience, glance)
			require.Equal(t, tc.want, f.deleted())
		})
	}
}

// TestAPodWhoseEndWasMissedIsHeardOfAsOne: the room that it left may be that of a victim, and is not to be had at once.
func TestAPodWhoseEndWasMissedIsHeardOfAsOne(t *testing.T) {
	for name, missed := range map[string]bool{"its end was seen": false, "the watch broke off": true} {
		t.Run(name, func(t *testing.T) {
			held := unit(hr("open", "1"), 0, "a").Obj()
			f := newFixture(t, cluster{others: []runtime.Object{builders.Node("a", "z-1", res("1")).Obj(), held}, headrooms: []*v1alpha1.Headroom{hr("open", "1")}})
			watched, first := watch.NewFake(), sync.Once{}
			f.client.PrependWatchReactor("pods", func(clienttesting.Action) (handled bool, of watch.Interface, err error) {
				first.Do(func() { handled, of = true, watched })
				return handled, of, nil
			})
			f.start(t)
			store := f.factory.Core().V1().Pods().Informer().GetStore()
			require.Len(t, store.List(), 1)
			require.NoError(t, f.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "default", held.Name))
			if missed {
				expired := apierrors.NewResourceExpired("too old").Status()
				watched.Error(&expired)
			} else {
				watched.Delete(held)
			}
			require.Eventually(t, func() bool { return len(store.List()) == 0 }, patience, glance)
			if missed {
				require.Eventually(t, func() bool { return f.shared.holes.Known(true) }, patience, glance)
			} else {
				require.Never(t, func() bool { return f.shared.holes.Known(true) }, 10*glance, glance)
			}
		})
	}
}

// TestAPodThatIsBoundOrDeletedIsTriedAgainByNobody: it is not postponed any more, and no placeholder yields to it.
func TestAPodThatIsBoundOrDeletedIsTriedAgainByNobody(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(t *testing.T, f *fixture, waits *corev1.Pod) error
		want    int
	}{
		"it is deleted": {happens: func(t *testing.T, f *fixture, waits *corev1.Pod) error {
			return f.client.CoreV1().Pods("default").Delete(t.Context(), waits.Name, metav1.DeleteOptions{})
		}},
		"it is bound": {happens: func(t *testing.T, f *fixture, waits *corev1.Pod) error {
			bound := waits.DeepCopy()
			bound.Spec.NodeName = "elsewhere"
			_, err := f.client.CoreV1().Pods("default").Update(t.Context(), bound, metav1.UpdateOptions{})
			return err
		}},
		"another one is deleted": {want: 1, happens: func(t *testing.T, f *fixture, _ *corev1.Pod) error {
			return f.client.CoreV1().Pods("default").Delete(t.Context(), "running", metav1.DeleteOptions{})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			waits := unscheduled(wants("1"))
			f := newFixture(t, cluster{others: []runtime.Object{waits, on("elsewhere", "running", "1")}})
			f.start(t)
			yieldedTo := func() int {
				return len(f.shared.unscheduled.Matching(time.Now(), func(*framework.PodInfo) bool { return true }))
			}
			require.Eventually(t, func() bool { return yieldedTo() == 1 }, patience, glance)
			f.shared.postponed.Add(waits, time.Now().Add(time.Hour), nil)
			gone := make(chan struct{})
			_, err := f.factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
				UpdateFunc: func(any, any) { close(gone) }, DeleteFunc: func(any) { close(gone) },
			})
			require.NoError(t, err)
			require.NoError(t, tc.happens(t, f, waits))
			<-gone
			require.Eventually(t, func() bool { return f.shared.postponed.Len() == tc.want && yieldedTo() == tc.want }, patience, glance)
		})
	}
}

func TestNothingIsKeptOfAPodThatIsBound(t *testing.T) {
	pod := wants("1").Obj()
	f := newFixture(t, cluster{})
	f.shared.waiting.Add(pod, f.shared.waiting.Generation())
	require.True(t, f.shared.waiting.CountOnce(pod.UID))
	relabeled := pod.DeepCopy()
	relabeled.Labels = map[string]string{"app": "web"}
	f.shared.podUpdated(t.Context(), pod, relabeled)
	require.False(t, f.shared.waiting.CountOnce(pod.UID), "it still waits")
	bound := pod.DeepCopy()
	bound.Spec.NodeName = "a"
	f.shared.podUpdated(t.Context(), pod, bound)
	require.True(t, f.shared.waiting.CountOnce(pod.UID))
}

func TestAUnitWithDevicesWakesPodsWhenItIsBound(t *testing.T) {
	claimed := func(pod *corev1.Pod) *corev1.Pod {
		pod.Status.ExtendedResourceClaimStatus = &corev1.PodExtendedResourceClaimStatus{ResourceClaimName: "claim"}
		return pod
	}
	h := hr("web", "1")
	for name, tc := range map[string]struct {
		was, is *corev1.Pod
		want    activations
	}{
		"which it could not before":         {was: unit(h, 1, "").Obj(), is: claimed(unit(h, 1, "b").Obj()), want: activations{"consumer"}},
		"not if it has been bound for long": {was: claimed(unit(h, 1, "b").Obj()), is: claimed(unit(h, 1, "b").Obj())},
		"nor if it holds no devices":        {was: unit(h, 1, "").Obj(), is: unit(h, 1, "b").Obj()},
		"nor any other pod with devices":    {was: wants("1").Name("x").UID("x").Obj(), is: claimed(on("b", "x", "1"))},
		"nor one of others":                 {was: unit(closedHeadroom(), 1, "").Obj(), is: claimed(unit(closedHeadroom(), 1, "b").Obj())},
	} {
		t.Run(name, func(t *testing.T) {
			pod := wants("2").Obj()
			c := waitingFor(pod)
			c.headrooms = []*v1alpha1.Headroom{h, closedHeadroom()}
			f := newFixture(t, c)
			f.fail(t, pod, func() {})
			f.shared.podUpdated(t.Context(), tc.was, tc.is)
			require.Equal(t, tc.want, f.activated)
		})
	}
}

func TestAPodThatIsNominatedIsTriedAgainAfterAWhile(t *testing.T) {
	nominated := func(node string) *corev1.Pod { return unscheduled(wants("1").NominatedNodeName(node)) }
	earlier, stock := nominated("a"), nominated("a")
	earlier.UID = "earlier"
	stock.Spec.SchedulerName = "stock"
	for name, tc := range map[string]struct {
		was, is *corev1.Pod
		want    activations
	}{
		"once it is":                          {was: nominated(""), is: nominated("a"), want: activations{"consumer"}},
		"to another node":                     {was: nominated("b"), is: nominated("a"), want: activations{"consumer"}},
		"also if it came so":                  {is: nominated("a"), want: activations{"consumer"}},
		"also if one of its name was before":  {was: earlier, is: nominated("a"), want: activations{"consumer"}},
		"not again for another change":        {was: nominated("a"), is: nominated("a")},
		"not if it is not nominated any more": {was: nominated("a"), is: nominated("")},
		"not one of another scheduler":        {is: stock},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, cluster{pending: []*corev1.Pod{tc.is}})
				var was any
				if tc.was != nil {
					was = tc.was
				}
				f.shared.podChanged(was, tc.is)
				time.Sleep(nominatedAgain - time.Nanosecond) //nolint:forbidigo // the clock is synctest's
				synctest.Wait()
				require.Empty(t, f.activated)
				time.Sleep(time.Nanosecond) //nolint:forbidigo // the clock is synctest's
				synctest.Wait()
				require.Equal(t, tc.want, f.activated)
			})
		})
	}
}

// TestPodsAreTriedAgainOnceTheAPIServerMayDeleteUnitsAgain after it has refused that for a while.
func TestPodsAreTriedAgainOnceTheAPIServerMayDeleteUnitsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pod := wants("2").Obj()
		f, held := newFixture(t, waitingFor(pod)), unit(hr("web", "1"), 0, "a").Obj()
		require.NoError(t, f.shared.catalog.Set(hr("web", "1")))
		f.fail(t, pod, func() {})
		no := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, held.Name, errors.New("no"))
		for range 2 {
			f.shared.refusals.Answered(held, no)
			time.Sleep(3 * time.Second) //nolint:forbidigo // the clock is synctest's
		}
		require.Equal(t, []string{"default/web"}, f.shared.state().Undeletable)
		require.Empty(t, f.activated)
		time.Sleep(2 * time.Second) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.Empty(t, f.shared.state().Undeletable)
		require.Equal(t, activations{"consumer"}, f.activated)
	})
}

// TestWhatIsKnownBeyondObjectsIsTold for kubectl headroom.
func TestWhatIsKnownBeyondObjectsIsTold(t *testing.T) {
	pod := wants("1").Obj()
	f, _ := swapping(t, pod)
	state := f.shared.state()
	require.False(t, state.Time.IsZero())
	require.Equal(t, []string{"default/open"}, state.Headrooms)
	require.Len(t, state.Reserved, 1)
	require.Equal(t, types.UID("open-headroom-0"), state.Reserved[0].Placeholder)
	require.Equal(t, []types.UID{"consumer"}, state.Reserved[0].Consumers)
	require.Empty(t, state.Undeletable)
}
