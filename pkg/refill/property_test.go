package refill

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// batch is a Headroom with the policy Once, and those who take its units.
type batch struct {
	wanted, live int
	// total is what the account says, and count what the status says; counting is false until there is a status.
	total    int64
	count    Count
	counting bool
	// open are the units that went and of which nobody knows yet whether they were taken; true: they were.
	open []bool
	// taken and lost are what really happened.
	taken, lost int
}

func (b *batch) reconcile() {
	if !b.counting {
		b.count, b.counting = Count{Before: b.total}, true
		return
	}
	b.count = b.count.Next(b.total)
	d := Decide(Policy{Once: true}, Facts{Wanted: b.wanted, Counting: true, Taken: int(b.count.Taken), Undecided: len(b.open)})
	b.live += max(0, d.Replicas-b.live-d.Hold)
	b.live = min(b.live, d.Replicas) // the surplus goes
}

// TestOnceMeansOnce has pods take units, units be lost, and the ledger find out in any order, late.
func TestOnceMeansOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &batch{wanted: rapid.IntRange(0, 12).Draw(t, "wanted"), total: rapid.Int64Range(0, 1000).Draw(t, "taken before")}
		went := func(taken bool) {
			if b.live == 0 || !b.counting {
				return
			}
			b.live--
			b.open = append(b.open, taken)
			if taken {
				b.taken++
			} else {
				b.lost++
			}
		}
		decide := func(i int) {
			if b.open[i] {
				b.total++
			}
			b.open = append(b.open[:i:i], b.open[i+1:]...)
		}
		t.Repeat(map[string]func(*rapid.T){
			"reconcile": func(*rapid.T) { b.reconcile() },
			"take":      func(*rapid.T) { went(true) },
			"lose":      func(*rapid.T) { went(false) },
			"decide": func(t *rapid.T) {
				if len(b.open) > 0 {
					decide(rapid.IntRange(0, len(b.open)-1).Draw(t, "which"))
				}
			},
			"the account is lost": func(*rapid.T) {
				b.reconcile()
				b.total = 0
				b.reconcile() // a controller reads it when it starts
			},
			"": func(t *rapid.T) {
				require.LessOrEqual(t, b.taken+b.live, b.wanted, "pods could take more than replicas in all")
			},
		})
		for len(b.open) > 0 {
			decide(0)
		}
		b.reconcile()
		b.reconcile()
		require.Equal(t, b.wanted-b.taken, b.live, "those that were lost are made anew")
	})
}

func TestNothingIsHeldForLongerThanTheDelay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		delay := time.Duration(rapid.IntRange(0, 3600).Draw(t, "delay")) * time.Second
		f := Facts{Now: epoch, Wanted: 100}
		for _, ago := range rapid.SliceOfN(rapid.IntRange(-100, 4000), 0, 50).Draw(t, "went") {
			f.Went = append(f.Went, epoch.Add(-time.Duration(ago)*time.Second))
		}
		d := Decide(Policy{Delay: delay}, f)
		for d.Hold > 0 {
			require.Positive(t, d.Recheck)
			require.LessOrEqual(t, d.Recheck, delay)
			f.Now = f.Now.Add(d.Recheck)
			next := Decide(Policy{Delay: delay}, f)
			require.LessOrEqual(t, next.Hold, d.Hold)
			require.Less(t, f.Now.Sub(epoch), delay+200*time.Second)
			d = next
		}
	})
}
