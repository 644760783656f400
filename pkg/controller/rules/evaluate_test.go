package rules

import (
	"math"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
)

var noon = time.Date(2026, time.November, 26, 12, 0, 0, 0, time.UTC)

// labeled are pods of the same labels and requests.
type labeled struct {
	labels labels.Set
	workload.Group
}

// cluster is what rules look at.
type cluster struct {
	targets     map[workload.Ref]workload.Target
	autoscalers map[workload.Ref]workload.Autoscaler
	pods        []labeled
	// noMaximum is what is wrong with every autoscaler, problem what is wrong with everything.
	noMaximum *workload.Problem
	problem   *workload.Problem
	// account is that of the Headroom; unread says that no account is read yet.
	account *account.Account
	unread  bool
}

func (c *cluster) Target(ref workload.Ref) (workload.Target, *workload.Problem) {
	target, ok := c.targets[ref]
	if c.problem != nil || ok {
		return target, c.problem
	}
	return target, &workload.Problem{Reason: v1alpha1.ReasonTargetNotFound, Message: "there is no " + ref.String()}
}

func (c *cluster) Pods(_ string, selector labels.Selector) ([]workload.Group, *workload.Problem) {
	var groups []workload.Group
	for _, group := range c.pods {
		if selector.Matches(group.labels) {
			groups = append(groups, group.Group)
		}
	}
	return groups, c.problem
}

func (c *cluster) Autoscaler(ref workload.Ref) (workload.Autoscaler, *workload.Problem) {
	autoscaler, ok := c.autoscalers[ref]
	if c.noMaximum != nil {
		return workload.Autoscaler{}, c.noMaximum
	}
	if c.problem != nil || ok {
		return autoscaler, c.problem
	}
	return autoscaler, &workload.Problem{Reason: v1alpha1.ReasonNoAutoscaler, Message: "no HorizontalPodAutoscaler has " + ref.String() + " as scaleTargetRef"}
}

var (
	webRef = workload.Ref{Namespace: "shop", APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
	toWeb  = v1alpha1.WorkloadReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
)

// busy is a cluster with 137 pods of Deployment web, of 2 CPU each, which may become 200, and 3 of another.
func busy() *cluster {
	cpu := func(n string) corev1.ResourceList { return corev1.ResourceList{"cpu": resource.MustParse(n)} }
	return &cluster{
		targets:     map[workload.Ref]workload.Target{webRef: {Selector: labels.SelectorFromSet(labels.Set{"app": "web"}), Replicas: 140}},
		autoscalers: map[workload.Ref]workload.Autoscaler{webRef: {Name: "web", MaxReplicas: 200}},
		pods: []labeled{
			{labels.Set{"app": "web", "pod-template-hash": "old"}, workload.Group{Requests: cpu("2"), Count: 100}},
			{labels.Set{"app": "web", "pod-template-hash": "new"}, workload.Group{Requests: cpu("2"), Count: 37}},
			{labels.Set{"app": "batch"}, workload.Group{Requests: cpu("4"), Count: 3}},
		},
	}
}

func tenth() v1alpha1.SizingRule {
	return v1alpha1.SizingRule{Name: "tenth", PercentOf: &v1alpha1.PercentOf{Percent: 10, Target: &toWeb}}
}

func sizedBy(rules ...v1alpha1.SizingRule) *v1alpha1.Headroom {
	return &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Generation: 7},
		Spec: v1alpha1.HeadroomSpec{
			Requests: corev1.ResourceList{"cpu": resource.MustParse("4")},
			Sizing:   &v1alpha1.Sizing{Mode: v1alpha1.SizingApply, Rules: rules, Max: ptr.To[int32](100)},
		},
	}
}

func TestEachRule(t *testing.T) {
	for name, tc := range map[string]struct {
		rule v1alpha1.SizingRule
		want v1alpha1.SizingRuleStatus
	}{
		"a percentage of a workload": {tenth(), v1alpha1.SizingRuleStatus{
			Replicas: 14, Message: "10 % of 137 bound pods of Deployment web is 13.70, rounded up to 14.",
		}},
		"a percentage of selected pods": {
			v1alpha1.SizingRule{PercentOf: &v1alpha1.PercentOf{Percent: 100, Pods: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "batch"}}}},
			v1alpha1.SizingRuleStatus{Replicas: 3, Message: "100 % of 3 bound pods with app=batch is 3."},
		},
		"a percentage of all pods": {
			v1alpha1.SizingRule{PercentOf: &v1alpha1.PercentOf{Percent: 10, Pods: &metav1.LabelSelector{}}},
			v1alpha1.SizingRuleStatus{Replicas: 14, Message: "10 % of 140 bound pods of the namespace is 14."},
		},
		// 10 % of 137 times 2 CPU are 27.4 CPU, which is 6.85 units of 4.
		"a percentage of requests": {
			v1alpha1.SizingRule{PercentOf: &v1alpha1.PercentOf{Percent: 10, Target: &toWeb, By: v1alpha1.PercentOfRequests}},
			v1alpha1.SizingRuleStatus{
				Replicas: 7, Message: "10 % of the 274 cpu that 137 bound pods of Deployment web request is 6.85 times the 4 of a unit, rounded up to 7.",
			},
		},
		"a percentage of no pods": {
			v1alpha1.SizingRule{PercentOf: &v1alpha1.PercentOf{Percent: 10, Pods: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "none"}}}},
			v1alpha1.SizingRuleStatus{Message: "10 % of 0 bound pods with app=none is 0."},
		},
		"up to the maximum": {
			v1alpha1.SizingRule{UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: toWeb}},
			v1alpha1.SizingRuleStatus{
				Replicas: 60, Message: "HorizontalPodAutoscaler web allows 200 replicas, and Deployment web is to have 140 and has 137 bound pods, " +
					"so it may still add 60.",
			},
		},
		"a schedule": {
			v1alpha1.SizingRule{Schedule: &v1alpha1.Schedule{Start: "08:00", End: "19:00", TimeZone: "Europe/Berlin", Replicas: 20}},
			v1alpha1.SizingRuleStatus{Replicas: 20, Message: "20 units until Thu 2026-11-26 19:00 CET, within every day 08:00-19:00 Europe/Berlin."},
		},
		"a schedule of other days": {
			v1alpha1.SizingRule{Schedule: &v1alpha1.Schedule{
				TimeZone: "UTC", Start: "08:00", End: "19:00", Days: []v1alpha1.Weekday{"Sat"}, Replicas: 20,
			}},
			v1alpha1.SizingRuleStatus{Message: "It is not within Sat 08:00-19:00 UTC; the next is Sat 2026-11-28 08:00 UTC to Sat 2026-11-28 19:00 UTC."},
		},
		"a schedule that begins soon": {
			v1alpha1.SizingRule{Schedule: &v1alpha1.Schedule{
				TimeZone: "UTC", Start: "12:20", End: "19:00", Lead: &metav1.Duration{Duration: 30 * time.Minute}, Replicas: 20,
			}},
			v1alpha1.SizingRuleStatus{
				Replicas: 20, Message: "20 units until Thu 2026-11-26 19:00 UTC, within every day 12:20-19:00 UTC, ready from Thu 2026-11-26 11:50 UTC.",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.rule.Name, tc.want.Name = "it", "it"
			out := Evaluate(sizedBy(tc.rule), 0, busy(), noon)
			require.Equal(t, []v1alpha1.SizingRuleStatus{tc.want}, out.Status.Rules)
			require.Equal(t, int(tc.want.Replicas), out.Replicas)
			require.Equal(t, metav1.ConditionTrue, out.Sized.Status)
		})
	}
}

func TestTheLargestRuleCountsAndAdviceChangesNothing(t *testing.T) {
	h := sizedBy(tenth(), v1alpha1.SizingRule{Name: "top", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: toWeb}})
	out := Evaluate(h, 2, busy(), noon)
	require.Equal(t, 60, out.Replicas)
	require.Equal(t, "top", out.Status.Rule)
	require.Zero(t, out.Recheck, "what it depends on is watched")

	h.Spec.Sizing.Mode = v1alpha1.SizingAdvise
	out = Evaluate(h, 2, busy(), noon)
	require.Equal(t, 2, out.Replicas)
	require.EqualValues(t, 60, out.Status.Replicas)
	require.Equal(t, "60 units: rule top asks for 60 and no rule for more. HorizontalPodAutoscaler web allows 200 replicas, and Deployment web is "+
		"to have 140 and has 137 bound pods, so it may still add 60. It is advice: mode is Advise, so spec.replicas counts, which is 2.",
		out.Status.Message)
}

func TestLimits(t *testing.T) {
	h := sizedBy(v1alpha1.SizingRule{Name: "top", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: toWeb}})
	h.Spec.Sizing.MaxResources = corev1.ResourceList{"cpu": resource.MustParse("90")}
	out := Evaluate(h, 2, busy(), noon)
	require.Equal(t, 22, out.Replicas, "90 CPU are 22 units of 4")
	require.Equal(t, v1alpha1.LimitedByMaxResources, out.Status.LimitedBy)
	h.Spec.Sizing.Max = ptr.To[int32](5)
	out = Evaluate(h, 2, busy(), noon)
	require.Equal(t, 5, out.Replicas)
	require.Equal(t, v1alpha1.LimitedByMax, out.Status.LimitedBy)
	out = Evaluate(h, 9, busy(), noon)
	require.Equal(t, 5, out.Replicas, "a floor that was stored above the maximum")
}

// With shapeFrom the API server does not know what a unit requests.
func TestALimitThatLimitsNothingIsNone(t *testing.T) {
	h := sizedBy(tenth(), v1alpha1.SizingRule{Name: "top", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: toWeb}},
		v1alpha1.SizingRule{Name: "learned", Demand: &v1alpha1.Demand{}})
	h.Spec.Sizing.Max, h.Spec.Sizing.MaxResources = nil, corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("8")}
	h.Status.Sizing = &v1alpha1.SizingStatus{Rules: []v1alpha1.SizingRuleStatus{{Name: "top", Replicas: 9}}}
	out := Evaluate(h, 2, busy(), noon)
	require.Equal(t, 14, out.Replicas, "a tenth needs no limit")
	require.EqualValues(t, 9, out.Status.Rules[1].Replicas, "what it came to last")
	require.Zero(t, out.Status.Rules[2].Replicas)
	require.Equal(t, v1alpha1.ReasonInvalidRule, out.Sized.Reason)
	const text = "sizing.maxResources has none of the resources that a unit requests (cpu), and so limits nothing."
	require.Equal(t, "Rule top: "+text+" Rule learned: "+text+" "+text, out.Sized.Message)

	h.Spec.Sizing.Max = ptr.To[int32](50)
	out = Evaluate(h, 2, busy(), noon)
	require.Equal(t, 50, out.Replicas, "max is a limit")
	require.Equal(t, text, out.Sized.Message)
	h.Spec.Sizing.MaxResources["cpu"] = resource.MustParse("8")
	out = Evaluate(h, 2, busy(), noon)
	require.Equal(t, 2, out.Replicas)
	require.Equal(t, v1alpha1.ReasonSized, out.Sized.Reason)
}

func TestAPercentageOfRequestsWaitsForTheSizeOfAUnit(t *testing.T) {
	h := sizedBy(v1alpha1.SizingRule{Name: "it", PercentOf: &v1alpha1.PercentOf{Percent: 10, Target: &toWeb, By: v1alpha1.PercentOfRequests}})
	h.Spec.Requests = nil // of shapeFrom, whose workload is not there yet
	out := Evaluate(h, 2, busy(), noon)
	require.Equal(t, 2, out.Replicas)
	require.Equal(t, v1alpha1.ReasonShapeUnknown, out.Sized.Reason)
	require.Equal(t, "Rule it: it is not known yet what a unit requests; the condition Shaped says why.", out.Sized.Message)
}

// The status is all that has to outlive a controller.
func TestTheWindowOutlivesTheController(t *testing.T) {
	h, pods := sizedBy(tenth()), busy()
	h.Status.Sizing = Evaluate(h, 1, pods, noon).Status
	pods.pods = pods.pods[1:2] // 37 of 137 pods are left
	out := Evaluate(h, 1, pods, noon.Add(time.Hour))
	require.Equal(t, 14, out.Replicas)
	require.Len(t, out.Status.Recent, 1)
	require.NotZero(t, out.Recheck)
	h.Status.Sizing = out.Status
	out = Evaluate(h, 1, pods, noon.Add(time.Hour+9*time.Minute))
	require.Equal(t, 14, out.Replicas)
	require.Equal(t, h.Status.Sizing, out.Status, "nothing to write while nothing changes")
	out = Evaluate(h, 1, pods, noon.Add(time.Hour+11*time.Minute))
	require.Equal(t, 4, out.Replicas)

	h.Spec.Sizing.ScaleDown = &v1alpha1.SizingScaleDown{StabilizationWindow: &metav1.Duration{}}
	out = Evaluate(h, 1, pods, noon.Add(time.Hour+9*time.Minute))
	require.Equal(t, 4, out.Replicas, "with a window of zero it falls at once")
}

// Each of these is one that the API server lets pass or that comes later. None makes a Headroom smaller.
func TestWhatCannotBeEvaluatedKeepsItsNumberAndSaysWhy(t *testing.T) {
	schedule := func(change func(*v1alpha1.Schedule)) v1alpha1.SizingRule {
		s := &v1alpha1.Schedule{Start: "08:00", End: "19:00", TimeZone: "Etc/UTC", Replicas: 20}
		change(s)
		return v1alpha1.SizingRule{Name: "it", Schedule: s}
	}
	percentOf := func(target v1alpha1.WorkloadReference) v1alpha1.SizingRule {
		return v1alpha1.SizingRule{Name: "it", PercentOf: &v1alpha1.PercentOf{Percent: 10, Target: &target}}
	}
	for name, tc := range map[string]struct {
		rule         v1alpha1.SizingRule
		change       func(*cluster)
		reason, text string
	}{
		"a target that is gone": {
			percentOf(v1alpha1.WorkloadReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "gone"}), nil,
			v1alpha1.ReasonTargetNotFound, "there is no Deployment gone",
		},
		"a target without an autoscaler": {
			v1alpha1.SizingRule{Name: "it", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: toWeb}},
			func(c *cluster) { c.autoscalers = nil }, v1alpha1.ReasonNoAutoscaler, "no HorizontalPodAutoscaler has Deployment web as scaleTargetRef",
		},
		"a target without pods of its own": {
			percentOf(toWeb), func(c *cluster) { c.targets[webRef] = workload.Target{} }, v1alpha1.ReasonUnknownKind,
			"Deployment web has no pods of its own, as far as it says; name them by percentOf.pods",
		},
		"an autoscaler of a target without pods of its own": {
			v1alpha1.SizingRule{Name: "it", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: toWeb}},
			func(c *cluster) { c.targets[webRef] = workload.Target{} }, v1alpha1.ReasonUnknownKind, "Deployment web has no pods of its own",
		},
		"an autoscaler without a maximum": {
			v1alpha1.SizingRule{Name: "it", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: toWeb}},
			func(c *cluster) {
				c.noMaximum = &workload.Problem{Reason: v1alpha1.ReasonInvalidRule, Message: "HorizontalPodAutoscaler web has no maxReplicas"}
			},
			v1alpha1.ReasonInvalidRule, "HorizontalPodAutoscaler web has no maxReplicas",
		},
		"no rights": {
			percentOf(toWeb), func(c *cluster) {
				c.problem = &workload.Problem{Reason: v1alpha1.ReasonForbidden, Message: "cannot list it"}
			},
			v1alpha1.ReasonForbidden, "cannot list it",
		},
		"a selector that does not parse": {
			v1alpha1.SizingRule{Name: "it", PercentOf: &v1alpha1.PercentOf{Percent: 10, Pods: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b c"}}}},
			nil, v1alpha1.ReasonInvalidRule, "percentOf.pods is malformed",
		},
		"an unknown time zone": {
			schedule(func(s *v1alpha1.Schedule) { s.TimeZone = "Europe/Atlantis" }), nil,
			v1alpha1.ReasonUnknownTimeZone, `time zone "Europe/Atlantis" is none of the IANA Time Zone Database, such as Europe/Berlin`,
		},
		"the zone of the machine": {
			schedule(func(s *v1alpha1.Schedule) { s.TimeZone = "Local" }), nil, v1alpha1.ReasonUnknownTimeZone, `time zone "Local"`,
		},
		"a start that is no time": {
			schedule(func(s *v1alpha1.Schedule) { s.Start = "8" }), nil, v1alpha1.ReasonInvalidRule, `schedule.start: "8" is no time of day`,
		},
		"an end that is no time": {
			schedule(func(s *v1alpha1.Schedule) { s.End = "26:00" }), nil, v1alpha1.ReasonInvalidRule, `schedule.end: "26:00" is no time of day`,
		},
		"a day that is none": {
			schedule(func(s *v1alpha1.Schedule) { s.Days = []v1alpha1.Weekday{"Monday"} }), nil, v1alpha1.ReasonInvalidRule, `"Monday" is no day from Mon to Sun`,
		},
		"a rule of a later version": {v1alpha1.SizingRule{Name: "it"}, nil, v1alpha1.ReasonInvalidRule, "it is of a kind that this version does not know"},
	} {
		t.Run(name, func(t *testing.T) {
			pods := busy()
			if tc.change != nil {
				tc.change(pods)
			}
			h := sizedBy(tc.rule)
			out := Evaluate(h, 3, pods, noon)
			require.Equal(t, 3, out.Replicas, "the floor, as long as it came to nothing")
			require.Contains(t, out.Status.Rules[0].Message, "It counts as 0 units: ")
			require.Contains(t, out.Status.Rules[0].Message, tc.text)
			require.Equal(t, metav1.ConditionFalse, out.Sized.Status)
			require.Equal(t, tc.reason, out.Sized.Reason)
			require.Contains(t, out.Sized.Message, "Rule it: ")
			require.Contains(t, out.Sized.Message, tc.text)

			h.Status.Sizing = &v1alpha1.SizingStatus{Rules: []v1alpha1.SizingRuleStatus{{Name: "it", Replicas: 14}}}
			out = Evaluate(h, 3, pods, noon.AddDate(1, 0, 0))
			require.Equal(t, 14, out.Replicas)
			require.Contains(t, out.Status.Rules[0].Message, "It keeps the 14 units that it came to last: ")
		})
	}
}

func TestAControllerThatHasJustStartedChangesNothing(t *testing.T) {
	h, pods := sizedBy(tenth()), busy()
	first := Evaluate(h, 1, pods, noon)
	h.Status.Sizing = first.Status
	first.Sized.ObservedGeneration = h.Generation
	h.Status.Conditions = []metav1.Condition{first.Sized}

	pods.problem = &workload.Problem{Reason: v1alpha1.ReasonReading, Message: "it was not read yet"}
	out := Evaluate(h, 1, pods, noon)
	require.Equal(t, first.Status, out.Status)
	require.Equal(t, first.Sized, out.Sized)

	h.Generation++ // another spec is another matter
	out = Evaluate(h, 1, pods, noon)
	require.Equal(t, 14, out.Replicas)
	require.Equal(t, metav1.ConditionUnknown, out.Sized.Status)
	require.Equal(t, v1alpha1.ReasonReading, out.Sized.Reason)
}

func TestScheduleIsLookedAtAgainSoonSinceClocksJump(t *testing.T) {
	h := sizedBy(v1alpha1.SizingRule{Name: "it", Schedule: &v1alpha1.Schedule{Start: "08:00", End: "19:00", TimeZone: "Etc/UTC", Replicas: 20}})
	require.Equal(t, 5*time.Minute, Evaluate(h, 0, busy(), noon).Recheck)
	require.Equal(t, time.Minute, Evaluate(h, 0, busy(), noon.Add(-241*time.Minute)).Recheck, "07:59")
}

func TestAbsurdNumbersStayWithinTheBounds(t *testing.T) {
	pods := busy()
	pods.pods[0].Count = math.MaxInt32
	pods.pods[0].Requests = corev1.ResourceList{"cpu": resource.MustParse("1E")}
	pods.autoscalers[webRef] = workload.Autoscaler{Name: "web", MaxReplicas: math.MaxInt32}
	pods.targets[webRef] = workload.Target{Selector: labels.SelectorFromSet(labels.Set{"app": "web"}), Replicas: math.MinInt32}
	all := tenth()
	all.PercentOf.Percent = 1000
	byRequests := *all.DeepCopy()
	byRequests.Name, byRequests.PercentOf.By = "requests", v1alpha1.PercentOfRequests
	top := v1alpha1.SizingRule{Name: "top", UpToMaxReplicasOf: &v1alpha1.UpToMaxReplicasOf{Target: toWeb}}
	for _, rules := range [][]v1alpha1.SizingRule{{all}, {byRequests}, {top}, {top, byRequests, all}} {
		h := sizedBy(rules...)
		out := Evaluate(h, 3, pods, noon)
		require.GreaterOrEqual(t, out.Replicas, 3, out.Status.Message)
		require.LessOrEqual(t, out.Replicas, 100, out.Status.Message)
		for _, rule := range out.Status.Rules {
			require.GreaterOrEqual(t, rule.Replicas, int32(0), rule.Message)
			require.LessOrEqual(t, rule.Replicas, int32(absurd), rule.Message)
		}
		h.Spec.Sizing.Max = nil
		require.LessOrEqual(t, Evaluate(h, 3, pods, noon).Replicas, 10_000, "as many as a Headroom may have")
	}
}

func TestMessagesStayWithinTheirBounds(t *testing.T) {
	pods := busy()
	pods.problem = &workload.Problem{Reason: v1alpha1.ReasonUnreadable, Message: strings.Repeat("x", 5000)}
	out := Evaluate(sizedBy(tenth()), 1, pods, noon)
	require.LessOrEqual(t, len(out.Status.Rules[0].Message), maxMessage)
	require.LessOrEqual(t, len(out.Sized.Message), maxCondition)
}
