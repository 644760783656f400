package headroom

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/controller/quota"
	"github.com/headroom-dev/headroom/pkg/topup"
)

func headroomOf(units int32) *v1alpha1.Headroom {
	return &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Generation: 3},
		Spec:       v1alpha1.HeadroomSpec{Replicas: ptr.To(units), Placement: v1alpha1.PlacementCluster},
	}
}

func unitIn(state topup.State, node string, conditions ...corev1.PodCondition) unit {
	pod := &corev1.Pod{Spec: corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{Conditions: conditions}}
	pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"cpu": resource.MustParse("500m"), "example.com/gpu": resource.MustParse("1")},
	}}}
	return unit{pod: pod, Unit: topup.Unit{UID: types.UID(node), State: state}}
}

func TestFilledCondition(t *testing.T) {
	waiting := corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes",
	}
	bound, pending := unitIn(topup.Bound, "n1"), unitIn(topup.Pending, "")
	away := func(u unit) unit {
		u.unavailable = "node n1 is unschedulable"
		return u
	}
	changed := func(u unit) unit {
		u.Nonconforming, u.deviation = true, "it has the container proxy"
		return u
	}
	tests := map[string]struct {
		units       []unit
		desired     int32
		outdated    int
		problem     *problem
		failing     *problem
		wantReason  string
		wantMessage string
	}{
		"all are bound":          {units: []unit{bound, bound}, desired: 2, wantReason: v1alpha1.ReasonFilled, wantMessage: "2 of 2 units are bound."},
		"none is wanted":         {wantReason: v1alpha1.ReasonFilled, wantMessage: "0 of 0 units are bound."},
		"one is on its way":      {units: []unit{bound, pending}, desired: 2, wantReason: v1alpha1.ReasonToppingUp, wantMessage: "1 of 2 units are bound."},
		"one finds no room":      {units: []unit{bound, unitIn(topup.Pending, "", waiting)}, desired: 2, wantReason: v1alpha1.ReasonWaitingForRoom, wantMessage: "1 of 2 units are bound. The scheduler says: 0/3 nodes"},
		"one is of an old spec":  {units: []unit{bound, bound}, desired: 2, outdated: 1, wantReason: v1alpha1.ReasonRollingOut, wantMessage: "2 of 2 units are bound, 1 of an older spec."},
		"the spec is refused":    {units: []unit{bound}, desired: 2, problem: &problem{reason: "X"}, wantReason: v1alpha1.ReasonNotReady, wantMessage: "1 of 2 units are bound; see the condition Ready."},
		"they fail all the time": {units: []unit{bound, bound}, desired: 2, failing: &problem{"X", "words"}, wantReason: "X", wantMessage: "2 of 2 units are bound, and units fail again and again. words"},
		"one cannot be taken": {
			units: []unit{bound, away(bound)}, desired: 2, wantReason: v1alpha1.ReasonUnavailable,
			wantMessage: "1 of 2 units can be taken, 1 unavailable (node n1 is unschedulable).",
		},
		"another was made in its place": {
			units: []unit{bound, away(bound), bound}, desired: 2, wantReason: v1alpha1.ReasonFilled,
			wantMessage: "2 of 2 units can be taken, 1 unavailable (node n1 is unschedulable).",
		},
		"another in its place finds no room": {
			units: []unit{bound, away(bound), unitIn(topup.Pending, "", waiting)}, desired: 2, wantReason: v1alpha1.ReasonWaitingForRoom,
			wantMessage: "1 of 2 units can be taken, 1 unavailable (node n1 is unschedulable). The scheduler says: 0/3 nodes",
		},
		"one was changed by admission": {
			units: []unit{bound, changed(bound)}, desired: 2, outdated: 1, wantReason: v1alpha1.ReasonRollingOut,
			wantMessage: "2 of 2 units are bound, 1 not as they should be: of one, it has the container proxy.",
		},
		"one was changed by admission while another is on its way": {
			units: []unit{changed(bound), pending}, desired: 2, outdated: 1, wantReason: v1alpha1.ReasonToppingUp,
			wantMessage: "1 of 2 units are bound.",
		},
		"lost ones do not count": {units: []unit{bound, unitIn(topup.Lost, "n2"), unitIn(topup.Foreign, "n2")}, desired: 2, wantReason: v1alpha1.ReasonToppingUp, wantMessage: "1 of 2 units are bound."},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := plan{actions: topup.Actions{Outdated: tc.outdated}}
			tally := count(headroomOf(tc.desired), &observation{units: tc.units, failing: tc.failing}, p, outcome{problem: tc.problem})
			got := filledCondition(tally, readyCondition(tally))
			require.Equal(t, tc.wantReason, got.Reason)
			require.Equal(t, tc.wantMessage, got.Message)
			require.Equal(t, tc.wantReason == v1alpha1.ReasonFilled, got.Status == metav1.ConditionTrue)
		})
	}
}

func TestLongMessageOfAConditionEndsBetweenCharacters(t *testing.T) {
	got := condition(v1alpha1.ConditionReady, metav1.ConditionFalse, "X", strings.Repeat("é", maxMessage))
	require.LessOrEqual(t, len(got.Message), maxMessage)
	require.True(t, utf8.ValidString(got.Message))
	require.True(t, strings.HasSuffix(got.Message, "é..."), got.Message)
}

func TestAShortQuotaIsToldWhileUnitsAreHeld(t *testing.T) {
	short := &quota.Shortage{Quota: "team", Resource: "requests.cpu", Left: resource.MustParse("500m"), Needed: resource.MustParse("1")}
	ready := func(units ...unit) metav1.Condition {
		return readyCondition(count(headroomOf(2), &observation{units: units, short: short}, plan{}, outcome{}))
	}
	require.Equal(t, v1alpha1.ReasonValid, ready(unitIn(topup.Pending, "")).Reason)
	got := ready(unitIn(topup.Bound, "n1"))
	require.Equal(t, metav1.ConditionTrue, got.Status, "nothing is wrong with the spec")
	require.Equal(t, v1alpha1.ReasonQuotaShort, got.Reason)
	require.Contains(t, got.Message, "ResourceQuota team leaves 500m of requests.cpu, less than the 1 of one unit")
}

func TestStatusOf(t *testing.T) {
	seen := &observation{
		units:   []unit{unitIn(topup.Bound, "n1"), unitIn(topup.Bound, "n2"), unitIn(topup.Bound, "n3"), unitIn(topup.Bound, "n4")},
		domains: map[string]string{"n1": "b", "n2": "a", "n3": "b", "n4": "b"},
	}
	done := outcome{deleted: []types.UID{"n4"}, created: []*corev1.Pod{{}}}
	h := headroomOf(4)
	consumed := []consumption.Consumption{{Time: epoch.Add(1500 * time.Millisecond)}, {Time: epoch}}
	got := statusOf(h, count(h, seen, plan{}, done), consumed, epoch)

	condition := func(kind, reason, message string, status metav1.ConditionStatus) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: 3, LastTransitionTime: metav1.NewTime(epoch),
		}
	}
	want := v1alpha1.HeadroomStatus{
		ObservedGeneration: 3, DesiredReplicas: 4, Replicas: 4, ReadyReplicas: 3, PendingReplicas: 1,
		Selector:      "headroom.dev/headroom=web",
		Capacity:      corev1.ResourceList{"cpu": resource.MustParse("1500m"), "example.com/gpu": resource.MustParse("3")},
		ScaleReplicas: 4,
		Spread: v1alpha1.SpreadStatus{
			TopologyKey: "topology.kubernetes.io/zone", Summary: "a:1 b:2",
			Domains: []v1alpha1.DomainStatus{{Name: "a", ReadyReplicas: 1}, {Name: "b", ReadyReplicas: 2}},
		},
		LastConsumedTime: &metav1.Time{Time: epoch.Add(time.Second)},
		Conditions: []metav1.Condition{
			condition(v1alpha1.ConditionReady, v1alpha1.ReasonValid, "The spec is valid and acted on.", metav1.ConditionTrue),
			condition(v1alpha1.ConditionFilled, v1alpha1.ReasonToppingUp, "3 of 4 units are bound.", metav1.ConditionFalse),
		},
	}
	require.Empty(t, cmp.Diff(want, got, cmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })))

	h.Status = got
	again := statusOf(h, count(h, seen, plan{}, done), nil, epoch.Add(time.Hour))
	require.True(t, equality.Semantic.DeepEqual(got, again), "nothing changed, so there is nothing to write")
}

func TestUnitsThatCannotBeTakenAreCountedApart(t *testing.T) {
	away, changed := unitIn(topup.Bound, "n2"), unitIn(topup.Bound, "n3")
	away.unavailable, changed.Nonconforming = "node n2 is not ready", true
	seen := &observation{
		units:   []unit{unitIn(topup.Bound, "n1"), away, changed, unitIn(topup.Pending, "")},
		domains: map[string]string{"n1": "a", "n2": "b", "n3": "c"},
	}
	h := headroomOf(4)
	got := statusOf(h, count(h, seen, plan{}, outcome{}), nil, epoch)
	require.EqualValues(t, 4, got.Replicas)
	require.EqualValues(t, 2, got.ReadyReplicas)
	require.EqualValues(t, 1, got.UnavailableReplicas)
	require.EqualValues(t, 1, got.OutdatedReplicas)
	require.Equal(t, "a:1 c:1", got.Spread.Summary)
	cpu := got.Capacity["cpu"]
	require.Equal(t, "1", cpu.String(), "of two units")
}

func TestOfUnitsOfADaemonSetThatAdmissionChangedAQuarterGoesAtOnce(t *testing.T) {
	var units []unit
	for i := range 9 {
		u := unitIn(topup.Bound, fmt.Sprint("n", i))
		u.Nonconforming = true
		units = append(units, u)
	}
	require.Len(t, nonconforming("", units), 3, "rounded up")
	units[0].State, units[1].State = topup.Pending, topup.Terminating
	require.Len(t, nonconforming("", units), 1, "two are away already")
	require.Empty(t, nonconforming("newer", units), "the DaemonSet's controller replaces them")
	for i := range units {
		units[i].Promised = i > 1
	}
	require.Empty(t, nonconforming("", units), "pods wait for the room")
	for i := range units {
		units[i].Promised = false
		units[i].Nonconforming = false
	}
	require.Empty(t, nonconforming("", units))
}

func TestScaleIsToldOfNoMoreUnitsThanTheSpecAsksFor(t *testing.T) {
	h := headroomOf(2)
	perNode := observation{perNode: []unit{unitIn(topup.Bound, "n1"), unitIn(topup.Bound, "n2"), unitIn(topup.Pending, "")}}
	got := statusOf(h, count(h, &perNode, plan{}, outcome{}), nil, epoch)
	require.EqualValues(t, 3, got.Replicas)
	require.EqualValues(t, 2, got.ScaleReplicas)
	fewer := observation{units: []unit{unitIn(topup.Pending, "")}}
	got = statusOf(h, count(h, &fewer, plan{}, outcome{}), nil, epoch)
	require.EqualValues(t, 1, got.ScaleReplicas)
}

func TestSpreadOverManyDomainsFitsTheAPI(t *testing.T) {
	h := headroomOf(1)
	h.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: "rack"}}
	seen := observation{domains: map[string]string{}}
	for i := range maxDomains + 1 {
		node := fmt.Sprintf("n%04d", i)
		seen.units = append(seen.units, unitIn(topup.Bound, node))
		seen.domains[node] = "r" + node
	}
	spread := statusOf(h, count(h, &seen, plan{}, outcome{}), nil, epoch).Spread
	require.Equal(t, "rack", spread.TopologyKey)
	require.Len(t, spread.Domains, maxDomains)
	require.Len(t, spread.Summary, maxSummary)
	require.True(t, strings.HasPrefix(spread.Summary, "rn0000:1 rn0001:1 "))
}

func TestEventsOf(t *testing.T) {
	with := func(ready, filled string) v1alpha1.HeadroomStatus {
		h := headroomOf(2)
		state := func(reason string) metav1.ConditionStatus {
			if reason == v1alpha1.ReasonValid || reason == v1alpha1.ReasonQuotaShort || reason == v1alpha1.ReasonFilled {
				return metav1.ConditionTrue
			}
			return metav1.ConditionFalse
		}
		h.Status.Conditions = []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: state(ready), Reason: ready, Message: "ready message"},
			{Type: v1alpha1.ConditionFilled, Status: state(filled), Reason: filled, Message: "filled message"},
		}
		return h.Status
	}
	consumer := consumption.Consumption{
		Placeholder: types.NamespacedName{Namespace: "shop", Name: "web-headroom-1"}, Node: "n1",
		Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "api-1"}, UID: "1"},
	}
	two := tally{desired: 2, bound: 1, ready: 1, domains: []v1alpha1.DomainStatus{{Name: "a", ReadyReplicas: 1}, {Name: "b"}}}
	topping, filled := with(v1alpha1.ReasonValid, v1alpha1.ReasonToppingUp), with(v1alpha1.ReasonValid, v1alpha1.ReasonFilled)
	tests := map[string]struct {
		before, after v1alpha1.HeadroomStatus
		created       int
		consumed      []consumption.Consumption
		want          []string
	}{
		"nothing happened":       {before: filled, after: filled},
		"placeholders were made": {before: topping, after: topping, created: 2, want: []string{"Created: Created 2 placeholders"}},
		"one placeholder was made": {
			before: topping, after: topping, created: 1, want: []string{"Created: Created 1 placeholder"},
		},
		"all are bound again":                    {before: topping, after: filled, want: []string{"Refilled: filled message"}},
		"the first look at units that are bound": {after: filled},
		"units wait for room": {
			before: topping, after: with(v1alpha1.ReasonValid, v1alpha1.ReasonWaitingForRoom), want: []string{"CannotFill: filled message"},
		},
		"gates hold units back": {
			before: topping, after: with(v1alpha1.ReasonValid, v1alpha1.ReasonGated), want: []string{"CannotFill: filled message"},
		},
		"no scheduler looks": {
			before: topping, after: with(v1alpha1.ReasonValid, v1alpha1.ReasonNoScheduler), want: []string{"CannotFill: filled message"},
		},
		"kubelets fail units": {
			before: topping, after: with(v1alpha1.ReasonValid, v1alpha1.ReasonUnitsFail), want: []string{"CannotFill: filled message"},
		},
		"the spec is invalid": {
			before: filled, after: with(v1alpha1.ReasonPriorityTooHigh, v1alpha1.ReasonNotReady),
			want: []string{"Invalid: PriorityTooHigh: ready message"},
		},
		"the namespace refuses": {
			before: filled, after: with(v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonNotReady),
			want: []string{"CannotFill: QuotaExceeded: ready message"},
		},
		"the namespace refuses for another reason": {
			before: with(v1alpha1.ReasonAdmissionRefused, v1alpha1.ReasonNotReady), after: with(v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonNotReady),
			want: []string{"CannotFill: QuotaExceeded: ready message"},
		},
		"a quota leaves too little": {
			before: filled, after: with(v1alpha1.ReasonQuotaShort, v1alpha1.ReasonFilled), want: []string{"QuotaShort: ready message"},
		},
		"a quota still leaves too little": {
			before: with(v1alpha1.ReasonQuotaShort, v1alpha1.ReasonFilled), after: with(v1alpha1.ReasonQuotaShort, v1alpha1.ReasonFilled),
		},
		"the namespace still refuses": {
			before: with(v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonNotReady), after: with(v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonNotReady),
		},
		"a pod took one": {
			before: filled, after: filled, consumed: []consumption.Consumption{consumer},
			want: []string{"Consumed: shop/api-1 took web-headroom-1 on node n1. Left: 1 of 2 (a:1 b:0)"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, n := range eventsOf(tc.before, tc.after, two, tc.created, tc.consumed) {
				got = append(got, n.reason+": "+n.note)
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestAHeadroomIsToldOfAsUnparkedWhenItIs(t *testing.T) {
	with := func(reason string) v1alpha1.HeadroomStatus {
		return v1alpha1.HeadroomStatus{Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionFilled, Status: metav1.ConditionFalse, Reason: reason},
		}}
	}
	for name, tc := range map[string]struct {
		parked bool
		want   string
	}{
		"its units are made again":                  {want: EventUnparked},
		"gates hold the probe of a parked one back": {parked: true, want: EventCannotFill},
	} {
		t.Run(name, func(t *testing.T) {
			notices := eventsOf(with(v1alpha1.ReasonAtCeiling), with(v1alpha1.ReasonGated), tally{atCeiling: tc.parked}, 0, nil)
			require.Len(t, notices, 1)
			require.Equal(t, tc.want, notices[0].reason)
		})
	}
}

func TestConsumedEventOfABurstFits(t *testing.T) {
	var burst []consumption.Consumption
	for range 500 {
		burst = append(burst, consumption.Consumption{
			Placeholder: types.NamespacedName{Namespace: "shop", Name: strings.Repeat("p", 63)}, Node: strings.Repeat("n", 253),
			Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: strings.Repeat("s", 63), Name: strings.Repeat("c", 253)}},
		})
	}
	got := consumedEvent(burst, tally{})
	require.LessOrEqual(t, len(got.note), maxNote)
	require.NotNil(t, got.related)

	small := consumedEvent(burst[:1], tally{bound: 1, desired: 1})
	require.NotContains(t, small.note, "more were taken")
	for i := range burst {
		burst[i].Node, burst[i].Placeholder.Name, burst[i].Consumer.Name = "n", "p", ""
	}
	require.Contains(t, consumedEvent(burst, tally{}).note, "495 more were taken")
}

func TestTheEventOfATakeIsRelatedToThatConsumerAndNoLaterPodOfItsName(t *testing.T) {
	got := consumedEvent([]consumption.Consumption{{
		Placeholder: types.NamespacedName{Namespace: "shop", Name: "web-headroom-0"}, Node: "n1",
		Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: "bank", Name: "db-0"}, UID: "uid-db-0"},
	}}, tally{})
	require.Equal(t, &corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "bank", Name: "db-0", UID: "uid-db-0"}, got.related)
}
