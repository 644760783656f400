package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/observer"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// TestTheObserverSeesWhatTheAPIServerDid does by hand what no scheduler may do.
func TestTheObserverSeesWhatTheAPIServerDid(t *testing.T) {
	c := schedulerharness.New(t)
	o, err := observer.Watch(t.Context(), c.Config)
	require.NoError(t, err)
	c.CreateNodes(t, builders.Node("n0", "a", cpu("1")).Obj())
	c.CreatePods(t, builders.Consumer("first", cpu("1")).Node("n0").ZeroTerminationGracePeriod().Obj())
	c.CreatePods(t, builders.Consumer("second", cpu("1")).Node("n0").Obj())
	require.NoError(t, c.Client.CoreV1().Pods(c.Namespace).Delete(t.Context(), "first", metav1.DeleteOptions{}))

	history, err := o.Stop(t.Context())
	require.NoError(t, err)
	var properties []string
	for _, violation := range observer.Check(t.Context(), history, observer.Rules{}) {
		properties = append(properties, violation.Property)
	}
	require.Equal(t, []string{"P5", "kubelet", "P1"}, properties)
}
