package cluster

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const guestManifests = `
{apiVersion: v1, kind: ServiceAccount, metadata: {name: guest, namespace: default}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: guest}
rules:
- {apiGroups: [""], resources: [pods, pods/log], verbs: [get, list]}
- {apiGroups: [apps], resources: [deployments/scale], resourceNames: [web], verbs: [patch]}
- {nonResourceURLs: [/guest], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: guest}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: guest}
subjects: [{kind: ServiceAccount, namespace: default, name: guest}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: guest, namespace: default}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: guest, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: guest}
subjects: [{kind: ServiceAccount, namespace: default, name: guest}]
`

func TestRightsAreWaitedFor(t *testing.T) {
	c, err := Start(t.Context(), Options{APIServerOnly: true, Timeout: 3 * time.Minute})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Stop()) }()
	guest := account{"default", "guest"}
	objects, err := Parse([]byte(guestManifests))
	require.NoError(t, err)

	require.ErrorContains(t, c.waitRights(t.Context(), guest, objects), `waiting for the rights of ClusterRoleBinding guest: clusterroles`)
	require.NoError(t, c.Apply(t.Context(), objects[0], objects[1], objects[3]))
	for _, withoutBinding := range objects[2:] {
		if withoutBinding.GetKind() == "Role" {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		require.ErrorIs(t, c.waitRights(ctx, guest, objects), context.DeadlineExceeded, "%s is not there", withoutBinding.GetKind())
		cancel()
		require.NoError(t, c.Apply(t.Context(), withoutBinding))
	}
	require.NoError(t, c.waitRights(t.Context(), guest, objects))
	require.NoError(t, c.waitRights(t.Context(), account{"default", "stranger"}, objects), "nothing is bound to it")
}
