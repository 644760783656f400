package controller

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/config"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// sizedBy gives a Headroom these rules.
func sizedBy(rules ...v1alpha1.SizingRule) func(*v1alpha1.HeadroomSpec) {
	return func(spec *v1alpha1.HeadroomSpec) {
		spec.Sizing = &v1alpha1.Sizing{
			Rules: rules, Max: ptr.To[int32](50),
			ScaleDown: &v1alpha1.SizingScaleDown{StabilizationWindow: &metav1.Duration{}},
		}
	}
}

func window(d time.Duration) func(*v1alpha1.HeadroomSpec) {
	return func(spec *v1alpha1.HeadroomSpec) { spec.Sizing.ScaleDown.StabilizationWindow.Duration = d }
}

func target(kind, name string) v1alpha1.WorkloadReference {
	version := "apps/v1"
	if kind == "ReplicationController" {
		version = "v1"
	}
	return v1alpha1.WorkloadReference{APIVersion: version, Kind: kind, Name: name}
}

func percentOf(percent int32, kind, name string) v1alpha1.SizingRule {
	return v1alpha1.SizingRule{Name: "percent", PercentOf: &v1alpha1.PercentOf{Percent: percent, Target: ptr.To(target(kind, name))}}
}

func upToMax(kind, name string) v1alpha1.SizingRule {
	return v1alpha1.SizingRule{Name: "top", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: target(kind, name)}}
}

// podTemplate is that of a workload whose pods somebody binds and nobody runs.
func podTemplate(app string) (*metav1.LabelSelector, corev1.PodTemplateSpec) {
	set := map[string]string{"app": app}
	return &metav1.LabelSelector{MatchLabels: set}, corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: set},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "main", Image: "example.com/app", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")},
			},
		}}},
	}
}

// workload makes a workload of that kind, name and number of replicas.
func (e *environment) workload(kind, name string, replicas int32) client.Object {
	e.Helper()
	selector, template := podTemplate(name)
	meta := metav1.ObjectMeta{Namespace: e.namespace, Name: name}
	var object client.Object
	switch kind {
	case "Deployment":
		object = &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: selector, Template: template}}
	case "StatefulSet":
		object = &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, Selector: selector, Template: template, PodManagementPolicy: appsv1.ParallelPodManagement,
		}}
	case "ReplicaSet":
		object = &appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Replicas: &replicas, Selector: selector, Template: template}}
	case "ReplicationController":
		object = &corev1.ReplicationController{ObjectMeta: meta, Spec: corev1.ReplicationControllerSpec{
			Replicas: &replicas, Selector: selector.MatchLabels, Template: &template,
		}}
	}
	require.NoError(e, e.client.Create(e.Context(), object))
	return object
}

// scale sets the replicas of anything that has a scale subresource, as kubectl scale does.
func (e *environment) scale(object client.Object, replicas int32) {
	e.Helper()
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	require.NoError(e, e.client.SubResource("scale").Update(e.Context(), object, client.WithSubResourceBody(scale)))
}

// autoscaler makes a HorizontalPodAutoscaler that nobody feeds with metrics.
func (e *environment) autoscaler(kind, name string, most int32) *autoscalingv2.HorizontalPodAutoscaler {
	e.Helper()
	ref := target(kind, name)
	hpa := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: strings.ToLower(kind) + "-" + name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: ref.APIVersion, Kind: ref.Kind, Name: ref.Name},
			MinReplicas:    ptr.To[int32](1), MaxReplicas: most,
		},
	}
	require.NoError(e, e.client.Create(e.Context(), hpa))
	return hpa
}

// waitSized waits until a Headroom asks for that many units and has them all, and its sizing says this.
func (e *environment) waitSized(name string, units int32, says string) *v1alpha1.Headroom {
	e.Helper()
	var h *v1alpha1.Headroom
	e.eventually(fmt.Sprintf("%s is sized to %d: %s", name, units, says), func() error {
		h = e.get(name)
		if h.Status.ObservedGeneration != h.Generation || h.Status.Sizing == nil {
			return fmt.Errorf("the status is of generation %d: %+v", h.Status.ObservedGeneration, h.Status.Sizing)
		}
		text := fmt.Sprintf("%+v", *h.Status.Sizing)
		if h.Status.DesiredReplicas != units || h.Status.ReadyReplicas != units || !strings.Contains(text, says) {
			return fmt.Errorf("desired %d, ready %d, sizing %s, Sized %s: %s", h.Status.DesiredReplicas, h.Status.ReadyReplicas, text,
				reasonOf(h, v1alpha1.ConditionSized), messageOf(h, v1alpha1.ConditionSized))
		}
		return nil
	})
	return h
}

// sizingEnvironment has a node, somebody who binds all pods to it, and a controller.
func sizingEnvironment(t *testing.T) *environment {
	t.Helper()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	return e
}

func TestPercentOfFollowsAWorkload(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	for _, kind := range []string{"Deployment", "StatefulSet", "ReplicaSet"} {
		name := strings.ToLower(kind)
		object := e.workload(kind, name, 4)
		e.headroom(name, replicas(1), sizedBy(percentOf(50, kind, name)))
		e.waitSized(name, 2, fmt.Sprintf("50 %% of 4 bound pods of %s %s is 2.", kind, name))
		e.scale(object, 7)
		h := e.waitSized(name, 4, "is 3.50, rounded up to 4.")
		require.Equal(t, "percent", h.Status.Sizing.Rule)
		require.Equal(t, fmt.Sprintf("4 units: rule percent asks for 4 and no rule for more. 50 %% of 7 bound pods of %s %s is 3.50, rounded up to 4.",
			kind, name), h.Status.Sizing.Message)
		require.Equal(t, v1alpha1.ReasonSized, reasonOf(h, v1alpha1.ConditionSized))
		e.scale(object, 0)
		e.waitSized(name, 1, "spec.replicas asks for 1 and no rule for more")
	}
}

// A percentage of all pods of the namespace would grow without end if it counted the placeholders.
func TestPlaceholdersAreNoBase(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	e.workload("Deployment", "web", 5)
	e.headroom("web", replicas(0), sizedBy(
		v1alpha1.SizingRule{Name: "all", PercentOf: &v1alpha1.PercentOf{Percent: 100, Pods: &metav1.LabelSelector{}}},
		v1alpha1.SizingRule{Name: "cpu", PercentOf: &v1alpha1.PercentOf{Percent: 100, Pods: &metav1.LabelSelector{}, By: v1alpha1.PercentOfRequests}},
	))
	e.waitSized("web", 5, "100 % of 5 bound pods of the namespace is 5.")
	h := e.waitSized("web", 5, "100 % of the 2500m cpu that 5 bound pods of the namespace request is 2.50 times the 1 of a unit, rounded up to 3.")
	require.Equal(t, "all", h.Status.Sizing.Rule)
	pods := 0
	for _, pod := range e.pods() {
		if pod.Labels[v1alpha1.LabelHeadroom] != "" {
			pods++
		}
	}
	require.Equal(t, 5, pods)
}

// Pods are resized in place by their subresource: nothing but their requests changes.
func TestPercentOfRequestsFollowsPodsThatAreResized(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	e.workload("Deployment", "web", 2)
	e.headroom("web", replicas(0), sizedBy(v1alpha1.SizingRule{Name: "cpu", PercentOf: &v1alpha1.PercentOf{
		Percent: 100, Target: ptr.To(target("Deployment", "web")), By: v1alpha1.PercentOfRequests,
	}}))
	e.waitSized("web", 1, "100 % of the 1 cpu that 2 bound pods of Deployment web request is 1 times the 1 of a unit")
	for _, pod := range e.pods() {
		if pod.Labels[v1alpha1.LabelHeadroom] != "" {
			continue
		}
		e.resize(pod.Name, "1500m")
	}
	e.waitSized("web", 3, "100 % of the 3 cpu that 2 bound pods of Deployment web request is 3 times the 1 of a unit")
}

func TestUpToMaxReplicasFollowsTheAutoscaler(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	object := e.workload("Deployment", "web", 4)
	e.headroom("web", replicas(1), sizedBy(upToMax("Deployment", "web")))
	e.eventually("the autoscaler is missed", func() error {
		if h := e.get("web"); reasonOf(h, v1alpha1.ConditionSized) != v1alpha1.ReasonNoAutoscaler {
			return fmt.Errorf("Sized is %s", reasonOf(h, v1alpha1.ConditionSized))
		}
		return nil
	})
	hpa := e.autoscaler("Deployment", "web", 10)
	e.waitSized("web", 6, "allows 10 replicas, and Deployment web is to have 4 and has 4 bound pods, so it may still add 6.")
	e.scale(object, 8)
	e.waitSized("web", 2, "is to have 8 and has 8 bound pods, so it may still add 2.")
	clustertest.Change(t, e.client, hpa, func(hpa *autoscalingv2.HorizontalPodAutoscaler) { hpa.Spec.MaxReplicas = 100 })
	h := e.waitSized("web", 50, "max is 50; rule top asks for 92")
	require.Equal(t, v1alpha1.LimitedByMax, h.Status.Sizing.LimitedBy)

	require.NoError(t, e.client.Delete(t.Context(), hpa))
	e.waitSized("web", 50, "It keeps the 92 units that it came to last: no HorizontalPodAutoscaler has Deployment web as scaleTargetRef.")
}

func TestWindowOfTheWeek(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	now := time.Now().UTC()
	schedule := func(name string, days ...v1alpha1.Weekday) v1alpha1.SizingRule {
		return v1alpha1.SizingRule{Name: name, Schedule: &v1alpha1.Schedule{Days: days, Start: "00:00", End: "24:00", TimeZone: "Etc/UTC", Replicas: 3}}
	}
	other := v1alpha1.Weekday(now.AddDate(0, 0, 3).Weekday().String()[:3])
	e.headroom("always", replicas(1), sizedBy(schedule("always")))
	e.headroom("another-day", replicas(1), sizedBy(schedule("another-day", other)))
	e.waitSized("always", 3, "within every day 00:00-24:00 Etc/UTC")
	e.waitSized("another-day", 1, "It is not within "+string(other)+" 00:00-24:00 Etc/UTC; the next is ")
}

func TestAWindowEndsByTheClockAlone(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	object := e.workload("Deployment", "web", 4)
	// Long enough that the test sees the status in it on a busy machine.
	e.headroom("web", replicas(1), sizedBy(percentOf(100, "Deployment", "web")), window(15*time.Second))
	e.waitSized("web", 4, "is 4.")
	e.scale(object, 2)
	e.waitSized("web", 4, "counts for 15s (scaleDown.stabilizationWindow); now rule percent asks for 2")
	e.waitSized("web", 2, "rule percent asks for 2 and no rule for more")
}

func TestASizeOutlivesTheController(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	first := e.startController()
	object := e.workload("Deployment", "web", 6)
	e.headroom("web", replicas(1), sizedBy(percentOf(100, "Deployment", "web")), window(time.Hour))
	e.waitSized("web", 6, "is 6.")
	first.stop()
	fewest := e.watchBound("web")
	e.scale(object, 2)
	e.startController()
	h := e.waitSized("web", 6, "100 % of 2 bound pods of Deployment web is 2.")
	require.NotEmpty(t, h.Status.Sizing.Recent) // and what it may have come to while pods went one after the other
	require.EqualValues(t, 6, h.Status.Sizing.Recent[0].Replicas)
	require.GreaterOrEqual(t, fewest(), 6, "a controller that has just started knows nothing, and that is no reason to shrink")
}

func TestAdviceIsShownAndNotFollowed(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	e.workload("Deployment", "web", 4)
	e.headroom("web", replicas(1), sizedBy(percentOf(100, "Deployment", "web")), func(spec *v1alpha1.HeadroomSpec) { spec.Sizing.Mode = v1alpha1.SizingAdvise })
	h := e.waitSized("web", 1, "4 units: rule percent asks for 4 and no rule for more. 100 % of 4 bound pods of Deployment web is 4. It is advice")
	require.EqualValues(t, 4, h.Status.Sizing.Replicas)
	e.change("web", func(spec *v1alpha1.HeadroomSpec) { spec.Sizing.Mode = v1alpha1.SizingApply })
	e.waitSized("web", 4, "4 units: rule percent asks for 4")
	e.change("web", func(spec *v1alpha1.HeadroomSpec) { spec.Sizing = nil })
	h = e.waitFilled("web", 1)
	require.Nil(t, h.Status.Sizing)
	require.Equal(t, "none", reasonOf(h, v1alpha1.ConditionSized))
}

func TestTargetsThatAreNotThereAreNamed(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	object := e.workload("Deployment", "web", 4)
	rocket := percentOf(50, "Rocket", "web")
	rocket.PercentOf.Target.APIVersion = "example.com/v1"
	e.headroom("web", replicas(1), sizedBy(percentOf(50, "Deployment", "web")))
	e.headroom("none", replicas(1), sizedBy(percentOf(50, "Deployment", "none")))
	e.headroom("rocket", replicas(1), sizedBy(rocket))
	e.waitSized("none", 1, "It counts as 0 units: there is no Deployment none in namespace "+e.namespace)
	e.waitSized("rocket", 1, "the API server does not serve the kind of Rocket web")
	e.waitSized("web", 2, "is 2.")
	require.NoError(t, e.client.Delete(t.Context(), object))
	h := e.waitSized("web", 2, "It keeps the 2 units that it came to last: there is no Deployment web")
	require.Equal(t, v1alpha1.ReasonTargetNotFound, reasonOf(h, v1alpha1.ConditionSized))
	require.Equal(t, v1alpha1.ReasonValid, reasonOf(h, v1alpha1.ConditionReady), "the spec is acted on: units are refilled")
	e.workload("Deployment", "web", 8)
	e.waitSized("web", 4, "is 4.")
}

// Kinds of others need a scale subresource and rights on it.
func TestAnythingWithAScaleSubresourceIsATarget(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	object := e.workload("ReplicationController", "old", 4)
	e.headroom("old", replicas(1), sizedBy(percentOf(50, "ReplicationController", "old")))
	e.waitSized("old", 1, `resource "replicationcontrollers" in API group`)
	require.Equal(t, v1alpha1.ReasonForbidden, reasonOf(e.get("old"), v1alpha1.ConditionSized))

	e.grant(account, systemNamespace, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"replicationcontrollers"}, Verbs: []string{"list", "watch"}})
	e.waitSized("old", 1, `cannot get resource "replicationcontrollers/scale"`)
	e.grant(account, systemNamespace, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"replicationcontrollers/scale"}, Verbs: []string{"get"}})
	e.waitSized("old", 2, "50 % of 4 bound pods of ReplicationController old is 2.")
	e.scale(object, 6)
	e.waitSized("old", 3, "is 3.")
	e.headroom("like-old", replicas(1), shapedFrom("v1", "ReplicationController", "old"))
	h := e.waitShaped("like-old", 1, "500m", v1alpha1.ReasonShaped)
	require.Equal(t, "500m cpu: the template of ReplicationController old.", h.Status.Shape.Message)
}

// grant gives a service account a right in the namespace.
func (e *environment) grant(account, of string, rule rbacv1.PolicyRule) {
	e.Helper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, GenerateName: "test-"}, Rules: []rbacv1.PolicyRule{rule}}
	require.NoError(e, e.client.Create(e.Context(), role))
	e.bindRole("Role", role.Name, account, of)
}

func (e *environment) bindRole(kind, role, account, of string) {
	e.Helper()
	require.NoError(e, e.client.Create(e.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, GenerateName: "test-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: of, Name: account}},
	}))
}

// An operator may leave out the ClusterRole headroom-controller-targets.
func TestWithoutRightsOnTargetsTheConditionSaysWhichAreMissing(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	require.NoError(t, e.client.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "restricted"}}))
	e.bindRole("ClusterRole", "headroom-controller", "restricted", e.namespace)
	require.NoError(t, e.client.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: e.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "headroom-controller-cluster"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: e.namespace, Name: "restricted"}},
	}))
	access, err := e.cluster.ConfigFor(t.Context(), e.namespace, "restricted")
	require.NoError(t, err)
	e.startController(func(_ *config.Config, own *rest.Config) { *own = *access })
	e.workload("Deployment", "web", 4)
	e.headroom("web", replicas(1), sizedBy(percentOf(100, "Deployment", "web"), upToMax("Deployment", "web")))
	h := e.waitSized("web", 1, `resource "deployments" in API group "apps" in the namespace "`+e.namespace+`"`)
	require.Equal(t, v1alpha1.ReasonForbidden, reasonOf(h, v1alpha1.ConditionSized))
	require.Contains(t, messageOf(h, v1alpha1.ConditionSized), "the ClusterRole headroom-controller-targets has the rights")

	e.bindRole("ClusterRole", "headroom-controller-targets", "restricted", e.namespace)
	e.waitSized("web", 4, "100 % of 4 bound pods of Deployment web is 4.")
}

// The floor is what others set. They read back the smaller of it and what is there, and never the sized number: a
// HorizontalPodAutoscaler with an External metric whose value is within its tolerance sets what it reads, for ever.
func TestAnAutoscalerOfTheFloorNeverReadsTheSizedNumberBack(t *testing.T) {
	t.Parallel()
	e := sizingEnvironment(t)
	object := e.workload("Deployment", "web", 9)
	e.headroom("web", replicas(2), sizedBy(percentOf(100, "Deployment", "web")))
	e.waitSized("web", 9, "is 9.")

	const (
		floor  = 2
		metric = 21.0 // of a target of 10 for each unit: 2.1 units, which is within the tolerance of two
	)
	clock := testingclock.NewFakeClock(time.Date(2026, time.November, 26, 12, 0, 0, 0, time.UTC))
	sized := int32(9)
	for end := clock.Now().Add(time.Hour); clock.Now().Before(end); clock.Step(15 * time.Second) {
		if clock.Now().Minute()%20 == 10 && clock.Now().Second() == 0 {
			sized = 15 - sized // 9 and 6 in turn
			e.scale(object, sized)
			e.waitSized("web", sized, "no rule for more")
		}
		scale := &autoscalingv1.Scale{}
		h := e.get("web")
		require.NoError(t, e.client.SubResource("scale").Get(t.Context(), h, scale))
		require.EqualValues(t, floor, scale.Status.Replicas, "%s", clock.Now())
		wanted := scale.Status.Replicas // GetExternalPerPodMetricReplicas of kube-controller-manager
		if ratio := metric / (10 * float64(scale.Status.Replicas)); math.Abs(1-ratio) > 0.1 {
			wanted = int32(math.Ceil(metric / 10))
		}
		scale.Spec.Replicas, scale.ResourceVersion = wanted, "" // an autoscaler that meets a conflict tries again
		require.NoError(t, e.client.SubResource("scale").Update(t.Context(), h, client.WithSubResourceBody(scale)))
		h = e.get("web")
		require.EqualValues(t, floor, *h.Spec.Replicas, "%s", clock.Now())
		require.Equal(t, sized, h.Status.DesiredReplicas)
	}
	require.EqualValues(t, 6, sized, "it changed three times")

	h := e.get("web")
	e.scale(h, 12)
	e.waitSized("web", 12, "spec.replicas asks for 12 and no rule for more")
	e.scale(h, 2)
	e.waitSized("web", 6, "rule percent asks for 6")
}
