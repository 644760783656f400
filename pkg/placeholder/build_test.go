package placeholder_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

var update = flag.Bool("update", false, "write the golden files anew")

var defaults = placeholder.Defaults{Image: "registry.example/pause:1", SchedulerName: "headroom-scheduler"}

// web is the smallest Headroom, changed by the given functions.
func web(change ...func(*v1alpha1.HeadroomSpec)) *v1alpha1.Headroom {
	h := &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "1234"},
		Spec: v1alpha1.HeadroomSpec{Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("2"),
			corev1.ResourceMemory: resource.MustParse("4Gi"),
		}},
	}
	for _, f := range change {
		f(&h.Spec)
	}
	return h
}

// requireGolden compares an object with a file of testdata.
func requireGolden(t *testing.T, file string, obj any) {
	t.Helper()
	got, err := yaml.Marshal(obj)
	require.NoError(t, err)
	path := filepath.Join("testdata", file)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), string(got)), "%s (-want +got); go test ./pkg/placeholder -update writes it anew", path)
}

// The golden files show a newcomer what a placeholder is. The hash in them is the same for all users of a release: if it
// changes, the next release replaces every placeholder of every cluster, which should be worth it.
func TestBuild(t *testing.T) {
	requireGolden(t, "pod.yaml", placeholder.Build(web(), defaults, 7))
	requireGolden(t, "daemonset.yaml", placeholder.BuildDaemonSet(web(), defaults))
}

func TestBuildTakesEverythingFromTheSpec(t *testing.T) {
	spread := corev1.TopologySpreadConstraint{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.DoNotSchedule}
	h := web(func(s *v1alpha1.HeadroomSpec) {
		s.PriorityClassName = "spare"
		s.NodeSelector = map[string]string{"pool": "a"}
		s.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{}}
		s.Tolerations = []corev1.Toleration{{Key: "spot", Operator: corev1.TolerationOpExists}}
		s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{spread}
		s.RuntimeClassName = "gvisor"
		s.SchedulerName = "other-scheduler"
		s.Image = "registry.example/warm:2"
		s.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "pull"}}
		s.PodLabels = map[string]string{"team": "search", v1alpha1.LabelHeadroom: "not me"}
		s.PodAnnotations = map[string]string{"note": "x", placeholder.AnnotationSafeToEvict: "false"}
	})
	pod := placeholder.Build(h, defaults, 0)

	require.Equal(t, map[string]string{
		"team": "search", "headroom": "web", v1alpha1.LabelHeadroom: "web",
		"sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled",
	}, pod.Labels)
	require.Equal(t, map[string]string{
		"note": "x", placeholder.AnnotationSafeToEvict: "true",
		"linkerd.io/inject": "disabled", "consul.hashicorp.com/connect-inject": "false",
		v1alpha1.AnnotationTemplateHash: placeholder.TemplateHash(h, defaults),
	}, pod.Annotations)
	require.Equal(t, "spare", pod.Spec.PriorityClassName)
	require.Equal(t, h.Spec.NodeSelector, pod.Spec.NodeSelector)
	require.Equal(t, h.Spec.Affinity, pod.Spec.Affinity)
	require.Equal(t, h.Spec.Tolerations, pod.Spec.Tolerations)
	require.Equal(t, []corev1.TopologySpreadConstraint{spread}, pod.Spec.TopologySpreadConstraints, "as the user wrote it, no selector added")
	require.Equal(t, "gvisor", *pod.Spec.RuntimeClassName)
	require.Equal(t, "other-scheduler", pod.Spec.SchedulerName)
	require.Equal(t, "registry.example/warm:2", pod.Spec.Containers[0].Image)
	require.Equal(t, h.Spec.ImagePullSecrets, pod.Spec.ImagePullSecrets)
}

func TestBuildLeavesTheHeadroomAlone(t *testing.T) {
	change := func(s *v1alpha1.HeadroomSpec) {
		s.PodLabels = map[string]string{"a": "b"}
		s.PodAnnotations = map[string]string{"a": "b"}
		s.PodSecurityContext = &corev1.PodSecurityContext{}
		s.SecurityContext = &corev1.SecurityContext{}
	}
	h := web(change)
	pod := placeholder.Build(h, defaults, 0)
	pod.Spec.Containers[0].Resources.Requests["x"] = resource.MustParse("1")
	placeholder.MarkFromRollout(pod)
	require.Empty(t, cmp.Diff(web(change), h))
}

func TestResourcesHaveLimitsOnlyWhereKubernetesAsksForThem(t *testing.T) {
	pod := placeholder.Build(web(func(s *v1alpha1.HeadroomSpec) {
		s.Requests["nvidia.com/gpu"] = resource.MustParse("1")
		s.Requests["hugepages-2Mi"] = resource.MustParse("4Mi")
		s.Requests[corev1.ResourceEphemeralStorage] = resource.MustParse("1Gi")
	}), defaults, 0)
	resources := pod.Spec.Containers[0].Resources
	require.Len(t, resources.Requests, 5)
	require.Equal(t, corev1.ResourceList{
		"nvidia.com/gpu": resource.MustParse("1"), "hugepages-2Mi": resource.MustParse("4Mi"),
	}, resources.Limits)
}

func TestResourcesHaveTheLimitsThatTheSpecAsksFor(t *testing.T) {
	pod := placeholder.Build(web(func(s *v1alpha1.HeadroomSpec) {
		s.Requests["nvidia.com/gpu"] = resource.MustParse("1")
		s.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), "nvidia.com/gpu": resource.MustParse("2")}
	}), defaults, 0)
	require.Equal(t, corev1.ResourceList{
		"nvidia.com/gpu": resource.MustParse("1"), corev1.ResourceCPU: resource.MustParse("8"),
	}, pod.Spec.Containers[0].Resources.Limits)
}

func TestSecurityContexts(t *testing.T) {
	for _, tc := range []struct {
		name          string
		pod           *corev1.PodSecurityContext
		container     *corev1.SecurityContext
		wantPod       corev1.PodSecurityContext
		wantContainer corev1.SecurityContext
	}{
		{
			name:          "nothing set: restricted",
			wantPod:       restrictedPod(nil),
			wantContainer: restrictedContainer(nil),
		},
		{
			name:          "another user and group stay",
			pod:           &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](1000), FSGroup: ptr.To[int64](2000)},
			wantPod:       restrictedPod(func(p *corev1.PodSecurityContext) { p.RunAsUser, p.FSGroup = ptr.To[int64](1000), ptr.To[int64](2000) }),
			wantContainer: restrictedContainer(nil),
		},
		{
			name: "root of the pod is not told to be somebody else",
			pod:  &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](0)},
			wantPod: restrictedPod(func(p *corev1.PodSecurityContext) {
				p.RunAsUser, p.RunAsNonRoot = ptr.To[int64](0), nil
			}),
			wantContainer: restrictedContainer(nil),
		},
		{
			name:          "nor is root of the container",
			container:     &corev1.SecurityContext{RunAsUser: ptr.To[int64](0)},
			wantPod:       restrictedPod(func(p *corev1.PodSecurityContext) { p.RunAsNonRoot = nil }),
			wantContainer: restrictedContainer(func(c *corev1.SecurityContext) { c.RunAsUser = ptr.To[int64](0) }),
		},
		{
			name: "an explicit refusal of root stays",
			pod:  &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(false), SeccompProfile: &corev1.SeccompProfile{Type: "Unconfined"}},
			wantPod: restrictedPod(func(p *corev1.PodSecurityContext) {
				p.RunAsNonRoot, p.SeccompProfile.Type = ptr.To(false), "Unconfined"
			}),
			wantContainer: restrictedContainer(nil),
		},
		{
			name:          "a privileged container may escalate, or Kubernetes would refuse it",
			container:     &corev1.SecurityContext{Privileged: ptr.To(true)},
			wantPod:       restrictedPod(nil),
			wantContainer: restrictedContainer(func(c *corev1.SecurityContext) { c.Privileged, c.AllowPrivilegeEscalation = ptr.To(true), nil }),
		},
		{
			name:      "and so may one with SYS_ADMIN by its long name, among others",
			container: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_RAW", "CAP_SYS_ADMIN"}}},
			wantPod:   restrictedPod(nil),
			wantContainer: restrictedContainer(func(c *corev1.SecurityContext) {
				c.Capabilities.Add, c.AllowPrivilegeEscalation = []corev1.Capability{"NET_RAW", "CAP_SYS_ADMIN"}, nil
			}),
		},
		{
			name: "one of another user with another capability may not",
			container: &corev1.SecurityContext{
				RunAsUser: ptr.To[int64](7), Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_BIND_SERVICE"}},
			},
			wantPod: restrictedPod(nil),
			wantContainer: restrictedContainer(func(c *corev1.SecurityContext) {
				c.RunAsUser, c.Capabilities.Add = ptr.To[int64](7), []corev1.Capability{"NET_BIND_SERVICE"}
			}),
		},
		{
			name:      "and so may one with SYS_ADMIN",
			container: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}}},
			wantPod:   restrictedPod(nil),
			wantContainer: restrictedContainer(func(c *corev1.SecurityContext) {
				c.Capabilities.Add, c.AllowPrivilegeEscalation = []corev1.Capability{"SYS_ADMIN"}, nil
			}),
		},
		{
			name:      "that the container drops nothing stays",
			container: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{}}},
			wantPod:   restrictedPod(nil),
			wantContainer: restrictedContainer(func(c *corev1.SecurityContext) {
				c.Capabilities.Drop = []corev1.Capability{}
			}),
		},
		{
			name: "what the container sets stays",
			container: &corev1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(true), ReadOnlyRootFilesystem: ptr.To(false),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"NET_RAW"}},
			},
			wantPod: restrictedPod(nil),
			wantContainer: restrictedContainer(func(c *corev1.SecurityContext) {
				c.AllowPrivilegeEscalation, c.ReadOnlyRootFilesystem = ptr.To(true), ptr.To(false)
				c.Capabilities.Drop = []corev1.Capability{"NET_RAW"}
			}),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pod := placeholder.Build(web(func(s *v1alpha1.HeadroomSpec) {
				s.PodSecurityContext, s.SecurityContext = tc.pod, tc.container
			}), defaults, 0)
			require.Empty(t, cmp.Diff(&tc.wantPod, pod.Spec.SecurityContext), "pod (-want +got)")
			require.Empty(t, cmp.Diff(&tc.wantContainer, pod.Spec.Containers[0].SecurityContext), "container (-want +got)")
		})
	}
}

func restrictedPod(change func(*corev1.PodSecurityContext)) corev1.PodSecurityContext {
	p := corev1.PodSecurityContext{
		RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](65535),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if change != nil {
		change(&p)
	}
	return p
}

func restrictedContainer(change func(*corev1.SecurityContext)) corev1.SecurityContext {
	c := corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	if change != nil {
		change(&c)
	}
	return c
}

func TestBuildFallsBackToDefaults(t *testing.T) {
	pod := placeholder.Build(web(), placeholder.Defaults{}, 0)
	require.Equal(t, placeholder.DefaultImage, pod.Spec.Containers[0].Image)
	require.Empty(t, pod.Spec.SchedulerName)
	require.Equal(t, "headroom", pod.Spec.PriorityClassName)
}

func TestExchangeMark(t *testing.T) {
	pod := placeholder.Build(web(), defaults, 0)
	require.False(t, placeholder.IsFromRollout(pod))
	placeholder.MarkFromRollout(pod)
	require.True(t, placeholder.IsFromRollout(pod))
	require.Equal(t, placeholder.TemplateHash(web(), defaults), pod.Annotations[v1alpha1.AnnotationTemplateHash])
}

func TestWhoMadeAUnitMakesItNoOther(t *testing.T) {
	pod, daemonSet := placeholder.Build(web(), defaults, 0), placeholder.BuildDaemonSet(web(), defaults)
	placeholder.MarkMadeBy(pod, "blue")
	placeholder.MarkMadeBy(daemonSet, "blue")
	require.Equal(t, "blue", pod.Annotations[v1alpha1.AnnotationController])
	require.Equal(t, "blue", daemonSet.Annotations[v1alpha1.AnnotationController])
	require.Equal(t, placeholder.TemplateHash(web(), defaults), pod.Annotations[v1alpha1.AnnotationTemplateHash])
	placeholder.MarkMadeBy(pod, "green")
	require.Equal(t, "green", pod.Annotations[v1alpha1.AnnotationController], "the last that did")
	delete(daemonSet.Annotations, v1alpha1.AnnotationController)
	require.Empty(t, cmp.Diff(placeholder.BuildDaemonSet(web(), defaults), daemonSet), "nothing else of it changed, its template least of all")
}

func TestTheDaemonSetOfVersionsThatRefusedNoSidecarsDiffersInNothingElse(t *testing.T) {
	now, earlier := placeholder.BuildDaemonSet(web(), defaults), placeholder.BuildEarlierDaemonSet(web(), defaults)
	require.Equal(t, now.Annotations[v1alpha1.AnnotationTemplateHash], earlier.Annotations[v1alpha1.AnnotationTemplateHash])
	require.NotEmpty(t, cmp.Diff(now, earlier))
	placeholder.RefuseSidecars(&earlier.Spec.Template.ObjectMeta)
	require.Empty(t, cmp.Diff(now, earlier))
}

func TestWhatAHeadroomSaysOfSidecarsItselfStays(t *testing.T) {
	pod := placeholder.Build(web(func(s *v1alpha1.HeadroomSpec) {
		s.PodLabels = map[string]string{"sidecar.istio.io/inject": "true", "kuma.io/sidecar-injection": ""}
		s.PodAnnotations = map[string]string{"linkerd.io/inject": "enabled"}
	}), defaults, 0)
	require.Equal(t, "true", pod.Labels["sidecar.istio.io/inject"])
	require.Empty(t, pod.Labels["kuma.io/sidecar-injection"])
	require.Equal(t, "enabled", pod.Annotations["linkerd.io/inject"])
	require.Equal(t, "false", pod.Annotations["consul.hashicorp.com/connect-inject"])
}

func TestAReservedUnitIsKnownByItsClass(t *testing.T) {
	require.False(t, placeholder.IsReserved(placeholder.Build(web(), defaults, 0)))
	reserved := web(func(s *v1alpha1.HeadroomSpec) { s.Reserved = true })
	require.True(t, placeholder.IsReserved(placeholder.Build(reserved, defaults, 0)))
	require.Equal(t, []string{placeholder.PriorityClassIn(reserved, defaults)}, placeholder.PriorityClassNames(reserved, defaults))
}

func TestHeadroomOfKnowsWhatBuildBuilds(t *testing.T) {
	got, ok := placeholder.HeadroomOf(placeholder.Build(web(), defaults, 3), nil)
	require.True(t, ok)
	require.Equal(t, "shop/web", got.String())
}
