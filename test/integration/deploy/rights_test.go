package deploy

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/headroom-dev/headroom/test/cluster"
)

const schedulerUser = "system:serviceaccount:headroom-system:headroom-scheduler"

// right is a verb on a resource.
type right struct{ verb, group, resource, subresource, namespace, name string }

func TestTheSchedulerMayDoWhatItNeedsAndNothingElse(t *testing.T) {
	headroomLease := right{"update", "coordination.k8s.io", "leases", "", "headroom-system", "headroom-scheduler"}
	kubeLease := right{"update", "coordination.k8s.io", "leases", "", "kube-system", "kube-scheduler"}
	needed := []right{
		{"list", "headroom.dev", "headrooms", "", "", ""},
		{"watch", "apps", "daemonsets", "", "", ""},
		{"delete", "", "pods", "", "shop", "web-headroom-0"},
		{"create", "", "pods", "binding", "shop", "web-1"},
		{"create", "events.k8s.io", "events", "", "shop", ""},
	}
	denied := []right{
		{"get", "", "secrets", "", "shop", ""},
		{"list", "", "configmaps", "", "", ""},
		{"create", "", "pods", "", "shop", ""},
		{"update", "", "pods", "", "shop", "web-1"},
		{"create", "", "pods", "exec", "shop", "web-1"},
		{"update", "", "nodes", "", "", "node-1"},
		{"patch", "headroom.dev", "headrooms", "", "shop", "web"},
		{"update", "headroom.dev", "headrooms", "status", "shop", "web"},
		{"delete", "apps", "daemonsets", "", "shop", "web"},
		{"create", "rbac.authorization.k8s.io", "clusterrolebindings", "", "", ""},
		{"update", "coordination.k8s.io", "leases", "", "shop", "any"},
	}
	tests := map[string]struct{ needed, denied []right }{
		cluster.SecondScheduler: {append(needed, headroomLease), append(denied, kubeLease)},
		cluster.MainScheduler:   {append(needed, kubeLease), append(denied, headroomLease)},
	}
	for way, tt := range tests {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			c := cluster.StartForTest(t, cluster.Options{APIServerOnly: true})
			apply(t, c, way)
			clientset, err := kubernetes.NewForConfig(c.RESTConfig())
			require.NoError(t, err)
			for _, r := range tt.needed {
				require.True(t, may(t, clientset, r), "needed: %v", r)
			}
			for _, r := range tt.denied {
				require.False(t, may(t, clientset, r), "not needed: %v", r)
			}
		})
	}
}

func may(t *testing.T, clientset kubernetes.Interface, r right) bool {
	t.Helper()
	review, err := clientset.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User:   schedulerUser,
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:headroom-system", "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource, Namespace: r.namespace, Name: r.name,
			},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return review.Status.Allowed
}

// apply applies everything of the manifests, the Deployment included.
func apply(t *testing.T, c *cluster.Cluster, way string) (deployment *appsv1.Deployment) {
	t.Helper()
	objects, err := c.Tools().Kustomize(t.Context(), manifests(t, way))
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), objects...))
	for _, object := range objects {
		if object.GetKind() == "Deployment" {
			deployment = &appsv1.Deployment{}
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment))
		}
	}
	require.NotNil(t, deployment)
	return deployment
}

func TestTheSchedulersPodsPassPodSecurityRestricted(t *testing.T) {
	c := cluster.APIServerForTest(t)
	for _, way := range []string{cluster.SecondScheduler, cluster.MainScheduler} {
		t.Run(way, func(t *testing.T) {
			template := apply(t, c, way).Spec.Template
			clientset, err := kubernetes.NewForConfig(c.RESTConfig())
			require.NoError(t, err)
			namespace, err := clientset.CoreV1().Namespaces().Get(t.Context(), "headroom-system", metav1.GetOptions{})
			require.NoError(t, err)
			require.Equal(t, "restricted", namespace.Labels["pod-security.kubernetes.io/enforce"])

			dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "test", Labels: template.Labels}, Spec: template.Spec}
			_, err = clientset.CoreV1().Pods("headroom-system").Create(t.Context(), pod, dryRun)
			require.NoError(t, err)

			privileged := pod.DeepCopy()
			privileged.Spec.Containers[0].SecurityContext = nil
			_, err = clientset.CoreV1().Pods("headroom-system").Create(t.Context(), privileged, dryRun)
			require.ErrorContains(t, err, "PodSecurity", "the check must be on")
		})
	}
}
