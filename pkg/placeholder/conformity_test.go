package placeholder_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func TestDeviation(t *testing.T) {
	h := web()
	tests := map[string]struct {
		change func(*corev1.PodSpec)
		want   string
	}{
		"a unit as it was made": {change: func(*corev1.PodSpec) {}},
		"a PriorityClass made anew with another value": {
			change: func(s *corev1.PodSpec) { s.Priority = ptr.To[int32](-3) }, want: "its priority is -3 and that of its PriorityClass -10",
		},
		"a PriorityClass made anew with a lower value": {
			change: func(s *corev1.PodSpec) { s.Priority = ptr.To[int32](-11) }, want: "its priority is -11 and that of its PriorityClass -10",
		},
		"a priority that nobody has filled in": {change: func(s *corev1.PodSpec) { s.Priority = nil }},
		"an injected native sidecar": {
			change: func(s *corev1.PodSpec) {
				s.InitContainers = []corev1.Container{{Name: "proxy", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)}}
			}, want: "it has the init container proxy",
		},
		"two init containers": {
			change: func(s *corev1.PodSpec) { s.InitContainers = []corev1.Container{{Name: "proxy"}, {Name: "log"}} },
			want:   "it has the init container proxy",
		},
		"an injected container": {
			change: func(s *corev1.PodSpec) { s.Containers = append(s.Containers, corev1.Container{Name: "proxy"}) }, want: "it has the container proxy",
		},
		"another container": {change: func(s *corev1.PodSpec) { s.Containers[0].Name = "main" }, want: "it has the container main"},
		"no container":      {change: func(s *corev1.PodSpec) { s.Containers = nil }, want: "it does not have exactly one container"},
		"less than asked for": {
			change: func(s *corev1.PodSpec) { s.Containers[0].Resources.Requests["cpu"] = resource.MustParse("1m") },
			want:   "it requests 1m of cpu instead of 2",
		},
		"more than asked for": {
			change: func(s *corev1.PodSpec) { s.Containers[0].Resources.Requests["memory"] = resource.MustParse("5Gi") },
			want:   "it requests 5Gi of memory instead of 4Gi",
		},
		"nothing of what is asked for": {
			change: func(s *corev1.PodSpec) { delete(s.Containers[0].Resources.Requests, "memory") },
			want:   "it requests 0 of memory instead of 4Gi",
		},
		"requests of the whole pod": {
			change: func(s *corev1.PodSpec) {
				s.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("9")}}
			}, want: "it has requests of the whole pod",
		},
		"requests and limits of the whole pod": {
			change: func(s *corev1.PodSpec) {
				nine := corev1.ResourceList{"cpu": resource.MustParse("9")}
				s.Resources = &corev1.ResourceRequirements{Requests: nine, Limits: nine}
			}, want: "it has requests of the whole pod",
		},
		"limits of the whole pod alone": {
			change: func(s *corev1.PodSpec) {
				s.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("9")}}
			},
		},
		"what a LimitRange adds": {
			change: func(s *corev1.PodSpec) {
				s.Containers[0].Resources.Requests["ephemeral-storage"] = resource.MustParse("1Gi")
				s.Containers[0].Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("9")}
			},
		},
		"the image of a mirror": {change: func(s *corev1.PodSpec) { s.Containers[0].Image = "mirror.example/pause:3.10.2" }},
		"another notation": {
			change: func(s *corev1.PodSpec) { s.Containers[0].Resources.Requests["cpu"] = resource.MustParse("2000m") },
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			pod := placeholder.Build(h, defaults, 0)
			pod.Spec.Priority = ptr.To[int32](-10)
			tc.change(&pod.Spec)
			require.Equal(t, tc.want, placeholder.Deviation(pod, h.Spec.Requests, -10))
		})
	}
}
