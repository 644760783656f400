package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/refill"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// TestWhyAUnitFailedIsRememberedWhateverElseIsLost: a node that goes says nothing of why others fail.
func TestWhyAUnitFailedIsRememberedWhateverElseIsLost(t *testing.T) {
	onGoneNode := func(pod *corev1.Pod) { pod.Spec.NodeName = "gone" }
	failed := func(pod *corev1.Pod) { pod.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"} }
	for name, changes := range map[string][]func(*corev1.Pod){
		"it is the first": {failed, onGoneNode, onGoneNode},
		"it is the last":  {onGoneNode, onGoneNode, failed},
	} {
		t.Run(name, func(t *testing.T) {
			h := webOf(3)
			s := newScene(t, h)
			for i, change := range changes {
				require.NoError(t, s.api.Create(t.Context(), placeholderOf(h, i, change)))
			}
			s.reconcile()
			require.Len(t, s.writes(), 6, "each is deleted, and another made")
			require.NotNil(t, s.losses.entries[web].problem)
			require.Equal(t, "The kubelet of node n1 says: Evicted", s.losses.entries[web].problem.message)
		})
	}
}

// TestAnOutdatedUnitIsReplacedAlsoWhereAdmissionChangesEachNewOne: it is of another spec all the same.
func TestAnOutdatedUnitIsReplacedAlsoWhereAdmissionChangesEachNewOne(t *testing.T) {
	h := webOf(1)
	s := newScene(t, h, placeholderOf(h, 0, nil))
	s.admit = injected
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Image = "example.com/other" })
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576", "delete Pod web-headroom-0", "create Pod web-headroom-1"}, s.writes())
	status := s.headroom().Status
	require.Equal(t, []int32{1, 1, 0}, []int32{status.Replicas, status.PendingReplicas, status.OutdatedReplicas}, "the old one is gone")
}

// TestUnitsOfARolloutAreMadeBesideThoseThatMayWait: what they replace held room, which comes free for them.
func TestUnitsOfARolloutAreMadeBesideThoseThatMayWait(t *testing.T) {
	created := func(fromRollout ...bool) (creations []topup.Creation) {
		for i, from := range fromRollout {
			creations = append(creations, topup.Creation{Ordinal: i, FromRollout: from})
		}
		return creations
	}
	waits := unit{Unit: topup.Unit{UID: "waits", State: topup.Pending}}
	for name, tc := range map[string]struct {
		units      []unit
		create     []topup.Creation
		mayWait    int
		want       []topup.Creation
		wantQueued int
	}{
		"as many as may wait":                 {create: created(false, false), mayWait: 2, want: created(false, false)},
		"one more":                            {create: created(false, false), mayWait: 1, want: created(false), wantQueued: 1},
		"another waits already":               {units: []unit{waits}, create: created(false), mayWait: 1, wantQueued: 1},
		"those of a rollout":                  {create: created(true, true), mayWait: 1, want: created(true, true)},
		"those of a rollout, while one waits": {units: []unit{waits}, create: created(true, true), mayWait: 1, want: created(true, true)},
		"some of a rollout, which leave the others their place": {
			create: created(true, false), mayWait: 1, want: created(true, false),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, h := hold(topup.Actions{Create: tc.create}, tc.units, refill.Decision{MaxPending: tc.mayWait})
			require.Equal(t, tc.want, got.Create)
			require.Empty(t, got.Delete)
			require.Equal(t, held{queued: tc.wantQueued}, h)
		})
	}
}

// TestParkedUnitsAreToldOnce: those that wait for others to be bound are the same.
func TestParkedUnitsAreToldOnce(t *testing.T) {
	p := plan{held: held{delayed: 2, queued: 3}}
	for parked, want := range map[bool]tally{
		false: {held: held{delayed: 2, queued: 3}},
		true:  {held: held{delayed: 2}, parked: 3, atCeiling: true, refusal: "no more"},
	} {
		seen := &observation{refill: &refilling{parked: parked}}
		if parked {
			seen.refill.refusal = "no more"
		}
		var got tally
		got.addRefill(webOf(10), seen, p)
		require.Equal(t, want, got)
		status := statusOf(webOf(10), got, nil, epoch)
		require.EqualValues(t, 5, status.ScaleReplicas)
		require.EqualValues(t, want.parked, status.ParkedReplicas)
	}
}
