package refill

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const parkAfter = 10 * time.Minute

func minute(n int) time.Time { return epoch.Add(time.Duration(n) * time.Minute) }

func TestPark(t *testing.T) {
	waiting := Scene{Missing: 20, Waiting: 20, Oldest: epoch, Probes: 3}
	parked := Memory{Parked: true, Open: 3, Since: epoch}
	with := func(change func(*Scene)) Scene {
		s := waiting
		change(&s)
		return s
	}
	for name, tc := range map[string]struct {
		before Memory
		scene  Scene
		minute int
		want   Parking
		open   int
	}{
		"units have just begun to wait": {scene: waiting, minute: 9, want: Parking{MaxPending: Unbounded, Recheck: time.Minute}},
		"they have waited for too long": {scene: waiting, minute: 10, want: Parking{Parked: true, MaxPending: 3, Recheck: WordsGlance}, open: 3},
		"they have waited for too long, and the clock was put back": {
			before: Memory{Since: minute(60)}, scene: waiting, minute: 10, want: Parking{Parked: true, MaxPending: 3, Recheck: WordsGlance}, open: 3,
		},
		"one was bound in between": {
			scene: with(func(s *Scene) { s.BoundAt = minute(5) }), minute: 10, want: Parking{MaxPending: Unbounded, Recheck: 5 * time.Minute},
		},
		"an autoscaler says that room comes": {
			scene: with(func(s *Scene) { s.Announced = minute(8) }), minute: 10, want: Parking{MaxPending: Unbounded, Recheck: 8 * time.Minute},
		},
		"an autoscaler says so all the time": {
			scene: with(func(s *Scene) { s.Announced = minute(29) }), minute: 30,
			want: Parking{Parked: true, MaxPending: 3, Recheck: WordsGlance}, open: 3,
		},
		"an autoscaler's clock is ahead": {
			scene: with(func(s *Scene) { s.Announced = minute(60) }), minute: 15, want: Parking{MaxPending: Unbounded, Recheck: 10 * time.Minute},
		},
		"there are no domains": {
			scene: with(func(s *Scene) { s.Probes = 0 }), minute: 10, want: Parking{Parked: true, MaxPending: 1, Recheck: WordsGlance}, open: 1,
		},
		"nothing waits": {
			scene: with(func(s *Scene) { s.Waiting = 0 }), minute: 60, want: Parking{MaxPending: Unbounded},
		},
		"parked, and nothing happens": {
			before: parked, scene: with(func(s *Scene) { s.Waiting = 3 }), minute: 60, want: Parking{Parked: true, MaxPending: 3, Recheck: WordsGlance}, open: 3,
		},
		"a probe was bound": {
			before: parked, scene: with(func(s *Scene) { s.Waiting, s.Bound, s.BoundAt = 2, 1, minute(60) }), minute: 60,
			want: Parking{Parked: true, MaxPending: 4, Recheck: WordsGlance}, open: 4,
		},
		"all that were let wait were bound": {
			before: Memory{Parked: true, Open: 8, Since: epoch}, scene: with(func(s *Scene) { s.Waiting, s.Bound, s.BoundAt = 0, 8, minute(60) }), minute: 60,
			want: Parking{Parked: true, MaxPending: 16, Recheck: WordsGlance}, open: 16,
		},
		"as many as are missing may wait": {
			before: Memory{Parked: true, Open: 12, Since: epoch}, scene: with(func(s *Scene) { s.Waiting, s.Bound, s.BoundAt = 4, 8, minute(60) }), minute: 60,
			want: Parking{MaxPending: Unbounded, Recheck: parkAfter},
		},
		"it comes to a halt again": {
			before: Memory{Parked: true, Open: 16, Since: epoch, BoundAt: minute(50)}, scene: with(func(s *Scene) { s.Waiting = 16 }), minute: 60,
			want: Parking{Parked: true, MaxPending: 3, Recheck: WordsGlance}, open: 3,
		},
		"every unit is bound": {
			before: parked, scene: with(func(s *Scene) { s.Missing, s.Waiting, s.Bound = 0, 0, 1 }), minute: 60, want: Parking{MaxPending: Unbounded},
		},
		"pods find no room": {
			before: parked, scene: with(func(s *Scene) { s.Waiting, s.Bound, s.BoundAt, s.Short = 0, 3, minute(60), true }), minute: 60,
			want: Parking{Parked: true, MaxPending: 0, Recheck: yieldGlance}, open: 6,
		},
		"pods find no room, and no new unit is to come": {
			before: parked, scene: with(func(s *Scene) { s.Waiting, s.Short = 3, true }), minute: 60,
			want: Parking{Parked: true, MaxPending: 3, Recheck: WordsGlance}, open: 3,
		},
		"pods find no room, and those that wait are as many as are missing": {
			before: parked, scene: with(func(s *Scene) { s.Missing, s.Waiting, s.Short = 2, 2, true }), minute: 60,
			want: Parking{Parked: true, MaxPending: 3, Recheck: WordsGlance}, open: 3,
		},
		"pods find no room, and units that wait go on waiting": {
			before: parked, scene: with(func(s *Scene) { s.Waiting, s.Short = 2, true }), minute: 60,
			want: Parking{Parked: true, MaxPending: 2, Recheck: yieldGlance}, open: 3,
		},
		"pods find no room for too long": {
			before: Memory{Parked: true, Open: 3, Yielding: minute(50)}, scene: with(func(s *Scene) { s.Waiting, s.Short = 0, true }), minute: 60,
			want: Parking{Parked: true, MaxPending: 3, Recheck: WordsGlance}, open: 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.scene.Now = minute(tc.minute)
			m, got := Park(parkAfter, tc.before, tc.scene)
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.open, m.Open)
			require.Equal(t, tc.want.Parked, m.Parked)
		})
	}
}

func TestNothingIsParkedUnlessTheSpecSaysSo(t *testing.T) {
	m, p := Park(0, Memory{Parked: true, Open: 1, Since: epoch}, Scene{Now: minute(1000), Missing: 9, Waiting: 9, Oldest: epoch})
	require.Equal(t, Memory{}, m)
	require.Equal(t, Parking{MaxPending: Unbounded}, p)
}

func TestAClockThatIsPutBackHasUnitsYieldForTenMinutesAtMost(t *testing.T) {
	scene := Scene{Now: minute(60), Missing: 20, Oldest: epoch, Probes: 3, Short: true}
	m, p := Park(parkAfter, Memory{Parked: true, Open: 3, Yielding: minute(600)}, scene)
	require.Zero(t, p.MaxPending, "they yield")
	scene.Now = scene.Now.Add(yieldAtMost)
	_, p = Park(parkAfter, m, scene)
	require.Equal(t, 3, p.MaxPending)
}

func TestWhatIsRememberedOfUnitsThatWait(t *testing.T) {
	waiting := Scene{Now: minute(60), Missing: 20, Waiting: 2, Oldest: minute(55), Probes: 3}
	with := func(change func(*Scene)) Scene {
		s := waiting
		change(&s)
		return s
	}
	for name, tc := range map[string]struct {
		before, want Memory
		scene        Scene
	}{
		"the first begin to wait":       {scene: waiting, want: Memory{Since: minute(55)}},
		"they wait since the first did": {before: Memory{Since: minute(52)}, scene: waiting, want: Memory{Since: minute(52)}},
		"none waits any more":           {before: Memory{Since: minute(52)}, scene: with(func(s *Scene) { s.Waiting = 0 })},
		"a unit was bound": {
			before: Memory{Since: minute(52)}, scene: with(func(s *Scene) { s.Bound, s.BoundAt = 1, minute(58) }),
			want: Memory{Since: minute(52), BoundAt: minute(58)},
		},
		"one that was bound earlier is seen later": {
			before: Memory{Since: minute(52), BoundAt: minute(58)}, scene: with(func(s *Scene) { s.Bound, s.BoundAt = 1, minute(54) }),
			want: Memory{Since: minute(52), BoundAt: minute(58)},
		},
		"a parked one lacks no more than may wait, and none was bound yet": {
			before: Memory{Parked: true, Open: 3, Since: minute(40)}, scene: with(func(s *Scene) { s.Missing, s.Announced = 2, minute(59) }),
			want: Memory{Parked: true, Open: 3, Since: minute(40)},
		},
		"a parked one that asks for less than it has": {
			before: Memory{Parked: true, Open: 3, Since: minute(1), Yielding: minute(59)}, scene: with(func(s *Scene) { s.Missing, s.Waiting = 0, 0 }),
		},
		"pods that had no room have some": {
			before: Memory{Parked: true, Open: 3, Since: minute(1), Yielding: minute(59)}, scene: waiting,
			want: Memory{Parked: true, Open: 3, Since: minute(1)},
		},
		"of a growing one, none waits": {
			before: Memory{Parked: true, Open: 16, BoundAt: minute(1)}, scene: with(func(s *Scene) { s.Waiting = 0 }),
			want: Memory{Parked: true, Open: 16, BoundAt: minute(1)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := Park(parkAfter, tc.before, tc.scene)
			require.Equal(t, tc.want, m)
		})
	}
}

func TestAGrowingParkedHeadroomIsLookedAtWhenItMayHaveComeToAHalt(t *testing.T) {
	before := Memory{Parked: true, Open: 16, Since: epoch, BoundAt: minute(50).Add(30 * time.Second)}
	scene := Scene{Now: minute(60), Missing: 20, Waiting: 16, Oldest: epoch, Probes: 3}
	_, p := Park(parkAfter, before, scene)
	require.Equal(t, Parking{Parked: true, MaxPending: 16, Recheck: 30 * time.Second}, p)
	scene.Waiting = 0
	_, p = Park(parkAfter, before, scene)
	require.Equal(t, Parking{Parked: true, MaxPending: 16, Recheck: WordsGlance}, p, "nothing waits that could halt")
	before.Open, scene.Waiting = 3, 3
	_, p = Park(parkAfter, before, scene)
	require.Equal(t, Parking{Parked: true, MaxPending: 3, Recheck: WordsGlance}, p, "no fewer may wait than do")
}
