package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/config"
)

// TestTwoInstallationsWithDifferentOptions: each would replace what the other makes. The later one does nothing, the Headroom names it,
// and when the first is gone it takes over.
func TestTwoInstallationsWithDifferentOptions(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	called := func(identity, image string) func(*config.Config, *rest.Config) {
		return func(c *config.Config, _ *rest.Config) { c.Identity, c.Placeholders.DefaultImage = identity, image }
	}
	first := e.startController(called("one/headroom-controller", "example.com/pause:1"))
	e.headroom("web", replicas(3))
	h := e.waitFilled("web", 3)
	require.Equal(t, "one/headroom-controller", h.Status.Controller.Identity)
	before := e.pods()
	require.Equal(t, "one/headroom-controller", before[0].Annotations[v1alpha1.AnnotationController])

	requests := &traffic{}
	e.startController(called("two/headroom-controller", "example.com/pause:2"), through(requests.wrap))
	h = e.waitStatus("web", v1alpha1.ReasonAnotherController, v1alpha1.ReasonNotReady, 3, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "two/headroom-controller, would act on this Headroom too; one/headroom-controller does")
	e.waitEvent("web", "CannotFill", "two/headroom-controller")
	require.Equal(t, "one/headroom-controller", h.Status.Controller.Identity)
	e.change("web", replicas(4))
	e.waitStatus("web", v1alpha1.ReasonAnotherController, v1alpha1.ReasonNotReady, 4, 0)
	require.Zero(t, requests.count("POST pods")+requests.count("DELETE pods"), "the later one does nothing")
	for i, pod := range e.pods()[:3] {
		require.Equal(t, before[i].UID, pod.UID)
	}

	first.stop()
	e.eventually("the other one takes over", func() error {
		h := e.get("web")
		if h.Status.Controller.Identity != "two/headroom-controller" || h.Status.OtherController != nil {
			return fmt.Errorf("%s acts, %v would", h.Status.Controller.Identity, h.Status.OtherController)
		}
		return nil
	})
	e.eventually("its units are there", func() error {
		for _, pod := range e.pods() {
			if pod.Spec.Containers[0].Image != "example.com/pause:2" {
				return fmt.Errorf("%s has %s", pod.Name, pod.Spec.Containers[0].Image)
			}
		}
		return nil
	})
	e.waitFilled("web", 4)
}
