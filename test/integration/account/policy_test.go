package account

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// TestP13OnlySchedulersWriteWhoTookWhat has an administrator, who may do everything else, and the scheduler's account write the annotation in
// every way there is.
func TestP13OnlySchedulersWriteWhoTookWhat(t *testing.T) {
	c := clustertest.SharedAPIServer(t)
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	objects, err := cluster.ParseFiles(filepath.Join(root, "manifests", "admission-policy", "policy.yaml"))
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), objects...))
	namespace := clustertest.Namespace(t, c, nil)
	as := func(user string, groups ...string) *kubernetes.Clientset {
		config := c.RESTConfig()
		if user != "" {
			config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
		}
		clients, err := kubernetes.NewForConfig(config)
		require.NoError(t, err)
		return clients
	}
	admin := as("")
	// The account of the scheduler, with all rights: what is tested is the policy.
	scheduler := as("system:serviceaccount:headroom-system:headroom-scheduler", "system:masters")
	kubeScheduler := as("system:kube-scheduler", "system:masters")
	n := 0
	pod := func(annotations map[string]string) *corev1.Pod {
		n++
		p := builders.Consumer(fmt.Sprint("pod-", n), nil).Namespace(namespace).Obj()
		p.Annotations = annotations
		return p
	}
	forged := map[string]string{v1alpha1.AnnotationTook: "0d6ab9b6-5b4c-4a44-8a53-2f7f8f6c3f10"}
	patch := []byte(`{"metadata":{"annotations":{"headroom.dev/took":"0d6ab9b6-5b4c-4a44-8a53-2f7f8f6c3f10"}}}`)
	binding := func(p *corev1.Pod, annotations map[string]string) *corev1.Binding {
		return &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: p.Name, Annotations: annotations},
			Target:     corev1.ObjectReference{Kind: "Node", Name: "n"},
		}
	}
	bind := func(clients *kubernetes.Clientset, p *corev1.Pod, annotations map[string]string) error {
		return clients.CoreV1().Pods(namespace).Bind(t.Context(), binding(p, annotations), metav1.CreateOptions{})
	}
	bindAsOfOld := func(clients *kubernetes.Clientset, p *corev1.Pod, annotations map[string]string) error {
		return clients.CoreV1().RESTClient().Post().Namespace(namespace).Resource("bindings").Body(binding(p, annotations)).
			Do(t.Context()).Error()
	}
	create := func(p *corev1.Pod) *corev1.Pod {
		created, err := admin.CoreV1().Pods(namespace).Create(t.Context(), p, metav1.CreateOptions{})
		require.NoError(t, err)
		return created
	}
	refused := func(t require.TestingT, err error) {
		require.True(t, apierrors.IsForbidden(err), "%v", err)
		require.ErrorContains(t, err, "only the scheduler writes the annotation headroom.dev/took")
	}
	require.EventuallyWithT(t, func(t *assert.CollectT) { // until the API server has compiled the policy
		_, err := admin.CoreV1().Pods(namespace).Create(context.Background(), pod(forged), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		refused(t, err)
	}, soon, glance)

	waiting := create(pod(nil))
	refused(t, bind(admin, waiting, forged))
	refused(t, bindAsOfOld(admin, waiting, forged))
	_, err = admin.CoreV1().Pods(namespace).Patch(t.Context(), waiting.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	refused(t, err)
	_, err = admin.CoreV1().Pods(namespace).Patch(t.Context(), waiting.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	refused(t, err)

	about := []byte(`{"metadata":{"annotations":{"headroom.dev/taking":"0d6ab9b6-5b4c-4a44-8a53-2f7f8f6c3f10"}}}`)
	_, err = admin.CoreV1().Pods(namespace).Patch(t.Context(), waiting.Name, types.MergePatchType, about, metav1.PatchOptions{}, "status")
	refused(t, err)
	_, err = scheduler.CoreV1().Pods(namespace).Patch(t.Context(), waiting.Name, types.MergePatchType, about, metav1.PatchOptions{}, "status")
	require.NoError(t, err, "what a running pod is about to take")

	require.NoError(t, bind(scheduler, waiting, forged))
	bound, err := admin.CoreV1().Pods(namespace).Get(t.Context(), waiting.Name, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, forged[v1alpha1.AnnotationTook], bound.Annotations[v1alpha1.AnnotationTook])
	require.Equal(t, "n", bound.Spec.NodeName, "one write made both")

	bound.Labels = map[string]string{"touched": "true"}
	bound, err = admin.CoreV1().Pods(namespace).Update(t.Context(), bound, metav1.UpdateOptions{})
	require.NoError(t, err, "others may change the pod as ever")
	bound.Status.Phase = corev1.PodRunning
	bound, err = admin.CoreV1().Pods(namespace).UpdateStatus(t.Context(), bound, metav1.UpdateOptions{})
	require.NoError(t, err, "kubelets among them")
	bound.Annotations[v1alpha1.AnnotationTook] = "another"
	_, err = admin.CoreV1().Pods(namespace).Update(t.Context(), bound, metav1.UpdateOptions{})
	refused(t, err)
	bound.Annotations = nil
	_, err = admin.CoreV1().Pods(namespace).Update(t.Context(), bound, metav1.UpdateOptions{})
	refused(t, err) // what a pod took would count as abandoned
	for _, key := range []string{v1alpha1.AnnotationTook, v1alpha1.AnnotationTaking} {
		without := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:null}}}`, key)
		for _, subresources := range [][]string{nil, {"status"}} {
			_, err = admin.CoreV1().Pods(namespace).Patch(
				t.Context(), waiting.Name, types.MergePatchType, without, metav1.PatchOptions{}, subresources...)
			refused(t, err)
		}
		_, err = scheduler.CoreV1().Pods(namespace).Patch(
			t.Context(), waiting.Name, types.MergePatchType, without, metav1.PatchOptions{}, "status")
		require.NoError(t, err, "a scheduler takes back what it wrote")
	}

	plain := create(pod(nil))
	require.NoError(t, bind(admin, plain, nil), "pods that took nothing are bound by any scheduler")
	require.NoError(t, bindAsOfOld(admin, create(pod(nil)), nil), "in either way")
	byAnother := create(pod(nil))
	require.NoError(t, bind(kubeScheduler, byAnother, forged), "the plugin in a scheduler with the account of kube-scheduler")
	byAnother, err = admin.CoreV1().Pods(namespace).Get(t.Context(), byAnother.Name, metav1.GetOptions{})
	require.NoError(t, err)
	byAnother.Finalizers = []string{"test.headroom.dev/stays"}
	byAnother, err = admin.CoreV1().Pods(namespace).Update(t.Context(), byAnother, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.NoError(t, admin.CoreV1().Pods(namespace).Delete(t.Context(), byAnother.Name, *metav1.NewDeleteOptions(0)))
	byAnother, err = admin.CoreV1().Pods(namespace).Get(t.Context(), byAnother.Name, metav1.GetOptions{})
	require.NoError(t, err)
	byAnother.Finalizers = nil
	_, err = admin.CoreV1().Pods(namespace).Update(t.Context(), byAnother, metav1.UpdateOptions{})
	require.NoError(t, err, "whoever may delete a pod still can")
	_, err = admin.CoreV1().Pods(namespace).Get(t.Context(), byAnother.Name, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}
