package lacking

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
)

// ask is what the API server was asked for: pods of a namespace that a selector matches, as a list or a watch.
type ask struct {
	verb, namespace string
	fields          fields.Selector
}

// server is a fake API server with pods, and what it was asked for.
type server struct {
	*fake.Clientset
	mu    sync.Mutex
	asked []ask
}

func newServer(pods ...runtime.Object) *server {
	s := &server{Clientset: fake.NewClientset(pods...)}
	s.PrependReactor("list", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if list, ok := action.(clienttesting.ListActionImpl); ok {
			s.note(action, list.ListRestrictions.Fields)
		}
		return false, nil, nil
	})
	s.PrependWatchReactor("pods", func(action clienttesting.Action) (bool, watch.Interface, error) {
		watched, ok := action.(clienttesting.WatchActionImpl)
		if !ok {
			return false, nil, nil
		}
		s.note(action, watched.WatchRestrictions.Fields)
		if watched.ListOptions.SendInitialEvents != nil { // the fake cannot
			return true, nil, apierrors.NewInvalid(schema.GroupKind{}, "", nil)
		}
		return false, nil, nil
	})
	return s
}

func (s *server) note(action clienttesting.Action, selector fields.Selector) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, ask{action.GetVerb(), action.GetNamespace(), selector})
}

// verbs are the ways in which the API server was asked for the pods of a namespace.
func (s *server) verbs(namespace string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var verbs []string
	for _, a := range s.asked {
		if a.namespace == namespace && !slices.Contains(verbs, a.verb) {
			verbs = append(verbs, a.verb)
		}
	}
	slices.Sort(verbs)
	return verbs
}

// start runs a Watcher in a bubble until stop is called.
func start(t *testing.T, w *Watcher) (stop func()) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Start(ctx) }()
	synctest.Wait()
	return func() {
		t.Helper()
		require.Empty(t, ended, "it watches until it is told to stop")
		end()
		require.NoError(t, <-ended)
	}
}

// spare is a Headroom of units of one CPU, open to these.
func spare(consumers *v1alpha1.Consumers) *v1alpha1.Headroom {
	return &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec:       v1alpha1.HeadroomSpec{PriorityClassName: "headroom", Requests: list("cpu", "1"), Consumers: consumers},
	}
}

// read is a channel that says that the stored accounts are read.
func read() chan struct{} {
	loaded := make(chan struct{})
	close(loaded)
	return loaded
}

// TestPodsThatWaitAreFollowedOnceTheStoredAccountsAreRead: it could not be told before which of them are in the accounts.
func TestPodsThatWaitAreFollowedOnceTheStoredAccountsAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pod := toldPod()
		pods := newServer(pod)
		accounts := &book{loaded: make(chan struct{}), through: epoch}
		w := &Watcher{
			Client: pods, Namespaces: []string{"shop"}, Accounts: accounts, Clock: clock.RealClock{}, Cache: newObjects(t, spare(nil)),
		}
		stop := start(t, w)
		require.Empty(t, pods.asked)

		close(accounts.loaded)
		synctest.Wait()
		require.Equal(t, map[types.UID]int{"api": 1}, accounts.waiting)
		require.Empty(t, accounts.missed, "it is in the account")

		next := toldPod()
		next.Name, next.UID, next.Status.Conditions = "next", "next", nil
		_, err := pods.CoreV1().Pods("shop").Create(t.Context(), next, metav1.CreateOptions{})
		require.NoError(t, err)
		synctest.Wait()
		_, waits := w.Waiting("next")
		require.True(t, waits)
		require.Empty(t, accounts.missed, "nobody told it")

		next.ResourceVersion, next.Status.Conditions = "2", pod.Status.Conditions
		_, err = pods.CoreV1().Pods("shop").Update(t.Context(), next, metav1.UpdateOptions{})
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []account.Miss{account.MissNoneReady}, accounts.missed)

		require.NoError(t, pods.CoreV1().Pods("shop").Delete(t.Context(), "next", metav1.DeleteOptions{}))
		synctest.Wait()
		_, waits = w.Waiting("next")
		require.False(t, waits)
		_, waits = w.Waiting("api")
		require.True(t, waits)
		require.Equal(t, map[types.UID]int{"api": 1}, accounts.waiting)
		stop()
	})
}

func TestOnlyPodsThatWaitForANodeAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newServer()
		w := &Watcher{Client: pods, Namespaces: []string{"shop"}, Accounts: &book{loaded: read()}, Clock: clock.RealClock{}}
		stop := start(t, w)
		require.Equal(t, []string{"list", "watch"}, pods.verbs("shop"))
		for _, asked := range pods.asked {
			for name, tc := range map[string]struct {
				node, phase string
				want        bool
			}{
				"waits": {phase: "Pending", want: true}, "is bound": {node: "n1", phase: "Pending"}, "ended": {phase: "Failed"},
				"runs": {node: "n1", phase: "Running"},
			} {
				set := fields.Set{"spec.nodeName": tc.node, "status.phase": tc.phase}
				require.Equal(t, tc.want, asked.fields.Matches(set), "%s: %s", asked.verb, name)
			}
		}
		stop()
	})
}

func TestPodsOfTheNamespacesToWorkInAreFollowed(t *testing.T) {
	for name, tc := range map[string]struct {
		namespaces, want, informers []string
	}{
		"one":                                 {namespaces: []string{"shop"}, want: []string{"shop"}},
		"two":                                 {namespaces: []string{"shop", "bank"}, want: []string{"shop", "bank"}},
		"all, whose labels are then read too": {want: []string{""}, informers: []string{"Namespace"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pods, known := newServer(), newObjects(t)
				w := &Watcher{
					Client: pods, Namespaces: tc.namespaces, Accounts: &book{loaded: read()}, Clock: clock.RealClock{}, Cache: known,
				}
				stop := start(t, w)
				for _, namespace := range []string{"", "shop", "bank", "other"} {
					var want []string
					if slices.Contains(tc.want, namespace) {
						want = []string{"list", "watch"}
					}
					require.Equal(t, want, pods.verbs(namespace), "namespace %q", namespace)
				}
				require.Equal(t, tc.informers, known.followed)
				stop()
			})
		})
	}
}

// TestAControllerThatStopsBeforeItCouldBeginEnds: nothing is asked of the API server then.
func TestAControllerThatStopsBeforeItCouldBeginEnds(t *testing.T) {
	for name, closed := range map[string]bool{"while the accounts are read": false, "while the cache is filled": true} {
		t.Run(name, func(t *testing.T) {
			pods, known := newServer(), newObjects(t)
			known.closed = closed
			ctx, end := context.WithCancel(t.Context())
			if !closed {
				end()
			}
			defer end()
			w := &Watcher{Client: pods, Accounts: &book{}, Clock: clock.RealClock{}, Cache: known}
			require.NoError(t, w.Start(ctx))
			require.Empty(t, pods.asked)
		})
	}
}

// seen is the pod that was seen last.
type seen struct{ pod *corev1.Pod }

func (s *seen) Saw(pod *corev1.Pod) { s.pod = pod }

func (s *seen) Gone(types.UID) {}

// TestOfPodsThatWaitNoMoreIsKeptThanIsAsked: there may be many thousands of them, with all that their owners wrote into them.
func TestOfPodsThatWaitNoMoreIsKeptThanIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pod := toldPod()
		pod.Annotations = map[string]string{"example.com/large": "x"}
		pod.Spec.Containers[0].Image = "example.com/large"
		last := &seen{}
		w := &Watcher{
			Client: newServer(pod), Namespaces: []string{"shop"}, Accounts: &book{loaded: read()}, Clock: clock.RealClock{},
			Cache: newObjects(t), Nominations: last,
		}
		stop := start(t, w)
		require.Equal(t, pod.UID, last.pod.UID)
		require.Empty(t, last.pod.Annotations)
		require.Empty(t, last.pod.Spec.Containers[0].Image)
		stop()
	})
}

// TestConsumersAreAskedByTheLabelsOfTheirNamespace, which are read unless the controller works in some namespaces only.
func TestConsumersAreAskedByTheLabelsOfTheirNamespace(t *testing.T) {
	labels := map[string]string{corev1.LabelMetadataName: "shop", "team": "shop"}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: labels}}
	ofTeam := &v1alpha1.Consumers{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "shop"}}}
	for name, tc := range map[string]struct {
		objects []client.Object
		want    map[string]string
		lacked  int
	}{
		"it is there":              {objects: []client.Object{namespace}, want: labels, lacked: 1},
		"it was deleted meanwhile": {want: map[string]string{corev1.LabelMetadataName: "shop"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, accounts := newTold(t)
			w.Namespaces, w.Cache, w.known = nil, newObjects(t, append(tc.objects, spare(ofTeam))...), nil
			w.asOf = w.asOf.Add(-freshness)
			handler{w, t.Context()}.OnAdd(toldPod(), false)
			require.Equal(t, tc.want, w.NamespaceLabels(t.Context(), "shop"))
			require.Equal(t, tc.lacked, accounts.lacked)
		})
	}
}

// TestWhoAsksNeedsNotWaitForWhoIsTold: pods come and go while others ask about them.
func TestWhoAsksNeedsNotWaitForWhoIsTold(t *testing.T) {
	w, _ := newTold(t)
	pod := toldPod()
	pod.Status.Conditions = nil
	h := handler{w, t.Context()}
	var running sync.WaitGroup
	for _, does := range []func(){
		func() { h.OnAdd(pod, false) }, func() { h.OnDelete(pod) }, func() { w.Waiting(pod.UID) }, func() { w.Short(epoch, nil) },
	} {
		running.Go(func() {
			for range 10_000 {
				does()
			}
		})
	}
	running.Wait()
	h.OnDelete(pod)
	require.Empty(t, w.waiting)
}
