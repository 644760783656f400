package lacking

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/message"
)

var errBroken = errors.New("broken")

// book counts what pods lacked.
type book struct {
	through time.Time
	ready   int
	// asked are the Headrooms of which it was asked whether units are ready.
	asked  []types.NamespacedName
	lacked int
	missed []account.Miss
	// latest is when the last pod that lacked units of a Headroom was told so.
	latest map[types.NamespacedName]time.Time
	// loaded is closed when the stored accounts are read.
	loaded chan struct{}
	// waiting are the units that pods lack which wait, whoever counted them.
	waiting map[types.UID]int
}

func (b *book) Loaded() <-chan struct{} { return b.loaded }

func (b *book) LackedThrough(headroom types.NamespacedName) time.Time {
	if latest := b.latest[headroom]; latest.After(b.through) {
		return latest
	}
	return b.through
}

func (b *book) Ready(headroom types.NamespacedName) int {
	b.asked = append(b.asked, headroom)
	return b.ready
}

func (b *book) Missed(headroom types.NamespacedName, pod types.UID, why account.Miss, units int, at time.Time) {
	b.lacked += units
	b.missed = append(b.missed, why)
	if b.latest == nil {
		b.latest = map[types.NamespacedName]time.Time{}
	}
	if at.After(b.latest[headroom]) {
		b.latest[headroom] = at
	}
	b.waits(pod, units)
}

func (b *book) Counted(_ types.NamespacedName, pod types.UID, units int) { b.waits(pod, units) }

func (b *book) Gone(pod types.UID) { delete(b.waiting, pod) }

func (b *book) waits(pod types.UID, units int) {
	if b.waiting == nil {
		b.waiting = map[types.UID]int{}
	}
	b.waiting[pod] += units
}

// toldPod is a pod of one CPU that was told that there is no room.
func toldPod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api", UID: "api", ResourceVersion: "1"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: list("cpu", "1")}}}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
			Message: "0/3 nodes are available: 3 Insufficient cpu.", LastTransitionTime: metav1.NewTime(epoch),
		}}},
	}
}

func TestAPodThatWaitsCountsOnce(t *testing.T) {
	pod := toldPod()
	for name, tc := range map[string]struct {
		initial bool
		through time.Time
		want    int
	}{
		"it is told while the controller looks":                  {through: epoch.Add(time.Minute), want: 1},
		"it was told before, and later than the last that is in": {initial: true, through: epoch.Add(-time.Minute), want: 1},
		"it was told before, and is in the account":              {initial: true, through: epoch},
	} {
		t.Run(name, func(t *testing.T) {
			accounts, now := &book{through: tc.through}, testingclock.NewFakeClock(epoch)
			w := &Watcher{
				Namespaces: []string{"shop"}, Accounts: accounts, Clock: now, waiting: map[types.UID]*waiting{},
				known: []Headroom{headroom(t, "open", nil, list("cpu", "1"))}, asOf: epoch,
			}
			h := handler{w, t.Context()}
			h.OnAdd(pod, tc.initial)
			for range 3 {
				h.OnUpdate(pod, pod)
			}
			require.Equal(t, tc.want, accounts.lacked)
			require.Equal(t, map[types.UID]int{"api": 1}, accounts.waiting, "it is known what it lacks, whoever counted it")
			h.OnDelete(pod)
			require.Empty(t, accounts.waiting)
		})
	}
}

// forApp is a Headroom of that name for the pods of an application, with units of one CPU.
func forApp(t *testing.T, app string) Headroom {
	t.Helper()
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	return headroom(t, app, &v1alpha1.Consumers{PodSelector: selector}, list("cpu", "1"))
}

// TestPodsThatWereToldWhileNoControllerRanCountInWhateverOrder: the API server lists them by name, and a burst is told in one second.
func TestPodsThatWereToldWhileNoControllerRanCountInWhateverOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		accounts := &book{through: epoch}
		w := &Watcher{
			Namespaces: []string{"shop"}, Accounts: accounts, Clock: testingclock.NewFakeClock(epoch), waiting: map[types.UID]*waiting{},
			known: []Headroom{forApp(t, "a"), forApp(t, "b")}, asOf: epoch,
		}
		want := 0
		for i, second := range rapid.SliceOfN(rapid.IntRange(-3, 3), 1, 8).Draw(rt, "told") {
			pod := toldPod()
			pod.Labels = map[string]string{"app": rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "app")}
			pod.Name, pod.UID = fmt.Sprint("api-", i), types.UID(fmt.Sprint("api-", i))
			pod.Status.Conditions[0].LastTransitionTime = metav1.NewTime(epoch.Add(time.Duration(second) * time.Second))
			if second > 0 {
				want++
			}
			handler{w, t.Context()}.OnAdd(pod, true)
		}
		require.Equal(rt, want, accounts.lacked)
	})
}

func TestAPodThatNoMoreUnitsWouldServeCountsOnceAndAgainWhenItLacksSome(t *testing.T) {
	accounts, now := &book{}, testingclock.NewFakeClock(epoch)
	w := &Watcher{
		Namespaces: []string{"shop"}, Accounts: accounts, Clock: now, waiting: map[types.UID]*waiting{},
		known: []Headroom{headroom(t, "open", nil, list("cpu", "1"))}, asOf: epoch,
	}
	h, pod := handler{w, t.Context()}, toldPod()
	pod.Status.Conditions[0].Message += " 1 of 3 nodes hold headroom, none for this pod: 1 " + message.DoesNotSuit + "1 node(s) had untolerated taint(s)"
	h.OnAdd(pod, false)
	h.OnUpdate(nil, pod)
	require.Equal(t, []account.Miss{account.MissFiltered}, accounts.missed)
	require.Zero(t, accounts.lacked)
	lacks := toldPod()
	for range 2 {
		h.OnUpdate(nil, lacks)
	}
	h.OnUpdate(nil, pod)
	require.Equal(t, []account.Miss{account.MissFiltered, account.MissNoneReady}, accounts.missed)
	require.Equal(t, 1, accounts.lacked)
}

// nominations are the pods that wait, and the nodes that they are nominated to.
type nominations map[types.UID]string

func (n nominations) Saw(pod *corev1.Pod) { n[pod.UID] = pod.Status.NominatedNodeName }

func (n nominations) Gone(pod types.UID) { delete(n, pod) }

// TestANominationIsAsOldAsThePodThatWaits: a unit that was promised to a pod that is gone would never be ready again.
func TestANominationIsAsOldAsThePodThatWaits(t *testing.T) {
	for name, seenGone := range map[string]func(*corev1.Pod) any{
		"the watch tells that it went": func(pod *corev1.Pod) any { return pod },
		"a list tells so, after a watch that broke": func(pod *corev1.Pod) any {
			return toolscache.DeletedFinalStateUnknown{Key: "shop/api", Obj: pod}
		},
	} {
		t.Run(name, func(t *testing.T) {
			known := nominations{}
			w := &Watcher{
				Namespaces: []string{"shop"}, Accounts: &book{}, Clock: testingclock.NewFakeClock(epoch), Nominations: known,
				waiting: map[types.UID]*waiting{}, asOf: epoch,
			}
			h, pod := handler{w, t.Context()}, toldPod()
			h.OnAdd(pod, false)
			nominated := pod.DeepCopy()
			nominated.Status.NominatedNodeName = "n1"
			h.OnUpdate(pod, nominated)
			require.Equal(t, nominations{"api": "n1"}, known)
			h.OnDelete(seenGone(nominated))
			require.Empty(t, known)
			_, waits := w.Waiting("api")
			require.False(t, waits)
		})
	}
}

// TestAPodWhoseEndWasMissedWaitsNoMore: the next one of its name, as a StatefulSet makes it, comes as a change of it.
func TestAPodWhoseEndWasMissedWaitsNoMore(t *testing.T) {
	known := nominations{}
	w := &Watcher{
		Namespaces: []string{"shop"}, Accounts: &book{}, Clock: testingclock.NewFakeClock(epoch), Nominations: known,
		waiting: map[types.UID]*waiting{}, asOf: epoch,
	}
	h, pod := handler{w, t.Context()}, toldPod()
	pod.Status.NominatedNodeName = "n1"
	h.OnAdd(pod, false)
	next := toldPod()
	next.UID = "next"
	h.OnUpdate(pod, next)
	require.Equal(t, nominations{"next": ""}, known)
	_, waits := w.Waiting("api")
	require.False(t, waits)
	_, waits = w.Waiting("next")
	require.True(t, waits)
}

// objects is a cache that has what an API server has.
type objects struct {
	cache.Cache
	server client.Client
	lists  int // of Headrooms
	// fails says that lists of this type fail.
	fails client.ObjectList
	// followed are the kinds that the cache was asked to follow; closed says that it is no longer.
	followed []string
	closed   bool
}

// List reads from the API server.
func (o *objects) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	if _, ok := into.(*v1alpha1.HeadroomList); ok {
		o.lists++
	}
	if reflect.TypeOf(into) == reflect.TypeOf(o.fails) {
		return errBroken
	}
	return o.server.List(ctx, into, options...)
}

// Get reads from the API server.
func (o *objects) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	return o.server.Get(ctx, key, into, options...)
}

// GetInformer notes that a kind is followed.
func (o *objects) GetInformer(_ context.Context, of client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	if o.closed {
		return nil, errBroken
	}
	o.followed = append(o.followed, of.GetObjectKind().GroupVersionKind().Kind)
	return nil, nil
}

// newObjects has a PriorityClass for units, and these.
func newObjects(t *testing.T, more ...client.Object) *objects {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, errors.Join(v1alpha1.AddToScheme(scheme), schedulingv1.AddToScheme(scheme), corev1.AddToScheme(scheme)))
	class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "headroom"}, Value: -10}
	return &objects{server: fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(more, class)...).Build()}
}

// newWatched has a Watcher that has looked at the Headrooms, of which there were none, half a second ago; now there is one. It runs by the
// time of a synctest bubble.
func newWatched(t *testing.T) (handler, *book, *objects) {
	t.Helper()
	known, accounts := newObjects(t), &book{}
	w := &Watcher{Namespaces: []string{"shop"}, Accounts: accounts, Clock: clock.RealClock{}, Cache: known, waiting: map[types.UID]*waiting{}}
	_, _, err := w.headrooms(t.Context())
	require.NoError(t, err)
	pass(freshness / 2)
	require.NoError(t, known.server.Create(t.Context(), &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec:       v1alpha1.HeadroomSpec{PriorityClassName: "headroom", Requests: list("cpu", "1")},
	}))
	return handler{w, t.Context()}, accounts, known
}

// pass lets time pass in a bubble, and all happen that is due by then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestAPodLacksUnitsOfAHeadroomThatCameAMomentBeforeItWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, accounts, known := newWatched(t)
		h.OnAdd(toldPod(), false)
		require.Zero(t, accounts.lacked, "the Headrooms are as they were half a second ago")
		pass(freshness)
		require.Equal(t, 1, accounts.lacked, "nothing more happens to the pod")
		pass(time.Minute)
		require.Equal(t, 1, accounts.lacked)
		require.Equal(t, 2, known.lists)
	})
}

func TestAPodLacksUnitsThatAreMadeLikeThePodsOfAWorkload(t *testing.T) {
	shaped := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	shaped.Spec.PriorityClassName, shaped.Spec.ShapeFrom = "headroom", &v1alpha1.WorkloadReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
	shaped.Status.Shape = &v1alpha1.ShapeStatus{Requests: list("cpu", "500m")}
	accounts := &book{}
	w := &Watcher{
		Namespaces: []string{"shop"}, Accounts: accounts, Clock: testingclock.NewFakeClock(epoch), Cache: newObjects(t, shaped),
		waiting: map[types.UID]*waiting{},
	}
	handler{w, t.Context()}.OnAdd(toldPod(), false)
	require.Equal(t, 2, accounts.lacked, "half of what the pod asks for is in one")
}

func TestAPodThatLacksNothingIsLookedAtOnceMoreOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, accounts, known := newWatched(t)
		pod := toldPod()
		pod.Spec.Containers[0].Resources.Requests = list("example.com/gpu", "1")
		h.OnAdd(pod, false)
		pass(time.Hour)
		require.Equal(t, 2, known.lists)
		require.Empty(t, accounts.missed)
	})
}

func TestAPodThatWentOrChangedIsNotLookedAtAgain(t *testing.T) {
	for name, happens := range map[string]func(handler){
		"it went": func(h handler) { h.OnDelete(toldPod()) },
		"it may run elsewhere now": func(h handler) {
			changed := toldPod()
			changed.ResourceVersion, changed.Status.Conditions = "2", nil
			h.OnUpdate(nil, changed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, accounts, _ := newWatched(t)
				h.OnAdd(toldPod(), false)
				happens(h)
				pass(time.Minute)
				require.Zero(t, accounts.lacked)
			})
		})
	}
}
