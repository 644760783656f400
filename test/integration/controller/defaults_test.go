package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/config"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// TestWhatAHeadroomLeavesOpenIsTheOperatorsChoice: the image and the scheduler of placeholders, of which the cluster's are the last choice.
func TestWhatAHeadroomLeavesOpenIsTheOperatorsChoice(t *testing.T) {
	t.Parallel()
	chosen := func(c *config.Config, _ *rest.Config) {
		c.Placeholders.SchedulerName, c.Placeholders.DefaultImage = "headroom-scheduler", "example.com/pause:1"
		c.Placeholders.AllowedImages = []string{"example.com/mine:1"}
	}
	its := func(spec *v1alpha1.HeadroomSpec) { spec.SchedulerName, spec.Image = "mine", "example.com/mine:1" }
	for name, tc := range map[string]struct {
		operator         []func(*config.Config, *rest.Config)
		headroom         func(*v1alpha1.HeadroomSpec)
		scheduler, image string
	}{
		"neither says":          {headroom: replicas(1), scheduler: corev1.DefaultSchedulerName, image: placeholder.DefaultImage},
		"the operator does":     {operator: []func(*config.Config, *rest.Config){chosen}, headroom: replicas(1), scheduler: "headroom-scheduler", image: "example.com/pause:1"},
		"the Headroom does too": {operator: []func(*config.Config, *rest.Config){chosen}, headroom: its, scheduler: "mine", image: "example.com/mine:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnvironment(t, nil)
			e.startController(tc.operator...)
			e.headroom("web", tc.headroom)
			e.eventually("the unit is made", func() error {
				if len(e.pods()) == 0 {
					return errNotYet
				}
				return nil
			})
			pod := e.pods()[0]
			require.Equal(t, tc.scheduler, pod.Spec.SchedulerName)
			require.Equal(t, tc.image, pod.Spec.Containers[0].Image)
		})
	}
}
