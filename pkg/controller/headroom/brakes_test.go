package headroom

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// message is that of a condition of the Headroom web.
func (s *scene) message(kind string) string {
	return meta.FindStatusCondition(s.headroom().Status.Conditions, kind).Message
}

// TestAPolicyThatTakesAMarkMakesNoLoop: one pod is tried, and deleted by its UID; the next is tried after 1, 2, 4 ... seconds.
func TestAPolicyThatTakesAMarkMakesNoLoop(t *testing.T) {
	for name, take := range map[string]func(*corev1.Pod){
		"metadata.labels[headroom.dev/headroom]":              func(p *corev1.Pod) { delete(p.Labels, v1alpha1.LabelHeadroom) },
		"metadata.annotations[headroom.dev/template-hash]":    func(p *corev1.Pod) { delete(p.Annotations, v1alpha1.AnnotationTemplateHash) },
		"metadata.ownerReferences lost the Headroom as contr": func(p *corev1.Pod) { p.OwnerReferences = nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, webOf(10))
			s.admit = take
			for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
				require.Equal(t, want*time.Second, s.reconcile())
				require.Equal(t, []string{"create Pod web-headroom-0", "delete Pod web-headroom-0"}, s.writes())
				require.Equal(t, types.UID(fmt.Sprint("uid-", s.created)), *s.deletions["web-headroom-0"].Preconditions.UID, "the one just made")
				require.Equal(t, ptr.To[int64](0), s.deletions["web-headroom-0"].GracePeriodSeconds, "its room is free at once")
				require.Equal(t, v1alpha1.ReasonAdmissionChanged, s.reason(v1alpha1.ConditionReady))
				require.Contains(t, s.message(v1alpha1.ConditionReady), name)
				require.Contains(t, s.message(v1alpha1.ConditionReady), "Until then none is made")
				require.Empty(t, s.pods())
				s.reconcile()
				require.Empty(t, s.writes(), "not before the time is up")
				s.clock.Step(want * time.Second)
			}
			s.admit = nil
			s.reconcile()
			require.Len(t, s.pods(), 10)
			require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))
		})
	}
}

func TestARolloutGivesNoUnitUpForOneThatCouldNotBeRecognized(t *testing.T) {
	h := webOf(2)
	s := newScene(t, h, placeholderOf(h, 0, nil), placeholderOf(h, 1, nil))
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Image = "example.com/other" })
	s.admit = func(p *corev1.Pod) { p.Annotations = nil }
	require.Equal(t, time.Second, s.reconcile())
	require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes())
	require.Equal(t, v1alpha1.ReasonAdmissionChanged, s.reason(v1alpha1.ConditionReady))
}

// TestUnitsOfADaemonSetThatAdmissionChangesAreReplacedEverMoreRarely: a try without them comes out as it should be, and what the controller
// of DaemonSets then makes does not.
func TestUnitsOfADaemonSetThatAdmissionChangesAreReplacedEverMoreRarely(t *testing.T) {
	set := daemonSetOf(perNode(), func(set *appsv1.DaemonSet) {
		set.Status.ObservedGeneration, set.Status.DesiredNumberScheduled, set.Status.UpdatedNumberScheduled = 1, 1, 1
	})
	s := newScene(t, perNode(), set)
	for i, want := range []time.Duration{1, 2, 4, 8} {
		unit := placeholderOf(perNode(), i, func(pod *corev1.Pod) {
			pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
			pod.Annotations[v1alpha1.AnnotationTemplateHash] = set.Spec.Template.Annotations[v1alpha1.AnnotationTemplateHash]
			pod.Spec.InitContainers = []corev1.Container{{Name: "mesh-proxy"}}
		})
		require.NoError(t, s.api.Create(t.Context(), unit))
		require.LessOrEqual(t, s.reconcile(), want*time.Second)
		require.Contains(t, s.writes(), "delete Pod "+unit.Name)
		next := unit.DeepCopy()
		next.ResourceVersion, next.UID, next.Name = "", "uid-next", "web-headroom-next"
		require.NoError(t, s.api.Create(t.Context(), next))
		s.reconcile()
		require.Empty(t, s.writes(), "not before the time is up")
		require.NoError(t, s.api.Delete(t.Context(), next))
		s.clock.Step(want * time.Second)
	}
}

// TestAPolicyThatAddsASidecar: the units are made and filled, the status says what is different, also after a restart, until the API
// server answers otherwise.
func TestAPolicyThatAddsASidecar(t *testing.T) {
	s := newScene(t, webOf(2))
	s.admit = func(p *corev1.Pod) {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "mesh-proxy"})
	}
	s.reconcile()
	require.Len(t, s.pods(), 2)
	require.Equal(t, v1alpha1.ReasonAdmissionChanged, s.reason(v1alpha1.ConditionReady))
	require.Contains(t, s.message(v1alpha1.ConditionReady), "spec.containers[mesh-proxy] was added")
	require.NotContains(t, s.message(v1alpha1.ConditionReady), "none is made")
	refused, _ := s.counted("headroom_placeholders_refused_total")
	require.Zero(t, refused, "they were made")

	s.Reconciler = New(s.Options) // a restart
	s.writes()
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes())
	require.Equal(t, v1alpha1.ReasonAdmissionChanged, s.reason(v1alpha1.ConditionReady))

	s.clock.Step(lastRetry)
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes(), "new ones would be no better")

	s.admit = nil
	s.clock.Step(lastRetry)
	s.reconcile()
	require.Equal(t, []string{
		"try Pod web-headroom-1048576", "delete Pod web-headroom-0", "create Pod web-headroom-2",
		"delete Pod web-headroom-1", "create Pod web-headroom-3",
	}, s.writes())
	require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))
	s.clock.Step(time.Hour)
	s.reconcile()
	require.Empty(t, s.writes(), "nothing is asked where nothing is wrong")
}

// TestUnitsThatAreOutdatedAgainBackOff plays somebody who gives every new unit another hash: a reconcile every half second for a
// minute makes the first units, those of the first rounds, and one round each after 1, 2, 4, 8, 16 and 32 seconds.
func TestUnitsThatAreOutdatedAgainBackOff(t *testing.T) {
	const units = 4
	s := newScene(t, webOf(units))
	for range 120 {
		s.reconcile()
		s.all(func(p *corev1.Pod) { p.Annotations[v1alpha1.AnnotationTemplateHash] = "theirs" })
		s.clock.Step(firstRetry / 2)
	}
	created := 0
	for _, request := range s.writes() {
		if strings.HasPrefix(request, "create ") {
			created++
		}
	}
	require.LessOrEqual(t, created, units*(2+1+6))
	require.Greater(t, created, units, "it goes on")
}

func TestTheLaterInstallationStops(t *testing.T) {
	s := newScene(t, webOf(2))
	s.Identity = "one/headroom-controller"
	first := s.Reconciler
	s.reconcile()
	require.Len(t, s.pods(), 2)
	require.Equal(t, first.Identity, s.pods()["web-headroom-0"].Annotations[v1alpha1.AnnotationController])
	s.writes()
	s.clock.Step(time.Hour) // there was nothing to write

	options := s.Options
	options.Identity = "two/headroom-controller"
	options.Defaults.Image = "example.com/other"
	second := New(options)
	look := func(r *Reconciler) {
		t.Helper()
		_, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
		require.NoError(t, err)
	}
	for range 10 {
		look(second)
		look(first) // it is woken by what the second one wrote
		require.Equal(t, v1alpha1.ReasonAnotherController, s.reason(v1alpha1.ConditionReady))
		require.Contains(t, s.message(v1alpha1.ConditionReady), "two/headroom-controller, would act on this Headroom too; one/headroom-controller does")
		s.clock.Step(renewal)
	}
	require.Empty(t, s.writes(), "neither replaces anything")
	refused, _ := s.counted("headroom_placeholders_refused_total")
	require.Zero(t, refused, "nor did the API server refuse anything")

	for range 4 { // the second one goes
		s.clock.Step(renewal)
		look(first)
	}
	require.NotEqual(t, v1alpha1.ReasonAnotherController, s.reason(v1alpha1.ConditionReady))
	require.Nil(t, s.headroom().Status.OtherController)

	for range 5 { // the first one goes
		look(second)
		s.clock.Step(renewal)
	}
	require.Equal(t, second.Identity, s.headroom().Status.Controller.Identity)
	require.NotEmpty(t, s.writes(), "what it makes is another image")
}

func TestUnitsOfAControllerThatWroteNoIdentityStay(t *testing.T) {
	h := webOf(2)
	h.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonValid}}
	s := newScene(t, h, placeholderOf(h, 0, nil), placeholderOf(h, 1, nil))
	s.Identity = "one/headroom-controller"
	s.reconcile()
	require.Empty(t, s.writes())
	require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))
	require.Equal(t, "one/headroom-controller", s.headroom().Status.Controller.Identity)
}

func invalidPod() error {
	return apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "p", field.ErrorList{field.Invalid(
		field.NewPath("spec", "containers").Index(0).Child("resources", "requests"), "1", "must be less than or equal to cpu limit of 500m")})
}

func TestALimitRangeIsNamed(t *testing.T) {
	limits := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: "modest"}}
	limits.Spec.Limits = []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Default: corev1.ResourceList{"cpu": resource.MustParse("500m")},
	}}
	elsewhere := limits.DeepCopy()
	elsewhere.Namespace = "bank"
	s := newScene(t, webOf(1), limits, elsewhere)
	s.answers["create Pod"] = invalidPod()
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonAdmissionRefused, s.reason(v1alpha1.ConditionReady))
	require.Contains(t, s.message(v1alpha1.ConditionReady), "LimitRange modest")

	s.answers["create Pod"] = quotaExceeded()
	s.clock.Step(time.Minute)
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonQuotaExceeded, s.reason(v1alpha1.ConditionReady), "it is to blame for nothing else")
	s.answers["create Pod"] = invalidPod()
	require.NoError(t, s.api.Delete(t.Context(), limits))
	s.clock.Step(time.Minute)
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonInvalidSpec, s.reason(v1alpha1.ConditionReady), "no LimitRange of the namespace is to blame")
}

func TestAQuotaThatTheUnitsUseUpIsToldOnce(t *testing.T) {
	h := webOf(1)
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: "team"}}
	quota.Status.Hard = corev1.ResourceList{"requests.cpu": resource.MustParse("1")}
	quota.Status.Used = quota.Status.Hard
	s := newScene(t, h, placeholderOf(h, 0, nil), quota)
	s.reconcile()
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonQuotaShort, s.reason(v1alpha1.ConditionReady))
	require.Equal(t, metav1.ConditionTrue, meta.FindStatusCondition(s.headroom().Status.Conditions, v1alpha1.ConditionReady).Status)
	told := 0
	for len(s.recorder.Events) > 0 {
		if strings.Contains(<-s.recorder.Events, EventQuotaShort) {
			told++
		}
	}
	require.Equal(t, 1, told)
	require.NoError(t, client.IgnoreNotFound(s.api.Delete(t.Context(), quota)))
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))
}

// TestWhetherAdmissionStillChangesUnitsIsAskedEverMoreRarely: new ones would be no better, so none is replaced.
func TestWhetherAdmissionStillChangesUnitsIsAskedEverMoreRarely(t *testing.T) {
	h := webOf(1)
	s := newScene(t, h, placeholderOf(h, 0, injected))
	s.admit = injected
	for _, want := range []time.Duration{1, 2, 4, 8} {
		require.Equal(t, want*time.Second, s.reconcile())
		require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes())
		s.reconcile()
		require.Empty(t, s.writes(), "not before the time is up")
		s.clock.Step(want * time.Second)
	}
}
