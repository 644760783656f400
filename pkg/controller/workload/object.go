package workload

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/utils/ptr"
)

// readers read what counts of the kinds that say it themselves. Of all others the scale subresource says which pods there are.
var readers = map[schema.GroupKind]func(map[string]any) (*Target, error){
	{Group: appsv1.GroupName, Kind: "Deployment"}:  ofDeployment,
	{Group: appsv1.GroupName, Kind: "StatefulSet"}: ofStatefulSet,
	{Group: appsv1.GroupName, Kind: "ReplicaSet"}:  ofReplicaSet,
	{Group: batchv1.GroupName, Kind: "Job"}:        ofJob,
	{Group: batchv1.GroupName, Kind: "CronJob"}:    ofCronJob,
	{Group: corev1.GroupName, Kind: "PodTemplate"}: ofPodTemplate,
}

func ofDeployment(fields map[string]any) (*Target, error) {
	d := &appsv1.Deployment{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, d); err != nil {
		return nil, err
	}
	t, err := withPods(d.Spec.Selector, ptr.Deref(d.Spec.Replicas, 1), &d.Spec.Template)
	if err != nil {
		return nil, err
	}
	status := d.Status
	t.Rolls = !d.Spec.Paused && (status.ObservedGeneration < d.Generation || int(status.UpdatedReplicas) < t.Replicas ||
		status.Replicas > status.UpdatedReplicas)
	if status.Replicas > status.UpdatedReplicas {
		t.Newest = nil // no label tells which of its pods are of the newest template
	}
	return t, nil
}

func ofStatefulSet(fields map[string]any) (*Target, error) {
	s := &appsv1.StatefulSet{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, s); err != nil {
		return nil, err
	}
	t, err := withPods(s.Spec.Selector, ptr.Deref(s.Spec.Replicas, 1), &s.Spec.Template)
	if err != nil {
		return nil, err
	}
	strategy := s.Spec.UpdateStrategy
	stays := strategy.Type == appsv1.OnDeleteStatefulSetStrategyType ||
		strategy.RollingUpdate != nil && ptr.Deref(strategy.RollingUpdate.Partition, 0) > 0
	t.Rolls = s.Status.ObservedGeneration < s.Generation || !stays && s.Status.CurrentRevision != s.Status.UpdateRevision
	if revision := s.Status.UpdateRevision; revision != "" {
		newest, err := labels.NewRequirement(appsv1.ControllerRevisionHashLabelKey, selection.Equals, []string{revision})
		if err != nil {
			return nil, err
		}
		t.Newest = t.Selector.DeepCopySelector().Add(*newest)
	}
	return t, nil
}

func ofReplicaSet(fields map[string]any) (*Target, error) {
	r := &appsv1.ReplicaSet{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, r); err != nil {
		return nil, err
	}
	return withPods(r.Spec.Selector, ptr.Deref(r.Spec.Replicas, 1), &r.Spec.Template)
}

func ofJob(fields map[string]any) (*Target, error) {
	j := &batchv1.Job{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, j); err != nil {
		return nil, err
	}
	return withPods(j.Spec.Selector, ptr.Deref(j.Spec.Parallelism, 1), &j.Spec.Template)
}

func ofCronJob(fields map[string]any) (*Target, error) {
	c := &batchv1.CronJob{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, c); err != nil {
		return nil, err
	}
	return &Target{Template: trimmed(&c.Spec.JobTemplate.Spec.Template.Spec)}, nil
}

func ofPodTemplate(fields map[string]any) (*Target, error) {
	p := &corev1.PodTemplate{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, p); err != nil {
		return nil, err
	}
	return &Target{Template: trimmed(&p.Template.Spec)}, nil
}

// withPods is a workload that says which its pods are.
func withPods(of *metav1.LabelSelector, replicas int32, template *corev1.PodTemplateSpec) (*Target, error) {
	selector, err := metav1.LabelSelectorAsSelector(of)
	if err != nil {
		return nil, err
	}
	return &Target{Selector: selector, Newest: selector, Replicas: int(replicas), Template: trimmed(&template.Spec)}, nil
}

// templateOf is the pod template of an object of a kind of others, which as a rule has it where Deployments do; nil if it has none.
func templateOf(object *unstructured.Unstructured) *corev1.PodSpec {
	fields, ok, err := unstructured.NestedMap(object.Object, "spec", "template", "spec")
	if !ok || err != nil {
		return nil
	}
	spec := &corev1.PodSpec{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, spec); err != nil || len(spec.Containers) == 0 {
		return nil
	}
	return trimmed(spec)
}

// trimmed is what size and placement of a pod depend on.
func trimmed(spec *corev1.PodSpec) *corev1.PodSpec {
	kept := &corev1.PodSpec{
		InitContainers: trimmedContainers(spec.InitContainers), Containers: trimmedContainers(spec.Containers), Resources: spec.Resources,
		NodeSelector: spec.NodeSelector, Tolerations: spec.Tolerations, TopologySpreadConstraints: spec.TopologySpreadConstraints,
		RuntimeClassName: spec.RuntimeClassName,
	}
	if spec.Affinity != nil && spec.Affinity.NodeAffinity != nil {
		kept.Affinity = &corev1.Affinity{NodeAffinity: spec.Affinity.NodeAffinity}
	}
	return kept
}

func trimmedContainers(containers []corev1.Container) []corev1.Container {
	var kept []corev1.Container
	for i := range containers {
		kept = append(kept, corev1.Container{
			Name: containers[i].Name, RestartPolicy: containers[i].RestartPolicy,
			Resources: corev1.ResourceRequirements{Requests: containers[i].Resources.Requests, Limits: containers[i].Resources.Limits},
		})
	}
	return kept
}
