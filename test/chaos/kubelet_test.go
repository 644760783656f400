package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/chaos/plan"
	"github.com/headroom-dev/headroom/test/observer"
)

// runs is a pod of headroom-scheduler on the node n that has so much CPU and asks for that much.
func runs(name, has, asks string, priority int32) *corev1.Pod {
	pod := builders.Consumer(name, builders.Resources{"cpu": asks}).Namespace("shop").UID(name).Label("app", "web").Node("n").
		SchedulerName(plan.HeadroomScheduler).Priority(priority).Obj()
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: pod.Spec.Containers[0].Name, AllocatedResources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(has)},
	}}
	return pod
}

func fourCores() *corev1.Node {
	return builders.Node("n", "a", builders.Resources{"cpu": "4", "memory": "4Gi", "pods": "10"}).Obj()
}

func TestAKubeletGrantsWhatThereIsRoomFor(t *testing.T) {
	other := builders.Consumer("other", builders.Resources{"cpu": "1"}).UID("other").Node("n").Obj()
	for name, tc := range map[string]struct {
		pods []*corev1.Pod
		want map[string]bool
	}{
		"nobody asks":                             {pods: []*corev1.Pod{runs("a", "2", "2", 0), other}, want: map[string]bool{}},
		"there is room":                           {pods: []*corev1.Pod{runs("a", "2", "3", 0), other}, want: map[string]bool{"a": true}},
		"there is none":                           {pods: []*corev1.Pod{runs("a", "2", "3500m", 0), other}, want: map[string]bool{"a": false}},
		"a pod wants less":                        {pods: []*corev1.Pod{runs("a", "2", "1", 0), other}, want: map[string]bool{"a": true}},
		"for one of two, the more important one":  {pods: []*corev1.Pod{runs("a", "1", "2", 0), runs("b", "1", "2", 5), other}, want: map[string]bool{"a": false, "b": true}},
		"the smaller one, where the other is not": {pods: []*corev1.Pod{runs("a", "1", "2", 0), runs("b", "1", "3", 5), other}, want: map[string]bool{"a": true, "b": false}},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]bool{}
			for _, v := range decide(fourCores(), tc.pods) {
				got[v.pod.Name] = v.granted
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestAPodThatCouldGrowInTheRoomOfItsUnitsShouldNotWait(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(s *scene, h *v1alpha1.Headroom, pod *corev1.Pod)
		want   int
	}{
		"it may take the unit": {func(*scene, *v1alpha1.Headroom, *corev1.Pod) {}, 1},
		"it is not entitled":   {func(_ *scene, _ *v1alpha1.Headroom, pod *corev1.Pod) { pod.Labels["app"] = "job" }, 0},
		"the unit is not enough": {func(_ *scene, _ *v1alpha1.Headroom, pod *corev1.Pod) {
			pod.Spec.Containers[0].Resources.Requests = requests(4500, 0)
		}, 0},
		"another scheduler's pod":             {func(_ *scene, _ *v1alpha1.Headroom, pod *corev1.Pod) { pod.Spec.SchedulerName = "other" }, 0},
		"the kubelet has not said so":         {func(_ *scene, _ *v1alpha1.Headroom, pod *corev1.Pod) { pod.Status.Conditions = nil }, 0},
		"the kubelet has said so of another":  {func(_ *scene, _ *v1alpha1.Headroom, pod *corev1.Pod) { pod.Generation++ }, 0},
		"the unit is reserved for it":         {func(s *scene, _ *v1alpha1.Headroom, _ *corev1.Pod) { reserve(s) }, 1},
		"the unit is reserved for nobody now": {func(s *scene, h *v1alpha1.Headroom, _ *corev1.Pod) { reserve(s); h.Spec.Consumers = nil }, 0},
		"the unit is of a higher priority":    {func(s *scene, _ *v1alpha1.Headroom, _ *corev1.Pod) { s.pods[1].Spec.Priority = new(int32(1)) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := builders.Headroom("spare", builders.Resources{"cpu": "2"}).Namespace("shop").UID("spare").Obj()
			h.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
			pod, unit := runs("a", "2", "3", 0), builders.Placeholder(h, 0).UID("unit").Node("n").Obj()
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonDeferred}}
			s := &scene{headrooms: []*v1alpha1.Headroom{h}, nodes: []*corev1.Node{fourCores()}, pods: []*corev1.Pod{pod, unit}}
			tc.change(s, h, pod)
			require.Len(t, (&run{observer: &observer.Observer{}}).ungrown(s), tc.want)
		})
	}
}

// reserve makes the unit a reserved one.
func reserve(s *scene) {
	s.pods[1].Spec.PriorityClassName, s.pods[1].Spec.Priority = v1alpha1.ReservedPriorityClassName, new(builders.ReservedPriority)
}
