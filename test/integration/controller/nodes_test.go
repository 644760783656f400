package controller

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// nodes makes ready nodes, one for each zone given, and returns their names. They are deleted when the test is over.
func (e *environment) nodes(zones ...string) []string {
	e.Helper()
	var names []string
	for i, zone := range zones {
		name := fmt.Sprintf("%s-node-%d", e.namespace, i)
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
				corev1.LabelHostname: name, corev1.LabelTopologyZone: zone, "test": e.namespace,
			}},
		}
		resources := corev1.ResourceList{"cpu": resource.MustParse("32"), "memory": resource.MustParse("256Gi"), "pods": resource.MustParse("1100")}
		node.Status.Capacity, node.Status.Allocatable = resources, resources
		require.NoError(e, client.IgnoreAlreadyExists(e.client.Create(e.Context(), node)))
		e.Cleanup(func() {
			_ = e.client.Delete(context.Background(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
		})
		names = append(names, name)
	}
	return names
}

// bindTo plays a scheduler with endless room: from now on it binds every pod of the namespace, to the nodes in turn.
func (e *environment) bindTo(nodes ...string) {
	e.Helper()
	next := 0
	e.bindBy(func(*corev1.Pod) string {
		next++
		return nodes[next%len(nodes)]
	})
}

// bindBy plays a scheduler that binds every pod of the namespace to the node that choose names.
func (e *environment) bindBy(choose func(*corev1.Pod) string) {
	e.Helper()
	clientset, err := kubernetes.NewForConfig(e.cluster.RESTConfig())
	require.NoError(e, err)
	pods := clientset.CoreV1().Pods(e.namespace)
	bind := func(pod *corev1.Pod) {
		if pod.Spec.NodeName != "" || pod.Spec.SchedulerName == nobody {
			return
		}
		binding := &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: pod.Name, UID: pod.UID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: choose(pod)},
		}
		err := pods.Bind(e.Context(), binding, metav1.CreateOptions{})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && e.Context().Err() == nil {
			e.Errorf("binding %s: %v", pod.Name, err)
		}
	}
	e.changes(metav1.ListOptions{}, func(pods []corev1.Pod) {
		for i := range pods {
			bind(&pods[i])
		}
	}, func(change watch.EventType, pod *corev1.Pod) {
		if change == watch.Added {
			bind(pod)
		}
	})
}

// nobody is the name of a scheduler that does not exist.
const nobody = "nobody"

// bind binds one pod.
func (e *environment) bind(pod *corev1.Pod, node string) {
	e.Helper()
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node}}
	require.NoError(e, e.client.SubResource("binding").Create(e.Context(), pod, binding))
}

// update writes the status of a pod.
func (e *environment) update(pod *corev1.Pod, change func(*corev1.PodStatus)) {
	e.Helper()
	clustertest.RewriteStatus(e.T, e.client, pod, func(p *corev1.Pod) { change(&p.Status) })
}

// fail plays a kubelet whose pod failed, for a reason and in its words. It waits until KWOK has told that the pod runs, which it would
// otherwise tell afterwards.
func (e *environment) fail(pod *corev1.Pod, reason, words string) {
	e.Helper()
	e.eventually(pod.Name+" runs", func() error {
		if err := e.client.Get(e.Context(), client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		if pod.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("its phase is %s", pod.Status.Phase)
		}
		return nil
	})
	e.update(pod, func(status *corev1.PodStatus) {
		status.Phase, status.Reason, status.Message = corev1.PodFailed, reason, words
	})
}
