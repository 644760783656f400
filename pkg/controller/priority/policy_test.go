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
