package controller

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// shapedFrom gives a Headroom the shape of a workload in place of requests.
func shapedFrom(apiVersion, kind, name string) func(*v1alpha1.HeadroomSpec) {
	return func(spec *v1alpha1.HeadroomSpec) {
		spec.Requests, spec.ShapeFrom = nil, &v1alpha1.WorkloadReference{APIVersion: apiVersion, Kind: kind, Name: name}
	}
}

// waitShaped waits until all units of a Headroom request this much, and its condition Shaped has this reason.
func (e *environment) waitShaped(name string, units int32, cpu, reason string) *v1alpha1.Headroom {
	e.Helper()
	var h *v1alpha1.Headroom
	e.eventually(fmt.Sprintf("%d units of %s have %s CPU, %s", units, name, cpu, reason), func() error {
		h = e.get(name)
		held, outdated := int32(0), 0
		for _, pod := range e.pods() {
			if pod.Labels[v1alpha1.LabelHeadroom] != name || pod.Spec.NodeName == "" {
				continue
			}
			if pod.Spec.Containers[0].Resources.Requests.Cpu().Cmp(resource.MustParse(cpu)) != 0 {
				outdated++
			}
			held++
		}
		if h.Status.ReadyReplicas != units || held != units || outdated > 0 || reasonOf(h, v1alpha1.ConditionShaped) != reason {
			return fmt.Errorf("ready %d, held %d, of another size %d; Shaped %s: %s; Ready %s: %s; shape %+v", h.Status.ReadyReplicas, held, outdated,
				reasonOf(h, v1alpha1.ConditionShaped), messageOf(h, v1alpha1.ConditionShaped), reasonOf(h, v1alpha1.ConditionReady),
				messageOf(h, v1alpha1.ConditionReady), h.Status.Shape)
		}
		return nil
	})
	return h
}

func TestUnitsAreMadeLikeThePodsOfAWorkload(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	nodes := e.nodes("a")
	e.bindTo(nodes...)
	e.startController()
	e.headroom("web", replicas(2), shapedFrom("apps/v1", "Deployment", "web"))
	h := e.waitShaped("web", 0, "0", v1alpha1.ReasonTargetNotFound)
	require.Equal(t, v1alpha1.ReasonShapeUnknown, reasonOf(h, v1alpha1.ConditionReady))
	require.Contains(t, messageOf(h, v1alpha1.ConditionShaped), "there is no Deployment web in namespace "+e.namespace+"; no unit is made before it is known.")

	object := e.workload("Deployment", "web", 1).(*appsv1.Deployment)
	h = e.waitShaped("web", 2, "500m", v1alpha1.ReasonShaped)
	require.Equal(t, "500m cpu: the template of Deployment web.", h.Status.Shape.Message)
	require.Equal(t, "500m", h.Status.UnitRequests.Cpu().String())
	require.Equal(t, v1alpha1.ReasonValid, reasonOf(h, v1alpha1.ConditionReady))

	require.NoError(t, e.client.Delete(t.Context(), object))
	h = e.waitShaped("web", 2, "500m", v1alpha1.ReasonTargetNotFound)
	require.Contains(t, messageOf(h, v1alpha1.ConditionShaped), "units keep the shape that they have")
	gone := e.placeholdersOf("web")[0]
	e.delete(&gone)
	e.waitReplaced(gone.UID)
	e.waitShaped("web", 2, "500m", v1alpha1.ReasonTargetNotFound)
}

func (e *environment) placeholdersOf(name string) []corev1.Pod {
	e.Helper()
	var pods []corev1.Pod
	for _, pod := range e.pods() {
		if pod.Labels[v1alpha1.LabelHeadroom] == name {
			pods = append(pods, pod)
		}
	}
	return pods
}

func TestPlacementFollowsTheWorkload(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	selector, template := podTemplate("web")
	template.Spec.NodeSelector = map[string]string{"test": e.namespace}
	template.Spec.Tolerations = []corev1.Toleration{{Key: "spot", Operator: corev1.TolerationOpExists}, {Operator: corev1.TolerationOpExists}}
	template.Spec.Affinity = &corev1.Affinity{
		NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}}}}},
		}},
		PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelHostname, LabelSelector: selector,
		}}},
	}
	template.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: selector, MatchLabelKeys: []string{"pod-template-hash"},
	}}
	template.Spec.InitContainers = []corev1.Container{{
		Name: "sidecar", Image: "example.com/proxy", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways),
		Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("250m")}},
	}}
	require.NoError(t, e.client.Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "web"},
		Spec:       appsv1.DeploymentSpec{Replicas: ptr.To[int32](0), Selector: selector, Template: template},
	}))
	e.headroom("web", replicas(1), shapedFrom("apps/v1", "Deployment", "web"))
	h := e.waitShaped("web", 1, "750m", v1alpha1.ReasonShaped)
	require.Len(t, h.Status.Shape.Tolerations, 1)

	pod := e.placeholdersOf("web")[0]
	require.Equal(t, map[string]string{"test": e.namespace}, pod.Spec.NodeSelector)
	require.True(t, equality.Semantic.DeepEqual(template.Spec.Affinity.NodeAffinity, pod.Spec.Affinity.NodeAffinity))
	require.Nil(t, pod.Spec.Affinity.PodAntiAffinity)
	require.Len(t, pod.Spec.TopologySpreadConstraints, 1)
	require.Equal(t, map[string]string{v1alpha1.LabelHeadroom: "web"}, pod.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels)
	require.Empty(t, pod.Spec.TopologySpreadConstraints[0].MatchLabelKeys)
	require.NotContains(t, pod.Labels, "app")
	require.Empty(t, pod.Spec.Volumes)

	// What the Headroom itself says goes before.
	e.change("web", func(spec *v1alpha1.HeadroomSpec) {
		spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: "a"}
	})
	e.eventually("the unit has the Headroom's own node selector", func() error {
		for _, pod := range e.placeholdersOf("web") {
			if pod.Spec.NodeSelector[corev1.LabelTopologyZone] != "a" || len(pod.Spec.NodeSelector) != 1 {
				return fmt.Errorf("it is %v", pod.Spec.NodeSelector)
			}
		}
		return nil
	})
}

// Injectors and VerticalPodAutoscalers change pods and not templates.
func TestPodsThatRequestMoreThanTheirTemplateCount(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	e.workload("Deployment", "web", 0)
	// What a webhook would have made of a pod of it.
	_, template := podTemplate("web")
	injected := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "injected", Labels: template.Labels}, Spec: template.Spec}
	injected.Spec.Containers = append(injected.Spec.Containers, corev1.Container{Name: "proxy", Image: "example.com/proxy"})
	injected.Spec.Containers[1].Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("200m")}
	require.NoError(t, e.client.Create(t.Context(), injected))
	e.eventually("it is bound", func() error {
		if pods := e.pods(); len(pods) != 1 || pods[0].Spec.NodeName == "" {
			return errNotYet
		}
		return nil
	})
	e.headroom("web", replicas(1), shapedFrom("apps/v1", "Deployment", "web"))
	e.eventually("units are as large as the larger pod", func() error {
		h := e.get("web")
		if h.Status.Shape == nil {
			return errNotYet
		}
		if !strings.Contains(h.Status.Shape.Message, "the larger requests of pods of Deployment web") || h.Status.UnitRequests.Cpu().String() != "700m" {
			return fmt.Errorf("the shape is %+v", h.Status.Shape)
		}
		return nil
	})
	e.waitShaped("web", 1, "700m", v1alpha1.ReasonShaped)
}

// Admission adds the overhead of a RuntimeClass to pods of the workload, and to units just so.
func TestUnitsHaveTheOverheadOfTheWorkloadsRuntimeClass(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	class := e.overheadClass()
	selector, template := podTemplate("web")
	template.Spec.RuntimeClassName = &class.Name
	require.NoError(t, e.client.Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "web"},
		Spec:       appsv1.DeploymentSpec{Replicas: ptr.To[int32](1), Selector: selector, Template: template},
	}))
	e.headroom("web", replicas(1), shapedFrom("apps/v1", "Deployment", "web"))
	h := e.waitShaped("web", 1, "500m", v1alpha1.ReasonShaped)
	require.Equal(t, "500m", h.Status.UnitRequests.Cpu().String())
	for _, pod := range e.pods() { // that of the workload, and the placeholder
		require.Equal(t, class.Name, *pod.Spec.RuntimeClassName)
		require.Equal(t, "250m", pod.Spec.Overhead.Cpu().String(), "%s", pod.Name)
	}
}

func TestShapesOfEachKind(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	_, template := podTemplate("none")
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	meta := metav1.ObjectMeta{Namespace: e.namespace, Name: "it"}
	job := batchv1.JobSpec{Template: template, Suspend: ptr.To(true)}
	for _, object := range []client.Object{
		&batchv1.Job{ObjectMeta: meta, Spec: job},
		&batchv1.CronJob{ObjectMeta: meta, Spec: batchv1.CronJobSpec{Schedule: "0 0 1 1 *", JobTemplate: batchv1.JobTemplateSpec{Spec: job}}},
		&corev1.PodTemplate{ObjectMeta: meta, Template: template},
	} {
		require.NoError(t, e.client.Create(t.Context(), object))
	}
	e.workload("StatefulSet", "it", 0)
	e.workload("ReplicaSet", "it", 0)
	for _, of := range [][2]string{{"batch/v1", "Job"}, {"batch/v1", "CronJob"}, {"v1", "PodTemplate"}, {"apps/v1", "StatefulSet"}, {"apps/v1", "ReplicaSet"}} {
		name := strings.ToLower(of[1])
		e.headroom(name, replicas(1), shapedFrom(of[0], of[1], "it"))
		e.waitShaped(name, 1, "500m", v1alpha1.ReasonShaped)
	}
	e.headroom("sized", replicas(1), sizedBy(func() v1alpha1.SizingRule {
		rule := percentOf(50, "CronJob", "it")
		rule.PercentOf.Target.APIVersion = "batch/v1"
		return rule
	}()))
	e.waitSized("sized", 1, "CronJob it has no pods of its own")
}

func TestAWorkloadWithoutRequestsHasNoShape(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	selector, template := podTemplate("web")
	template.Spec.Containers[0].Resources.Requests = nil
	require.NoError(t, e.client.Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "web"},
		Spec:       appsv1.DeploymentSpec{Replicas: ptr.To[int32](0), Selector: selector, Template: template},
	}))
	e.headroom("web", replicas(1), shapedFrom("apps/v1", "Deployment", "web"))
	h := e.waitShaped("web", 0, "0", v1alpha1.ReasonNoRequests)
	require.Contains(t, messageOf(h, v1alpha1.ConditionShaped), "the template of Deployment web requests nothing, and no pod of it is bound")
	require.Equal(t, v1alpha1.ReasonShapeUnknown, reasonOf(h, v1alpha1.ConditionReady))
	require.Empty(t, e.placeholdersOf("web"))
}
