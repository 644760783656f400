package controller

import (
	"sync"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// watchBound follows the API server's history of the placeholders from now on. The function it returns ends that, and returns the
// smallest number of them that were on a node at any point.
func (e *environment) watchBound(headroom string) func() int {
	e.Helper()
	clientset, err := kubernetes.NewForConfig(e.cluster.RESTConfig())
	require.NoError(e, err)
	pods := clientset.CoreV1().Pods(e.namespace)
	selector := metav1.ListOptions{LabelSelector: v1alpha1.LabelHeadroom + "=" + headroom}
	list, err := pods.List(e.Context(), selector)
	require.NoError(e, err)
	bound := map[types.UID]bool{}
	for _, pod := range list.Items {
		if pod.Spec.NodeName != "" {
			bound[pod.UID] = true
		}
	}
	smallest := len(bound)
	selector.ResourceVersion = list.ResourceVersion
	watcher, err := pods.Watch(e.Context(), selector)
	require.NoError(e, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for change := range watcher.ResultChan() {
			pod, ok := change.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			if change.Type == watch.Deleted || pod.Spec.NodeName == "" {
				delete(bound, pod.UID)
			} else {
				bound[pod.UID] = true
			}
			smallest = min(smallest, len(bound))
		}
	}()
	stop := sync.OnceFunc(func() {
		watcher.Stop()
		<-ended
	})
	e.Cleanup(stop)
	return func() int {
		stop()
		return smallest
	}
}
