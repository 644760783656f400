package rules

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
	"github.com/headroom-dev/headroom/pkg/sizing"
)

func TestTheLargestOfWhatRulesCameToLastIsRemembered(t *testing.T) {
	status := &v1alpha1.SizingStatus{Rules: []v1alpha1.SizingRuleStatus{{Name: "small", Replicas: 2}, {Name: "large", Replicas: 9}, {Name: "last", Replicas: 4}}}
	require.Equal(t, sizing.Asked{Rule: "large", Units: 9}, memoryOf(status).Last)
	require.Zero(t, memoryOf(nil))
}

func TestTheFirstRuleThatFailsIsTheReason(t *testing.T) {
	h := sizedBy(
		v1alpha1.SizingRule{Name: "learned", Demand: &v1alpha1.Demand{}},
		v1alpha1.SizingRule{Name: "zone", Demand: &v1alpha1.Demand{TimeZone: "Europe/Atlantis"}},
		v1alpha1.SizingRule{Name: "share", Demand: &v1alpha1.Demand{Served: "most"}},
	)
	out := Evaluate(h, 1, &cluster{unread: true}, noon)
	require.Equal(t, metav1.ConditionFalse, out.Sized.Status, "a rule that waits to be read is no failure beside one that is wrong")
	require.Equal(t, v1alpha1.ReasonUnknownTimeZone, out.Sized.Reason)
	require.Contains(t, out.Sized.Message, "Rule learned: ")
	require.Contains(t, out.Sized.Message, "Rule share: ")
	require.Equal(t, 5*time.Second, out.Recheck, "although other rules failed, the accounts are asked again")
}

func TestAnAccountIsLostThatBeginsMoreThanTenMinutesAfterItsHeadroom(t *testing.T) {
	for name, tc := range map[string]struct {
		after time.Duration
		want  int32
	}{
		"it was opened when the controller came":   {after: 10 * time.Minute, want: 0},
		"it was opened a second later than it may": {after: 10*time.Minute + time.Second, want: 14},
	} {
		t.Run(name, func(t *testing.T) {
			h, a := learned(), quiet(time.Hour)
			h.CreationTimestamp = metav1.NewTime(a.Opened().Add(-tc.after))
			h.Status.Sizing = &v1alpha1.SizingStatus{Rules: []v1alpha1.SizingRuleStatus{{Name: "learned", Replicas: 14}}}
			require.Equal(t, tc.want, Evaluate(h, 0, &cluster{account: a}, noon).Status.Rules[0].Replicas)
		})
	}
}

// TestALimitBelowOneUnitIsALimit: a maximum of zero windows would be none.
func TestALimitBelowOneUnitIsALimit(t *testing.T) {
	h, a := learned(), quiet(time.Hour)
	opened(h, a)
	a.Miss(account.MissNoneReady, 10_000, noon.Add(-30*time.Minute))
	h.Spec.Sizing.MaxResources = corev1.ResourceList{"cpu": resource.MustParse("1")} // units of 4
	out := Evaluate(h, 0, &cluster{account: a}, noon)
	require.Contains(t, out.Status.Rules[0].Message, "a window counts at most the maximum of 1")
	require.Zero(t, out.Replicas)
	require.Equal(t, v1alpha1.ReasonSized, out.Sized.Reason, "the limit is one of what a unit requests")
}

func TestAScheduleIsLookedAtAfterASecondAtTheEarliest(t *testing.T) {
	h := sizedBy(v1alpha1.SizingRule{Name: "it", Schedule: &v1alpha1.Schedule{Start: "08:00", End: "12:00", TimeZone: "Etc/UTC", Replicas: 20}})
	require.Equal(t, time.Second, Evaluate(h, 0, busy(), noon.Add(-time.Millisecond)).Recheck)
	require.Equal(t, 20*time.Second, Evaluate(h, 0, busy(), noon.Add(-20*time.Second)).Recheck)
}

func TestWhatNobodyNeedsIsCut(t *testing.T) {
	pods := busy()
	pods.pods[0].Count = absurd
	h := sizedBy(v1alpha1.SizingRule{Name: "it", PercentOf: &v1alpha1.PercentOf{Percent: 1000, Target: &toWeb}})
	require.EqualValues(t, absurd, Evaluate(h, 1, pods, noon).Status.Rules[0].Replicas)
}

// elsewhere remembers the namespaces that were looked at.
type elsewhere struct {
	*cluster
	namespaces []string
}

func (e *elsewhere) Pods(namespace string, selector labels.Selector) ([]workload.Group, *workload.Problem) {
	e.namespaces = append(e.namespaces, namespace)
	return e.cluster.Pods(namespace, selector)
}

func TestRulesCountThePodsOfTheirNamespace(t *testing.T) {
	pods := &elsewhere{cluster: busy()}
	Evaluate(sizedBy(tenth(), v1alpha1.SizingRule{Name: "top", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: toWeb}}), 1, pods, noon)
	require.Equal(t, []string{"shop", "shop"}, pods.namespaces)
}
