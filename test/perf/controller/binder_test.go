package controller

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	// binders is how many units are bound at the same time.
	binders = 8
	// bindAgain is after how long a binding that failed is tried again.
	bindAgain = 100 * time.Millisecond
)

// binder plays a scheduler that binds every placeholder, in the order in which they come, to the nodes in turn.
type binder struct {
	client kubernetes.Interface
	queue  chan *corev1.Pod

	mu    sync.Mutex
	nodes []string
	next  int
	// bound is the node of each unit that exists and is bound, all how many ever were.
	bound map[types.UID]string
	all   int
	// gone is how many were gone before they were bound, failed how many bindings failed otherwise, and failure how the last one did.
	gone, failed int
	failure      error
}

// bindAll starts one that ends with the benchmark.
func bindAll(b *testing.B, access *rest.Config) *binder {
	b.Helper()
	access = rest.CopyConfig(access)
	access.QPS = -1
	clientset, err := kubernetes.NewForConfig(access)
	require.NoError(b, err)
	s := &binder{client: clientset, queue: make(chan *corev1.Pod, 4*large), bound: map[types.UID]string{}}
	for i := range manyNodes {
		s.nodes = append(s.nodes, nodeName(i))
	}
	ctx, cancel := context.WithCancel(b.Context())
	factory := informers.NewSharedInformerFactoryWithOptions(clientset, 0, informers.WithTweakListOptions(func(options *metav1.ListOptions) {
		options.LabelSelector = v1alpha1.LabelHeadroom
	}))
	// An informer, since a watch by itself may end at any time, and after that nothing would be bound any more.
	informer := factory.Core().V1().Pods().Informer()
	require.NoError(b, informer.SetTransform(identityOnly))
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			if pod, ok := object.(*corev1.Pod); ok && pod.Spec.NodeName == "" {
				s.queue <- pod
			}
		},
		DeleteFunc: func(object any) {
			if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = tombstone.Obj
			}
			if pod, ok := object.(*corev1.Pod); ok {
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.bound, pod.UID)
			}
		},
	})
	require.NoError(b, err)
	factory.Start(ctx.Done())
	for range binders {
		go s.work(ctx)
	}
	b.Cleanup(cancel)
	return s
}

// identityOnly keeps what the binder reads of a pod.
func identityOnly(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion},
		Spec:       corev1.PodSpec{NodeName: pod.Spec.NodeName},
	}, nil
}

func (s *binder) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case pod := <-s.queue:
			for !s.bind(ctx, pod) && ctx.Err() == nil {
				<-time.After(bindAgain)
			}
		}
	}
}

// bind binds a unit, and reports whether there is nothing left to do for it.
func (s *binder) bind(ctx context.Context, pod *corev1.Pod) (done bool) {
	s.mu.Lock()
	node := s.nodes[s.next%len(s.nodes)]
	s.next++
	s.mu.Unlock()
	err := s.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, UID: pod.UID}, Target: corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.bound[pod.UID] = node
		s.all++
	case apierrors.IsNotFound(err) || apierrors.IsConflict(err):
		s.gone++
	default:
		s.failed, s.failure = s.failed+1, err
		return false
	}
	return true
}

// await waits until so many units were bound in all.
func (s *binder) await(b *testing.B, n int) {
	b.Helper()
	enough := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.all >= n
	}
	require.Eventually(b, enough, fillTimeout, 20*time.Millisecond, "%s", s)
}

// without has no more units bound to some nodes, and returns how many are bound to them.
func (s *binder) without(nodes map[string]bool) (units int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rest []string
	for _, node := range s.nodes {
		if !nodes[node] {
			rest = append(rest, node)
		}
	}
	s.nodes = rest
	return s.countOn(nodes)
}

// on returns how many units are bound to some nodes.
func (s *binder) on(nodes map[string]bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.countOn(nodes)
}

func (s *binder) countOn(nodes map[string]bool) (units int) {
	for _, node := range s.bound {
		if nodes[node] {
			units++
		}
	}
	return units
}

// String says how far it got.
func (s *binder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%d units were bound, %d wait in the queue, %d were gone before, %d bindings failed, the last one: %v",
		s.all, len(s.queue), s.gone, s.failed, s.failure)
}
