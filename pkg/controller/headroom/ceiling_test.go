package headroom

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/refill"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// TestParkIsToldOfTheUnitsThatAreThere: those that hold room are not missing, and of those that wait the first tells for how long.
func TestParkIsToldOfTheUnitsThatAreThere(t *testing.T) {
	at := func(minute int) time.Time { return epoch.Add(time.Duration(minute) * time.Minute) }
	bound := func(minute int) unit { return unit{Unit: topup.Unit{State: topup.Bound, BoundAt: at(minute)}} }
	waits := func(minute int) unit { return unit{Unit: topup.Unit{State: topup.Pending, Created: at(minute)}} }
	fromRollout := waits(1)
	fromRollout.FromRollout = true
	lost := unit{Unit: topup.Unit{State: topup.Lost, BoundAt: at(50), Created: at(1)}}
	s := newScene(t, webOf(6))
	for name, tc := range map[string]struct {
		units  []unit
		surge  int
		before parkingEntry
		want   refill.Scene
	}{
		"nothing is there": {want: refill.Scene{Missing: 6}},
		"some wait, the oldest in the middle": {
			units: []unit{waits(5), waits(3), waits(4)},
			want:  refill.Scene{Missing: 6, Waiting: 3, Oldest: at(3)},
		},
		"a rollout's take the place of others": {
			units: []unit{fromRollout, waits(5)},
			want:  refill.Scene{Missing: 6, Waiting: 1, Oldest: at(5)},
		},
		"those that hold room are not missing": {
			units: []unit{bound(7), bound(9), bound(8)},
			want:  refill.Scene{Missing: 3, BoundAt: at(9)},
		},
		"one that was bound in the future": {
			units: []unit{bound(7), bound(61)},
			want:  refill.Scene{Missing: 4, BoundAt: at(7)},
		},
		"one that was bound just now":            {units: []unit{bound(60)}, want: refill.Scene{Missing: 5, BoundAt: at(60)}},
		"lost ones hold nothing and do not wait": {units: []unit{lost}, want: refill.Scene{Missing: 6}},
		"others in place of unavailable ones": {
			units: []unit{bound(7)}, surge: 2,
			want: refill.Scene{Missing: 7, BoundAt: at(7)},
		},
		"the cache told of later ones": {
			units: []unit{bound(7)}, before: parkingEntry{bound: 2, boundAt: at(8)},
			want: refill.Scene{Missing: 5, Bound: 2, BoundAt: at(8)},
		},
		"more hold room than should": {
			units: []unit{bound(1), bound(1), bound(1), bound(1), bound(1), bound(1), bound(1)},
			want:  refill.Scene{BoundAt: at(1)},
		},
		"somebody said that room is being added": {before: announced(at(2)), want: refill.Scene{Missing: 6, Announced: at(2)}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.Now = at(60)
			seen := &observation{at: at(60), units: tc.units, surge: topup.Surge{Create: tc.surge}}
			require.Equal(t, tc.want, s.sceneOf(s.headroom(), seen, tc.before))
		})
	}
}

func announced(at time.Time) (e parkingEntry) {
	e.said.Announced = at
	return e
}

func TestAStatusSaysWhetherAHeadroomWasParked(t *testing.T) {
	filled := func(reason string) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionFilled, Status: metav1.ConditionFalse, Reason: reason}}
	}
	for name, tc := range map[string]struct {
		status v1alpha1.HeadroomStatus
		want   bool
	}{
		"not one that says nothing": {},
		"not one of units that wait for room": {
			status: v1alpha1.HeadroomStatus{Conditions: filled(v1alpha1.ReasonWaitingForRoom), PendingReplicas: 3},
		},
		"one of probes alone": {
			status: v1alpha1.HeadroomStatus{Conditions: filled(v1alpha1.ReasonAtCeiling)},
			want:   true,
		},
		"one of parked units, some of which are held": {
			status: v1alpha1.HeadroomStatus{Conditions: filled(v1alpha1.ReasonGated), ParkedReplicas: 1},
			want:   true,
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, wasParked(&tc.status)) })
	}
}

// TestProbesAreForDomainsOfNodesThatUnitsMayBeOn, and one waits as long as there are none, or nobody would learn of the first.
func TestProbesAreForDomainsOfNodesThatUnitsMayBeOn(t *testing.T) {
	s := parkable(t, func(spec *v1alpha1.HeadroomSpec) {
		spec.NodeSelector = map[string]string{"pool": "spare"}
		spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
		}}
	})
	s.passes(10 * time.Minute)
	require.Len(t, s.waiting(), 1)
	for zone, pool := range map[string]string{"b": "spare", "c": "other", "d": "spare"} {
		node := readyNode("node-" + zone)
		node.Labels[corev1.LabelTopologyZone], node.Labels["pool"] = zone, pool
		require.NoError(t, s.api.Create(t.Context(), node))
	}
	s.passes(time.Minute)
	require.Len(t, s.waiting(), 2)
}

// TestAutoscalersAreAskedOnceAMinuteWhileAHeadroomIsParked: the events of a namespace are many, and each question goes to the API server.
func TestAutoscalersAreAskedOnceAMinuteWhileAHeadroomIsParked(t *testing.T) {
	s := parkable(t)
	asked := 0
	s.Live = interceptor.NewClient(s.api, interceptor.Funcs{
		List: func(ctx context.Context, api client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if kindOf(list) == "EventList" {
				asked++
			}
			return api.List(ctx, list, options...)
		},
	})
	s.settle()
	require.Zero(t, asked, "nothing is parked")
	s.passes(10 * time.Minute)
	require.Len(t, s.waiting(), 1)
	first := asked
	require.Positive(t, first)
	s.clock.Step(refill.WordsGlance - 10*time.Second)
	s.settle()
	require.Equal(t, first, asked)
	s.clock.Step(20 * time.Second)
	s.settle()
	require.Equal(t, 2*first, asked)
}
