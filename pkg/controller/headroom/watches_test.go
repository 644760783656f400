package headroom

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllertest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/promised"
)

// looks are Accounts that note which Headrooms are looked at, and when.
type looks struct {
	Accounts
	mu   sync.Mutex
	at   map[types.NamespacedName][]time.Time
	hold map[types.NamespacedName]chan struct{}
}

func (l *looks) Keep(headroom types.NamespacedName) {
	l.mu.Lock()
	l.at[headroom] = append(l.at[headroom], time.Now())
	hold := l.hold[headroom]
	l.mu.Unlock()
	if hold != nil {
		<-hold
	}
	l.Accounts.Keep(headroom)
}

// take returns when a Headroom was looked at since the last call.
func (l *looks) take(headroom types.NamespacedName) []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.at[headroom]
	delete(l.at, headroom)
	return at
}

// watching is a manager whose cache shows what the test says. It has what a controller asks a manager for, and no more.
type watching struct {
	manager.Manager
	t         *testing.T
	scene     *scene
	informers *informertest.FakeInformers
	added     []manager.Runnable
	looks     *looks
}

func (w *watching) Add(runnable manager.Runnable) error {
	w.added = append(w.added, runnable)
	return nil
}

func (w *watching) GetCache() cache.Cache                { return w.informers }
func (w *watching) GetFieldIndexer() client.FieldIndexer { return w.informers }
func (w *watching) GetScheme() *runtime.Scheme           { return w.scene.api.Scheme() }
func (w *watching) GetLogger() logr.Logger               { return logr.Discard() }

// GetRESTMapper knows that Headrooms are of a namespace, which the fake API server does not.
func (w *watching) GetRESTMapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom), meta.RESTScopeNamespace)
	return mapper
}

// GetControllerOptions lets the name of the controller be one that another test had.
func (w *watching) GetControllerOptions() config.Controller {
	return config.Controller{SkipNameValidation: ptr.To(true)}
}

// watch registers the Reconciler and has it run until the test ends. It has to be called in a bubble of synctest.
func (s *scene) watch(t *testing.T, concurrency int) *watching {
	t.Helper()
	w := &watching{t: t, scene: s, informers: &informertest.FakeInformers{Scheme: s.api.Scheme()}}
	w.looks = &looks{Accounts: s.Accounts, at: map[types.NamespacedName][]time.Time{}, hold: map[types.NamespacedName]chan struct{}{}}
	s.Accounts = w.looks
	for _, kind := range []client.Object{
		&v1alpha1.Headroom{}, &appsv1.DaemonSet{}, &schedulingv1.PriorityClass{}, &corev1.Node{}, &corev1.Pod{}, &corev1.ResourceQuota{},
	} {
		w.of(kind) // several sources ask for them at once, and the fake makes one for each that it does not have
	}
	require.NoError(t, s.Register(t.Context(), w, concurrency))
	require.Len(t, w.added, 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.added[0].Start(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	synctest.Wait()
	return w
}

// of is the informer of a kind.
func (w *watching) of(kind client.Object) *controllertest.FakeInformer {
	w.t.Helper()
	informer, err := w.informers.FakeInformerFor(w.t.Context(), kind)
	require.NoError(w.t, err)
	return informer
}

// looksAt returns how often the Headroom web is looked at within a time.
func (w *watching) looksAt(within time.Duration) int {
	w.t.Helper()
	time.Sleep(within) //nolint:forbidigo // the clock is synctest's
	synctest.Wait()
	return len(w.looks.take(web))
}

// showsChange has the cache show that an object changed.
func showsChange[T client.Object](w *watching, object T, change func(T)) {
	w.t.Helper()
	after, ok := object.DeepCopyObject().(T)
	require.True(w.t, ok)
	change(after)
	w.of(object).Update(object, after)
}

func TestEachChangeThatMattersToAHeadroomHasItLookedAt(t *testing.T) {
	h, class := webOf(1), &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "headroom"}}
	h.Status.Controller = &v1alpha1.ControllerRecord{Identity: "me"}
	theirs := daemonSetOf(perNode(), func(set *appsv1.DaemonSet) { set.OwnerReferences[0].Name = "db" })
	unit := placeholderOf(h, 0, nil)
	for name, tc := range map[string]struct {
		happens func(w *watching)
		want    int
		within  time.Duration
	}{
		"it comes": {happens: func(w *watching) { w.of(h).Add(h) }, want: 1},
		"it goes":  {happens: func(w *watching) { w.of(h).Delete(h) }, want: 1},
		"its spec is another one": {
			happens: func(w *watching) { showsChange(w, h, func(h *v1alpha1.Headroom) { h.Generation++ }) }, want: 1,
		},
		"another installation would act on it": {happens: func(w *watching) {
			showsChange(w, h, func(h *v1alpha1.Headroom) { h.Status.OtherController = &v1alpha1.ControllerRecord{Identity: "you"} })
		}, want: 1},
		"not that its status was written": {happens: func(w *watching) {
			showsChange(w, h, func(h *v1alpha1.Headroom) { h.Status.ReadyReplicas++ })
		}},
		"its DaemonSet changes": {happens: func(w *watching) {
			showsChange(w, daemonSetOf(perNode(), func(*appsv1.DaemonSet) {}), func(set *appsv1.DaemonSet) { set.Status.DesiredNumberScheduled++ })
		}, want: 1},
		"not that another's does": {happens: func(w *watching) {
			showsChange(w, theirs, func(set *appsv1.DaemonSet) { set.Status.DesiredNumberScheduled++ })
		}},
		"its PriorityClass goes": {happens: func(w *watching) { w.of(class).Delete(class) }, want: 1},
		"not that another class does": {happens: func(w *watching) {
			w.of(class).Delete(&schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "other"}})
		}},
		"the node of a unit is cordoned": {happens: func(w *watching) { showsChange(w, readyNode("n1"), cordoned(true)) }, want: 1},
		"the node of a unit goes":        {happens: func(w *watching) { w.of(&corev1.Node{}).Delete(readyNode("n1")) }, want: 1},
		"the node of a unit is about to go": {happens: func(w *watching) {
			showsChange(w, readyNode("n1"), func(n *corev1.Node) { n.DeletionTimestamp = ptr.To(metav1.NewTime(epoch)) })
		}, want: 1},
		"not that a node without units does": {happens: func(w *watching) { w.of(&corev1.Node{}).Delete(readyNode("n2")) }},
		"not that the node of a unit is alive": {happens: func(w *watching) {
			showsChange(w, readyNode("n1"), func(n *corev1.Node) { n.ResourceVersion = "8" })
		}},
		"a unit appears":          {happens: func(w *watching) { w.of(unit).Add(unit) }, want: 1, within: settle},
		"a unit changes":          {happens: func(w *watching) { showsChange(w, unit, fail) }, want: 1, within: settle},
		"a unit is gone, at once": {happens: func(w *watching) { w.of(unit).Delete(unit) }, want: 1},
		"a quota of its namespace changes": {happens: func(w *watching) {
			showsChange(w, &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}}, func(q *corev1.ResourceQuota) { q.Name = "q" })
		}, want: 1, within: quotaSettle},
		"pods lacked units of it": {happens: func(w *watching) { w.scene.Lacking(web) }, want: 1},
		"a pod waits for the node of a unit": {
			happens: func(w *watching) { w.scene.nominations.Saw(waits("n1")) }, want: 1, within: promised.Settle,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, h.DeepCopy(), unit.DeepCopy())
				s.Identity = "me"
				s.reconcile() // it wants nothing
				w := s.watch(t, 1)
				tc.happens(w)
				synctest.Wait()
				if tc.within > 0 {
					require.Empty(t, w.looks.take(web), "others may follow")
				}
				require.Equal(t, tc.want, w.looksAt(tc.within))
			})
		})
	}
}

func TestTheHeadroomOfEachUnitOnANodeIsLookedAt(t *testing.T) {
	elsewhere := webOf(1)
	elsewhere.Namespace = "bank"
	s := newScene(t, placeholderOf(webOf(1), 0, nil), placeholderOf(elsewhere, 0, nil), placeholderOf(neighbor(), 0, nil))
	require.ElementsMatch(t, []reconcile.Request{
		{NamespacedName: web}, {NamespacedName: client.ObjectKeyFromObject(elsewhere)}, {NamespacedName: client.ObjectKeyFromObject(neighbor())},
	}, s.onNode(t.Context(), readyNode("n1")))
	require.Empty(t, s.onNode(t.Context(), readyNode("n2")))
}

func TestALookThatFailsIsRepeatedEverMoreRarelyAndOnceAMinuteInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, webOf(0))
		s.answers["report Headroom"] = apierrors.NewInternalError(errors.New("etcd"))
		w := s.watch(t, 1)
		s.Lacking(web)
		time.Sleep(10 * time.Minute) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		at := w.looks.take(web)
		require.Greater(t, len(at), 12)
		for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000} {
			require.Equal(t, want*time.Millisecond, at[i+1].Sub(at[i]), "look %d", i)
		}
	})
}

func TestAHeadroomThatTakesLongKeepsNoOtherWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, webOf(0), neighbor())
		w := s.watch(t, 2)
		db := client.ObjectKeyFromObject(neighbor())
		w.looks.hold[db] = make(chan struct{})
		defer close(w.looks.hold[db])
		s.Lacking(db)
		synctest.Wait()
		s.Lacking(web)
		require.Equal(t, 1, w.looksAt(0))
		require.Len(t, w.looks.take(db), 1)
	})
}

func TestTheIndexesFindPodsByNodeAndLabelAndHeadroomsByClass(t *testing.T) {
	other := neighbor()
	other.Spec.PriorityClassName = "spare"
	waits := placeholderOf(other, 0, func(pod *corev1.Pod) { pod.Spec.NodeName = "" })
	s := newScene(t, webOf(1), other, placeholderOf(webOf(1), 0, nil), waits)
	names := func(list client.ObjectList, field, value string) (names []string) {
		require.NoError(t, s.api.List(t.Context(), list, client.MatchingFields{field: value}))
		require.NoError(t, meta.EachListItem(list, func(object runtime.Object) error {
			names = append(names, object.(client.Object).GetName())
			return nil
		}))
		slices.Sort(names)
		return names
	}
	require.Equal(t, []string{"web-headroom-0"}, names(&corev1.PodList{}, indexNode, "n1"))
	require.Empty(t, names(&corev1.PodList{}, indexNode, ""), "those that wait for a node are on none")
	require.Equal(t, []string{"db-headroom-0"}, names(&corev1.PodList{}, indexHeadroom, "db"))
	require.Equal(t, []string{"db"}, names(&v1alpha1.HeadroomList{}, indexPriorityClass, "spare"))
	require.Equal(t, []string{"web"}, names(&v1alpha1.HeadroomList{}, indexPriorityClass, "headroom"))
}
