package rules

import (
	"strings"
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

// cameTo is what a rule came to last.
func cameTo(rule string, replicas int32, message string) *v1alpha1.SizingStatus {
	return &v1alpha1.SizingStatus{Rules: []v1alpha1.SizingRuleStatus{{Name: rule, Replicas: replicas, Message: message}}}
}

func TestWhatARuleCameToLastStaysHoweverLittleItIs(t *testing.T) {
	for name, tc := range map[string]struct {
		last    int32
		reason  string
		message string
	}{
		"nothing, and it is not read yet": {0, v1alpha1.ReasonReading, "said last"},
		"one, and it is not read yet":     {1, v1alpha1.ReasonReading, "said last"},
		"nothing, and it failed":          {0, v1alpha1.ReasonForbidden, "It counts as 0 units: there is no saying."},
		"one, and it failed":              {1, v1alpha1.ReasonForbidden, "It keeps the 1 unit that it came to last: there is no saying."},
		"two, and it failed":              {2, v1alpha1.ReasonForbidden, "It keeps the 2 units that it came to last: there is no saying."},
	} {
		t.Run(name, func(t *testing.T) {
			h, pods := sizedBy(tenth()), busy()
			h.Status.Sizing = cameTo("tenth", tc.last, "said last")
			pods.problem = &workload.Problem{Reason: tc.reason, Message: "there is no saying"}
			out := Evaluate(h, 0, pods, noon)
			require.Equal(t, cameTo("tenth", tc.last, tc.message).Rules, out.Status.Rules)
		})
	}
}

func TestOnlyAControllerThatHasReadNothingYetLeavesTheCondition(t *testing.T) {
	h, pods := sizedBy(tenth()), busy()
	before := Evaluate(h, 1, pods, noon).Sized
	before.ObservedGeneration = h.Generation
	h.Status.Conditions = []metav1.Condition{before}
	pods.targets = nil
	out := Evaluate(h, 1, pods, noon)
	require.Equal(t, metav1.ConditionFalse, out.Sized.Status, "a rule that fails is told although the spec is the same")
	require.Equal(t, v1alpha1.ReasonTargetNotFound, out.Sized.Reason)
}

func TestALostAccountThatAsksForMoreThanItCameToLastIsBelieved(t *testing.T) {
	h, a := learned(), quiet(time.Hour) // the Headroom is two months old
	a.Miss(account.MissNoneReady, 20, noon.Add(-30*time.Minute))
	h.Status.Sizing = cameTo("learned", 14, "")
	out := Evaluate(h, 0, &cluster{account: a}, noon)
	require.EqualValues(t, 20, out.Status.Rules[0].Replicas)
	require.NotContains(t, out.Status.Rules[0].Message, "It keeps")
	h.Status.Sizing = cameTo("learned", 21, "")
	out = Evaluate(h, 0, &cluster{account: a}, noon)
	require.EqualValues(t, 21, out.Status.Rules[0].Replicas)
	require.Contains(t, out.Status.Rules[0].Message, "It keeps the 21 units that it came to last")
}

func TestAWindowCountsAtMostTheSmallerOfTheLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		cpu  string // of maxResources, where units are of 4 CPU; empty: there is no such limit
		want int
	}{
		"of max alone":              {"", 100},
		"of max":                    {"404", 100},
		"of both, which are alike":  {"400", 100},
		"of maxResources":           {"396", 99},
		"of maxResources, for one":  {"4", 1},
		"of maxResources, for none": {"3", 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := learned()
			if tc.cpu != "" {
				h.Spec.Sizing.MaxResources = corev1.ResourceList{"cpu": resource.MustParse(tc.cpu)}
			}
			options, problem := evaluation{headroom: h}.demandOptions(h.Spec.Sizing.Rules[0].Demand)
			require.Nil(t, problem)
			require.Equal(t, tc.want, options.Max)
		})
	}
}

// With shapeFrom the size of a unit comes later than the rules.
func TestWhatNeedsNoSizeOfAUnitDoesNotWaitForIt(t *testing.T) {
	top := v1alpha1.SizingRule{Name: "top", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: toWeb}}
	h := sizedBy(tenth(), top)
	h.Spec.Requests, h.Spec.Sizing.Max = nil, nil
	h.Spec.Sizing.MaxResources = corev1.ResourceList{"cpu": resource.MustParse("80")}
	out := Evaluate(h, 1, busy(), noon)
	require.EqualValues(t, 14, out.Status.Rules[0].Replicas)
	require.EqualValues(t, 60, out.Status.Rules[1].Replicas)
	require.Equal(t, v1alpha1.ReasonSized, out.Sized.Reason, "nobody knows yet that the limit would limit nothing")
}

func TestEachOfWhatRulesCameToInTheWindowEndsInItsTime(t *testing.T) {
	status := &v1alpha1.SizingStatus{Recent: []v1alpha1.SizingRecent{
		{Rule: "large", Replicas: 9, UntilTime: metav1.NewTime(noon)},
		{Rule: "small", Replicas: 4, UntilTime: metav1.NewTime(noon.Add(time.Minute))},
	}}
	require.Equal(t, []sizing.Recent{
		{Asked: sizing.Asked{Rule: "large", Units: 9}, Until: noon},
		{Asked: sizing.Asked{Rule: "small", Units: 4}, Until: noon.Add(time.Minute)},
	}, memoryOf(status).Recent)
}

func TestTheMessageOfTheWholeStaysWithinItsBoundInEachMode(t *testing.T) {
	for _, mode := range []v1alpha1.SizingMode{v1alpha1.SizingApply, v1alpha1.SizingAdvise} {
		t.Run(string(mode), func(t *testing.T) {
			h, pods := sizedBy(tenth()), busy()
			h.Spec.Sizing.Mode = mode
			pods.problem = &workload.Problem{Reason: v1alpha1.ReasonUnreadable, Message: strings.Repeat("x", 5000)}
			require.Len(t, Evaluate(h, 1, pods, noon).Status.Message, maxMessage)
		})
	}
}

func TestTheResourcesOfAUnitAreToldInTheOrderOfTheirNames(t *testing.T) {
	one := resource.MustParse("1")
	list := corev1.ResourceList{
		"memory": one, "cpu": one, "example.com/b": one, "example.com/a": one, "ephemeral-storage": one, "hugepages-2Mi": one,
	}
	require.Equal(t, "cpu, ephemeral-storage, example.com/a, example.com/b, hugepages-2Mi, memory", resourcesOf(list))
}

// hidden is a cluster whose pods cannot be read.
type hidden struct{ *cluster }

func (hidden) Pods(string, labels.Selector) ([]workload.Group, *workload.Problem) {
	return nil, &workload.Problem{Reason: v1alpha1.ReasonForbidden, Message: "cannot list pods"}
}

// TestPodsThatCannotBeReadAreNotNone: a percentage of none would be nothing, and as much as the maximum missing.
func TestPodsThatCannotBeReadAreNotNone(t *testing.T) {
	for name, rule := range map[string]v1alpha1.SizingRule{
		"a percentage of a workload":    tenth(),
		"a percentage of selected pods": {PercentOf: &v1alpha1.PercentOf{Percent: 10, Pods: &metav1.LabelSelector{}}},
		"up to the maximum":             {UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: toWeb}},
	} {
		t.Run(name, func(t *testing.T) {
			rule.Name = "it"
			h := sizedBy(rule)
			h.Status.Sizing = cameTo("it", 14, "")
			out := Evaluate(h, 1, hidden{busy()}, noon)
			require.Equal(t, 14, out.Replicas)
			require.Equal(t, v1alpha1.ReasonForbidden, out.Sized.Reason)
			require.Equal(t, "Rule it: cannot list pods.", out.Sized.Message)
		})
	}
}

func TestAScheduleIsOfAllItsDays(t *testing.T) {
	for _, days := range [][]v1alpha1.Weekday{{"Thu", "Sat"}, {"Mon", "Thu"}, {"Mon", "Thu", "Sat"}} {
		h := sizedBy(v1alpha1.SizingRule{Name: "it", Schedule: &v1alpha1.Schedule{
			Start: "08:00", End: "19:00", TimeZone: "UTC", Days: days, Replicas: 20,
		}})
		require.Equal(t, 20, Evaluate(h, 0, busy(), noon).Replicas, "%v, on a Thursday", days)
		require.Zero(t, Evaluate(h, 0, busy(), noon.AddDate(0, 0, -1)).Replicas, "%v, on a Wednesday", days)
	}
}

func TestAWorkloadIsOfTheAPIThatTheRuleNames(t *testing.T) {
	rollout := workload.Ref{Namespace: "shop", APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "web"}
	target := v1alpha1.WorkloadReference{APIVersion: rollout.APIVersion, Kind: rollout.Kind, Name: rollout.Name}
	c := busy()
	c.targets = map[workload.Ref]workload.Target{rollout: {Selector: labels.SelectorFromSet(labels.Set{"app": "batch"}), Replicas: 3}}
	c.autoscalers = map[workload.Ref]workload.Autoscaler{rollout: {Name: "web", MaxReplicas: 8}}
	out := Evaluate(sizedBy(
		v1alpha1.SizingRule{Name: "all", PercentOf: &v1alpha1.PercentOf{Percent: 100, Target: &target}},
		v1alpha1.SizingRule{Name: "top", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: target}},
	), 0, c, noon)
	require.Equal(t, v1alpha1.ReasonSized, out.Sized.Reason)
	require.EqualValues(t, 3, out.Status.Rules[0].Replicas)
	require.EqualValues(t, 5, out.Status.Rules[1].Replicas)
}
