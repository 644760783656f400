package waiting

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

// withToken mounts a token into a pod, by a volume of the pod's own name.
func withToken(pod *corev1.Pod) *corev1.Pod {
	volume := corev1.Volume{Name: "kube-api-access-" + pod.Name}
	volume.Projected = &corev1.ProjectedVolumeSource{}
	pod.Spec.Volumes = append(pod.Spec.Volumes, volume)
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			containers[i].VolumeMounts = append(containers[i].VolumeMounts, corev1.VolumeMount{Name: volume.Name})
		}
	}
	return pod
}

func TestPodsThatFilterPluginsCannotTellApartAreOfOneKind(t *testing.T) {
	web := func(name string, change func(*st.PodWrapper)) *corev1.Pod {
		pod := builders.Consumer(name, builders.Resources{"cpu": "1"}).UID(name).Namespace("shop").Label("app", "web").
			InitReq(builders.Resources{"cpu": "1"})
		if change != nil {
			change(pod)
		}
		return withToken(pod.Obj())
	}
	kind := kindOf(web("web-1", nil))
	other := web("web-2", nil)
	other.Spec.Hostname, other.ResourceVersion = "web-2", "7"
	require.Equal(t, kind, kindOf(other), "of the same ReplicaSet")
	require.Equal(t, "kube-api-access-web-2", other.Spec.Volumes[0].Name, "the pod itself is left alone")
	require.Len(t, other.Spec.Containers[0].VolumeMounts, 1)
	require.Len(t, other.Spec.InitContainers[0].VolumeMounts, 1)

	for name, change := range map[string]func(*st.PodWrapper){
		"namespace":     func(p *st.PodWrapper) { p.Namespace("other") },
		"labels":        func(p *st.PodWrapper) { p.Label("index", "1") },
		"annotations":   func(p *st.PodWrapper) { p.Annotation("example.com/read-by", "a plugin") },
		"node selector": func(p *st.PodWrapper) { p.NodeSelector(map[string]string{"pool": "a"}) },
		"requests":      func(p *st.PodWrapper) { p.Req(builders.Resources{"cpu": "2"}) },
		"init requests": func(p *st.PodWrapper) { p.Spec.InitContainers[0].Resources.Requests = nil },
		"priority":      func(p *st.PodWrapper) { p.Priority(7) },
		"claim":         func(p *st.PodWrapper) { p.PVC("data-web-1") },
		"nomination":    func(p *st.PodWrapper) { p.NominatedNodeName("n") },
		"devices":       func(p *st.PodWrapper) { p.PodResourceClaims(corev1.PodResourceClaim{Name: "gpu"}) },
	} {
		t.Run("another "+name, func(t *testing.T) {
			require.NotEqual(t, kind, kindOf(web("web-3", change)))
		})
	}
	devices := func(p *st.PodWrapper) { p.PodResourceClaims(corev1.PodResourceClaim{Name: "gpu"}) }
	require.NotEqual(t, kindOf(web("web-4", devices)), kindOf(web("web-5", devices)))
}
