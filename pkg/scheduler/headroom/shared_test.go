package headroom

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/component-base/configz"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestWhetherThereMayBePlaceholdersInTheSnapshot, which is behind the informer's cache.
func TestWhetherThereMayBePlaceholdersInTheSnapshot(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}, pods: []*corev1.Pod{on("a", "running", "1")}})
	store, held := f.factory.Core().V1().Pods().Informer().GetStore(), unit(hr("open", "1"), 0, "a").Obj()
	require.False(t, f.shared.placeholdersExist())
	require.NoError(t, store.Add(held))
	require.True(t, f.shared.placeholdersExist(), "one that is new is there first")
	require.NoError(t, store.Delete(held))
	require.True(t, f.shared.placeholdersExist(), "the snapshot may have it a little longer")
	f.shared.refresh(f.nodes, false)
	require.False(t, f.shared.placeholdersExist())
}

// TestAPlaceholderThatIsGoneCountsAsLongAsTheSnapshotHasIt: pods may share the room that was reserved for it.
func TestAPlaceholderThatIsGoneCountsAsLongAsTheSnapshotHasIt(t *testing.T) {
	held := unit(hr("open", "1"), 0, "a").Obj()
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}, pods: []*corev1.Pod{held}})
	require.NoError(t, f.factory.Core().V1().Pods().Informer().GetStore().Delete(held))
	f.shared.refresh(f.nodes, false)
	require.True(t, f.shared.placeholdersExist())
}

// TestAPlaceholderOfWhichOnlyTheListTellsThatItIsGoneIsGone: a watch that broke off told nothing of its end.
func TestAPlaceholderOfWhichOnlyTheListTellsThatItIsGoneIsGone(t *testing.T) {
	held := unit(hr("open", "1"), 0, "a").Obj()
	f := newFixture(t, cluster{others: []runtime.Object{held}, headrooms: []*v1alpha1.Headroom{hr("open", "1")}})
	watched, first := watch.NewFake(), sync.Once{}
	f.client.PrependWatchReactor("pods", func(clienttesting.Action) (handled bool, of watch.Interface, err error) {
		first.Do(func() { handled, of = true, watched })
		return handled, of, nil
	})
	f.start(t)
	f.shared.reservations.Reserve("consumer", []*corev1.Pod{held})
	require.NoError(t, f.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "default", held.Name))
	expired := apierrors.NewResourceExpired("too old").Status()
	watched.Error(&expired)
	require.Eventually(t, func() bool { return f.shared.reservations.Evicted(held.UID) }, patience, glance, "nobody waits for it any more")
}

// TestPodsAreTriedAgainOnceTheirHeadroomIsKnown, since nothing is taken of one that is not.
func TestPodsAreTriedAgainOnceTheirHeadroomIsKnown(t *testing.T) {
	server, tries, pod := listing{open: make(chan struct{})}, make(activator, 10), wants("2").Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "2"), 0, "a").Obj()},
		unknown: true, pending: []*corev1.Pod{pod}, config: &rest.Config{Host: "http://server", Transport: server},
	})
	f.framework.SetPodActivator(tries)
	f.awaitOnce.Do(func() {}) // the first pod has waited for it
	f.fail(t, pod, func() {})
	require.Empty(t, tries)
	close(server.open)
	require.Eventually(t, func() bool { return len(tries) > 0 }, patience, glance)
	require.Equal(t, "consumer", <-tries)
}

// TestAPodIsFoundToBeAPlaceholderOnceItsDaemonSetIsKnown, although nothing changed on its node.
func TestAPodIsFoundToBeAPlaceholderOnceItsDaemonSetIsKnown(t *testing.T) {
	web := hr("web", "1")
	held := ofDaemonSet("web-headroom-x")
	held.UID, held.OwnerReferences[0].UID, held.Spec.NodeName = "held", "set", "a"
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{held}, headrooms: []*v1alpha1.Headroom{web},
	})
	f.shared.refresh(f.nodes, false)
	require.Zero(t, f.shared.inventory.Placeholders())
	f.start(t)
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: "web-headroom", UID: "set", Labels: map[string]string{v1alpha1.LabelHeadroom: "web"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(web, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))},
	}}
	require.NoError(t, f.client.Tracker().Add(set))
	require.Eventually(t, func() bool {
		f.shared.refresh(f.nodes, false)
		return f.shared.inventory.Placeholders() == 1
	}, patience, glance)
}

// TestForAResizeNoUnitGoesBesideOneThatLeavesAnyway, as it does for the swap of another pod.
func TestForAResizeNoUnitGoesBesideOneThatLeavesAnyway(t *testing.T) {
	for name, tc := range map[string]struct {
		reserved bool
		want     int
	}{"one leaves": {reserved: true}, "none does": {want: 1}} {
		t.Run(name, func(t *testing.T) {
			f, held := newResizing(t, nil)
			second := unit(hr("open", "2"), 1, "a").Obj()
			require.NoError(t, f.factory.Core().V1().Nodes().Informer().GetStore().Update(builders.Node("a", "z-1", res("6")).Obj()))
			require.NoError(t, f.factory.Core().V1().Pods().Informer().GetStore().Add(second))
			require.NoError(t, f.client.Tracker().Add(second))
			if tc.reserved {
				f.shared.reservations.Reserve("another", []*corev1.Pod{held})
			}
			f.shared.growth.Look("a")
			if tc.want > 0 {
				require.Eventually(t, func() bool { return len(f.deleted()) == tc.want }, patience, glance)
				return
			}
			require.Never(t, func() bool { return len(f.deleted()) > 0 }, 10*glance, glance)
		})
	}
}

// TestWhatASchedulerTellsOfItselfEndsWithIt, so that the next one of the process may.
func TestWhatASchedulerTellsOfItselfEndsWithIt(t *testing.T) {
	t.Run("a scheduler", func(t *testing.T) { newFixture(t, cluster{}) })
	require.Eventually(t, func() bool {
		mux, answer := http.NewServeMux(), httptest.NewRecorder()
		configz.InstallHandler(mux)
		mux.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, configz.DefaultConfigzPath, nil))
		return !strings.Contains(answer.Body.String(), "headroom")
	}, patience, glance)
}

func TestAnOperatorIsToldThatOtherSchedulersAreNotKeptOff(t *testing.T) {
	for name, tc := range map[string]struct {
		holes config.GuardHoles
		want  bool
	}{
		"where they are to be":     {holes: config.GuardReserved, want: true},
		"and all of them":          {holes: config.GuardAll, want: true},
		"not where they never are": {holes: config.GuardNever},
	} {
		t.Run(name, func(t *testing.T) {
			f, logger := newFixture(t, cluster{}), ktesting.NewLogger(t, ktesting.NewConfig(ktesting.BufferLogs(true)))
			f.shared.keepOthersOff(klog.NewContext(t.Context(), logger), f.framework, f.factory, &config.HeadroomArgs{GuardHoles: tc.holes})
			require.Nil(t, f.shared.guards)
			said, ok := logger.GetSink().(ktesting.Underlier)
			require.True(t, ok)
			require.Equal(t, tc.want, strings.Contains(said.GetBuffer().String(), "Other schedulers are not kept off nodes"))
		})
	}
}
