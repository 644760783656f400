package controller

import (
	"sync"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

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
	clientset, err := kubernetes.NewForConfig(e.cluster.RESTConfig())
	require.NoError(e, err)
	pods := clientset.CoreV1().Pods(e.namespace)
	options := metav1.ListOptions{LabelSelector: v1alpha1.LabelHeadroom + "=" + headroom}
	list, err := pods.List(e.Context(), options)
	require.NoError(e, err)
	all, bound := sets.New[types.UID](), sets.New[types.UID]()
	note := func(pod *corev1.Pod) {
		all.Insert(pod.UID)
		if pod.Spec.NodeName != "" {
			bound.Insert(pod.UID)
		}
	}
	for i := range list.Items {
		note(&list.Items[i])
	}
	see(all.Len(), bound.Len())
	options.ResourceVersion = list.ResourceVersion
	watcher, err := pods.Watch(e.Context(), options)
	require.NoError(e, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for change := range watcher.ResultChan() {
			pod, ok := change.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			if note(pod); change.Type == watch.Deleted {
				all.Delete(pod.UID)
				bound.Delete(pod.UID)
			}
			see(all.Len(), bound.Len())
		}
	}()
	stop = sync.OnceFunc(func() {
		watcher.Stop()
		<-ended
	})
	e.Cleanup(stop)
	return stop
}
