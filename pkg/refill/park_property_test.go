package refill

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// cluster has room for some units of a Headroom, and plays the controller and the scheduler.
type cluster struct {
	t       *rapid.T
	memory  Memory
	now     time.Time
	wanted  int
	room    int
	bound   int
	waiting []time.Time // when each that waits was created
	news    int
	boundAt time.Time
	probes  int
	short   bool
}

func (c *cluster) reconcile() Parking {
	s := Scene{
		Now: c.now, Missing: max(0, c.wanted-c.bound), Waiting: len(c.waiting), Bound: c.news, BoundAt: c.boundAt, Probes: c.probes, Short: c.short,
	}
	if len(c.waiting) > 0 {
		s.Oldest = c.waiting[0]
	}
	m, p := Park(parkAfter, c.memory, s)
	c.memory, c.news = m, 0
	for len(c.waiting) > min(p.MaxPending, s.Missing) {
		c.waiting = c.waiting[:len(c.waiting)-1]
	}
	for len(c.waiting) < min(p.MaxPending, s.Missing) {
		c.waiting = append(c.waiting, c.now)
	}
	return p
}

// schedule binds what there is room for.
func (c *cluster) schedule() {
	for len(c.waiting) > 0 && c.bound < c.room {
		c.waiting, c.bound, c.news, c.boundAt = c.waiting[1:], c.bound+1, c.news+1, c.now
	}
}

func newCluster(t *rapid.T) *cluster {
	return &cluster{
		t: t, now: epoch, wanted: rapid.IntRange(0, 300).Draw(t, "wanted"), room: rapid.IntRange(0, 300).Draw(t, "room"),
		probes: rapid.IntRange(0, 4).Draw(t, "probes"),
	}
}

// quiet lets an hour pass in which nothing comes.
func (c *cluster) quiet() {
	for range 60 {
		c.reconcile()
		c.schedule()
		c.now = c.now.Add(time.Minute)
	}
	c.reconcile()
}

func TestAfterAQuietHourOnlyProbesWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t)
		c.quiet()
		require.Equal(t, min(c.wanted, c.room), c.bound, "all that there is room for is bound")
		require.Len(t, c.waiting, min(max(1, c.probes), c.wanted-c.bound))
	})
}

func TestTheRefillDoublesWhenRoomComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t)
		c.quiet()
		if rapid.Bool().Draw(t, "the controller is killed") {
			c.memory = Memory{Parked: c.memory.Parked}
		}
		c.room = c.wanted
		rounds := 0
		for ; c.bound < c.wanted; rounds++ {
			before := len(c.waiting)
			c.schedule()
			c.reconcile()
			if c.bound < c.wanted {
				require.GreaterOrEqual(t, len(c.waiting), min(2*before, c.wanted-c.bound))
			}
			c.now = c.now.Add(time.Second)
			require.Less(t, rounds, 12)
		}
		c.reconcile()
		require.False(t, c.memory.Parked)
	})
}

func TestANewUnitNeverWaitsForLongerThanTenMinutesForPods(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t)
		c.quiet()
		if c.bound == c.wanted {
			return
		}
		c.short, c.room = true, c.wanted
		c.schedule()
		left := yieldAtMost
		for p := c.reconcile(); c.bound < c.wanted && len(c.waiting) == 0; p = c.reconcile() {
			require.Positive(t, p.Recheck)
			c.now = c.now.Add(p.Recheck)
			left -= p.Recheck
			require.GreaterOrEqual(t, left, -time.Second)
		}
	})
}

// TestWhateverHappensNoUnitIsLost has anything happen, and then room come.
func TestWhateverHappensNoUnitIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t)
		t.Repeat(map[string]func(*rapid.T){
			"reconcile": func(*rapid.T) {
				p := c.reconcile()
				require.True(t, p.Parked || p.MaxPending == Unbounded)
				require.True(t, !p.Parked || p.Recheck > 0)
			},
			"schedule":    func(*rapid.T) { c.schedule() },
			"time passes": func(t *rapid.T) { c.now = c.now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "s")) * time.Second) },
			"take": func(t *rapid.T) {
				if c.bound > 0 {
					c.bound--
				}
			},
			"room":  func(t *rapid.T) { c.room = rapid.IntRange(0, 300).Draw(t, "room") },
			"scale": func(t *rapid.T) { c.wanted = rapid.IntRange(0, 300).Draw(t, "wanted") },
			"short": func(t *rapid.T) { c.short = rapid.Bool().Draw(t, "short") },
			"kill": func(*rapid.T) {
				c.memory = Memory{Parked: c.memory.Parked && c.wanted > c.bound}
				c.news = 0
			},
		})
		c.room, c.short = 1000, false
		for range 40 {
			c.reconcile()
			c.schedule()
			c.now = c.now.Add(time.Minute)
		}
		require.GreaterOrEqual(t, c.bound, c.wanted)
	})
}
