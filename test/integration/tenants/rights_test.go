package tenants

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestWhoAdministersANamespaceKeepsHeadroomInIt asks the API server's authorizer about users who have Kubernetes' own roles in a namespace.
func TestWhoAdministersANamespaceKeepsHeadroomInIt(t *testing.T) {
	w := newWorld(t)
	for _, role := range []string{"admin", "edit", "view"} {
		w.create(&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "user-" + role}},
		})
	}
	may := func(t require.TestingT, role, verb, resource, subresource string) bool {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "user-" + role,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: w.namespace, Verb: verb, Group: "headroom.dev", Resource: resource, Subresource: subresource,
			},
		}}
		require.NoError(t, w.admin.Create(w.Context(), review))
		return review.Status.Allowed
	}
	w.eventually(func(t *assert.CollectT) { // until the roles are aggregated
		assert.True(t, may(t, "admin", "create", "headrooms", ""))
		assert.True(t, may(t, "edit", "get", "headrooms", ""), "who may edit may view")
		assert.True(t, may(t, "view", "list", "headroomaccounts", ""))
	})
	require.True(t, may(t, "admin", "update", "headrooms", "scale"))
	for _, role := range []string{"edit", "view"} {
		require.False(t, may(t, role, "create", "headrooms", ""), role)
		require.False(t, may(t, role, "patch", "headrooms", ""), role)
		require.False(t, may(t, role, "update", "headrooms", "scale"), role)
	}
	for _, role := range []string{"admin", "edit", "view"} {
		require.False(t, may(t, role, "patch", "headrooms", "status"), role)
		require.False(t, may(t, role, "update", "headroomaccounts", ""), role)
	}
}
