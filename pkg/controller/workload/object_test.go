package workload

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// ofTyped reads what counts of an object as the API server would send it.
func ofTyped(t *testing.T, read func(map[string]any) (*Target, error), object any) *Target {
	t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	require.NoError(t, err)
	found, err := read(fields)
	require.NoError(t, err)
	return found
}

func someTemplate() corev1.PodTemplateSpec {
	template := corev1.PodTemplateSpec{Spec: bound("a", "web", "1").Spec}
	template.Spec.Containers[0].Image = "example.com/app"
	template.Spec.ServiceAccountName = "web"
	return template
}

var webLabels = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}

func TestWhetherADeploymentReplacesItsPods(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*appsv1.Deployment)
		want   bool
		old    bool // it has pods of an old template, which cannot be told apart
	}{
		"all are of the newest template": {func(*appsv1.Deployment) {}, false, false},
		"the template is new":            {func(d *appsv1.Deployment) { d.Generation = 8 }, true, false},
		"some are of an old one":         {func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 2 }, true, true},
		"old ones are beside the new":    {func(d *appsv1.Deployment) { d.Status.Replicas = 4 }, true, true},
		"some are missing":               {func(d *appsv1.Deployment) { d.Status.Replicas, d.Status.UpdatedReplicas = 2, 2 }, true, false},
		"it is paused":                   {func(d *appsv1.Deployment) { d.Generation, d.Spec.Paused = 8, true }, false, false},
		"it is paused before the new": {func(d *appsv1.Deployment) {
			d.Spec.Paused, d.Status.UpdatedReplicas = true, 0
		}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 7}}
			d.Spec = appsv1.DeploymentSpec{Replicas: ptr.To[int32](3), Selector: webLabels, Template: someTemplate()}
			d.Status = appsv1.DeploymentStatus{ObservedGeneration: 7, Replicas: 3, UpdatedReplicas: 3}
			tc.change(d)
			found := ofTyped(t, ofDeployment, d)
			require.Equal(t, tc.want, found.Rolls)
			require.Equal(t, tc.old, found.Newest == nil)
			require.Equal(t, 3, found.Replicas)
			require.Empty(t, found.Template.Containers[0].Image)
			require.Empty(t, found.Template.ServiceAccountName)
		})
	}
}

func TestWhetherAStatefulSetReplacesItsPods(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*appsv1.StatefulSet)
		want   bool
	}{
		"all are of the newest revision": {func(s *appsv1.StatefulSet) { s.Status.CurrentRevision = "web-2" }, false},
		"some are of an old one":         {func(*appsv1.StatefulSet) {}, true},
		"it was changed just now": {func(s *appsv1.StatefulSet) {
			s.Generation, s.Status.CurrentRevision = s.Generation+1, "web-2"
		}, true},
		"old ones stay, by partition": {func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: ptr.To[int32](2)}
		}, false},
		"all but the first are to be new": {func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: ptr.To[int32](1)}
		}, false},
		"all are to be new, as is said": {func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: ptr.To[int32](0)}
		}, true},
		"old ones stay until deleted": {func(s *appsv1.StatefulSet) { s.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Generation: 7}}
			s.Spec = appsv1.StatefulSetSpec{Selector: webLabels, Template: someTemplate()}
			s.Status = appsv1.StatefulSetStatus{ObservedGeneration: 7, CurrentRevision: "web-1", UpdateRevision: "web-2"}
			tc.change(s)
			found := ofTyped(t, ofStatefulSet, s)
			require.Equal(t, tc.want, found.Rolls)
			require.True(t, found.Newest.Matches(labels.Set{"app": "web", "controller-revision-hash": "web-2"}))
			require.False(t, found.Newest.Matches(labels.Set{"app": "web", "controller-revision-hash": "web-1"}))
			require.False(t, found.Newest.Matches(labels.Set{"app": "db", "controller-revision-hash": "web-2"}), "of another workload")
			require.True(t, found.Selector.Matches(labels.Set{"app": "web", "controller-revision-hash": "web-1"}))
		})
	}
}

func TestAnObjectThatIsNotLikeItsKindIsAnError(t *testing.T) {
	fields := map[string]any{"spec": "none", "template": "none"}
	for name, read := range map[string]func(map[string]any) (*Target, error){
		"Deployment": ofDeployment, "StatefulSet": ofStatefulSet, "ReplicaSet": ofReplicaSet, "Job": ofJob, "CronJob": ofCronJob,
		"PodTemplate": ofPodTemplate,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(fields)
			require.Error(t, err)
		})
	}
}

func TestKindsWithoutPodsOfTheirOwn(t *testing.T) {
	cron := ofTyped(t, ofCronJob, &batchv1.CronJob{Spec: batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: someTemplate()}}}})
	require.Nil(t, cron.Selector)
	require.Len(t, cron.Template.Containers, 1)
	template := ofTyped(t, ofPodTemplate, &corev1.PodTemplate{Template: someTemplate()})
	require.Nil(t, template.Selector)
	require.Equal(t, cron.Template, template.Template)
	require.True(t, cron.equal(template))
	job := ofTyped(t, ofJob, &batchv1.Job{Spec: batchv1.JobSpec{Parallelism: ptr.To[int32](5), Selector: webLabels, Template: someTemplate()}})
	require.Equal(t, 5, job.Replicas)
	require.False(t, job.equal(cron))
}

func TestTemplatesOfOthersKinds(t *testing.T) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Selector: webLabels, Template: someTemplate()}})
	require.NoError(t, err)
	require.Equal(t, "1", templateOf(&unstructured.Unstructured{Object: fields}).Containers[0].Resources.Requests.Cpu().String())
	for name, fields := range map[string]map[string]any{
		"none":                {},
		"of another kind":     {"spec": map[string]any{"template": "https://example.com"}},
		"without containers":  {"spec": map[string]any{"template": map[string]any{"spec": map[string]any{}}}},
		"that does not parse": {"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": "many"}}}},
	} {
		require.Nil(t, templateOf(&unstructured.Unstructured{Object: fields}), name)
	}
}

func TestAStatefulSetThatNamesNoNewestRevisionHasAllItsPodsCount(t *testing.T) {
	found := ofTyped(t, ofStatefulSet, &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Selector: webLabels, Template: someTemplate()}})
	require.True(t, found.Newest.Matches(labels.Set{"app": "web", "controller-revision-hash": "web-1"}))
}

func TestOfATemplateAllIsKeptThatSizeAndPlacementDependOn(t *testing.T) {
	amounts := func(cpu string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
		}
	}
	whole := amounts("5")
	want := &corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "proxy", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways), Resources: amounts("1")}},
		Containers:     []corev1.Container{{Name: "web", Resources: amounts("2")}},
		Resources:      &whole,
		NodeSelector:   map[string]string{"disk": "ssd"},
		Tolerations:    []corev1.Toleration{{Key: "batch", Operator: corev1.TolerationOpExists}},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
		}},
		RuntimeClassName: ptr.To("gvisor"),
		Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
				Key: "arch", Operator: corev1.NodeSelectorOpExists,
			}}}},
		}}},
	}
	full := want.DeepCopy()
	full.Containers[0].Image, full.InitContainers[0].Command, full.ServiceAccountName = "web:1", []string{"serve"}, "web"
	full.Affinity.PodAffinity = &corev1.PodAffinity{}
	found := ofTyped(t, ofPodTemplate, &corev1.PodTemplate{Template: corev1.PodTemplateSpec{Spec: *full}})
	require.True(t, equality.Semantic.DeepEqual(want, found.Template), "%+v", found.Template)
	full.Affinity.NodeAffinity = nil
	found = ofTyped(t, ofPodTemplate, &corev1.PodTemplate{Template: corev1.PodTemplateSpec{Spec: *full}})
	require.Nil(t, found.Template.Affinity, "where the pods of others are is nothing that a placeholder follows")
}

func TestWhatCountsOfAWorkloadIsTold(t *testing.T) {
	some := func() *Target {
		return &Target{
			Selector: labels.SelectorFromSet(labels.Set{"app": "web"}), Newest: labels.SelectorFromSet(labels.Set{"app": "web", "hash": "1"}),
			Replicas: 3, Template: &corev1.PodSpec{NodeSelector: map[string]string{"pool": "general"}},
		}
	}
	require.True(t, some().equal(some()))
	for name, change := range map[string]func(*Target){
		"another selector":          func(t *Target) { t.Selector = labels.Everything() },
		"no selector":               func(t *Target) { t.Selector = nil },
		"a newer revision":          func(t *Target) { t.Newest = labels.SelectorFromSet(labels.Set{"app": "web", "hash": "2"}) },
		"none of its own":           func(t *Target) { t.Newest = nil },
		"another number":            func(t *Target) { t.Replicas = 4 },
		"another template":          func(t *Target) { t.Template.NodeSelector["pool"] = "large" },
		"no template":               func(t *Target) { t.Template = nil },
		"that it replaces its pods": func(t *Target) { t.Rolls = true },
	} {
		t.Run(name, func(t *testing.T) {
			other := some()
			change(other)
			require.False(t, some().equal(other))

			told := newTarget(nil, nil, Ref{Namespace: "shop", APIVersion: "apps/v1", Kind: "Deployment", Name: "web"})
			told.set(some())
			<-told.changes()
			told.set(some())
			require.Empty(t, told.changes())
			told.set(other)
			require.Len(t, told.changes(), 1)
		})
	}
}

func TestAWorkloadThatCannotBeReadIsSaid(t *testing.T) {
	seen := newTarget(nil, nil, Ref{Namespace: "shop", APIVersion: "apps/v1", Kind: "Deployment", Name: "web"})
	broken := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": "many"}}}
	require.NoError(t, seen.Update(broken))
	_, problem := seen.get()
	require.NotNil(t, problem)
	require.Equal(t, v1alpha1.ReasonInvalidRule, problem.Reason)
	require.Contains(t, problem.Message, "Deployment web cannot be read: ")
}

// TestHowManyPodsAWorkloadIsToHave: those that do not say have one.
func TestHowManyPodsAWorkloadIsToHave(t *testing.T) {
	for _, replicas := range []*int32{nil, ptr.To[int32](0), ptr.To[int32](1), ptr.To[int32](7)} {
		want := int(ptr.Deref(replicas, 1))
		for kind, found := range map[string]*Target{
			"Deployment": ofTyped(t, ofDeployment, &appsv1.Deployment{
				Spec: appsv1.DeploymentSpec{Replicas: replicas, Selector: webLabels, Template: someTemplate()}}),
			"StatefulSet": ofTyped(t, ofStatefulSet, &appsv1.StatefulSet{
				Spec: appsv1.StatefulSetSpec{Replicas: replicas, Selector: webLabels, Template: someTemplate()}}),
			"ReplicaSet": ofTyped(t, ofReplicaSet, &appsv1.ReplicaSet{
				Spec: appsv1.ReplicaSetSpec{Replicas: replicas, Selector: webLabels, Template: someTemplate()}}),
			"Job": ofTyped(t, ofJob, &batchv1.Job{
				Spec: batchv1.JobSpec{Parallelism: replicas, Completions: ptr.To[int32](99), Selector: webLabels, Template: someTemplate()}}),
		} {
			require.Equal(t, want, found.Replicas, kind)
			require.Equal(t, "app=web", found.Selector.String(), kind)
			require.Equal(t, "app=web", found.Newest.String(), kind)
			require.Len(t, found.Template.Containers, 1, kind)
		}
	}
}
