package schedulerharness_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/test/schedulerharness"
)

func TestMain(m *testing.M) { schedulerharness.Main(m, schedulerharness.Options{}) }

func TestAPodIsScheduledByAnInProcessSchedulerOntoANode(t *testing.T) {
	c := schedulerharness.New(t)
	c.CreateNodes(t, st.MakeNode().Name("roomy").Capacity(map[corev1.ResourceName]string{"cpu": "2", "memory": "4Gi", "pods": "10"}).Obj())
	c.StartScheduler(t, schedulerharness.SchedulerOptions{})
	c.CreatePods(t, st.MakePod().Name("web").Req(map[corev1.ResourceName]string{"cpu": "1"}).Container("pause").Obj())

	nodes := c.WaitBound(t, "web")

	require.Equal(t, map[string]string{"web": "roomy"}, nodes)
}

func TestAPodThatFitsNowhereIsUnschedulable(t *testing.T) {
	c := schedulerharness.New(t)
	c.StartScheduler(t, schedulerharness.SchedulerOptions{})
	c.CreatePods(t, st.MakePod().Name("web").Container("pause").Obj())

	message := c.WaitUnschedulable(t, "web")

	require.Contains(t, message, "no nodes available", "the cluster of a test starts without the nodes of the test before")
}

func TestAKilledSchedulerWritesNothingMore(t *testing.T) {
	c := schedulerharness.New(t)
	faults := schedulerharness.NewFaults()
	scheduler := c.StartScheduler(t, schedulerharness.SchedulerOptions{Faults: faults})
	c.CreateNodes(t, st.MakeNode().Name("roomy").Obj())
	bindSeen := make(chan struct{})
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if !r.IsBind() {
			return nil
		}
		return &schedulerharness.Fault{Before: func() error { close(bindSeen); return errors.New("killed here") }}
	})
	c.CreatePods(t, st.MakePod().Name("web").Container("pause").Obj())
	<-bindSeen
	scheduler.Kill()
	require.Empty(t, c.Pod(t, "web").Spec.NodeName)
	require.Equal(t, http.MethodPost, faults.Writes()[0].Method)

	c.StartScheduler(t, schedulerharness.SchedulerOptions{})
	require.Equal(t, "roomy", c.WaitBound(t, "web")["web"], "a new scheduler takes over")
}
