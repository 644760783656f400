package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/config"
)

// TestWhatTheOperatorDoesNotAllow is in a namespace that enforces nothing itself.
func TestWhatTheOperatorDoesNotAllow(t *testing.T) {
	t.Parallel()
	privileged := &corev1.SecurityContext{Privileged: ptr.To(true)}
	tests := map[string]struct {
		spec, heal func(*v1alpha1.HeadroomSpec)
		configure  func(*config.Config, *rest.Config)
		reason     string
		says       string
	}{
		"a privileged container": {
			spec:   func(spec *v1alpha1.HeadroomSpec) { spec.SecurityContext = privileged },
			heal:   func(spec *v1alpha1.HeadroomSpec) { spec.SecurityContext = nil },
			reason: v1alpha1.ReasonSecurityContextNotAllowed, says: "privileged",
		},
		"root, where the operator enforces restricted": {
			spec: func(spec *v1alpha1.HeadroomSpec) {
				spec.PodSecurityContext = &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](0)}
			},
			heal:      func(spec *v1alpha1.HeadroomSpec) { spec.PodSecurityContext = nil },
			configure: func(c *config.Config, _ *rest.Config) { c.Placeholders.PodSecurityLevel = "restricted" },
			reason:    v1alpha1.ReasonSecurityContextNotAllowed, says: "restricted",
		},
		"an image of the tenant's": {
			spec:   func(spec *v1alpha1.HeadroomSpec) { spec.Image = "tenant.example/miner:1" },
			heal:   func(spec *v1alpha1.HeadroomSpec) { spec.Image = "" },
			reason: v1alpha1.ReasonImageNotAllowed, says: "tenant.example/miner:1",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnvironment(t, nil)
			e.bindTo(e.nodes("a")...)
			if tc.configure == nil {
				tc.configure = func(*config.Config, *rest.Config) {}
			}
			e.startController(tc.configure)
			perNode := func(spec *v1alpha1.HeadroomSpec) { spec.Placement = v1alpha1.PlacementPerNode }
			e.headroom("web", replicas(2), tc.spec)
			e.headroom("reserve", perNode, tc.spec)
			h := e.waitStatus("web", tc.reason, v1alpha1.ReasonNotReady, 0, 0)
			require.Contains(t, messageOf(h, v1alpha1.ConditionReady), tc.says)
			e.waitEvent("web", "Invalid", tc.says)
			e.waitStatus("reserve", tc.reason, v1alpha1.ReasonNotReady, 0, 0)
			require.Empty(t, e.pods())
			sets := &appsv1.DaemonSetList{}
			require.NoError(t, e.client.List(t.Context(), sets, client.InNamespace(e.namespace)))
			require.Empty(t, sets.Items, "the DaemonSet controller would make what is not allowed")

			e.change("web", tc.heal)
			e.waitFilled("web", 2)
		})
	}
}

// TestUnitsFromBeforeStayWhenTheOperatorForbidsThem is what an upgrade means for a Headroom with an image of its own.
func TestUnitsFromBeforeStayWhenTheOperatorForbidsThem(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	allowing := func(images ...string) func(*config.Config, *rest.Config) {
		return func(c *config.Config, _ *rest.Config) { c.Placeholders.AllowedImages = images }
	}
	before := e.startController(allowing("tenant.example/*"))
	e.headroom("web", replicas(3), func(spec *v1alpha1.HeadroomSpec) { spec.Image = "tenant.example/warm:1" })
	e.waitFilled("web", 3)
	uids := map[types.UID]bool{}
	for _, pod := range e.pods() {
		uids[pod.UID] = true
	}
	before.stop()

	after := e.startController()
	e.change("web", replicas(4))
	e.waitStatus("web", v1alpha1.ReasonImageNotAllowed, v1alpha1.ReasonNotReady, 3, 0)
	require.Len(t, e.pods(), 3)
	for _, pod := range e.pods() {
		require.True(t, uids[pod.UID], "%s is another", pod.Name)
	}
	e.delete(&e.pods()[0]) // what goes is not made again
	e.waitStatus("web", v1alpha1.ReasonImageNotAllowed, v1alpha1.ReasonNotReady, 2, 0)
	after.stop()

	e.startController(allowing("tenant.example/warm:1"))
	e.waitFilled("web", 4)
}
