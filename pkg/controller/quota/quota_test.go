package quota

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func list(pairs ...string) corev1.ResourceList {
	resources := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		resources[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return resources
}

func TestShort(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{PriorityClassName: "headroom", Containers: []corev1.Container{{
		Resources: corev1.ResourceRequirements{Requests: list("cpu", "1", "memory", "0", "example.com/gpu", "1"), Limits: list("memory", "1Gi", "example.com/gpu", "1")},
	}}}}
	of := func(hard, used corev1.ResourceList) corev1.ResourceQuota {
		return corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Name: "team"}, Status: corev1.ResourceQuotaStatus{Hard: hard, Used: used},
		}
	}
	full := of(list("requests.cpu", "5"), list("requests.cpu", "4500m"))
	scoped := func(scopes ...corev1.ResourceQuotaScope) corev1.ResourceQuota {
		q := *full.DeepCopy()
		q.Spec.Scopes = scopes
		return q
	}
	class := func(operator corev1.ScopeSelectorOperator, values ...string) corev1.ResourceQuota {
		q := *full.DeepCopy()
		q.Spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{{
			ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: operator, Values: values,
		}}}
		return q
	}
	both := func(scope corev1.ResourceQuotaScope, operator corev1.ScopeSelectorOperator, values ...string) corev1.ResourceQuota {
		q := class(operator, values...)
		q.Spec.Scopes = []corev1.ResourceQuotaScope{scope}
		return q
	}
	const short = "ResourceQuota team leaves 500m of requests.cpu, less than the 1 of one unit"
	for name, tc := range map[string]struct {
		quota corev1.ResourceQuota
		want  string // empty: no shortage
	}{
		"less than a unit is left":             {full, short},
		"just a unit is left":                  {of(list("requests.cpu", "5"), list("requests.cpu", "4")), ""},
		"what the unit does not ask for":       {of(list("requests.memory", "5"), list("requests.memory", "5")), ""},
		"cpu is another name of requests.cpu":  {of(list("cpu", "5"), list("cpu", "5")), "ResourceQuota team leaves 0 of cpu, less than the 1 of one unit"},
		"pods":                                 {of(list("pods", "3"), list("pods", "3")), "ResourceQuota team leaves 0 of pods, less than the 1 of one unit"},
		"pods as objects":                      {of(list("count/pods", "3"), list("count/pods", "3")), "ResourceQuota team leaves 0 of count/pods, less than the 1 of one unit"},
		"devices":                              {of(list("requests.example.com/gpu", "1"), list("requests.example.com/gpu", "1")), "ResourceQuota team leaves 0 of requests.example.com/gpu, less than the 1 of one unit"},
		"devices by no name of a quota":        {of(list("example.com/gpu", "1"), list("example.com/gpu", "1")), ""},
		"limits":                               {of(list("limits.memory", "1Gi"), list("limits.memory", "512Mi")), "ResourceQuota team leaves 512Mi of limits.memory, less than the 1Gi of one unit"},
		"a quota that is not counted yet":      {corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: list("pods", "0")}}, ""},
		"a quota of pods that end":             {scoped(corev1.ResourceQuotaScopeTerminating), ""},
		"a quota of pods that do not":          {scoped(corev1.ResourceQuotaScopeNotTerminating), short},
		"a quota of pods that ask for nothing": {scoped(corev1.ResourceQuotaScopeBestEffort), ""},
		"a quota of pods that ask for some":    {scoped(corev1.ResourceQuotaScopeNotBestEffort), short},
		"all scopes have to match":             {scoped(corev1.ResourceQuotaScopeNotBestEffort, corev1.ResourceQuotaScopeTerminating), ""},
		"a quota of all other classes":         {class(corev1.ScopeSelectorOpNotIn, "headroom"), ""},
		"a quota of all but another class":     {class(corev1.ScopeSelectorOpNotIn, "high"), short},
		"a quota of other classes":             {class(corev1.ScopeSelectorOpIn, "high"), ""},
		"a quota of the class and another":     {class(corev1.ScopeSelectorOpIn, "headroom", "high"), short},
		"a quota of units alone":               {class(corev1.ScopeSelectorOpIn, "headroom"), ""},
		"a quota of all that may be units":     {class(corev1.ScopeSelectorOpIn, "headroom", "headroom-ladder-3", "headroom-reserved"), ""},
		"more is used than a unit asks for":    {of(list("requests.memory", "1Gi"), list("requests.memory", "2Gi")), ""},
		"a quota of units, some on a ladder":   {class(corev1.ScopeSelectorOpIn, "headroom", "headroom-ladder-3"), ""},
		"a quota of units, some reserved":      {class(corev1.ScopeSelectorOpIn, "headroom", "headroom-reserved"), ""},
		"a quota of any class":                 {class(corev1.ScopeSelectorOpExists), short},
		"a quota of no class":                  {class(corev1.ScopeSelectorOpDoesNotExist), ""},
		"scopes count it, and a selector not":  {both(corev1.ResourceQuotaScopeNotBestEffort, corev1.ScopeSelectorOpNotIn, "headroom"), ""},
		"a selector counts it, and scopes not": {both(corev1.ResourceQuotaScopeBestEffort, corev1.ScopeSelectorOpExists), ""},
		"scopes and a selector count it":       {both(corev1.ResourceQuotaScopeNotBestEffort, corev1.ScopeSelectorOpExists), short},
		"a scope that placeholders never have": {scoped(corev1.ResourceQuotaScopeCrossNamespacePodAffinity), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := Short([]corev1.ResourceQuota{tc.quota}, pod)
			if tc.want == "" {
				require.Nil(t, got)
				return
			}
			require.NotNil(t, got)
			require.Equal(t, tc.want, got.String())
		})
	}
	first := *full.DeepCopy()
	first.Name = "all"
	quotas := []corev1.ResourceQuota{full, first}
	require.Equal(t, "all", Short(quotas, pod).Quota, "the order does not matter")
	require.Equal(t, "team", quotas[0].Name, "and stays as it is")
}

func TestAClassOfTheUsersOwnIsForUnitsAlone(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{PriorityClassName: "spare"}}
	pods := corev1.ResourceQuota{Status: corev1.ResourceQuotaStatus{Hard: list("pods", "3"), Used: list("pods", "3")}}
	pods.Spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{{
		ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: corev1.ScopeSelectorOpIn, Values: []string{"spare"},
	}}}
	require.Nil(t, Short([]corev1.ResourceQuota{pods}, pod), "no consumer is of the class")
	pods.Spec.ScopeSelector.MatchExpressions[0].Values = []string{"spare", "headroom"}
	require.Nil(t, Short([]corev1.ResourceQuota{pods}, pod), "nor of that of other units")
	pods.Spec.ScopeSelector.MatchExpressions[0].Values = []string{"spare", "high"}
	require.NotNil(t, Short([]corev1.ResourceQuota{pods}, pod))
}

func TestAPodNeedsWhatAllOfItsContainersAskFor(t *testing.T) {
	container := corev1.Container{Resources: corev1.ResourceRequirements{Requests: list("cpu", "1"), Limits: list("cpu", "2")}}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container, container}}}
	for name, want := range map[string]string{"cpu": "2", "requests.cpu": "2", "limits.cpu": "4", "pods": "1"} {
		quota := corev1.ResourceQuota{Status: corev1.ResourceQuotaStatus{Hard: list(name, "9"), Used: list(name, "9")}}
		got := Short([]corev1.ResourceQuota{quota}, pod)
		require.NotNil(t, got, name)
		require.Equal(t, want, got.Needed.String(), name)
	}
}

func TestAPodWithMemoryOrLimitsAloneIsNotBestEffort(t *testing.T) {
	of := func(requests, limits corev1.ResourceList) *corev1.Pod {
		return &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}}}}}
	}
	require.True(t, bestEffort(of(list("example.com/gpu", "1"), nil)))
	require.False(t, bestEffort(of(list("memory", "1Gi"), nil)))
	require.False(t, bestEffort(of(list("cpu", "1"), nil)))
	require.False(t, bestEffort(of(nil, list("memory", "1Gi"))))
}
