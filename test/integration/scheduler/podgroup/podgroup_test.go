// Package podgroup tests that pods scheduled as a group take headroom for all of them or for none. It stands apart because the feature
// gate of pod groups holds for the whole process.
package podgroup

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/observer"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

func TestMain(m *testing.M) {
	schedulerharness.Main(m, schedulerharness.Options{APIServerFlags: []string{
		"--feature-gates=GenericWorkload=true", "--runtime-config=scheduling.k8s.io/v1beta1=true",
	}})
}

const (
	gpu    = "example.org/gpu"
	driver = "gpu.example.org"
)

var (
	oneCPU = builders.Resources{corev1.ResourceCPU: "1"}
	oneGPU = builders.Resources{corev1.ResourceCPU: "100m", gpu: "1"}
)

// TestP11AllOrNothing has a group of three ask for room that placeholders hold: on three nodes it gets them all, on two it gets none.
func TestP11AllOrNothing(t *testing.T) {
	cases := []struct {
		name  string
		units int
		bound bool
	}{
		{"headroom for all of the group: all are bound", 3, true},
		{"headroom for two of three: none is bound, and no placeholder goes", 2, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cluster := schedulerharness.New(t)
			units := prepare(t, cluster, c.units)
			observer.Require(t, cluster.Config, observer.Rules{IgnoreBind: isPlaceholder})
			cluster.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)

			createGroup(t, cluster, "web-0", "web-1", "web-2")

			if c.bound {
				cluster.WaitBound(t, "web-0", "web-1", "web-2")
				cluster.WaitGone(t, units...)
				return
			}
			for _, name := range []string{"web-0", "web-1", "web-2"} {
				waitNotScheduled(t, cluster, name)
			}
			pods := cluster.Pods(t)
			for _, unit := range units {
				require.NotNil(t, pods[unit], "placeholder %s is gone", unit)
				require.Nil(t, pods[unit].DeletionTimestamp)
			}
		})
	}
}

// TestP11AGroupTakesDevicesForAllOrNone has a group of three ask for a device each, all of which placeholders hold: of three it gets them all,
// of two it gets none.
func TestP11AGroupTakesDevicesForAllOrNone(t *testing.T) {
	for _, held := range []int{3, 2} {
		t.Run(fmt.Sprintf("units hold %d devices", held), func(t *testing.T) {
			cluster := schedulerharness.New(t)
			cluster.CreateDeviceClass(t, driver, gpu)
			watched, err := observer.WatchDevices(context.WithoutCancel(t.Context()), cluster.Config)
			require.NoError(t, err)
			cluster.StartClaimController(t)
			cluster.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)
			inference := cluster.CreateHeadroom(t, builders.Headroom("inference", oneGPU).Obj())
			var units []string
			for i := range held {
				node := fmt.Sprintf("n%d", i/2) // so that two members take units of one node
				if i%2 == 0 {
					cluster.CreateNodes(t, builders.Node(node, "a", builders.Resources{"cpu": "4"}).Obj())
					cluster.CreateDevices(t, driver, node, min(2, held-i), func(spec *resourcev1.ResourceSliceSpec) { spec.NodeName = ptr.To(node) })
				}
				units = append(units, cluster.CreatePods(t, withLimits(builders.Placeholder(inference, i)))[0].Name)
			}
			cluster.WaitBound(t, units...)

			members := []string{"model-0", "model-1", "model-2"}
			createGroupOf(t, cluster, oneGPU, members...)

			if held == len(members) {
				cluster.WaitBound(t, members...)
				cluster.WaitGone(t, units...)
			} else {
				for _, name := range members {
					waitNotScheduled(t, cluster, name)
				}
				for _, unit := range units {
					require.Nil(t, cluster.Pods(t)[unit].DeletionTimestamp)
				}
			}
			allocated, doubles, err := watched.Stop(context.WithoutCancel(t.Context()))
			require.NoError(t, err)
			require.Empty(t, doubles)
			for device, times := range allocated {
				require.Equal(t, 1+held/len(members), times, "times that %s was allocated", device)
			}
		})
	}
}

func isPlaceholder(pod *corev1.Pod) bool { return pod.Labels[v1alpha1.LabelHeadroom] != "" }

// prepare makes nodes that are full of one placeholder each and returns the names of the placeholders.
func prepare(t *testing.T, cluster *schedulerharness.Cluster, count int) []string {
	t.Helper()
	spare := cluster.CreateHeadroom(t, builders.Headroom("spare", oneCPU).Obj())
	var units []string
	for i := range count {
		node := fmt.Sprintf("n%d", i)
		cluster.CreateNodes(t, builders.Node(node, "a", oneCPU).Obj())
		units = append(units, cluster.CreatePods(t, builders.Placeholder(spare, i).Node(node).Obj())[0].Name)
	}
	return units
}

// createGroup creates a gang of the pods: all of them at once or none.
func createGroup(t *testing.T, cluster *schedulerharness.Cluster, names ...string) {
	t.Helper()
	createGroupOf(t, cluster, oneCPU, names...)
}

// createGroupOf is createGroup for pods with these requests.
func createGroupOf(t *testing.T, cluster *schedulerharness.Cluster, requests builders.Resources, names ...string) {
	t.Helper()
	group := st.MakePodGroup().Name("gang").Namespace(cluster.Namespace).MinCount(int32(len(names))).Obj()
	_, err := cluster.Client.SchedulingV1beta1().PodGroups(cluster.Namespace).Create(t.Context(), group, metav1.CreateOptions{})
	require.NoError(t, err)
	for _, name := range names {
		cluster.CreatePods(t, withLimits(builders.Consumer(name, requests).PodGroupName("gang")))
	}
}

// withLimits returns the pod for our scheduler, with the limits that Kubernetes insists on for extended resources.
func withLimits(pod *st.PodWrapper) *corev1.Pod {
	container := &pod.Spec.Containers[0]
	if quantity, ok := container.Resources.Requests[gpu]; ok {
		container.Resources.Limits = corev1.ResourceList{gpu: quantity}
	}
	return pod.SchedulerName(schedulerharness.HeadroomScheduler).Obj()
}

func waitNotScheduled(t *testing.T, cluster *schedulerharness.Cluster, name string) {
	t.Helper()
	cluster.Eventually(t, "waiting for a member of the group to be turned down", func(context.Context) string {
		for _, condition := range cluster.Pod(t, name).Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
				return ""
			}
		}
		return fmt.Sprintf("pod %s is not, node %q", name, cluster.Pod(t, name).Spec.NodeName)
	})
}
