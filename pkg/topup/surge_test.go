package topup_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/topup"
)

// surging plays one Headroom whose nodes come and go, second by second.
type surging struct {
	now      time.Time
	memory   topup.SurgeMemory
	replicas int
	units    []topup.Unit
}

func newSurging(replicas int) *surging {
	s := &surging{now: epoch, replicas: replicas, units: bound()}
	for i := range replicas {
		s.units = append(s.units, unit(i, topup.Bound, "a"))
	}
	return s
}

func (s *surging) unavailable(ordinals ...int) {
	for i := range s.units {
		s.units[i].Unavailable = false
	}
	for _, i := range ordinals {
		s.units[i].Unavailable = true
	}
}

// after decides again after a time.
func (s *surging) after(d time.Duration) topup.Surge {
	s.now = s.now.Add(d)
	var surge topup.Surge
	s.memory, surge = topup.NextSurge(s.memory, s.now, s.replicas, s.units)
	return surge
}

func TestSurgeComesAfterAMinuteWithoutABreak(t *testing.T) {
	s := newSurging(4)
	s.unavailable(1)
	require.Equal(t, topup.Surge{Recheck: time.Minute}, s.after(0))
	require.Equal(t, topup.Surge{Recheck: time.Second}, s.after(59*time.Second))
	require.Equal(t, topup.Surge{Create: 1, Keep: 1}, s.after(time.Second))
}

func TestSurgeGoesFiveMinutesAfterTheUnitsCameBack(t *testing.T) {
	s := newSurging(8)
	s.unavailable(1, 2)
	s.after(0)
	require.Equal(t, topup.Surge{Create: 2, Keep: 2}, s.after(time.Minute))
	s.unavailable()
	require.Equal(t, topup.Surge{Keep: 2, Recheck: 5 * time.Minute}, s.after(time.Hour))
	require.Equal(t, topup.Surge{Keep: 2, Recheck: time.Second}, s.after(299*time.Second))
	require.Equal(t, topup.Surge{}, s.after(time.Second))
}

func TestSurgeGoesFiveMinutesAfterTheLastUnitCameBack(t *testing.T) {
	s := newSurging(8)
	s.unavailable(1, 2)
	s.after(0)
	s.after(time.Minute)
	s.unavailable(2)
	require.Equal(t, topup.Surge{Create: 1, Keep: 2, Recheck: 5 * time.Minute}, s.after(0))
	s.unavailable()
	require.Equal(t, topup.Surge{Keep: 2, Recheck: 5 * time.Minute}, s.after(3*time.Minute))
	require.Equal(t, topup.Surge{Keep: 2, Recheck: 3 * time.Minute}, s.after(2*time.Minute), "it began anew")
}

func TestASurgeFallsToWhatIsStillUnavailable(t *testing.T) {
	s := newSurging(8)
	s.unavailable(1, 2)
	s.after(0)
	s.after(time.Minute)
	s.unavailable(2)
	s.after(0)
	require.Equal(t, topup.Surge{Create: 1, Keep: 2, Recheck: time.Second}, s.after(299*time.Second))
	require.Equal(t, topup.Surge{Create: 1, Keep: 1}, s.after(time.Second))
}

func TestNoSurgeForUnitsThatHoldNoRoom(t *testing.T) {
	for _, state := range []topup.State{topup.Pending, topup.Terminating, topup.Lost, topup.Foreign} {
		s := newSurging(4)
		s.unavailable(0, 1, 2, 3)
		for i := range s.units {
			s.units[i].State = state
		}
		require.Equal(t, topup.Surge{}, s.after(0))
		require.Equal(t, topup.Surge{}, s.after(time.Hour))
	}
}

func TestSurgeIsAtMostAQuarterAndAtLeastOne(t *testing.T) {
	for replicas, want := range map[int]int{0: 0, 1: 1, 3: 1, 4: 1, 8: 2, 20: 5} {
		s := newSurging(replicas)
		for i := range s.units {
			s.units[i].Unavailable = true
		}
		s.after(0)
		require.Equal(t, want, s.after(time.Hour).Create, "%d replicas", replicas)
	}
}

func TestASurgeIsNoLargerThanAScaledDownHeadroomAllows(t *testing.T) {
	s := newSurging(20)
	s.unavailable(0, 1, 2, 3, 4)
	s.after(0)
	require.Equal(t, topup.Surge{Create: 5, Keep: 5}, s.after(time.Minute))
	s.replicas = 4
	require.Equal(t, topup.Surge{Create: 1, Keep: 1}, s.after(time.Second), "a quarter of 4, and none is kept beyond")
	s.replicas = 0
	require.Equal(t, topup.Surge{}, s.after(time.Second))
}

func TestNoSurgeForNodesThatAnAutoscalerTakesAway(t *testing.T) {
	s := newSurging(12)
	s.unavailable(0, 1, 2)
	for i := range s.units {
		s.units[i].NodeLeaving = s.units[i].Unavailable
	}
	s.after(0)
	require.Equal(t, topup.Surge{}, s.after(time.Hour))
}

func TestANodeThatFlapsMakesNoExtraUnit(t *testing.T) {
	s := newSurging(12)
	for range 100 { // not ready for 30 s every 2 min
		s.unavailable(0, 1, 2)
		require.Zero(t, s.after(time.Second).Keep)
		require.Zero(t, s.after(29*time.Second).Keep)
		s.unavailable()
		require.Zero(t, s.after(time.Second).Keep)
		require.Zero(t, s.after(89*time.Second).Keep)
	}
}

func TestRestartWaitsAnew(t *testing.T) {
	s := newSurging(4)
	s.unavailable(0)
	s.after(0)
	s.after(time.Minute)
	s.memory = topup.SurgeMemory{}
	require.Zero(t, s.after(time.Second).Create)
	require.Equal(t, 1, s.after(time.Minute).Create)
}

func TestClockThatGoesBackSurgesNoSooner(t *testing.T) {
	s := newSurging(4)
	s.unavailable(0)
	s.after(0)
	s.after(-time.Hour)
	require.Zero(t, s.after(59*time.Second).Create)
	require.Equal(t, 1, s.after(time.Second).Create)
}

// Whatever the nodes do, a surge is within its bounds, kept no shorter than asked for, and its Recheck is in time: looking every
// second finds nothing that looking when told to would miss.
func TestSurgeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		often, told := newSurging(rapid.IntRange(0, 12).Draw(t, "replicas")), &surging{}
		*told = *often
		var look time.Time
		longest := map[types.UID]int{} // seconds for which each unit is unavailable, without a break
		var last topup.Surge
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			var down []int
			for i := range often.units {
				if rapid.Bool().Draw(t, fmt.Sprintf("unit %d is unavailable", i)) {
					down = append(down, i)
				}
			}
			often.unavailable(down...)
			if rapid.Bool().Draw(t, "it is scaled") {
				often.replicas = rapid.IntRange(0, 12).Draw(t, "to")
			}
			told.units, told.replicas, look = often.units, often.replicas, often.now
			for range rapid.IntRange(1, 400).Draw(t, "seconds") {
				got := often.after(time.Second)
				overdue := 0
				for _, u := range often.units {
					if !u.Unavailable {
						delete(longest, u.UID)
						continue
					}
					longest[u.UID]++
					if longest[u.UID] > 60 {
						overdue++
					}
				}
				limit := 0
				if often.replicas > 0 {
					limit = max(1, often.replicas/4)
				}
				require.Equal(t, min(overdue, limit), got.Create)
				require.LessOrEqual(t, got.Create, got.Keep)
				require.LessOrEqual(t, got.Keep, limit)
				if look = told.lookAt(look, often.now, &last); last.Create != got.Create || last.Keep != got.Keep {
					t.Fatalf("at %s: %+v, and %+v for who waits as long as told", often.now, got, last)
				}
			}
		}
	})
}

// lookAt decides at now if it is time, and returns when it is next.
func (s *surging) lookAt(next, now time.Time, last *topup.Surge) time.Time {
	if now.Before(next) {
		return next
	}
	s.now = now
	*last = s.after(0)
	if last.Recheck == 0 {
		return now.Add(24 * time.Hour)
	}
	return now.Add(last.Recheck)
}

func TestWhatIsKeptOfASurgeIsNotMadeAnew(t *testing.T) {
	desired := topup.Desired{Replicas: 3, Template: "a", Surge: topup.Surge{Create: 1, Keep: 2}}
	require.Equal(t, summary{Create: []int{2, 3}}, summarize(topup.Plan(desired, bound(0, 1))))
	require.Equal(t, summary{}, summarize(topup.Plan(desired, bound(0, 1, 2, 3))))
	require.Equal(t, summary{}, summarize(topup.Plan(desired, bound(0, 1, 2, 3, 4))))
}

func TestASurgeBesideANegativeNumberOfReplicasIsBesideNone(t *testing.T) {
	desired := topup.Desired{Replicas: -3, Template: "a", Surge: topup.Surge{Create: 1, Keep: 1}}
	require.Equal(t, summary{Create: []int{0}}, summarize(topup.Plan(desired, nil)))
}

func TestPlanMakesAndKeepsASurge(t *testing.T) {
	down := unit(1, topup.Bound, "a")
	down.Unavailable = true
	desired := topup.Desired{Replicas: 3, Template: "a", Surge: topup.Surge{Create: 1, Keep: 1}}
	require.Equal(t, summary{Create: []int{3}}, summarize(topup.Plan(desired, append(bound(0, 2), down))))
	require.Equal(t, summary{}, summarize(topup.Plan(desired, append(bound(0, 2, 3), down))))

	desired.Surge = topup.Surge{Keep: 1}
	require.Equal(t, summary{}, summarize(topup.Plan(desired, append(bound(0, 2, 3), down))), "it stays for a while")
	require.Equal(t, summary{Delete: []int{4}}, summarize(topup.Plan(desired, bound(0, 1, 2, 3, 4))), "and no more than it")

	desired.Surge = topup.Surge{}
	require.Equal(t, summary{Delete: []int{1}}, summarize(topup.Plan(desired, append(all(bound(0, 2), pending(3)), down))),
		"the unavailable one goes first")
}
