package topup_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/topup"
)

// drawUnits draws any state that could be observed, reachable or not, as long as no two objects share a name.
func drawUnits(t *rapid.T, zones int) []topup.Unit {
	ordinals := rapid.SliceOfNDistinct(rapid.IntRange(0, 15), 0, 12, rapid.ID[int]).Draw(t, "ordinals")
	var units []topup.Unit
	for i, ordinal := range ordinals {
		u := topup.Unit{
			Name:        fmt.Sprintf("unit-%d", ordinal),
			UID:         types.UID(fmt.Sprintf("old-%d", i)),
			Ordinal:     ordinal,
			State:       topup.State(rapid.IntRange(int(topup.Pending), int(topup.Foreign)).Draw(t, "state")),
			Template:    rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "template"),
			FromRollout: rapid.Bool().Draw(t, "from rollout"),
			Created:     epoch.Add(time.Duration(rapid.IntRange(-9, 0).Draw(t, "created")) * time.Second),
		}
		if rapid.IntRange(0, 9).Draw(t, "misnamed") == 0 {
			u.Name, u.Ordinal = fmt.Sprintf("stranger-%d", i), -1
		}
		if u.State == topup.Bound {
			u.BoundAt = u.Created.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "bound")) * time.Second)
			u.Domains = []string{zoneName(rapid.IntRange(0, zones-1).Draw(t, "zone"))}
		}
		units = append(units, u)
	}
	return units
}

func drawCluster(t *rapid.T) *cluster {
	c := newCluster(t, rapid.IntRange(0, 12).Draw(t, "replicas"), rapid.SliceOfN(rapid.IntRange(0, 3), 1, 3).Draw(t, "free")...)
	c.units = drawUnits(t, len(c.free))
	return c
}

// TestNoPlanTouchesAPromisedUnit, and each one does all that is left.
func TestNoPlanTouchesAPromisedUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		promised, live := 0, 0
		for i := range c.units {
			u := &c.units[i]
			u.Promised = u.State == topup.Bound && rapid.Bool().Draw(t, "promised")
			if u.Promised {
				promised++
			}
			if u.State == topup.Pending || u.State == topup.Bound {
				live++
			}
		}
		actions := c.plan()
		for _, d := range actions.Delete {
			require.False(t, d.Old.Promised, "%s is deleted", d.Old.Name)
			if d.Old.State != topup.Lost {
				live--
			}
		}
		for _, r := range actions.Replace {
			require.False(t, r.Old.Promised, "%s is replaced", r.Old.Name)
		}
		require.LessOrEqual(t, live, max(promised, c.desired.Replicas))
	})
}

// TestPlanIsNeverAboveTargetAndGivesNoNameThatIsInUseOrCoolsDown, whatever happens meanwhile, and however often the controller dies.
func TestPlanIsNeverAboveTargetAndGivesNoNameThatIsInUseOrCoolsDown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		c.grace = rapid.Bool().Draw(t, "grace")
		c.rest = time.Duration(rapid.IntRange(0, 8).Draw(t, "seconds for which names cool down")) * time.Second
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			if rapid.IntRange(0, 5).Draw(t, "spec") == 0 {
				c.desired.Replicas = rapid.IntRange(0, 12).Draw(t, "replicas")
				c.desired.Template = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "template")
			}
			c.disturb(t)
			c.now = c.now.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "seconds")) * time.Second)
			actions := c.plan()
			requireFresh(t, actions, c.units, c.desired.CoolingDown)
			crash := -1
			if rapid.IntRange(0, 3).Draw(t, "crash") == 0 {
				crash = rapid.IntRange(0, 6).Draw(t, "after")
			}
			before := c.live()
			c.apply(actions, crash)
			require.LessOrEqual(t, c.live(), max(before, c.desired.Replicas))
			if crash < 0 {
				require.Equal(t, c.desired.Replicas, c.live())
			}
		}
	})
}

// TestNoPlanGivesANameThatAUnitHasOrHadAMomentAgo draws any units, lost, going and foreign ones among them, and any names that cool down.
func TestNoPlanGivesANameThatAUnitHasOrHadAMomentAgo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		for i := range c.units {
			c.units[i].Nonconforming = rapid.Bool().Draw(t, "nonconforming")
		}
		c.desired.CoolingDown = rapid.SliceOfDistinct(rapid.IntRange(0, 20), rapid.ID[int]).Draw(t, "cooling down")
		c.desired.PendingReplacements = rapid.IntRange(0, 3).Draw(t, "pending replacements")
		c.desired.Surge.Create = rapid.IntRange(0, 3).Draw(t, "surge")
		c.desired.Surge.Keep = c.desired.Surge.Create
		requireFresh(t, topup.Plan(c.desired, c.units), c.units, c.desired.CoolingDown)
	})
}

// TestOrdinalsDoNotGrow has units taken, lost, deleted and rolled out for minutes on end. In the end as many names are in use as there are
// units, and none was ever beyond the most that were in use or cooled down at a time.
func TestOrdinalsDoNotGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		replicas := rapid.IntRange(1, 12).Draw(t, "replicas")
		c := newCluster(t, replicas, 3*replicas)
		c.rest = time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds for which names cool down")) * time.Second
		most := replicas
		for range rapid.IntRange(1, 100).Draw(t, "seconds") {
			c.now = c.now.Add(time.Second)
			if rapid.IntRange(0, 9).Draw(t, "spec") == 0 {
				c.desired.Template = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "template")
			}
			c.disturb(t)
			actions := c.plan()
			most = max(most, len(c.units)+len(c.desired.CoolingDown)+len(actions.Replace)+len(actions.Create))
			c.apply(actions, -1)
			for _, u := range c.units {
				require.Less(t, u.Ordinal, most)
			}
			c.scheduleAll()
		}
		c.settle()

		c.now = c.now.Add(c.rest) // Then each unit goes once, long after the one before.
		for range replicas {
			highest := slices.MaxFunc(c.units, func(a, b topup.Unit) int { return a.Ordinal - b.Ordinal }).Ordinal
			c.delete(c.unitOf(highest))
			c.now = c.now.Add(c.rest)
			c.settle()
			c.now = c.now.Add(c.rest)
		}
		for _, u := range c.units {
			require.Less(t, u.Ordinal, replicas)
		}
	})
}

// TestAPlanThatIsCarriedOutTwiceMakesNothingTwice: what the first one created has the names that the second one would give.
func TestAPlanThatIsCarriedOutTwiceMakesNothingTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		c.grace = rapid.Bool().Draw(t, "grace")
		actions := c.plan()
		c.apply(actions, -1)
		there := map[string]bool{}
		for _, u := range c.units {
			there[u.Name] = true
		}
		old := map[int]bool{}
		for _, r := range actions.Replace {
			old[r.Old.Ordinal] = true
		}
		for _, r := range actions.Replace {
			require.False(t, old[r.New.Ordinal], "a unit of ordinal %d is deleted by the same plan", r.New.Ordinal)
			require.True(t, there[fmt.Sprintf("unit-%d", r.New.Ordinal)])
		}
		for _, n := range actions.Create {
			require.True(t, there[fmt.Sprintf("unit-%d", n.Ordinal)])
		}
	})
}

// requireFresh checks that each unit is touched once, that no new unit gets a name which is in use or cools down, and that none gets a
// higher one than it has to.
func requireFresh(t require.TestingT, actions topup.Actions, units []topup.Unit, coolingDown []int) {
	held := map[int]bool{}
	for _, u := range units {
		if u.Ordinal >= 0 {
			held[u.Ordinal] = true
		}
	}
	limit := len(held) + len(coolingDown) + len(actions.Replace) + len(actions.Create)
	touched := map[types.UID]bool{}
	touch := func(u topup.Unit) {
		require.False(t, touched[u.UID], "%s is touched twice", u.Name)
		require.NotContains(t, []topup.State{topup.Terminating, topup.Foreign}, u.State)
		touched[u.UID] = true
	}
	made := map[int]bool{}
	born := func(n topup.Creation) {
		require.GreaterOrEqual(t, n.Ordinal, 0)
		require.Less(t, n.Ordinal, limit, "lower ones are free")
		require.False(t, made[n.Ordinal], "two units with ordinal %d", n.Ordinal)
		require.False(t, held[n.Ordinal], "ordinal %d is in use", n.Ordinal)
		require.NotContains(t, coolingDown, n.Ordinal)
		made[n.Ordinal] = true
	}
	for _, d := range actions.Delete {
		touch(d.Old)
	}
	for _, r := range actions.Replace {
		touch(r.Old)
		born(r.New)
	}
	for _, n := range actions.Create {
		born(n)
	}
}

func TestPlanConvergesFromAnyObservedState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		for range rapid.IntRange(0, 10).Draw(t, "events") {
			c.disturb(t)
		}
		c.desired.PendingReplacements = rapid.IntRange(0, 3).Draw(t, "pending replacements")
		c.settle()
		require.Equal(t, c.desired.Replicas, c.live())
		require.Zero(t, c.count(topup.Lost))

		for i := range c.free { // An autoscaler, or pods that go.
			c.free[i] += c.desired.Replicas
		}
		c.settle()
		require.Equal(t, c.desired.Replicas, c.count(topup.Bound))
		require.Zero(t, c.outdated())
	})
}

// longerThanSkew is more than the clocks of API servers are taken to be apart.
const longerThanSkew = 3 * time.Second

// One API server's clock is ahead of the other's: what it creates is bound before that, and what it binds is bound after what comes
// later. A rollout ends all the same.
func TestRolloutEndsWithSkewedClocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t, rapid.IntRange(1, 12).Draw(t, "replicas"), rapid.SliceOfN(rapid.IntRange(0, 8), 1, 3).Draw(t, "free")...)
		ahead := time.Duration(rapid.IntRange(0, 2).Draw(t, "seconds ahead")) * time.Second
		c.skew = func() time.Duration { return time.Duration(rapid.IntRange(0, 1).Draw(t, "server")) * ahead }
		c.settle()
		held := c.count(topup.Bound)
		for _, template := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3).Draw(t, "templates") {
			c.desired.Template = template
			for range rapid.IntRange(0, 4).Draw(t, "steps before the next") {
				c.now = c.now.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "seconds")) * time.Second)
				c.reconcile()
				c.scheduleAll()
			}
		}
		c.settle()
		require.Zero(t, c.outdated(), "%+v", c.units)
		require.Equal(t, held, c.count(topup.Bound))
	})
}

// However far the clocks are apart, a unit that is bound has given back the room that was taken for it.
func TestRolloutOfUnitsThatFitEndsHoweverFarClocksAreApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		replicas := rapid.IntRange(1, 12).Draw(t, "replicas")
		c := newCluster(t, replicas, 2*replicas)
		ahead := time.Duration(rapid.IntRange(1, 1000).Draw(t, "seconds ahead")) * time.Second
		c.skew = func() time.Duration { return time.Duration(rapid.IntRange(0, 1).Draw(t, "server")) * ahead }
		c.settle()
		c.desired.Template = "b"
		c.settle()
		require.Zero(t, c.outdated(), "%+v", c.units)
	})
}

// Nonconforming units are replaced as those of an old template are.
func TestUnitsThatDoNotConformAreReplacedStepByStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		replicas := rapid.IntRange(1, 20).Draw(t, "replicas")
		c := newCluster(t, replicas, replicas)
		c.settle()
		for i := range c.units {
			c.units[i].Nonconforming = true
		}
		actions := c.plan()
		require.Len(t, actions.Replace, max(1, replicas/4))
		for _, r := range actions.Replace {
			require.Equal(t, topup.ReasonNonconforming, r.Reason)
			require.True(t, r.New.FromRollout)
		}
		c.settle()
		for _, u := range c.units {
			require.False(t, u.Nonconforming)
		}
	})
}

// The room of a full cluster suffices for a rollout, however much of the Headroom has never had room.
func TestRolloutEndsOnAFullCluster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t, rapid.IntRange(1, 20).Draw(t, "replicas"), rapid.SliceOfN(rapid.IntRange(0, 8), 1, 3).Draw(t, "free")...)
		c.settle()
		held := c.count(topup.Bound)
		for _, template := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3).Draw(t, "templates") {
			c.desired.Template = template
			for range rapid.IntRange(0, 4).Draw(t, "steps before the next") {
				c.now = c.now.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "seconds")) * time.Second)
				c.reconcile()
				for i := range c.units {
					if rapid.Bool().Draw(t, "scheduled") {
						c.schedule(i, rapid.IntRange(0, len(c.free)-1).Draw(t, "zone"))
					}
				}
			}
		}
		c.settle()
		require.Zero(t, c.outdated(), "%+v", c.units)
		require.Equal(t, held, c.count(topup.Bound))
	})
}

// Whatever else happens meanwhile, a rollout takes no more than a quarter and at least one, even if nothing of the new
// template ever fits or is admitted, and if the template changes again before the rollout is through.
func TestRolloutTakesNoMoreThanItsBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t, rapid.IntRange(1, 20).Draw(t, "replicas"), rapid.SliceOfN(rapid.IntRange(0, 8), 1, 3).Draw(t, "free")...)
		c.settle()
		held, budget := c.count(topup.Bound), max(1, c.desired.Replicas/4)
		// A template that comes back within maxSkew finds its own units bound "since" then, and one more may go.
		c.now = c.now.Add(longerThanSkew)
		c.desired.Template = "b"
		if rapid.Bool().Draw(t, "b never fits") {
			c.fitting = map[string]bool{"a": true}
		}
		c.refused = map[string]bool{"b": rapid.Bool().Draw(t, "b is refused")}
		c.grace = rapid.Bool().Draw(t, "grace")
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			c.now = c.now.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "seconds")) * time.Second)
			if rapid.IntRange(0, 9).Draw(t, "spec") == 0 {
				c.desired.Template = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "template")
				c.now = c.now.Add(longerThanSkew)
			}
			crash := -1
			if rapid.IntRange(0, 9).Draw(t, "crash") == 0 {
				crash = rapid.IntRange(0, 6).Draw(t, "after")
			}
			c.apply(c.plan(), crash)
			require.GreaterOrEqual(t, c.count(topup.Bound), held-c.lost-budget-c.forgotten)
			c.disturb(t)
		}
	})
}

func TestPlanDoesNotDependOnTheOrderOfUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		want := c.plan()
		c.units = rapid.Permutation(c.units).Draw(t, "order")
		if diff := cmp.Diff(want, c.plan()); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

func TestPlanLeavesItsInputAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		before := slices.Clone(c.units)
		c.plan()
		require.Equal(t, before, c.units)
	})
}

// The zones differ by at most one more after a scale-down than a perfect spread of what was there would allow: it never
// takes from a zone that has fewer than another one left.
func TestScaleDownKeepsTheSpreadEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t, 0)
		counts := rapid.SliceOfN(rapid.IntRange(0, 6), 2, 4).Draw(t, "zones")
		for zone, n := range counts {
			c.free = append(c.free, 0)
			for range n {
				c.units = append(c.units, unit(len(c.units), topup.Bound, "a", zoneName(zone)))
			}
		}
		c.desired.Replicas = rapid.IntRange(0, len(c.units)).Draw(t, "replicas")
		for _, d := range c.plan().Delete {
			zone := zoneIndex(d.Old)
			require.Equal(t, slices.Max(counts), counts[zone])
			counts[zone]--
		}
	})
}
