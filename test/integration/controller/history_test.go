package controller

import (
	"context"
	"sync"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// watchBound follows the API server's history of the placeholders from now on. The function it returns ends that, and returns the
// smallest number of them that were on a node at any point.
func (e *environment) watchBound(headroom string) func() int {
	e.Helper()
	smallest := 1 << 30
	stop := e.follow(headroom, func(_, bound int) { smallest = min(smallest, bound) })
	return func() int {
		stop()
		return smallest
	}
}

// watchMost is watchBound for the largest number of placeholders that existed at any point.
func (e *environment) watchMost(headroom string) func() int {
	e.Helper()
	most := 0
	stop := e.follow(headroom, func(all, _ int) { most = max(most, all) })
	return func() int {
		stop()
		return most
	}
}

// follow tells see how many placeholders exist, and how many of them are on a node, after each change, in the API server's order.
func (e *environment) follow(headroom string, see func(all, bound int)) (stop func()) {
	e.Helper()
	all, bound := sets.New[types.UID](), sets.New[types.UID]()
	note := func(pod *corev1.Pod) {
		all.Insert(pod.UID)
		if pod.Spec.NodeName != "" {
			bound.Insert(pod.UID)
		}
	}
	return e.changes(metav1.ListOptions{LabelSelector: v1alpha1.LabelHeadroom + "=" + headroom}, func(pods []corev1.Pod) {
		for i := range pods {
			note(&pods[i])
		}
		see(all.Len(), bound.Len())
	}, func(change watch.EventType, pod *corev1.Pod) {
		if note(pod); change == watch.Deleted {
			all.Delete(pod.UID)
			bound.Delete(pod.UID)
		}
		see(all.Len(), bound.Len())
	})
}

// changes calls begin with the pods of the namespace that exist, before it returns, and then see with each change, in the API server's order,
// until the function that it returns is called, at the latest when the test is over. A watch that ends too early, as a busy API server ends
// those whose reader is slow, is continued where it ended.
func (e *environment) changes(
	options metav1.ListOptions, begin func([]corev1.Pod), see func(watch.EventType, *corev1.Pod),
) (stop func()) {
	e.Helper()
	clientset, err := kubernetes.NewForConfig(e.cluster.RESTConfig())
	require.NoError(e, err)
	pods := clientset.CoreV1().Pods(e.namespace)
	list, err := pods.List(e.Context(), options)
	require.NoError(e, err)
	begin(list.Items)
	watcher, err := watchtools.NewRetryWatcherWithContext(e.Context(), list.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, since metav1.ListOptions) (watch.Interface, error) {
			since.LabelSelector = options.LabelSelector
			return pods.Watch(ctx, since)
		},
	})
	require.NoError(e, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for change := range watcher.ResultChan() {
			if pod, ok := change.Object.(*corev1.Pod); ok {
				see(change.Type, pod)
			} else if e.Context().Err() == nil {
				e.Errorf("watching pods: %v", apierrors.FromObject(change.Object))
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		watcher.Stop()
		<-ended
	})
	e.Cleanup(stop)
	return stop
}
