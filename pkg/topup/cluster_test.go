package topup_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/topup"
)

// cluster is a simulated cluster with one Headroom: it carries plans out as the API server would, and plays scheduler,
// kubelets, autoscaler and consumers.
type cluster struct {
	t       failer
	now     time.Time
	desired topup.Desired
	units   []topup.Unit
	free    []int           // for each zone: units that fit
	fitting map[string]bool // templates that fit a node at all; nil: all do
	refused map[string]bool // templates that admission refuses
	grace   bool            // a deletion leaves a terminating unit behind
	rest    time.Duration   // for how long names cool down
	vacated map[int]time.Time
	births  int
	skew    func() time.Duration // how far the clock of the API server at hand is ahead; nil: there is one clock

	lost      int // units that the cluster took from the Headroom
	forgotten int // replacements that a controller had under way when it died
}

// failer is what the cluster needs of *testing.T and *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newCluster(t failer, replicas int, zones ...int) *cluster {
	return &cluster{
		t: t, now: epoch, desired: topup.Desired{Replicas: replicas, Template: "a"}, free: zones, vacated: map[int]time.Time{},
	}
}

func (c *cluster) plan() topup.Actions {
	c.desired.CoolingDown = c.coolingDown()
	return topup.Plan(c.desired, c.units)
}

// coolingDown are the ordinals that were vacated within the time for which names cool down.
func (c *cluster) coolingDown() []int {
	maps.DeleteFunc(c.vacated, func(_ int, at time.Time) bool { return c.now.Sub(at) >= c.rest })
	return slices.Sorted(maps.Keys(c.vacated))
}

// remove takes a unit out of the cluster.
func (c *cluster) remove(i int) {
	if ordinal := c.units[i].Ordinal; ordinal >= 0 {
		c.vacated[ordinal] = c.now
	}
	c.units = slices.Delete(c.units, i, i+1)
}

// reconcile plans and carries the plan out. It fails the test if the plan would give a unit a name that is in use or cools down.
func (c *cluster) reconcile() topup.Actions {
	c.t.Helper()
	return c.apply(c.plan(), -1)
}

// apply carries out the first steps of a plan, all if steps is negative.
func (c *cluster) apply(actions topup.Actions, steps int) topup.Actions {
	c.t.Helper()
	more := func() bool { steps--; return steps != -1 }
	for _, d := range actions.Delete {
		if !more() {
			return actions
		}
		c.delete(d.Old.UID)
	}
	for _, r := range actions.Replace {
		if !more() {
			return actions
		}
		c.delete(r.Old.UID)
		if r.New.FromRollout {
			c.desired.PendingReplacements++
		}
		if !more() {
			c.crash()
			return actions
		}
		c.create(r.New)
	}
	for _, n := range actions.Create {
		if !more() {
			return actions
		}
		c.create(n)
	}
	return actions
}

// crash makes the controller forget what only it knows.
func (c *cluster) crash() {
	c.forgotten += c.desired.PendingReplacements
	c.desired.PendingReplacements = 0
}

func (c *cluster) create(n topup.Creation) {
	c.t.Helper()
	name := fmt.Sprintf("unit-%d", n.Ordinal)
	for _, u := range c.units {
		if u.Name == name {
			c.t.Fatalf("%s is created although it exists (%v)", name, u)
		}
	}
	if at, ok := c.vacated[n.Ordinal]; ok && c.now.Sub(at) < c.rest {
		c.t.Fatalf("%s is created %s after another unit of that name went", name, c.now.Sub(at))
	}
	if c.refused[c.desired.Template] {
		return
	}
	if n.FromRollout {
		c.desired.PendingReplacements--
	}
	c.births++
	c.units = append(c.units, topup.Unit{
		Name: name, UID: types.UID(fmt.Sprintf("uid-%d", c.births)), Ordinal: n.Ordinal,
		Template: c.desired.Template, FromRollout: n.FromRollout, Created: c.stamp(),
	})
}

func (c *cluster) delete(uid types.UID) {
	c.t.Helper()
	i := slices.IndexFunc(c.units, func(u topup.Unit) bool { return u.UID == uid })
	if i < 0 {
		c.t.Fatalf("%s is deleted although it does not exist", uid)
	}
	switch c.units[i].State {
	case topup.Terminating, topup.Foreign:
		c.t.Fatalf("%v is deleted", c.units[i])
	}
	c.leave(i)
	if c.grace {
		c.units[i].State = topup.Terminating
		return
	}
	c.remove(i)
}

// unitOf is the unit of this ordinal.
func (c *cluster) unitOf(ordinal int) types.UID {
	return c.units[slices.IndexFunc(c.units, func(u topup.Unit) bool { return u.Ordinal == ordinal })].UID
}

// leave frees the room of a unit that is about to change its state.
func (c *cluster) leave(i int) {
	if c.units[i].State == topup.Bound {
		c.free[zoneIndex(c.units[i])]++
	}
}

// schedule binds the i-th pending unit to a zone, if it fits there.
func (c *cluster) schedule(i, zone int) bool {
	u := &c.units[i]
	if u.State != topup.Pending || c.free[zone] == 0 || (c.fitting != nil && !c.fitting[u.Template]) {
		return false
	}
	c.free[zone]--
	u.State, u.Domains, u.BoundAt = topup.Bound, []string{zoneName(zone)}, c.stamp()
	return true
}

// stamp is the time that an API server writes.
func (c *cluster) stamp() time.Time {
	if c.skew == nil {
		return c.now
	}
	return c.now.Add(c.skew())
}

// scheduleAll binds what can be bound, the oldest unit first, into the zone with most room.
func (c *cluster) scheduleAll() {
	for i := range c.units {
		zone := 0
		for z, free := range c.free {
			if free > c.free[zone] {
				zone = z
			}
		}
		c.schedule(i, zone)
	}
}

// settle lets everything take its course until nothing changes. It fails the test if that does not come to an end.
func (c *cluster) settle() {
	c.t.Helper()
	for range 20 + 8*(len(c.units)+c.desired.Replicas) {
		c.now = c.now.Add(time.Second)
		c.finishAll()
		if isEmpty(c.reconcile()) && c.count(topup.Terminating) == 0 {
			before := c.count(topup.Bound)
			if c.scheduleAll(); c.count(topup.Bound) == before {
				return
			}
		}
		c.scheduleAll()
	}
	c.t.Fatalf("the cluster does not come to rest: %+v, next %+v", c.units, c.plan())
}

// finishAll ends what is going.
func (c *cluster) finishAll() {
	for i := len(c.units) - 1; i >= 0; i-- {
		if c.units[i].State == topup.Terminating {
			c.remove(i)
		}
	}
}

func (c *cluster) count(states ...topup.State) int {
	n := 0
	for _, u := range c.units {
		if slices.Contains(states, u.State) {
			n++
		}
	}
	return n
}

func (c *cluster) live() int { return c.count(topup.Pending, topup.Bound) }

func (c *cluster) outdated() int {
	n := 0
	for _, u := range c.units {
		if (u.State == topup.Pending || u.State == topup.Bound) && u.Template != c.desired.Template {
			n++
		}
	}
	return n
}

// disturb does one thing that clusters do to placeholders.
func (c *cluster) disturb(t *rapid.T) {
	if len(c.units) == 0 {
		return
	}
	i := rapid.IntRange(0, len(c.units)-1).Draw(t, "unit")
	u := &c.units[i]
	switch rapid.SampledFrom([]string{"bind", "bind", "bind", "consume", "delete", "fail", "finish", "room"}).Draw(t, "event") {
	case "bind":
		c.schedule(i, rapid.IntRange(0, len(c.free)-1).Draw(t, "zone"))
	case "consume": // Somebody else gets the room.
		if u.State == topup.Bound {
			c.lost++
			c.remove(i)
		}
	case "delete":
		if u.State == topup.Bound || u.State == topup.Pending {
			c.noteLoss(u)
			c.leave(i)
			u.State = topup.Terminating
		}
	case "fail":
		if u.State == topup.Bound || u.State == topup.Pending {
			c.noteLoss(u)
			c.leave(i)
			u.State = topup.Lost
		}
	case "finish":
		if u.State == topup.Terminating {
			c.remove(i)
		}
	case "room":
		c.free[rapid.IntRange(0, len(c.free)-1).Draw(t, "zone")]++
	}
}

// noteLoss counts bound units, and pending ones whose end makes a rollout forget that it took room for them.
func (c *cluster) noteLoss(u *topup.Unit) {
	if u.State == topup.Bound || u.FromRollout {
		c.lost++
	}
}

func zoneName(i int) string { return string(rune('a' + i)) }

func zoneIndex(u topup.Unit) int {
	if len(u.Domains) == 0 || u.Domains[0] == "" {
		return 0
	}
	return int(u.Domains[0][0] - 'a')
}

// isEmpty reports whether there is nothing to do now.
func isEmpty(a topup.Actions) bool { return len(a.Delete)+len(a.Replace)+len(a.Create) == 0 }
