package deploy

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const schedulerUser = "system:serviceaccount:headroom-system:headroom-scheduler"

// right is a verb on a resource.
type right struct{ verb, group, resource, subresource, namespace, name string }

// forNobody are rights that neither program has, whatever its namespace and the way it is deployed.
var forNobody = []right{
	{"get", "", "secrets", "", "shop", ""},
	{"list", "", "secrets", "", "", ""},
	{"list", "", "configmaps", "", "", ""},
	{"update", "", "configmaps", "", "headroom-system", "headroom-scheduler-config"},
	{"create", "", "serviceaccounts", "token", "headroom-system", "headroom-controller"},
	{"update", "", "pods", "", "shop", "web-1"},
	{"patch", "", "pods", "", "shop", "web-1"},
	{"create", "", "pods", "exec", "shop", "web-1"},
	{"get", "", "pods", "log", "shop", "web-1"},
	{"update", "", "pods", "ephemeralcontainers", "shop", "web-1"},
	{"deletecollection", "", "pods", "", "shop", ""},
	{"update", "", "nodes", "", "", "node-1"},
	{"patch", "", "nodes", "", "", "node-1"},
	{"delete", "", "nodes", "", "", "node-1"},
	{"create", "", "nodes", "proxy", "", "node-1"},
	{"delete", "", "namespaces", "", "", "shop"},
	{"create", "headroom.dev", "headrooms", "", "shop", ""},
	{"patch", "headroom.dev", "headrooms", "", "shop", "web"},
	{"delete", "headroom.dev", "headrooms", "", "shop", "web"},
	{"update", "headroom.dev", "headrooms", "scale", "shop", "web"},
	{"update", "apps", "deployments", "", "shop", "web"},
	{"create", "scheduling.k8s.io", "priorityclasses", "", "", ""},
	{"create", "rbac.authorization.k8s.io", "clusterrolebindings", "", "", ""},
	{"escalate", "rbac.authorization.k8s.io", "clusterroles", "", "", ""},
	{"impersonate", "", "users", "", "", "admin"},
	{"update", "coordination.k8s.io", "leases", "", "shop", "any"},
	{"update", "coordination.k8s.io", "leases", "", "kube-node-lease", "node-1"},
	{"update", "coordination.k8s.io", "leases", "", "kube-system", "kube-controller-manager"},
	{"*", "*", "*", "", "", ""},
}

// TestTheProgramsMayDoWhatTheyNeedAndNothingElse asks the API server's authorizer. What it cannot tell apart is pods: who may
// delete placeholders may delete any pod.
func TestTheProgramsMayDoWhatTheyNeedAndNothingElse(t *testing.T) {
	t.Parallel()
	headroomLease := right{"update", "coordination.k8s.io", "leases", "", "headroom-system", "headroom-scheduler"}
	kubeLease := right{"update", "coordination.k8s.io", "leases", "", "kube-system", "kube-scheduler"}
	controllerLease := right{"update", "coordination.k8s.io", "leases", "", "headroom-system", "headroom-controller"}
	scheduler := []right{
		{"list", "headroom.dev", "headrooms", "", "", ""},
		{"watch", "apps", "daemonsets", "", "", ""},
		{"delete", "", "pods", "", "shop", "web-headroom-0"},
		{"create", "", "pods", "binding", "shop", "web-1"},
		{"create", "", "pods", "", "headroom-system", ""},
		{"create", "events.k8s.io", "events", "", "shop", ""},
	}
	notScheduler := slices.Concat(forNobody, []right{
		{"create", "", "pods", "", "shop", ""},
		{"update", "headroom.dev", "headrooms", "status", "shop", "web"},
		{"delete", "apps", "daemonsets", "", "shop", "web"},
		controllerLease,
	})
	tests := map[string]struct {
		manifests, user string
		needed, denied  []right
	}{
		"the second scheduler": {
			"scheduler/second-scheduler", schedulerUser, append(slices.Clone(scheduler), headroomLease), append(notScheduler, kubeLease),
		},
		"the main scheduler": {
			"scheduler/main-scheduler", schedulerUser, append(slices.Clone(scheduler), kubeLease), append(notScheduler, headroomLease),
		},
		"the controller": {
			"controller", controllerUser,
			[]right{
				{"list", "headroom.dev", "headrooms", "", "", ""},
				{"patch", "headroom.dev", "headrooms", "status", "shop", "web"},
				{"create", "", "pods", "", "shop", ""},
				{"delete", "", "pods", "", "shop", "web-headroom-0"},
				{"update", "apps", "daemonsets", "", "shop", "web"},
				{"create", "events.k8s.io", "events", "", "shop", ""},
				controllerLease,
			},
			slices.Concat(forNobody, []right{
				{"create", "", "pods", "binding", "shop", "web-1"},
				{"create", "", "pods", "eviction", "shop", "web-1"},
				{"patch", "", "pods", "status", "shop", "web-1"},
				{"list", "", "persistentvolumes", "", "", ""},
				{"list", "", "services", "", "shop", ""},
				headroomLease, kubeLease,
			}),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{APIServerOnly: true})
			apply(t, c, tt.manifests)
			clientset, err := kubernetes.NewForConfig(c.RESTConfig())
			require.NoError(t, err)
			for _, r := range tt.needed {
				require.EventuallyWithT(t, func(t *assert.CollectT) { // The authorizer learns of roles by a watch.
					require.True(t, may(t, clientset, tt.user, r), "needed: %v", r)
				}, soon, glance)
			}
			for _, r := range tt.denied {
				require.False(t, may(t, clientset, tt.user, r), "not needed: %v", r)
			}
		})
	}
}

func may(t require.TestingT, clientset kubernetes.Interface, user string, r right) bool {
	review, err := clientset.AuthorizationV1().SubjectAccessReviews().Create(context.Background(), &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User:   user,
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:headroom-system", "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource, Namespace: r.namespace, Name: r.name,
			},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return review.Status.Allowed
}

// apply applies everything of a part of the manifests, the Deployment included, and returns that.
func apply(t *testing.T, c *cluster.Cluster, part string) *appsv1.Deployment {
	t.Helper()
	objects, err := c.Tools().Kustomize(t.Context(), manifests(t, part))
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), objects...))
	i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Deployment" })
	require.GreaterOrEqual(t, i, 0)
	deployment := &appsv1.Deployment{}
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, deployment))
	return deployment
}

// TestTheProductsPodsPassPodSecurityRestricted has the Deployments of the manifests make their pods in their own namespace, which
// enforces the profile.
func TestTheProductsPodsPassPodSecurityRestricted(t *testing.T) {
	t.Parallel()
	c := clustertest.Shared(t)
	cl, err := c.Client()
	require.NoError(t, err)
	for _, part := range []string{"controller", "scheduler/" + cluster.SecondScheduler, "scheduler/" + cluster.MainScheduler} {
		t.Run(part, func(t *testing.T) {
			deployment := apply(t, c, part)
			require.Equal(t, "system-cluster-critical", deployment.Spec.Template.Spec.PriorityClassName, "no workload pushes it off a node")
			var namespace corev1.Namespace
			require.NoError(t, cl.Get(t.Context(), client.ObjectKey{Name: deployment.Namespace}, &namespace))
			require.Equal(t, "restricted", namespace.Labels["pod-security.kubernetes.io/enforce"])
			waitMade(t, cl, deployment)

			lax := &appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Namespace: deployment.Namespace, Name: deployment.Name + "-lax"}, Spec: deployment.Spec,
			}
			for i := range lax.Spec.Template.Spec.Containers {
				lax.Spec.Template.Spec.Containers[i].SecurityContext = nil
			}
			require.NoError(t, cl.Create(t.Context(), lax))
			require.EventuallyWithT(t, func(t *assert.CollectT) {
				require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(lax), lax))
				require.Contains(t, refusalOf(lax), "violates PodSecurity", "the check must be on")
			}, soon, glance)
			require.NoError(t, cl.Delete(t.Context(), lax))
			require.NoError(t, cl.Delete(t.Context(), deployment))
		})
	}
}

// waitMade waits until the Deployment has made all of its pods.
func waitMade(t *testing.T, cl client.Client, deployment *appsv1.Deployment) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(deployment), deployment))
		require.Equal(t, deployment.Generation, deployment.Status.ObservedGeneration)
		require.Empty(t, refusalOf(deployment))
		require.Equal(t, *deployment.Spec.Replicas, deployment.Status.UpdatedReplicas)
	}, soon, glance)
}

// refusalOf is why the Deployment could not make its pods.
func refusalOf(deployment *appsv1.Deployment) string {
	for _, condition := range deployment.Status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			return condition.Message
		}
	}
	return ""
}
