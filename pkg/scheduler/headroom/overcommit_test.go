package headroom

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
)

// relieving is what takes placeholders from the node n of two cores, and what it knows of pods and asks of the API server.
type relieving struct {
	*relief
	client  *fake.Clientset
	factory informers.SharedInformerFactory
}

func newRelieving(t *testing.T, names bool, on ...*corev1.Pod) *relieving {
	t.Helper()
	client := fake.NewClientset()
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods()
	require.NoError(t, pods.Informer().AddIndexers(cache.Indexers{observed: func(object any) ([]string, error) {
		return []string{object.(*corev1.Pod).Spec.NodeName}, nil
	}}))
	require.NoError(t, factory.Core().V1().Nodes().Informer().GetStore().Add(builders.Node("n", "", res("2")).Obj()))
	for _, pod := range on {
		require.NoError(t, client.Tracker().Add(pod))
		require.NoError(t, pods.Informer().GetStore().Add(pod))
	}
	evictor := &eviction.Evictor{
		Client: client, Pods: pods.Lister(), Reservations: eviction.NewReservations(func(string) {}),
		Credits: eviction.NewCredits(clock.RealClock{}),
	}
	return &relieving{newRelief(evictor, factory, looksLikePlaceholder, func(_, _ *corev1.Pod) bool { return names }), client, factory}
}

// asked is what the API server was asked for about pods: "delete NAME", and "patch NAME PATCH".
func (r *relieving) asked() (asked []string) {
	for _, action := range r.client.Actions() {
		switch action := action.(type) {
		case clienttesting.DeleteActionImpl:
			asked = append(asked, "delete "+action.Name)
		case clienttesting.PatchActionImpl:
			asked = append(asked, "patch "+action.Name+" "+string(action.Patch))
		}
	}
	return asked
}

func TestAPlaceholderThatGoesFromAnOvercommittedNodeSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelieving(t, false, on("n", "running", "2"), unit(hr("open", "1"), 0, "n").Obj())
		r.look(t.Context(), "n", everyUnit)
		synctest.Wait()
		asked := r.asked()
		require.Len(t, asked, 2, "%v", asked)
		require.Contains(t, asked[0], "patch open-headroom-0 ")
		require.Contains(t, asked[0], `"reason":"`+swapevent.ReasonOvercommitted+`"`, "by this the account tells losses apart")
		require.Contains(t, asked[0], "node n")
		require.Equal(t, "delete open-headroom-0", asked[1])
	})
}

func TestWhichPlaceholdersGoFromAnOvercommittedNode(t *testing.T) {
	open, reserved := unit(hr("open", "1"), 0, "n"), reservedUnit(reservedFor("web"), 0, "n")
	for name, tc := range map[string]struct {
		pods  []*corev1.Pod
		cause *corev1.Pod
		start bool
		named bool
		want  int
	}{
		"one where a node shrank":                       {pods: []*corev1.Pod{on("n", "running", "2"), open.Obj()}, want: 1},
		"none where all fit":                            {pods: []*corev1.Pod{on("n", "running", "1"), open.Obj()}},
		"one for whatever pod came":                     {pods: []*corev1.Pod{on("n", "running", "2"), open.Obj()}, cause: wants("2").Obj(), want: 1},
		"a reserved unit where a node shrank":           {pods: []*corev1.Pod{on("n", "running", "2"), reserved.Obj()}, want: 1},
		"a reserved unit for a pod that it is for":      {pods: []*corev1.Pod{on("n", "running", "2"), reserved.Obj()}, cause: wants("2").Obj(), named: true, want: 1},
		"no reserved unit for a pod that it is not":     {pods: []*corev1.Pod{on("n", "running", "2"), reserved.Obj()}, cause: wants("2").Obj()},
		"one at the start":                              {pods: []*corev1.Pod{on("n", "running", "2"), open.Obj()}, start: true, want: 1},
		"no reserved unit at the start":                 {pods: []*corev1.Pod{on("n", "running", "2"), reserved.Obj()}, start: true, named: true},
		"none for a pod that asks for more than it has": {pods: []*corev1.Pod{deferred(on("n", "running", "2"), "1"), open.Obj()}},
	} {
		t.Run(name, func(t *testing.T) {
			r, may := newRelieving(t, tc.named, tc.pods...), everyUnit
			switch {
			case tc.start:
				may = unreserved
			case tc.cause != nil:
				may = r.madeFor(tc.cause)
			}
			require.Len(t, r.victims("n", may), tc.want)
		})
	}
}

// TestAtTheStartNoPodHasItsNodeLookedAt: which pods and DaemonSets there are is not known before all are listed.
func TestAtTheStartNoPodHasItsNodeLookedAt(t *testing.T) {
	h := reservedFor("web")
	node, held := builders.Node("a", "z-1", res("2")).Obj(), reservedUnit(h, 0, "a").Obj()
	running := wants("2").Name("running").UID("running").Label("app", "web").Node("a").Obj()
	last := unscheduled(wants("9").Name("last").UID("last"))
	f := newFixture(t, cluster{headrooms: []*v1alpha1.Headroom{h}, others: []runtime.Object{held, running, node}})
	require.NoError(t, f.factory.Core().V1().Nodes().Informer().GetStore().Add(node))
	t.Cleanup(f.factory.Shutdown)
	f.factory.Start(t.Context().Done())
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(f.client.Actions(), func(a clienttesting.Action) bool { return a.Matches("watch", "pods") })
	}, patience, glance)
	_, err := f.client.CoreV1().Pods("default").Create(t.Context(), last, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { // it is told of the last one after all others
		return len(f.shared.unscheduled.Matching(time.Now(), func(*framework.PodInfo) bool { return true })) == 1
	}, patience, glance)
	f.shared.relief.mu.Lock()
	defer f.shared.relief.mu.Unlock()
	require.Empty(t, f.shared.relief.delayed)
}

func TestAtTheStartReservedUnitsStayOnOvercommittedNodes(t *testing.T) {
	for name, tc := range map[string]struct {
		held *corev1.Pod
		want []string
	}{
		"another unit goes": {held: unit(hr("open", "1"), 0, "n").Obj(), want: []string{"open-headroom-0"}},
		"a reserved unit":   {held: reservedUnit(reservedFor("web"), 0, "n").Obj()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRelieving(t, true, on("n", "running", "2"), tc.held)
				r.lookEverywhere(t.Context())
				synctest.Wait()
				require.Equal(t, tc.want, r.deletions())
			})
		})
	}
}

// deletions are the placeholders that the API server was asked to delete.
func (r *relieving) deletions() (names []string) {
	for _, asked := range r.asked() {
		if name, is := strings.CutPrefix(asked, "delete "); is {
			names = append(names, name)
		}
	}
	return names
}

// TestAPlaceholderWhoseDeletionFailsGoesLater although nothing else happens on its node.
func TestAPlaceholderWhoseDeletionFailsGoesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelieving(t, false, on("n", "running", "2"), unit(hr("open", "1"), 0, "n").Obj())
		failed := false
		r.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			if failed {
				return true, nil, r.pods.Delete(unit(hr("open", "1"), 0, "n").Obj())
			}
			failed = true
			return true, nil, apierrors.NewInternalError(errors.New("etcd"))
		})
		r.look(t.Context(), "n", everyUnit)
		time.Sleep(10 * relieveAgain) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.Equal(t, []string{"open-headroom-0", "open-headroom-0"}, r.deletions())
	})
}

// TestALookThatIsPutOffHidesNoOther has a node looked at for one pod, and then for another one for which a reserved unit may go.
func TestALookThatIsPutOffHidesNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open, reserved := unit(hr("open", "1"), 0, "n").Obj(), reservedUnit(reservedFor("web"), 0, "n").Obj()
		r := newRelieving(t, false, on("n", "running", "2"), open, reserved)
		r.client.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
			for _, pod := range []*corev1.Pod{open, reserved} {
				if pod.Name == action.(clienttesting.DeleteAction).GetName() {
					return true, nil, r.pods.Delete(pod)
				}
			}
			return false, nil, nil
		})
		r.look(t.Context(), "n", unreserved)
		synctest.Wait()
		require.Equal(t, []string{open.Name}, r.deletions())
		require.NoError(t, r.pods.Add(open))
		r.look(t.Context(), "n", unreserved)
		r.look(t.Context(), "n", everyUnit)
		time.Sleep(10 * relieveAgain) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.Contains(t, r.deletions(), reserved.Name)
	})
}

func TestAReservedUnitGoesFromANodeThatShrinks(t *testing.T) {
	r := newRelieving(t, false, on("n", "running", "1"), reservedUnit(reservedFor("web"), 0, "n").Obj())
	require.NoError(t, r.client.Tracker().Add(builders.Node("n", "", res("2")).Obj()))
	require.NoError(t, r.followNodes(t.Context(), r.factory))
	t.Cleanup(r.factory.Shutdown)
	r.factory.Start(t.Context().Done())
	r.factory.WaitForCacheSync(t.Context().Done())
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(r.client.Actions(), func(a clienttesting.Action) bool { return a.Matches("watch", "nodes") })
	}, patience, glance)
	require.Empty(t, r.deletions(), "both have room")
	_, err := r.client.CoreV1().Nodes().UpdateStatus(t.Context(), builders.Node("n", "", res("1")).Obj(), metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(r.deletions()) == 1 }, patience, glance)
}

// TestAPodThatOnlyLooksLikeAPlaceholderStaysOnAnOvercommittedNode, as one does that carries the label and is of a DaemonSet of no Headroom.
func TestAPodThatOnlyLooksLikeAPlaceholderStaysOnAnOvercommittedNode(t *testing.T) {
	dressed := unit(hr("open", "1"), 0, "n").Obj()
	r := newRelieving(t, false, on("n", "running", "2"), dressed)
	require.Len(t, r.victims("n", everyUnit), 1)
	r.isPlaceholder = func(*corev1.Pod) bool { return false }
	require.True(t, looksLikePlaceholder(dressed))
	require.Empty(t, r.victims("n", everyUnit))
}

func TestWhenANodeShrinks(t *testing.T) {
	had := builders.Resources{"cpu": "4", "example.com/gpu": "2"}
	for name, tc := range map[string]struct {
		has  builders.Resources
		want bool
	}{
		"it has less of something":        {has: builders.Resources{"cpu": "3", "example.com/gpu": "2"}, want: true},
		"it has something no more":        {has: builders.Resources{"cpu": "4"}, want: true},
		"it has less of one, more of all": {has: builders.Resources{"cpu": "8", "example.com/gpu": "1"}, want: true},
		"not if it has as much":           {has: had},
		"nor if it has more":              {has: builders.Resources{"cpu": "4", "example.com/gpu": "2", "memory": "1Gi"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, shrank(builders.Node("n", "", had).Obj(), builders.Node("n", "", tc.has).Obj()))
		})
	}
}

// TestANodeShrinksByWhatPodsMayHaveOfIt, of which a kubelet may keep more than before for itself.
func TestANodeShrinksByWhatPodsMayHaveOfIt(t *testing.T) {
	before := builders.Node("n", "", res("4")).Obj()
	less := before.DeepCopy()
	less.Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("3")
	require.True(t, shrank(before, less))
	require.False(t, shrank(less, before))
	smaller := before.DeepCopy()
	smaller.Status.Capacity[corev1.ResourceCPU] = resource.MustParse("3")
	require.False(t, shrank(before, smaller))
}

// TestWhichChangesOfAPodHaveItsNodeLookedAt has a node on which a unit is too much.
func TestWhichChangesOfAPodHaveItsNodeLookedAt(t *testing.T) {
	is := on("a", "running", "2")
	is.Generation = 2
	same, smaller, waited, earlier := is.DeepCopy(), is.DeepCopy(), is.DeepCopy(), is.DeepCopy()
	smaller.Generation, waited.Spec.NodeName = 1, ""
	earlier.UID, earlier.Spec.NodeName = "earlier", "b"
	for name, tc := range map[string]struct {
		before  *corev1.Pod
		after   *corev1.Pod
		besides bool
		want    bool
	}{
		"it grew":                               {before: smaller, after: is, want: true},
		"it came with a node":                   {after: is, want: true},
		"it came after one of its name":         {before: earlier, after: is, want: true},
		"it was bound beside another scheduler": {before: waited, after: is, besides: true, want: true},
		"not if there is no other":              {before: waited, after: is},
		"not if nothing changed but its status": {before: same, after: is},
		"beside another scheduler as well":      {before: same, after: is, besides: true},
		"nor if it waits":                       {before: waited, after: waited},
	} {
		t.Run(name, func(t *testing.T) {
			held, node := unit(hr("open", "1"), 0, "a").Obj(), builders.Node("a", "z-1", res("2")).Obj()
			f := newFixture(t, cluster{nodes: []*corev1.Node{node}, pods: []*corev1.Pod{is, held}})
			require.NoError(t, f.factory.Core().V1().Nodes().Informer().GetStore().Add(node))
			require.NoError(t, f.client.Tracker().Add(held))
			if tc.besides {
				f.shared.podChanged(nil, foreign("waits", 0).Obj())
			}
			var before any
			if tc.before != nil {
				before = tc.before
			}
			f.shared.lookAtNode(t.Context(), before, tc.after)
			require.Equal(t, tc.want, f.shared.relief.backoff.Get("a") > 0, "that of a node which loses placeholders")
			if tc.want {
				require.Eventually(t, func() bool { return len(f.deleted()) == 1 }, patience, glance)
			}
		})
	}
}

func TestWhomTheHeadroomOfAUnitNames(t *testing.T) {
	for name, tc := range map[string]struct {
		headrooms []*v1alpha1.Headroom
		app       string
		want      bool
	}{
		"a pod that its consumers select":          {headrooms: []*v1alpha1.Headroom{forApp("web")}, app: "web", want: true},
		"not another pod":                          {headrooms: []*v1alpha1.Headroom{forApp("web")}, app: "db"},
		"not if it is open to all":                 {headrooms: []*v1alpha1.Headroom{hr("web", "1")}, app: "web"},
		"nor as long as the Headroom is not known": {app: "web"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{headrooms: tc.headrooms})
			require.Equal(t, tc.want, f.shared.names(unit(hr("web", "1"), 0, "a").Obj(), wants("1").Label("app", tc.app).Obj()))
		})
	}
}

// deferred is a pod whose kubelet has allocated so many cores to it, and defers what it asks for by now.
func deferred(pod *corev1.Pod, cores string) *corev1.Pod {
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: pod.Spec.Containers[0].Name, AllocatedResources: builders.Headroom("", res(cores)).Obj().Spec.Requests,
	}}
	return pod
}

// TestANodeThatIsOvercommittedAgainAndAgainLosesPlaceholdersEverLater has each placeholder that goes replaced on the same node.
func TestANodeThatIsOvercommittedAgainAndAgainLosesPlaceholdersEverLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		held := unit(hr("open", "1"), 0, "n").Obj()
		r := newRelieving(t, false, on("n", "running", "2"), held)
		var gone atomic.Int64
		r.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			next := held.DeepCopy()
			next.UID = types.UID(fmt.Sprint("unit-", gone.Add(1)))
			return true, nil, r.pods.Update(next)
		})
		for range 600 {
			r.look(ctx, "n", everyUnit)
			time.Sleep(time.Second) //nolint:forbidigo // the clock is synctest's
			synctest.Wait()
		}
		require.InDelta(t, 6, gone.Load(), 1, "10 s, 20 s, 40 s, ...")
	})
}

// TestANodeIsLookedAtLaterAsOftenAsThatIsNeeded has each placeholder that goes replaced on the same node, and hears of the node only while
// that must not lose another one yet.
func TestANodeIsLookedAtLaterAsOftenAsThatIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		held := unit(hr("open", "1"), 0, "n").Obj()
		r := newRelieving(t, false, on("n", "running", "2"), held)
		var gone atomic.Int64
		r.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			next := held.DeepCopy()
			next.UID = types.UID(fmt.Sprint("unit-", gone.Add(1)))
			return true, nil, r.pods.Update(next)
		})
		r.look(ctx, "n", everyUnit)
		for want := int64(2); want <= 4; want++ {
			time.Sleep(time.Second) //nolint:forbidigo // the clock is synctest's
			synctest.Wait()
			r.look(ctx, "n", everyUnit)
			require.Equal(t, want-1, gone.Load(), "not yet")
			time.Sleep(r.backoff.Get("n")) //nolint:forbidigo // the clock is synctest's
			synctest.Wait()
			require.Equal(t, want, gone.Load())
		}
	})
}
