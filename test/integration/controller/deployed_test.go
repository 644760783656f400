package controller

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// TestAsDeployed runs both binaries as their manifests deploy them, with real scheduling: files written for the OpenFaaS Headroom
// Controller are filled with only apiVersion changed, a burst takes headroom, and the Headroom tells who took it.
func TestAsDeployed(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	controller, err := c.RunController(t.Context())
	require.NoError(t, err)
	scheduler, err := c.RunHeadroomScheduler(t.Context(), cluster.MainScheduler)
	require.NoError(t, err)
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 6, Zones: 3}))
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{
		Count: 2, Prefix: "spot", Labels: map[string]string{"lifecycle": "spot"},
		Taints: []corev1.Taint{{Key: "lifecycle", Value: "spot", Effect: corev1.TaintEffectNoSchedule}},
	}))
	e := newEnvironmentOn(t, c, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})

	files, err := filepath.Glob("../api/testdata/openfaas/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		objects, err := cluster.ParseFiles(file)
		require.NoError(t, err)
		for _, object := range objects {
			object.SetAPIVersion(v1alpha1.GroupVersion.String())
			object.SetNamespace(e.namespace)
			require.NoError(t, e.client.Create(t.Context(), object))
		}
	}
	for name, units := range map[string]int32{"example": 1, "spread": 5, "spot": 2, "secured": 1, "night": 0} {
		e.waitFilled(name, units)
	}
	hosts := sets.New[string]()
	for _, pod := range e.pods() {
		switch pod.Labels["headroom"] {
		case "spread":
			hosts.Insert(pod.Spec.NodeName)
		case "spot":
			require.Contains(t, pod.Spec.NodeName, "spot")
		}
	}
	require.Len(t, hosts, 5)

	e.burstTakesHeadroom()
	for _, program := range []interface{ Log() string }{controller, scheduler} {
		log, err := os.ReadFile(program.Log())
		require.NoError(t, err)
		for line := range strings.Lines(string(log)) {
			require.NotContains(t, strings.ToLower(line), "forbidden")
		}
	}
}

// burstTakesHeadroom fills the cluster but for the headroom, and then some.
func (e *environment) burstTakesHeadroom() {
	e.Helper()
	e.headroom("web", replicas(4), func(spec *v1alpha1.HeadroomSpec) { spec.Requests["cpu"] = resource.MustParse("2") })
	e.waitFilled("web", 4)
	labels := map[string]string{"app": "burst"}
	burst := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "burst"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](10), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				SchedulerName: "headroom-scheduler",
				SecurityContext: &corev1.PodSecurityContext{
					RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](1000),
					SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
				},
				Containers: []corev1.Container{{
					Name: "main", Image: "main", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("2")}},
					SecurityContext: &corev1.SecurityContext{
						AllowPrivilegeEscalation: ptr.To(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
					},
				}},
			}},
		},
	}
	require.NoError(e, e.client.Create(e.Context(), burst))
	e.waitEvent("web", "Consumed", "burst-")
	e.eventually("the status tells when", func() error {
		if e.get("web").Status.LastConsumedTime == nil {
			return errNotYet
		}
		return nil
	})
}
