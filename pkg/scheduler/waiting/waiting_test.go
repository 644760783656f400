package waiting

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/catalog"
	"github.com/headroom-dev/headroom/test/builders"
)

// handle is the part of a scheduler's handle that a Waker uses. It keeps the names of the pods that are to be tried again.
type handle struct {
	fwk.Handle
	factory   informers.SharedInformerFactory
	activated []string
	calls     int
}

func (h *handle) SharedInformerFactory() informers.SharedInformerFactory { return h.factory }

func (h *handle) Activate(_ klog.Logger, pods map[string]*corev1.Pod) {
	h.calls++
	for _, pod := range pods {
		h.activated = append(h.activated, pod.Name)
	}
}

func newWaker(t *testing.T) (*Waker, *handle) {
	h := &handle{factory: informers.NewSharedInformerFactory(fake.NewClientset(), 0)}
	w := &Waker{Handle: h, Pods: NewPods(), Catalog: catalog.New(), RecheckControllers: func() {}}
	require.NoError(t, w.Listen(t.Context(), h.factory))
	return w, h
}

func consumer(app string) *st.PodWrapper {
	return builders.Consumer("consumer", builders.Resources{"cpu": "1"}).Namespace("default").UID("consumer").Label("app", app)
}

func TestAPodIsJudgedAsItIsWhenTheHeadroomChanges(t *testing.T) {
	for name, tc := range map[string]struct {
		now  *corev1.Pod
		want []string
		left int
	}{
		"with its new labels":         {now: consumer("web").Obj(), want: []string{"consumer"}, left: 1},
		"not if another has its name": {now: consumer("web").UID("other").Obj()},
		"not if it is bound":          {now: consumer("web").Node("a").Obj()},
		"not if it is gone":           {},
	} {
		t.Run(name, func(t *testing.T) {
			w, h := newWaker(t)
			web := builders.Headroom("web", builders.Resources{"cpu": "1"}).Namespace("default").Obj()
			web.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
			require.NoError(t, w.Catalog.Set(web))
			require.False(t, w.Pods.Add(consumer("db").Obj(), w.Pods.Generation()))
			if tc.now != nil {
				require.NoError(t, h.factory.Core().V1().Pods().Informer().GetStore().Add(tc.now))
			}

			w.HeadroomChanged(t.Context(), types.NamespacedName{Namespace: "default", Name: "web"})

			require.Equal(t, tc.want, h.activated)
			require.Len(t, w.Pods.nextGeneration(), tc.left, "whether it is kept for the next change")
		})
	}
}

func TestAPodWhoseCycleBeganBeforeTheChangeIsLate(t *testing.T) {
	w, _ := newWaker(t)
	began := w.Pods.Generation()
	w.HeadroomChanged(t.Context(), types.NamespacedName{Namespace: "default", Name: "web"})
	require.True(t, w.Pods.Add(consumer("web").Obj(), began))
	require.False(t, w.Pods.Add(consumer("web").Obj(), w.Pods.Generation()))
}

func TestAMissIsCountedOnceAPodUntilItIsForgotten(t *testing.T) {
	w, _ := newWaker(t)
	w.Pods.Add(consumer("web").Obj(), 0)
	require.True(t, w.Pods.CountOnce("consumer"))
	w.Pods.Add(consumer("web").Obj(), 0)
	require.False(t, w.Pods.CountOnce("consumer"))
	w.Pods.Forget("consumer")
	require.True(t, w.Pods.CountOnce("consumer"))
}

func TestPodsOfOneNameInSeveralNamespacesAreAllTriedAgain(t *testing.T) {
	w, h := newWaker(t)
	require.NoError(t, w.Catalog.Set(builders.Headroom("open", builders.Resources{"cpu": "1"}).Namespace("default").Obj()))
	for _, namespace := range []string{"default", "shop"} {
		pod := consumer("web").Namespace(namespace).UID(namespace).Obj()
		require.NoError(t, h.factory.Core().V1().Pods().Informer().GetStore().Add(pod))
		w.Pods.Add(pod, w.Pods.Generation())
	}
	w.HeadroomChanged(t.Context(), types.NamespacedName{Namespace: "default", Name: "open"})
	require.Equal(t, []string{"consumer", "consumer"}, h.activated)
}

func TestNothingIsTriedAgainIfTheChangeHelpsNobody(t *testing.T) {
	w, h := newWaker(t)
	require.NoError(t, h.factory.Core().V1().Pods().Informer().GetStore().Add(consumer("web").Obj()))
	w.Pods.Add(consumer("web").Obj(), w.Pods.Generation())
	w.HeadroomChanged(t.Context(), types.NamespacedName{Namespace: "default", Name: "unknown"})
	require.Zero(t, h.calls, "the scheduler is not asked to try no pods")
	require.Len(t, w.Pods.nextGeneration(), 1, "it waits on")
}
