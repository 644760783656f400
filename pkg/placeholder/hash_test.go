package placeholder_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func TestTemplateHashIsBlindToWhatMakesNoDifferentPod(t *testing.T) {
	want := placeholder.TemplateHash(web(), defaults)
	for name, change := range map[string]func(*v1alpha1.HeadroomSpec){
		"replicas":                 func(s *v1alpha1.HeadroomSpec) { s.Replicas = ptr.To[int32](9) },
		"consumers":                func(s *v1alpha1.HeadroomSpec) { s.Consumers = &v1alpha1.Consumers{MinPriority: ptr.To[int32](1)} },
		"a quantity spelt anew":    func(s *v1alpha1.HeadroomSpec) { s.Requests[corev1.ResourceCPU] = resource.MustParse("2000m") },
		"no ladder, spelt out":     func(s *v1alpha1.HeadroomSpec) { s.Ladder = v1alpha1.LadderDisabled },
		"a default spelt out":      func(s *v1alpha1.HeadroomSpec) { s.PriorityClassName = "headroom" },
		"the operator's image":     func(s *v1alpha1.HeadroomSpec) { s.Image = defaults.Image },
		"an empty list":            func(s *v1alpha1.HeadroomSpec) { s.Tolerations = []corev1.Toleration{} },
		"the placement":            func(s *v1alpha1.HeadroomSpec) { s.Placement = v1alpha1.PlacementPerNode },
		"an empty set of labels":   func(s *v1alpha1.HeadroomSpec) { s.PodLabels = map[string]string{} },
		"an empty securityContext": func(s *v1alpha1.HeadroomSpec) { s.SecurityContext = &corev1.SecurityContext{} },
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, want, placeholder.TemplateHash(web(change), defaults))
		})
	}
	h := web()
	h.UID, h.Generation, h.Annotations = "5678", 7, map[string]string{"x": "y"}
	require.Equal(t, want, placeholder.TemplateHash(h, defaults))
}

func TestTemplateHashSeesWhatMakesADifferentPod(t *testing.T) {
	seen := map[string]string{placeholder.TemplateHash(web(), defaults): "the original"}
	require.Len(t, placeholder.TemplateHash(web(), defaults), 16)
	note := func(name, hash string) {
		require.NotContains(t, seen, hash, "%s has the hash of %s", name, seen[hash])
		seen[hash] = name
	}
	for name, change := range map[string]func(*v1alpha1.HeadroomSpec){
		"requests": func(s *v1alpha1.HeadroomSpec) { s.Requests[corev1.ResourceCPU] = resource.MustParse("3") },
		"limits": func(s *v1alpha1.HeadroomSpec) {
			s.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3")}
		},
		"priorityClassName": func(s *v1alpha1.HeadroomSpec) { s.PriorityClassName = "spare" },
		"reserved":          func(s *v1alpha1.HeadroomSpec) { s.Reserved = true },
		"ladder":            onLadder,
		"nodeSelector":      func(s *v1alpha1.HeadroomSpec) { s.NodeSelector = map[string]string{"a": "b"} },
		"affinity":          func(s *v1alpha1.HeadroomSpec) { s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}} },
		"tolerations":       func(s *v1alpha1.HeadroomSpec) { s.Tolerations = []corev1.Toleration{{Key: "a"}} },
		"topologySpreadConstraints": func(s *v1alpha1.HeadroomSpec) {
			s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1}}
		},
		"podSecurityContext": func(s *v1alpha1.HeadroomSpec) {
			s.PodSecurityContext = &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](1)}
		},
		"securityContext":  func(s *v1alpha1.HeadroomSpec) { s.SecurityContext = &corev1.SecurityContext{Privileged: ptr.To(true)} },
		"runtimeClassName": func(s *v1alpha1.HeadroomSpec) { s.RuntimeClassName = "a" },
		"schedulerName":    func(s *v1alpha1.HeadroomSpec) { s.SchedulerName = "a" },
		"image":            func(s *v1alpha1.HeadroomSpec) { s.Image = "a" },
		"imagePullSecrets": func(s *v1alpha1.HeadroomSpec) { s.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "a"}} },
		"podLabels":        func(s *v1alpha1.HeadroomSpec) { s.PodLabels = map[string]string{"a": "b"} },
		"podAnnotations":   func(s *v1alpha1.HeadroomSpec) { s.PodAnnotations = map[string]string{"a": "b"} },
	} {
		note(name, placeholder.TemplateHash(web(change), defaults))
	}
	note("the operator's image", placeholder.TemplateHash(web(), placeholder.Defaults{Image: "b", SchedulerName: defaults.SchedulerName}))
	note("the operator's scheduler", placeholder.TemplateHash(web(), placeholder.Defaults{Image: defaults.Image, SchedulerName: "b"}))
}
