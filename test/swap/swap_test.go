// Package swap tests the Headroom plugin in a whole scheduler against a real API server.
package swap

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	_ "github.com/headroom-dev/headroom/api/config/scheme"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/headroom"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

func TestMain(m *testing.M) { schedulerharness.Main(m, schedulerharness.Options{}) }

const profile = `
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
  plugins:
    multiPoint:
      enabled: [{name: Headroom}]
    filter:
      disabled: [{name: NodeResourcesFit}]
    postFilter:
      disabled: [{name: DefaultPreemption}]
      enabled: [{name: Headroom}, {name: DefaultPreemption}]
    bind:
      disabled: [{name: DefaultBinder}]
      enabled: [{name: Headroom}, {name: DefaultBinder}]
`

// start runs a scheduler with the plugin in its only profile.
func start(t *testing.T, c *schedulerharness.Cluster) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "scheduler.yaml")
	require.NoError(t, os.WriteFile(file, []byte(profile), 0o600))
	c.StartScheduler(t, schedulerharness.SchedulerOptions{
		Config:   schedulerharness.LoadConfig(t, file),
		Registry: frameworkruntime.Registry{headroom.Name: headroom.New},
	})
}

func node(name, zone, cpu string) *corev1.Node {
	return st.MakeNode().Name(name).Label(corev1.LabelHostname, name).Label(corev1.LabelTopologyZone, zone).
		Capacity(map[corev1.ResourceName]string{"cpu": cpu, "memory": "8Gi", "pods": "20"}).Obj()
}

func units(cpu string) corev1.ResourceList {
	return st.MakePod().Req(map[corev1.ResourceName]string{"cpu": cpu}).Obj().Spec.Containers[0].Resources.Requests
}

// unit returns a placeholder of the Headroom, bound to a node.
func unit(h *v1alpha1.Headroom, ordinal int, node string) *corev1.Pod {
	pod := st.MakePod().Name(fmt.Sprintf("%s-headroom-%d", h.Name, ordinal)).Namespace(h.Namespace).Node(node).Priority(-10).
		Label(v1alpha1.LabelHeadroom, h.Name).TerminationGracePeriodSeconds(0).Obj()
	pod.Spec.Containers = []corev1.Container{{Name: "hold", Image: "pause", Resources: corev1.ResourceRequirements{Requests: h.Spec.Requests}}}
	controller := true
	pod.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindHeadroom, Name: h.Name, UID: h.UID, Controller: &controller,
	}}
	return pod
}

func consumer(name, cpu string) *corev1.Pod {
	return st.MakePod().Name(name).Priority(0).Req(map[corev1.ResourceName]string{"cpu": cpu}).Obj()
}

func TestAConsumerIsBoundByItsFirstAttemptWhereTheHeadroomLeavesTheMost(t *testing.T) {
	c := schedulerharness.New(t)
	c.CreateNodes(t, node("a1", "a", "2"), node("a2", "a", "2"), node("b1", "b", "2"))
	h := c.CreateHeadroom(t, &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: v1alpha1.HeadroomSpec{Requests: units("2")},
	})
	c.CreatePods(t, unit(h, 0, "a1"), unit(h, 1, "a2"), unit(h, 2, "b1"))
	start(t, c)

	c.CreatePods(t, consumer("first", "2"))
	require.Equal(t, map[string]string{"first": "a1"}, c.WaitBound(t, "first"), "zone a has two units, and a1 comes before a2")
	require.NotContains(t, c.Pods(t), "web-headroom-0")
	c.CreatePods(t, consumer("second", "1"), consumer("third", "1"))
	nodes := c.WaitBound(t, "second", "third")
	require.Contains(t, c.Pods(t), map[string]string{"a2": "web-headroom-2", "b1": "web-headroom-1"}[nodes["third"]],
		"the third pod takes the room that the second left")
}
