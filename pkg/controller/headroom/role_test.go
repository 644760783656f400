package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
)

func TestRoleOf(t *testing.T) {
	by := func(identity string, ago time.Duration) *v1alpha1.ControllerRecord {
		return &v1alpha1.ControllerRecord{Identity: identity, LastWriteTime: metav1.NewTime(epoch.Add(-ago))}
	}
	tests := map[string]struct {
		first, other *v1alpha1.ControllerRecord
		seen         seenFor
		want         role
	}{
		"nobody wrote yet, or a version that wrote no record": {want: role{acts: true}},
		"it was me":                     {first: by("me", time.Hour), want: role{acts: true}},
		"me, and another one just came": {first: by("me", time.Hour), other: by("you", 0), want: role{acts: true, rival: "you", renew: true, again: renewal}},
		"me, and I have just said so":   {first: by("me", 0), other: by("you", 0), want: role{acts: true, rival: "you", again: renewal}},
		"me, and the other one is gone": {first: by("me", 0), other: by("you", 0), seen: seenFor{other: silence}, want: role{acts: true}},
		"another one":                   {first: by("you", 0), want: role{rival: "you", renew: true, again: renewal}},
		"another one that has nothing to write may be there all the same": {
			first: by("you", time.Hour), seen: seenFor{}, want: role{rival: "you", renew: true, again: renewal},
		},
		"another one that I have just asked":          {first: by("you", 0), other: by("me", 0), seen: seenFor{first: 50 * time.Second}, want: role{rival: "you", again: 10 * time.Second}},
		"another one that a third one asks":           {first: by("you", 0), other: by("she", 0), want: role{rival: "you", again: renewal}},
		"another one that is silent":                  {first: by("you", 0), other: by("me", 0), seen: seenFor{first: silence}, want: role{acts: true}},
		"another one whose clock is an hour ahead":    {first: by("you", -time.Hour), seen: seenFor{first: silence}, want: role{acts: true}},
		"me, and another one whose clock is far back": {first: by("me", 0), other: by("you", time.Hour), want: role{acts: true, rival: "you", again: renewal}},
		"me, by a replica whose clock is ahead":       {first: by("me", -time.Hour), other: by("you", 0), want: role{acts: true, rival: "you", renew: true, again: renewal}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			status := &v1alpha1.HeadroomStatus{Controller: tc.first, OtherController: tc.other}
			require.Equal(t, tc.want, roleOf("me", status, tc.seen, epoch))
		})
	}
}

// TestOneOfTwoInstallationsActs runs two of them, with clocks that differ by up to ten minutes and looks at random times: once one acted,
// the other never does while the first goes on looking, and takes over when it has stopped.
func TestOneOfTwoInstallationsActs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		status := &v1alpha1.HeadroomStatus{}
		now := testclock.NewFakeClock(epoch)
		skew := time.Duration(rapid.IntRange(-600, 600).Draw(t, "skew in seconds")) * time.Second
		clocks := map[string]*testclock.FakeClock{"first": testclock.NewFakeClock(epoch), "second": testclock.NewFakeClock(epoch.Add(skew))}
		installs := map[string]*Reconciler{}
		for name, clock := range clocks {
			installs[name] = &Reconciler{Options: Options{Identity: name, Clock: clock}, rivals: newRivals(clock)}
		}
		look := func(name string) bool {
			r := installs[name]
			h := headroomOf(1)
			h.Status = *status
			who := r.roleIn(h)
			switch {
			case who.acts:
				r.addRecords(status, who)
			case who.renew:
				status.OtherController = r.record()
			}
			return who.acts
		}
		step := func(d time.Duration) {
			now.Step(d)
			for _, clock := range clocks {
				clock.Step(d)
			}
		}
		require.True(t, look("first"))
		step(time.Duration(rapid.IntRange(0, 7200).Draw(t, "idle seconds")) * time.Second)
		for range rapid.IntRange(1, 60).Draw(t, "looks") {
			require.False(t, look("second"))
			require.True(t, look("first"), "it is woken by what the second one writes")
			step(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
		}
		for range 5 {
			step(renewal)
			look("second")
		}
		require.True(t, look("second"))
		require.False(t, look("first"), "now it is the later one")
	})
}

func TestRecordsOfOthersWakeTheController(t *testing.T) {
	with := func(first, other string, at int64) *v1alpha1.Headroom {
		h := headroomOf(1)
		h.Status.Controller = &v1alpha1.ControllerRecord{Identity: first, LastWriteTime: metav1.Unix(at, 0)}
		if other != "" {
			h.Status.OtherController = &v1alpha1.ControllerRecord{Identity: other, LastWriteTime: metav1.Unix(at, 0)}
		}
		return h
	}
	p := recordChanged{identity: "me"}
	update := func(before, after *v1alpha1.Headroom) bool {
		return p.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after})
	}
	require.False(t, update(with("me", "", 1), with("me", "", 2)), "its own writes do not")
	require.True(t, update(with("me", "", 1), with("me", "you", 1)))
	require.False(t, update(with("me", "you", 1), with("me", "you", 1)))
	require.True(t, update(with("me", "you", 1), with("me", "you", 2)))
	require.True(t, update(with("me", "", 1), with("you", "", 1)))
	require.False(t, update(with("you", "me", 1), with("you", "me", 1)))
}

func TestAnInstallationThatStandsBackWritesOverNoStatusThatItHasNotSeen(t *testing.T) {
	s := newScene(t, webOf(0))
	s.Identity = "one"
	s.reconcile()
	s.stale = s.headroom()
	touched := s.headroom()
	metav1.SetMetaDataAnnotation(&touched.ObjectMeta, "example.com/touched", "true")
	require.NoError(t, s.api.Update(t.Context(), touched))

	options := s.Options
	options.Identity = "two"
	_, err := New(options).Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
	require.NoError(t, err, "the other one is at work")
	require.Nil(t, s.headroom().Status.OtherController)
}

func TestAnInstallationThatStandsBackTellsOfNoTakeAndKeepsNoPlace(t *testing.T) {
	h := webOf(3)
	h.Status.Controller = &v1alpha1.ControllerRecord{Identity: "another", LastWriteTime: metav1.NewTime(epoch)}
	s := newScene(t, h)
	s.Identity = "me"
	s.wantsMore()
	s.ledger.Departed(web, placeholderOf(h, 0, nil), account.LossAbandoned)
	s.reconcile()
	require.Empty(t, s.writes())
	s.ledger.Snapshot(web, func(open []consumption.Departure) { require.Empty(t, open) })
	require.Zero(t, s.allotments.all[web].missing)
	require.False(t, s.Accounts.Keeps(web))
}

// TestTwoInstallationsGoOnLookingAtEachOther: nothing else tells that one of them is gone.
func TestTwoInstallationsGoOnLookingAtEachOther(t *testing.T) {
	other := &v1alpha1.ControllerRecord{Identity: "another", LastWriteTime: metav1.NewTime(epoch)}
	for name, tc := range map[string]struct {
		status v1alpha1.HeadroomStatus
		acts   bool
	}{
		"who stands back": {status: v1alpha1.HeadroomStatus{Controller: other}},
		"who acts": {status: v1alpha1.HeadroomStatus{
			Controller: &v1alpha1.ControllerRecord{Identity: "me", LastWriteTime: metav1.NewTime(epoch)}, OtherController: other,
		}, acts: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := webOf(1)
			h.Status = tc.status
			s := newScene(t, h, placeholderOf(h, 0, nil))
			s.Identity = "me"
			require.Equal(t, renewal, s.reconcile())
			require.Equal(t, tc.acts, s.Accounts.Keeps(web))
		})
	}
}

func TestThatAnotherInstallationActsIsToldAgainIfItCannotBeWritten(t *testing.T) {
	h := webOf(1)
	h.Status.Controller = &v1alpha1.ControllerRecord{Identity: "another", LastWriteTime: metav1.NewTime(epoch)}
	s := newScene(t, h)
	s.Identity = "me"
	s.answers["report Headroom"] = errBroken
	_, err := s.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
	require.ErrorIs(t, err, errBroken)
	require.ErrorContains(t, err, "writing that another installation acts")
	require.Equal(t, map[string]float64{"status": 1}, s.label("headroom_reconcile_errors_total", "stage"))
	s.answers["report Headroom"] = notFound("web")
	s.reconcile()
	clear(s.answers)
	s.reconcile()
	require.Equal(t, "me", s.headroom().Status.OtherController.Identity)
}

// TestEachStatusSaysWhoWroteItAndWhen: another installation takes over where nothing is written for long.
func TestEachStatusSaysWhoWroteItAndWhen(t *testing.T) {
	s := newScene(t, webOf(0))
	s.Identity = "me"
	for units := range int32(3) {
		s.change(func(spec *v1alpha1.HeadroomSpec) { *spec.Replicas = units })
		s.reconcile()
		record := s.headroom().Status.Controller
		require.Equal(t, "me", record.Identity)
		require.True(t, s.clock.Now().Equal(record.LastWriteTime.Time))
		s.clock.Step(time.Hour)
	}
}
