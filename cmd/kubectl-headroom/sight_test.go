package main

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/view/nodes"
)

func cpus(quantity string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(quantity)}}
}

// anyPod draws a pod in all that "kubectl headroom nodes" goes by, and in some of what it does not.
func anyPod(t *rapid.T) *corev1.Pod {
	chance := func(what string) bool { return rapid.Bool().Draw(t, what) }
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-headroom-0", UID: "u", ResourceVersion: "7", Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i", Resources: cpus("2")}}},
		Status:     corev1.PodStatus{Phase: rapid.SampledFrom([]corev1.PodPhase{"Pending", "Running", "Succeeded", "Failed"}).Draw(t, "phase")},
	}
	if chance("is labeled") {
		pod.Labels[v1alpha1.LabelHeadroom] = "web"
	}
	switch rapid.IntRange(0, 2).Draw(t, "owner") {
	case 1:
		owner := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "h"}}
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))}
	case 2:
		owner := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "web-headroom", UID: "d"}}
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	}
	if chance("is being deleted") {
		pod.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	}
	if chance("is bound") {
		pod.Spec.NodeName = rapid.SampledFrom([]string{"n", "gone"}).Draw(t, "node")
	}
	if chance("has overhead") {
		pod.Spec.Overhead = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}
	}
	if chance("has requests of the whole pod") {
		pod.Spec.Resources = ptr.To(cpus("5"))
	}
	if chance("has an init container") {
		pod.Spec.InitContainers = []corev1.Container{{Name: "first", Image: "i", Resources: cpus("3")}}
		if chance("that is a sidecar") {
			pod.Spec.InitContainers[0].RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
			pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "first", Resources: ptr.To(cpus("4"))}}
		}
	}
	if chance("is being resized") {
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", ImageID: "i", Resources: ptr.To(cpus("1"))}}
		pod.Status.ContainerStatuses[0].AllocatedResources = cpus("6").Requests
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonInfeasible}}
	}
	return pod
}

// TestASlimPodTellsWhatTheWholePodTells makes the report of either.
func TestASlimPodTellsWhatTheWholePodTells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := anyPod(t)
		small := slim(whole)
		in := nodes.Input{
			NodesSeen: rapid.Bool().Draw(t, "nodes are seen"), Resource: corev1.ResourceCPU,
			Nodes: []*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "n"}}},
			DaemonSets: func(namespace, _ string, uid types.UID) (types.NamespacedName, bool) {
				return types.NamespacedName{Namespace: namespace, Name: "web"}, uid == "d"
			},
		}
		reports := make([]nodes.Report, 0, 2)
		for _, pod := range []*corev1.Pod{whole, small} {
			in.Pods = []*corev1.Pod{pod}
			reports = append(reports, nodes.New(in))
		}
		require.Equal(t, reports[0], reports[1])
		require.Equal(t, []string{"shop", "web-headroom-0", "u", "7"}, []string{
			small.Namespace, small.Name, string(small.UID), small.ResourceVersion,
		}, "a watch knows a pod and what it has seen of it by these")
		require.NotContains(t, small.Labels, "app", "there may be a hundred thousand pods")
		require.Empty(t, small.Spec.Containers[0].Image)
	})
}

// TestWhatCannotBeListedAtAnyTimeIsAnError: it is looked at once to find out what may be, and then at all of it.
func TestWhatCannotBeListedAtAnyTimeIsAnError(t *testing.T) {
	for _, resource := range []string{"pods", "nodes", "daemonsets"} {
		for _, looks := range []int{0, 1} {
			server, asked := twoPods(), 0
			server.PrependReactor("list", resource, func(clienttesting.Action) (bool, runtime.Object, error) {
				asked++
				return asked > looks, nil, errors.New("broken")
			})
			s, err := lookAround(t.Context(), server, "shop")
			if looks > 0 {
				require.NoError(t, err)
				_, err = s.list(t.Context())
			}
			require.ErrorContains(t, err, "listing "+resource)
			require.ErrorContains(t, err, "broken")
			require.Equal(t, exitFailed, exitCode(err))
		}
	}
}

func TestAWatchFollowsWhatChanges(t *testing.T) {
	server := twoPods()
	s, err := lookAround(t.Context(), server, "shop")
	require.NoError(t, err)
	following := s.follow(t.Context())
	shows := func(want map[string]bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			f, err := following()
			require.NoError(t, err)
			got := map[string]bool{}
			for _, pod := range f.pods {
				require.Empty(t, pod.Spec.Containers[0].Image, "there may be a hundred thousand pods")
				got["pod "+pod.Name+" on "+pod.Spec.NodeName] = true
			}
			for _, node := range f.nodes {
				got["node "+node.Name] = true
			}
			for _, set := range []*appsv1.DaemonSet{{ObjectMeta: metav1.ObjectMeta{UID: "d"}}, {ObjectMeta: metav1.ObjectMeta{UID: "p"}}} {
				if headroom, ok := f.headroomOf("", "", set.UID); ok {
					got["DaemonSet of "+headroom.Name] = true
				}
			}
			return maps.Equal(want, got)
		}, time.Minute, time.Millisecond)
	}
	shows(map[string]bool{"pod web on ": true, "pod api on ": true, "node n": true, "DaemonSet of web": true})

	create, update := metav1.CreateOptions{}, metav1.UpdateOptions{}
	bound, another := podOf("shop", "web"), podOf("search", "more")
	bound.Spec.NodeName, bound.Spec.Containers = "n", []corev1.Container{{Image: "i"}}
	_, err = server.CoreV1().Pods("shop").Update(t.Context(), bound, update)
	require.NoError(t, err)
	_, err = server.CoreV1().Pods("search").Create(t.Context(), another, create)
	require.NoError(t, err)
	_, err = server.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "m"}}, create)
	require.NoError(t, err)
	require.NoError(t, server.AppsV1().DaemonSets("shop").Delete(t.Context(), "web-headroom", metav1.DeleteOptions{}))
	shows(map[string]bool{"pod web on n": true, "pod api on ": true, "pod more on ": true, "node n": true, "node m": true})
}

func TestAWatchFollowsWhatMayBeSeenAndNothingElse(t *testing.T) {
	server := twoPods()
	s := &sight{clientset: server, namespace: "shop"}
	f, err := s.follow(t.Context())()
	require.NoError(t, err)
	require.Equal(t, []int{1, 0, 0}, []int{len(f.pods), len(f.nodes), len(f.daemonSets)})
	require.Equal(t, "web", f.pods[0].Name)
	for _, action := range server.Actions() {
		require.Equal(t, "pods", action.GetResource().Resource)
		require.Equal(t, "shop", action.GetNamespace())
	}
}

// TestAWatchOfWhatIsNotListedInTimeEnds although everything else was: with the second time that it is asked for, that is there.
func TestAWatchOfWhatIsNotListedInTimeEnds(t *testing.T) {
	for resource, kind := range map[string]string{"pods": "Pod", "nodes": "Node", "daemonsets": "DaemonSet"} {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			server, asked := twoPods(), 0
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			server.PrependReactor("list", resource, func(clienttesting.Action) (bool, runtime.Object, error) {
				if asked++; asked > 1 {
					cancel()
				}
				return true, nil, errors.New("broken")
			})
			_, err := (&sight{clientset: server, nodes: true, daemonSets: true}).follow(ctx)()
			require.ErrorContains(t, err, "the cluster did not list all objects of kind "+kind+" within ")
		})
	}
}
