package waiting

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/test/builders"
)

// live is a Waker whose informers run, in a synctest bubble.
type live struct {
	*Waker
	*handle
	client    *fake.Clientset
	rechecked int
}

// newLive has one pod that waits in the namespace default and one in the namespace other, and a Headroom for namespaces of team a.
func newLive(t *testing.T) *live {
	t.Helper()
	waits := func(namespace string) *corev1.Pod {
		name := "in-" + namespace
		return builders.Consumer(name, builders.Resources{"cpu": "1"}).Namespace(namespace).UID(name).Obj()
	}
	pods := []*corev1.Pod{waits("default"), waits("other")}
	l := &live{client: fake.NewClientset(pods[0], pods[1])}
	l.handle = &handle{factory: informers.NewSharedInformerFactory(l.client, 0)}
	l.Waker = &Waker{Handle: l.handle, Pods: NewPods(), Catalog: catalog.New(), RecheckControllers: func() { l.rechecked++ }}
	teamA := &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
	require.NoError(t, l.Catalog.Set(headroom(v1alpha1.Consumers{NamespaceSelector: teamA})))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() {
		cancel()
		l.factory.Shutdown()
	})
	l.factory.Core().V1().Pods().Informer()
	require.NoError(t, l.Listen(ctx, l.factory))
	l.factory.Start(ctx.Done())
	synctest.Wait()
	for _, pod := range pods {
		l.Pods.Add(pod, l.Pods.Generation())
	}
	return l
}

func headroom(consumers v1alpha1.Consumers) *v1alpha1.Headroom {
	return builders.Headroom("web", builders.Resources{"cpu": "1"}).Namespace("default").UID("web").Consumers(consumers).Obj()
}

// woken lets everything take its course and returns which pods are to be tried again since the last call.
func (l *live) woken() []string {
	synctest.Wait()
	woken := l.activated
	l.activated = nil
	return woken
}

func namespace(name, team string) *corev1.Namespace {
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if team != "" {
		n.Labels = map[string]string{"team": team}
	}
	return n
}

func TestLabelsOfANamespaceWakeThePodsOfItThatTheyEntitle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		set := func(n *corev1.Namespace) {
			_, err := l.client.CoreV1().Namespaces().Update(t.Context(), n, metav1.UpdateOptions{})
			require.NoError(t, err)
		}
		add := func(n *corev1.Namespace) {
			_, err := l.client.CoreV1().Namespaces().Create(t.Context(), n, metav1.CreateOptions{})
			require.NoError(t, err)
		}
		add(namespace("default", ""))
		require.Empty(t, l.woken())
		add(namespace("other", "a"))
		require.Equal(t, []string{"in-other"}, l.woken(), "the pods of a namespace may be seen before it is")
		set(namespace("default", "b"))
		require.Empty(t, l.woken())
		set(namespace("default", "a"))
		require.Equal(t, []string{"in-default"}, l.woken())
		annotated := namespace("default", "a")
		annotated.Annotations = map[string]string{"a": "b"}
		set(annotated)
		require.Empty(t, l.woken(), "its labels are as they were")
		set(namespace("default", ""))
		require.Empty(t, l.woken())
	})
}

func TestAllPodsAreTriedAgainWhenThereCanBeNoHeadroomsAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		l.HeadroomChanged(t.Context(), types.NamespacedName{})
		require.Empty(t, l.woken(), "nothing is known of a Headroom of that name")
		// A catalog that follows an API server without the definition says so.
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		config := &rest.Config{Host: "http://server", Transport: nowhere{}}
		require.NoError(t, l.Catalog.Follow(ctx, config, func(types.NamespacedName) {}))
		<-l.Catalog.Ready()
		l.HeadroomChanged(t.Context(), types.NamespacedName{})
		require.ElementsMatch(t, []string{"in-default", "in-other"}, l.woken())
	})
}

// nowhere answers every request with 404.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	body := `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"NotFound","code":404}`
	return &http.Response{
		StatusCode: http.StatusNotFound, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

// setOf is a DaemonSet of the Headroom web.
func setOf(uid types.UID, controlled bool) *appsv1.DaemonSet {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: "web-headroom", UID: uid, Labels: map[string]string{v1alpha1.LabelHeadroom: "web"},
	}}
	if controlled {
		h := headroom(v1alpha1.Consumers{})
		set.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(h, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))}
	}
	return set
}

// ofAnother has the set belong to a Headroom that was made anew.
func ofAnother(set *appsv1.DaemonSet) *appsv1.DaemonSet {
	set.OwnerReferences[0].UID = "another"
	return set
}

func TestADaemonSetThatTurnsOutToHoldHeadroomWakesThePodsThatMayTakeIt(t *testing.T) {
	both := []string{"in-default", "in-other"}
	for name, tc := range map[string]struct {
		before, after *appsv1.DaemonSet // nil: there is none
		want          []string
		rechecked     bool
	}{
		"one that comes":                                {after: setOf("1", true), want: both, rechecked: true},
		"one that gets its controller":                  {before: setOf("1", false), after: setOf("1", true), want: both, rechecked: true},
		"another one of its name":                       {before: setOf("1", true), after: setOf("2", true), want: both, rechecked: true},
		"one whose Headroom was made anew":              {before: setOf("1", true), after: ofAnother(setOf("1", true)), want: both, rechecked: true},
		"not one that counts its pods, but look at it":  {before: setOf("1", true), after: setOf("1", true), rechecked: true},
		"not one that loses its controller":             {before: setOf("1", true), after: setOf("1", false), rechecked: true},
		"not one that goes":                             {before: setOf("1", true), rechecked: true},
		"not one that has nothing to do with Headrooms": {after: &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "logs"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLive(t)
				require.NoError(t, l.Catalog.Set(headroom(v1alpha1.Consumers{})))
				sets := l.client.AppsV1().DaemonSets("default")
				if tc.before != nil {
					_, err := sets.Create(t.Context(), tc.before, metav1.CreateOptions{})
					require.NoError(t, err)
				}
				l.woken()
				l.rechecked = 0
				var err error
				switch {
				case tc.after == nil:
					err = sets.Delete(t.Context(), tc.before.Name, metav1.DeleteOptions{})
				case tc.before == nil:
					_, err = sets.Create(t.Context(), tc.after, metav1.CreateOptions{})
				default:
					_, err = sets.Update(t.Context(), tc.after, metav1.UpdateOptions{})
				}
				require.NoError(t, err)
				require.ElementsMatch(t, tc.want, l.woken())
				require.Equal(t, tc.rechecked, l.rechecked > 0, "whether pods are looked at again")
			})
		})
	}
}
