package headroom

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
)

// statusWith is a status with a condition of each kind; an empty reason leaves one out.
func statusWith(ready, filled metav1.Condition) v1alpha1.HeadroomStatus {
	status := v1alpha1.HeadroomStatus{DesiredReplicas: 2}
	ready.Type, filled.Type = v1alpha1.ConditionReady, v1alpha1.ConditionFilled
	for _, c := range []metav1.Condition{ready, filled} {
		if c.Reason != "" {
			status.Conditions = append(status.Conditions, c)
		}
	}
	return status
}

// TestAnEventSaysWhetherTheSpecIsWrongOrTheNamespaceRefusesIt: who reads it has to change the one or the other.
func TestAnEventSaysWhetherTheSpecIsWrongOrTheNamespaceRefusesIt(t *testing.T) {
	for _, tc := range []struct {
		event, action string
		reasons       []string
	}{
		{EventCannotFill, "TopUp", []string{
			v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonAdmissionRefused, v1alpha1.ReasonNamespaceTerminating, v1alpha1.ReasonNameTaken,
			v1alpha1.ReasonAdmissionChanged, v1alpha1.ReasonAnotherController, v1alpha1.ReasonLimitReached, v1alpha1.ReasonNoAccounts,
		}},
		{EventInvalid, "Validate", []string{
			v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonUnknownPriorityClass, v1alpha1.ReasonPriorityTooHigh, v1alpha1.ReasonPriorityTooLow,
			v1alpha1.ReasonPreemptingPriorityClass, v1alpha1.ReasonReservedNotAllowed, v1alpha1.ReasonImageNotAllowed,
			v1alpha1.ReasonSecurityContextNotAllowed, v1alpha1.ReasonShapeUnknown,
		}},
	} {
		for _, reason := range tc.reasons {
			t.Run(reason, func(t *testing.T) {
				after := statusWith(metav1.Condition{Status: metav1.ConditionFalse, Reason: reason, Message: "why"}, metav1.Condition{})
				require.Equal(t, []notice{{kind: "Warning", reason: tc.event, action: tc.action, note: reason + ": why"}},
					eventsOf(v1alpha1.HeadroomStatus{}, after, tally{}, 0, nil))
			})
		}
	}
}

func TestEventsThatSomebodyHasToActOnAreWarnings(t *testing.T) {
	valid := metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonValid}
	short := metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonQuotaShort, Message: "too little is left"}
	filled := metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonFilled, Message: "2 of 2"}
	not := func(reason string) metav1.Condition {
		return metav1.Condition{Status: metav1.ConditionFalse, Reason: reason, Message: "1 of 2"}
	}
	topping := statusWith(valid, not(v1alpha1.ReasonToppingUp))
	none := statusWith(valid, filled)
	none.DesiredReplicas = 0
	expired := tally{expiredAt: epoch.In(time.FixedZone("east", 3600))}
	for name, tc := range map[string]struct {
		before, after v1alpha1.HeadroomStatus
		tally         tally
		created       int
		consumed      []consumption.Consumption
		want          []notice
	}{
		"units are made": {before: topping, after: topping, created: 1, want: []notice{
			{kind: "Normal", reason: "Created", action: "TopUp", note: "Created 1 placeholder"},
		}},
		"a pod of which nothing is known took one": {
			before: topping, after: topping, tally: tally{desired: 2, ready: 1}, consumed: []consumption.Consumption{{Node: "n1"}}, want: []notice{
				{kind: "Normal", reason: "Consumed", action: "Consume", note: "an unknown pod took  on node n1. Left: 1 of 2"},
			},
		},
		"a pod that is gone took one": {
			before: topping, after: topping, tally: tally{desired: 2},
			consumed: []consumption.Consumption{{Node: "n1", Consumer: account.Consumer{UID: "a-b"}}}, want: []notice{
				{kind: "Normal", reason: "Consumed", action: "Consume", note: "the pod with UID a-b took  on node n1. Left: 0 of 2"},
			},
		},
		"the time of the Headroom is over": {before: statusWith(valid, filled), after: statusWith(valid, filled), tally: expired, want: []notice{
			{kind: "Normal", reason: "Expired", action: "TopUp", note: "The units go: spec.refill.ttl ended at 2026-01-01T00:00:00Z"},
		}},
		"it was over before": {before: none, after: none, tally: expired},
		"all are bound again": {before: topping, after: statusWith(valid, filled), tally: tally{desired: 2}, want: []notice{
			{kind: "Normal", reason: "Refilled", action: "TopUp", note: "2 of 2"},
		}},
		"none is wanted any more, which is no refill": {before: topping, after: statusWith(valid, filled)},
		"a quota leaves too little": {before: topping, after: statusWith(short, not(v1alpha1.ReasonToppingUp)), want: []notice{
			{kind: "Warning", reason: "QuotaShort", action: "TopUp", note: "too little is left"},
		}},
		"units find no room": {before: topping, after: statusWith(valid, not(v1alpha1.ReasonWaitingForRoom)), want: []notice{
			{kind: "Warning", reason: "CannotFill", action: "TopUp", note: "1 of 2"},
		}},
		"they are parked for that": {
			before: statusWith(valid, not(v1alpha1.ReasonWaitingForRoom)), after: statusWith(valid, not(v1alpha1.ReasonAtCeiling)),
			tally: tally{atCeiling: true}, want: []notice{{kind: "Normal", reason: "Parked", action: "TopUp", note: "1 of 2"}},
		},
		"they are made again": {before: statusWith(valid, not(v1alpha1.ReasonAtCeiling)), after: topping, want: []notice{
			{kind: "Normal", reason: "Unparked", action: "TopUp", note: "1 of 2"},
		}},
		"a rollout begins": {before: statusWith(valid, filled), after: statusWith(valid, not(v1alpha1.ReasonRollingOut))},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, eventsOf(tc.before, tc.after, tc.tally, tc.created, tc.consumed))
		})
	}
}

// TestANoteIsNoFormat: what others say may have a percent sign.
func TestANoteIsNoFormat(t *testing.T) {
	s := newScene(t, webOf(1))
	s.answers["create Pod"] = apierrors.NewForbidden(podResource, "p", errors.New("exceeded quota: team, 100%d"))
	s.reconcile()
	const note = `QuotaExceeded: creating placeholder web-headroom-0: pods "p" is forbidden: exceeded quota: team, 100%d`
	require.Equal(t, []string{"Warning CannotFill " + note}, s.told(EventCannotFill))
}

func TestOnlyTheFirstFiveOfManyConsumersAreNamed(t *testing.T) {
	var took []consumption.Consumption
	for range namedConsumers {
		took = append(took, consumption.Consumption{Node: "n1", Consumer: account.Consumer{UID: "a"}})
	}
	require.NotContains(t, consumedEvent(took, tally{}).note, "more")
	require.Nil(t, consumedEvent(took, tally{}).related, "no pod is known by its name")
	require.Contains(t, consumedEvent(append(took, took[0]), tally{}).note, "; 1 more were taken. Left: 0 of 0")
}

// TestALoadOfDomainsIsToldWhereThereAreSeveral: of one there is nothing to tell.
func TestALoadOfDomainsIsToldWhereThereAreSeveral(t *testing.T) {
	took := []consumption.Consumption{{Node: "n1"}}
	one := tally{domains: []v1alpha1.DomainStatus{{Name: "a", ReadyReplicas: 1}}}
	require.NotContains(t, consumedEvent(took, one).note, "a:1")
	two := tally{domains: append(one.domains, v1alpha1.DomainStatus{ReadyReplicas: 2})}
	require.Contains(t, consumedEvent(took, two).note, "(a:1 -:2)")
}

// TestTheEventOfSeveralTakesIsRelatedToTheFirstConsumer, which its note names first.
func TestTheEventOfSeveralTakesIsRelatedToTheFirstConsumer(t *testing.T) {
	var took []consumption.Consumption
	for _, name := range []string{"api-0", "api-1", "api-2"} {
		pod := types.NamespacedName{Namespace: "shop", Name: name}
		took = append(took, consumption.Consumption{Node: "n1", Consumer: account.Consumer{NamespacedName: pod, UID: types.UID(name)}})
	}
	got := consumedEvent(took, tally{})
	require.Equal(t, reference(took[0].Consumer.NamespacedName, "api-0"), got.related)
	require.True(t, strings.HasPrefix(got.note, "shop/api-0 took "), got.note)
}
