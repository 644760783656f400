package priority

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

func TestCheck(t *testing.T) {
	standard := Limits{Max: -1, Min: -10}
	class := func(value int32, policy *corev1.PreemptionPolicy) *schedulingv1.PriorityClass {
		return &schedulingv1.PriorityClass{Value: value, PreemptionPolicy: policy}
	}
	never, preempt := ptr.To(corev1.PreemptNever), ptr.To(corev1.PreemptLowerPriority)
	tests := map[string]struct {
		class  *schedulingv1.PriorityClass
		limits Limits
		want   string // the reason, empty for allowed
	}{
		"no such class":                             {nil, standard, v1alpha1.ReasonUnknownPriorityClass},
		"the highest allowed":                       {class(-1, never), standard, ""},
		"the lowest allowed":                        {class(-10, never), standard, ""},
		"one too high":                              {class(0, never), standard, v1alpha1.ReasonPriorityTooHigh},
		"high, and the operator raised the limit":   {class(1000, never), Limits{Max: 1000, Min: -10}, ""},
		"one too low":                               {class(-11, never), standard, v1alpha1.ReasonPriorityTooLow},
		"low, and the operator lowered the limit":   {class(-11, never), Limits{Max: -1, Min: -11}, ""},
		"a class that preempts":                     {class(-10, preempt), standard, v1alpha1.ReasonPreemptingPriorityClass},
		"a class without policy preempts":           {class(-10, nil), standard, v1alpha1.ReasonPreemptingPriorityClass},
		"a class that preempts, and that's allowed": {class(-10, preempt), Limits{Max: -1, Min: -10, AllowPreempting: true}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := Check("spare", tc.class, tc.limits)
			if tc.want == "" {
				require.Nil(t, got)
				return
			}
			require.NotNil(t, got)
			require.Equal(t, tc.want, got.Reason)
			require.Contains(t, got.Message, `"spare"`)
		})
	}
}

func TestTheClassOfReservedUnitsIsForNoOthers(t *testing.T) {
	high := &schedulingv1.PriorityClass{Value: 1_000_000, PreemptionPolicy: ptr.To(corev1.PreemptNever)}
	refusal := Check(v1alpha1.ReservedPriorityClassName, high, Limits{Max: 1_000_000_000, Min: -10, AllowReserved: true})
	require.Equal(t, v1alpha1.ReasonReservedNotAllowed, refusal.Reason)
	require.Contains(t, refusal.Message, "spec.reserved")
}

func TestCheckReserved(t *testing.T) {
	allowed := Limits{Max: -1, Min: -10, AllowReserved: true}
	class := func(value int32, policy corev1.PreemptionPolicy) *schedulingv1.PriorityClass {
		return &schedulingv1.PriorityClass{Value: value, PreemptionPolicy: &policy}
	}
	for name, tc := range map[string]struct {
		class  *schedulingv1.PriorityClass
		limits Limits
		want   string // the reason, empty for allowed
		says   string
	}{
		"the class of the install":                {class: class(1_000_000, corev1.PreemptNever), limits: allowed},
		"another value above ordinary pods":       {class: class(1, corev1.PreemptNever), limits: allowed},
		"the operator does not allow it":          {class(1_000_000, corev1.PreemptNever), Limits{Max: -1, Min: -10}, v1alpha1.ReasonReservedNotAllowed, "--allow-reserved"},
		"nor by a high limit":                     {class(1_000_000, corev1.PreemptNever), Limits{Max: 1_000_000, Min: -10}, v1alpha1.ReasonReservedNotAllowed, "--allow-reserved"},
		"there is no such class":                  {nil, allowed, v1alpha1.ReasonUnknownPriorityClass, `"headroom-reserved"`},
		"somebody made it anew, not above others": {class(0, corev1.PreemptNever), allowed, v1alpha1.ReasonPriorityTooLow, "not above 0"},
		"somebody made it anew, and it preempts":  {class(1_000_000, corev1.PreemptLowerPriority), allowed, v1alpha1.ReasonPreemptingPriorityClass, "preemptionPolicy"},
		"which no limit allows": {
			class(1_000_000, corev1.PreemptLowerPriority), Limits{AllowReserved: true, AllowPreempting: true}, v1alpha1.ReasonPreemptingPriorityClass, "preemptionPolicy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := CheckReserved(tc.class, tc.limits)
			if tc.want == "" {
				require.Nil(t, got)
				return
			}
			require.NotNil(t, got)
			require.Equal(t, tc.want, got.Reason)
			require.Contains(t, got.Message, tc.says)
		})
	}
}

func TestAClassOutsideTheLimitsIsToldItsValueAndTheLimit(t *testing.T) {
	limits := Limits{Max: -1, Min: -10}
	for value, want := range map[int32]string{7: `"spare" has value 7, above -1, `, -13: `"spare" has value -13, below -10: `} {
		refusal := Check("spare", &schedulingv1.PriorityClass{Value: value, PreemptionPolicy: ptr.To(corev1.PreemptNever)}, limits)
		require.NotNil(t, refusal)
		require.Contains(t, refusal.Message, want)
	}
	refusal := CheckReserved(&schedulingv1.PriorityClass{Value: -3}, Limits{Max: 5, AllowReserved: true})
	require.NotNil(t, refusal)
	require.Contains(t, refusal.Message, `"headroom-reserved" has value -3, not above 0`)
}

// TestReservedUnitsThatAreNotAllowedAreToldSoWhateverTheirClass: to make the class would not help.
func TestReservedUnitsThatAreNotAllowedAreToldSoWhateverTheirClass(t *testing.T) {
	for name, class := range map[string]*schedulingv1.PriorityClass{
		"there is none": nil, "it is too low": {Value: -1, PreemptionPolicy: ptr.To(corev1.PreemptNever)}, "it preempts": {Value: 1},
	} {
		t.Run(name, func(t *testing.T) {
			refusal := CheckReserved(class, Limits{})
			require.NotNil(t, refusal)
			require.Equal(t, v1alpha1.ReasonReservedNotAllowed, refusal.Reason)
			require.Contains(t, refusal.Message, "--allow-reserved")
		})
	}
}
