package controller

import (
	"cmp"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// TestWhatTheNamespaceRefuses covers what keeps placeholders from being made although the spec is valid: each ends in Ready=False
// with the refusal as message, without many attempts, and heals when the cause goes, without anybody touching the Headroom.
func TestWhatTheNamespaceRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		cause  func(e *environment) []client.Object
		spec   func(*v1alpha1.HeadroomSpec)
		reason string
		says   string
		// refusal is what the API server says, if that is not what the Headroom says.
		refusal string
		made    int // how many of 3 are made in spite of it
	}{
		"a quota that is used up": {
			cause: func(e *environment) []client.Object {
				return []client.Object{&corev1.ResourceQuota{
					ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "two"},
					Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse("2")}},
				}}
			},
			reason: v1alpha1.ReasonQuotaExceeded, says: "exceeded quota: two", made: 2,
		},
		"a LimitRange that a unit is too large for": {
			cause: func(e *environment) []client.Object {
				return []client.Object{&corev1.LimitRange{
					ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "small"},
					Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
						Type: corev1.LimitTypeContainer, Min: corev1.ResourceList{"cpu": resource.MustParse("2")},
					}}},
				}}
			},
			reason: v1alpha1.ReasonAdmissionRefused, says: "minimum cpu usage per Container is 2",
		},
		"a LimitRange whose default limit is below a unit": {
			cause: func(e *environment) []client.Object {
				return []client.Object{&corev1.LimitRange{
					ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "modest"},
					Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
						Type: corev1.LimitTypeContainer, Default: corev1.ResourceList{"cpu": resource.MustParse("500m")},
					}}},
				}}
			},
			refusal: "must be less than or equal to cpu limit of 500m",
			reason:  v1alpha1.ReasonAdmissionRefused, says: "LimitRange modest gives containers a default limit of 500m cpu",
		},
		"a mutating policy that fails": {
			cause:  func(e *environment) []client.Object { return mutation(e.namespace, brokenSidecar) },
			reason: v1alpha1.ReasonAdmissionRefused, says: "denied request: ",
		},
		"an admission policy that says no": {
			cause:  func(e *environment) []client.Object { return policy(e.namespace) },
			reason: v1alpha1.ReasonAdmissionRefused, says: "no placeholders here",
		},
		"a webhook that does not answer": {
			cause:  func(e *environment) []client.Object { return []client.Object{webhook(e.namespace)} },
			reason: v1alpha1.ReasonAdmissionRefused, says: "failed calling webhook",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnvironment(t, nil)
			e.createLaxLimits()
			causes := tc.cause(e)
			for _, cause := range causes {
				require.NoError(t, e.client.Create(t.Context(), cause))
				t.Cleanup(func() { _ = e.client.Delete(context.Background(), cause) })
			}
			e.waitRefused(cmp.Or(tc.refusal, tc.says))
			e.bindTo(e.nodes("a")...)
			requests := &traffic{}
			e.startController(through(requests.wrap))
			e.headroom("web", replicas(3))

			h := e.waitStatus("web", tc.reason, v1alpha1.ReasonNotReady, int32(tc.made), 0)
			require.Contains(t, messageOf(h, v1alpha1.ConditionReady), tc.says)
			e.waitEvent("web", "CannotFill", tc.says)
			require.Less(t, requests.count("POST pods"), 20, "it does not spin")

			for _, cause := range causes {
				require.NoError(t, e.client.Delete(t.Context(), cause))
			}
			e.waitFilled("web", 3)
		})
	}
}

// createLaxLimits makes a LimitRange and a quota that refuse nothing and stay. Admission remembers for half a minute what it last read of
// a namespace's, but only asks that memory while its watch knows of none there; so it hears at once when another one goes.
func (e *environment) createLaxLimits() {
	e.Helper()
	lax := metav1.ObjectMeta{Namespace: e.namespace, Name: "lax"}
	require.NoError(e, e.client.Create(e.Context(), &corev1.LimitRange{
		ObjectMeta: lax,
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Min: corev1.ResourceList{"cpu": resource.MustParse("1m")}, // no Max: it is a default limit too
		}}},
	}))
	require.NoError(e, e.client.Create(e.Context(), &corev1.ResourceQuota{
		ObjectMeta: lax, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse("1000")}},
	}))
}

// waitRefused waits until the API server enforces what was created before: policies and webhooks take a moment.
func (e *environment) waitRefused(says string) {
	e.Helper()
	e.eventually("the API server refuses with "+says, func() error {
		for range 3 { // the third is one more than the quota of two
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, GenerateName: "probe-"},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "c", Image: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("1")}},
				}}},
			}
			if err := e.client.Create(e.Context(), pod); err != nil {
				require.ErrorContains(e, err, says)
				return nil
			}
			defer e.delete(pod)
		}
		return errNotYet
	})
	e.eventually("the probes are gone and the quota knows", func() error {
		quotas := &corev1.ResourceQuotaList{}
		require.NoError(e, e.client.List(e.Context(), quotas, client.InNamespace(e.namespace)))
		for _, quota := range quotas.Items {
			if used := quota.Status.Used["pods"]; !used.IsZero() {
				return errNotYet
			}
		}
		return nil
	})
}

func policy(namespace string) []client.Object {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}
	return []client.Object{
		&admissionv1.ValidatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: namespace},
			Spec: admissionv1.ValidatingAdmissionPolicySpec{
				FailurePolicy: ptr.To(admissionv1.Fail),
				MatchConstraints: &admissionv1.MatchResources{
					NamespaceSelector: selector,
					ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
						Operations: []admissionv1.OperationType{admissionv1.Create},
						Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
					}}},
				},
				Validations: []admissionv1.Validation{{Expression: "false", Message: "no placeholders here"}},
			},
		},
		&admissionv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: namespace},
			Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: namespace, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			},
		},
	}
}

func webhook(namespace string) client.Object {
	return &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name:                    "away.example.com",
			AdmissionReviewVersions: []string{"v1"},
			SideEffects:             ptr.To(admissionv1.SideEffectClassNone),
			FailurePolicy:           ptr.To(admissionv1.Fail),
			TimeoutSeconds:          ptr.To[int32](1),
			ClientConfig:            admissionv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:1/")},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
		}},
	}
}

func TestPodSecurityRefusal(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	e.bindTo(e.nodes("a")...)
	e.startController()
	e.headroom("good", replicas(1))
	e.waitFilled("good", 1) // what a Headroom is silent about is filled in such that it is admitted

	e.headroom("root", replicas(1), func(spec *v1alpha1.HeadroomSpec) {
		spec.PodSecurityContext = &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](0)}
	})
	h := e.waitStatus("root", v1alpha1.ReasonAdmissionRefused, v1alpha1.ReasonNotReady, 0, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "violates PodSecurity")
	e.change("root", func(spec *v1alpha1.HeadroomSpec) { spec.PodSecurityContext = nil })
	e.waitFilled("root", 1)
}

// TestRolloutThatAdmissionRefusesCostsNothing: no unit of the old spec is given up for one that cannot be made.
func TestRolloutThatAdmissionRefusesCostsNothing(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	e.bindTo(e.nodes("a")...)
	e.startController()
	e.headroom("web", replicas(4))
	e.waitFilled("web", 4)
	before := e.pods()
	e.change("web", func(spec *v1alpha1.HeadroomSpec) {
		spec.PodSecurityContext = &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](0)}
	})
	e.waitStatus("web", v1alpha1.ReasonAdmissionRefused, v1alpha1.ReasonNotReady, 4, 0)
	for i, pod := range e.pods() {
		require.Equal(t, before[i].UID, pod.UID)
	}
}

func TestMalformedPlaceholders(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	e.headroom("web", replicas(2), func(spec *v1alpha1.HeadroomSpec) {
		spec.Tolerations = []corev1.Toleration{{Key: "not a key", Operator: corev1.TolerationOpExists}}
	})
	h := e.waitStatus("web", v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonNotReady, 0, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "spec.tolerations[0].key")
	e.waitEvent("web", "Invalid", "spec.tolerations[0].key")
	e.change("web", func(spec *v1alpha1.HeadroomSpec) { spec.Tolerations = nil })
	e.waitFilled("web", 2)
}

func TestConsumersThatCannotExist(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	e.headroom("web", replicas(2), func(spec *v1alpha1.HeadroomSpec) {
		spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{
			MatchLabels:      map[string]string{"app": "web"},
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpDoesNotExist}},
		}}
	})
	h := e.waitStatus("web", v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonNotReady, 0, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "spec.consumers.podSelector can match nothing")
	e.change("web", func(spec *v1alpha1.HeadroomSpec) { spec.Consumers.PodSelector.MatchExpressions = nil })
	e.waitFilled("web", 2)
}

func TestPriorityPolicy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		class  *schedulingv1.PriorityClass // nil: there is none of the name
		reason string
	}{
		"no PriorityClass of the name":     {nil, v1alpha1.ReasonUnknownPriorityClass},
		"a priority above the limit":       {&schedulingv1.PriorityClass{Value: 10, PreemptionPolicy: ptr.To(corev1.PreemptNever)}, v1alpha1.ReasonPriorityTooHigh},
		"a priority that autoscalers skip": {&schedulingv1.PriorityClass{Value: -11, PreemptionPolicy: ptr.To(corev1.PreemptNever)}, v1alpha1.ReasonPriorityTooLow},
		"a PriorityClass that may preempt": {&schedulingv1.PriorityClass{Value: -5}, v1alpha1.ReasonPreemptingPriorityClass},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnvironment(t, nil)
			e.bindTo(e.nodes("a")...)
			e.startController()
			if tc.class != nil {
				e.priorityClass(tc.class)
			}
			e.headroom("web", replicas(2), priorityClass(e.namespace))
			e.waitStatus("web", tc.reason, v1alpha1.ReasonNotReady, 0, 0)
			require.Empty(t, e.pods())
			e.waitEvent("web", "Invalid", e.namespace)

			if tc.class != nil { // its value cannot be changed
				require.NoError(t, e.client.Delete(t.Context(), tc.class))
			}
			e.priorityClass(&schedulingv1.PriorityClass{Value: -5, PreemptionPolicy: ptr.To(corev1.PreemptNever)})
			e.waitFilled("web", 2) // the controller watches PriorityClasses
		})
	}
}

func TestPlaceholdersStayWhenTheirPriorityClassGoes(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	class := &schedulingv1.PriorityClass{Value: -5, PreemptionPolicy: ptr.To(corev1.PreemptNever)}
	e.priorityClass(class)
	e.headroom("web", replicas(3), priorityClass(e.namespace))
	e.waitFilled("web", 3)
	before := e.names()
	require.NoError(t, e.client.Delete(t.Context(), class))
	e.waitStatus("web", v1alpha1.ReasonUnknownPriorityClass, v1alpha1.ReasonNotReady, 3, 0)
	require.Equal(t, before, e.names())
	e.change("web", replicas(1)) // what is too many can go
	e.waitStatus("web", v1alpha1.ReasonUnknownPriorityClass, v1alpha1.ReasonNotReady, 1, 0)
}

// priorityClass creates a PriorityClass under the name of the test's namespace.
func (e *environment) priorityClass(class *schedulingv1.PriorityClass) {
	e.Helper()
	class.Name = e.namespace
	require.NoError(e, e.client.Create(e.Context(), class))
	e.Cleanup(func() {
		_ = e.client.Delete(context.Background(), &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: e.namespace}})
	})
}

var errNotYet = errors.New("not yet")
