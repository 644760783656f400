package placeholder_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func TestChangeOf(t *testing.T) {
	want := placeholder.Build(web(func(s *v1alpha1.HeadroomSpec) {
		s.NodeSelector = map[string]string{"pool": "spare"}
		s.Tolerations = []corev1.Toleration{{Key: "spare", Operator: corev1.TolerationOpExists}}
		s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}}
		s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "zone"}}
		s.SchedulerName = "mine"
	}), defaults, 0)
	sidecar := corev1.Container{Name: "mesh-proxy"}
	for name, tc := range map[string]struct {
		change         func(*corev1.Pod)
		want           string // empty: no change
		unrecognizable bool
	}{
		"nothing": {change: func(*corev1.Pod) {}},
		"what admission plugins add": {change: func(p *corev1.Pod) {
			p.Labels["mesh"], p.Annotations["seen"] = "on", "yes"
			p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: "node.kubernetes.io/not-ready"})
			p.Spec.NodeSelector["team"] = "a"
			p.Spec.Priority, p.Spec.TopologySpreadConstraints[0].MatchLabelKeys = ptr.To[int32](-10), []string{"a"}
			p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("9")}
			p.Spec.Containers[0].Resources.Requests["ephemeral-storage"] = resource.MustParse("1Mi")
			p.Spec.Containers[0].Image = "mirror.example.com/" + p.Spec.Containers[0].Image
		}},
		"the label": {
			func(p *corev1.Pod) { delete(p.Labels, v1alpha1.LabelHeadroom) }, "metadata.labels[headroom.dev/headroom] was taken away", true,
		},
		"another label": {
			func(p *corev1.Pod) { p.Labels[v1alpha1.LabelHeadroom] = "x" }, `metadata.labels[headroom.dev/headroom] is "x" in place of "web"`, true,
		},
		"the controller": {
			func(p *corev1.Pod) { p.OwnerReferences = nil }, "metadata.ownerReferences lost the Headroom as controller", true,
		},
		"the controller, for another of the name": {
			func(p *corev1.Pod) { p.OwnerReferences[0].UID = "uid-of-an-earlier-web" }, "metadata.ownerReferences lost the Headroom as controller", true,
		},
		"the hash": {
			func(p *corev1.Pod) { p.Annotations = nil }, "metadata.annotations[headroom.dev/template-hash] was taken away", true,
		},
		"a request": {
			func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests["cpu"] = resource.MustParse("100m") },
			`spec.containers[placeholder].resources.requests[cpu] is "100m" in place of "2"`, false,
		},
		"a sidecar": {
			func(p *corev1.Pod) { p.Spec.Containers = append([]corev1.Container{sidecar}, p.Spec.Containers...) },
			"spec.containers[mesh-proxy] was added", false,
		},
		"a native sidecar": {
			func(p *corev1.Pod) { p.Spec.InitContainers = []corev1.Container{sidecar} }, "spec.initContainers[mesh-proxy] was added", false,
		},
		"requests of the whole pod": {
			func(p *corev1.Pod) {
				p.Spec.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("9")}}
			}, "spec.resources.requests was added", false,
		},
		"limits of the whole pod": {
			func(p *corev1.Pod) {
				p.Spec.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("9")}}
			}, "", false,
		},
		"the container": {
			func(p *corev1.Pod) { p.Spec.Containers[0].Name = "x" }, "spec.containers[placeholder] was taken away", false,
		},
		"the scheduler": {
			func(p *corev1.Pod) { p.Spec.SchedulerName = "theirs" }, `spec.schedulerName is "theirs" in place of "mine"`, false,
		},
		"no scheduler, which is the default one": {
			func(p *corev1.Pod) { p.Spec.SchedulerName = "" }, `spec.schedulerName is "default-scheduler" in place of "mine"`, false,
		},
		"the class": {
			func(p *corev1.Pod) { p.Spec.PriorityClassName = "high" }, `spec.priorityClassName is "high" in place of "headroom"`, false,
		},
		"the grace period": {
			func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = ptr.To[int64](30) },
			"spec.terminationGracePeriodSeconds is not 0 any more", false,
		},
		"no grace period": {
			func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = nil }, "spec.terminationGracePeriodSeconds is not 0 any more", false,
		},
		"safe-to-evict": {
			func(p *corev1.Pod) { delete(p.Annotations, placeholder.AnnotationSafeToEvict) },
			"metadata.annotations[cluster-autoscaler.kubernetes.io/safe-to-evict] was taken away", false,
		},
		"a node label": {
			func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{} }, "spec.nodeSelector[pool] was taken away", false,
		},
		"a toleration": {
			func(p *corev1.Pod) { p.Spec.Tolerations = nil }, "spec.tolerations[spare] was taken away", false,
		},
		"the affinity": {
			func(p *corev1.Pod) { p.Spec.Affinity = nil }, "spec.affinity was changed", false,
		},
		"the spread": {
			func(p *corev1.Pod) { p.Spec.TopologySpreadConstraints[0].MaxSkew = 2 }, "spec.topologySpreadConstraints was changed", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := want.DeepCopy()
			tc.change(got)
			change := placeholder.ChangeOf(want, got)
			if tc.want == "" {
				require.Nil(t, change)
				return
			}
			require.NotNil(t, change)
			require.Equal(t, tc.want, change.String())
			require.Equal(t, tc.unrecognizable, change.Unrecognizable)
		})
	}
}

func TestALimitThatAdmissionTookAwayIsAChange(t *testing.T) {
	want := placeholder.Build(web(func(s *v1alpha1.HeadroomSpec) {
		s.Limits = corev1.ResourceList{"cpu": resource.MustParse("4")}
	}), defaults, 0)
	got := want.DeepCopy()
	require.Nil(t, placeholder.ChangeOf(want, got))
	got.Spec.Containers[0].Resources.Limits["cpu"] = resource.MustParse("3")
	change := placeholder.ChangeOf(want, got)
	require.NotNil(t, change)
	require.Equal(t, `spec.containers[placeholder].resources.limits[cpu] is "3" in place of "4"`, change.String())
}

// TestWhatMakesANewUnitOutdatedIsToldByItsField draws what admission does to a placeholder: one that would be replaced as soon as it is made
// is never taken for one that admission left alone.
func TestWhatMakesANewUnitOutdatedIsToldByItsField(t *testing.T) {
	h := web()
	want := placeholder.Build(h, defaults, 0)
	quantities := rapid.SampledFrom([]string{"0", "1", "2", "2000m", "9"})
	requests := rapid.Custom(func(t *rapid.T) corev1.ResourceList {
		list := corev1.ResourceList{}
		for _, name := range []corev1.ResourceName{"cpu", "memory", "example.org/gpu"} {
			if rapid.Bool().Draw(t, "some "+string(name)) {
				list[name] = resource.MustParse(quantities.Draw(t, "quantity"))
			}
		}
		return list
	})
	container := rapid.Custom(func(t *rapid.T) corev1.Container {
		name := rapid.SampledFrom([]string{"placeholder", "mesh-proxy", "log"}).Draw(t, "name")
		return corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: requests.Draw(t, "requests")}}
	})
	containers := rapid.SliceOfNDistinct(container, 0, 3, func(c corev1.Container) string { return c.Name })
	rapid.Check(t, func(t *rapid.T) {
		got := want.DeepCopy()
		if rapid.Bool().Draw(t, "containers are changed") {
			got.Spec.Containers = containers.Draw(t, "containers")
		}
		if rapid.Bool().Draw(t, "there are init containers") {
			got.Spec.InitContainers = containers.Draw(t, "init containers")
		}
		if rapid.Bool().Draw(t, "the whole pod has resources") {
			got.Spec.Resources = &corev1.ResourceRequirements{Requests: requests.Draw(t, "of the pod"), Limits: requests.Draw(t, "limits")}
		}
		if deviation := placeholder.Deviation(got, h.Spec.Requests, -10); deviation != "" {
			require.NotNil(t, placeholder.ChangeOf(want, got), "%s", deviation)
		}
	})
}
