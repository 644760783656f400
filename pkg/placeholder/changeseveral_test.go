package placeholder_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// TestEachOfSeveralIsComparedByAllThatTellsIt: not the first alone, and not by a part of what it is.
func TestEachOfSeveralIsComparedByAllThatTellsIt(t *testing.T) {
	want := placeholder.Build(web(func(s *v1alpha1.HeadroomSpec) {
		s.NodeSelector = map[string]string{"pool": "spare", "spot": ""}
		s.Tolerations = []corev1.Toleration{
			{Key: "spare", Operator: corev1.TolerationOpEqual, Value: "a", Effect: corev1.TaintEffectNoSchedule},
			{Key: "spot", Operator: corev1.TolerationOpExists},
		}
		s.Limits = corev1.ResourceList{"cpu": resource.MustParse("3")}
	}), placeholder.Defaults{}, 0)
	for name, tc := range map[string]struct {
		change func(*corev1.Pod)
		want   string // empty: no change
	}{
		"nothing":               {func(*corev1.Pod) {}, ""},
		"the default scheduler": {func(p *corev1.Pod) { p.Spec.SchedulerName = "default-scheduler" }, ""},
		"another scheduler than the default": {
			func(p *corev1.Pod) { p.Spec.SchedulerName = "theirs" }, `spec.schedulerName is "theirs" in place of "default-scheduler"`,
		},
		"a node label without a value": {
			func(p *corev1.Pod) { delete(p.Spec.NodeSelector, "spot") }, "spec.nodeSelector[spot] was taken away",
		},
		"a value for one that has none": {
			func(p *corev1.Pod) { p.Spec.NodeSelector["spot"] = "no" }, `spec.nodeSelector[spot] is "no" in place of ""`,
		},
		"the value of a toleration": {
			func(p *corev1.Pod) { p.Spec.Tolerations[0].Value = "b" }, "spec.tolerations[spare] was taken away",
		},
		"the effect of a toleration": {
			func(p *corev1.Pod) { p.Spec.Tolerations[0].Effect = corev1.TaintEffectNoExecute }, "spec.tolerations[spare] was taken away",
		},
		"the second toleration": {
			func(p *corev1.Pod) { p.Spec.Tolerations = p.Spec.Tolerations[:1] }, "spec.tolerations[spot] was taken away",
		},
		"the order of tolerations": {
			func(p *corev1.Pod) {
				p.Spec.Tolerations[0], p.Spec.Tolerations[1] = p.Spec.Tolerations[1], p.Spec.Tolerations[0]
			}, "",
		},
		"a larger request": {
			func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests["memory"] = resource.MustParse("5Gi") },
			`spec.containers[placeholder].resources.requests[memory] is "5Gi" in place of "4Gi"`,
		},
		"a request spelt anew": {
			func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests["memory"] = resource.MustParse("4096Mi") }, "",
		},
		"a larger limit": {
			func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Limits["cpu"] = resource.MustParse("4") },
			`spec.containers[placeholder].resources.limits[cpu] is "4" in place of "3"`,
		},
		"a second container of the same image": {
			func(p *corev1.Pod) {
				p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "twin", Image: p.Spec.Containers[0].Image})
			}, "spec.containers[twin] was added",
		},
		"an init container beside one of its name": {
			func(p *corev1.Pod) { p.Spec.InitContainers = []corev1.Container{{Name: "placeholder"}} },
			"spec.initContainers[placeholder] was added",
		},
		"another owner beside the controller": {
			func(p *corev1.Pod) {
				other := *p.OwnerReferences[0].DeepCopy()
				other.Name, other.UID, other.Controller = "other", "5678", nil
				p.OwnerReferences = append(p.OwnerReferences, other)
			}, "",
		},
		"the Headroom is an owner and no controller any more": {
			func(p *corev1.Pod) { p.OwnerReferences[0].Controller = nil }, "metadata.ownerReferences lost the Headroom as controller",
		},
		"another hash": {
			func(p *corev1.Pod) { p.Annotations[v1alpha1.AnnotationTemplateHash] = "x" },
			`metadata.annotations[headroom.dev/template-hash] is "x" in place of "` + want.Annotations[v1alpha1.AnnotationTemplateHash] + `"`,
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
		})
	}
}
