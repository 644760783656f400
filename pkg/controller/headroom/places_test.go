package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// TestAUnitStandsWhereNoneStandsThatStays: in zones a and b one stands on the highest step, and in c it depends.
func TestAUnitStandsWhereNoneStandsThatStays(t *testing.T) {
	s := onLadder(t, 3)
	of := func(domain string, state topup.State) unit {
		return unit{Unit: topup.Unit{UID: types.UID(domain), State: state, Step: v1alpha1.LadderSteps}, domain: domain}
	}
	free := placeholder.Place{PriorityClassName: "headroom-ladder-10", Domain: "c"}
	taken := placeholder.Place{PriorityClassName: "headroom-ladder-9", Domain: "a"}
	for name, tc := range map[string]struct {
		state           topup.State
		delete, replace bool
		want            placeholder.Place
	}{
		"one that is bound":             {state: topup.Bound, want: taken},
		"one that waits":                {state: topup.Pending, want: taken},
		"one that is deleted":           {state: topup.Bound, delete: true, want: free},
		"one that waits and is deleted": {state: topup.Pending, delete: true, want: free},
		"one that is replaced":          {state: topup.Bound, replace: true, want: free},
		"one that is leaving":           {state: topup.Terminating, want: free},
		"one that is lost":              {state: topup.Lost, want: free},
		"a pod that is no unit":         {state: topup.Foreign, want: free},
	} {
		t.Run(name, func(t *testing.T) {
			h := s.headroom()
			classes, err := s.classesOf(t.Context(), h)
			require.NoError(t, err)
			last := of("c", tc.state)
			seen := &observation{classes: classes, units: []unit{of("a", topup.Bound), of("b", topup.Pending), last}}
			var actions topup.Actions
			if tc.delete {
				actions.Delete = []topup.Deletion{{Old: last.Unit}}
			}
			if tc.replace {
				actions.Replace = []topup.Replacement{{Old: last.Unit, New: topup.Creation{Ordinal: 7}}}
			} else {
				actions.Create = []topup.Creation{{Ordinal: 7}}
			}
			places, err := s.places(t.Context(), h, seen, actions)
			require.NoError(t, err)
			require.Len(t, places, 1)
			require.Equal(t, tc.want, places[7].Place)
		})
	}
}

func TestAUnitIsInTheZoneOfItsNodeAndUntilThenInTheOneItIsMeantFor(t *testing.T) {
	for name, tc := range map[string]struct {
		node   string
		labels map[string]string
		want   string
	}{
		"one that waits":                         {want: "meant"},
		"one on a node in another zone":          {node: "n1", labels: map[string]string{"zone": "a"}, want: "a"},
		"one on a node that is in none":          {node: "n1", labels: map[string]string{}},
		"one on a node of which nothing is told": {node: "n1"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{NodeName: tc.node}}
			pod.Annotations = map[string]string{v1alpha1.AnnotationDomain: "meant"}
			require.Equal(t, tc.want, domainOf(pod, tc.labels, "zone"))
		})
	}
}

// TestOnlyWhoHasALadderIsToldOfIt: nothing of the install is missing where a PriorityClass is that the Headroom names.
func TestOnlyWhoHasALadderIsToldOfIt(t *testing.T) {
	limits := priority.Limits{Max: -1, Min: -10}
	there := step(1)
	one := classes{names: []string{"mine"}}.check(limits)
	require.NotNil(t, one)
	require.NotContains(t, one.Message, "ladder")
	of := classes{names: []string{"mine", there.Name}, values: map[string]*schedulingv1.PriorityClass{there.Name: there}}.check(limits)
	require.Equal(t, one.Reason, of.Reason)
	const advice = " It is a step of the ladder: apply the PriorityClasses of the install, or set spec.ladder: Disabled."
	require.Equal(t, one.Message+advice, of.Message)
}
