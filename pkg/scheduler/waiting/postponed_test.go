package waiting

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/test/builders"
)

func TestPostponedPodsAreTriedAgainWhenTheirTimeHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		tried := map[types.UID]time.Duration{}
		p := NewPostponed(func(pods map[types.UID]types.NamespacedName) {
			for uid, name := range pods {
				require.Equal(t, types.NamespacedName{Namespace: "ns", Name: string(uid)}, name)
				require.NotContains(t, tried, uid, "each is tried once")
				tried[uid] = time.Since(start)
			}
		})
		defer p.Stop()
		add := func(name string, after time.Duration, nodes ...string) {
			p.Add(builders.Consumer(name, nil).Namespace("ns").UID(name).Obj(), start.Add(after), nodes)
		}
		add("late", 30*time.Second, "a", "b")
		add("early", 3*time.Second, "a")
		add("past", -time.Second)
		add("bound", 3*time.Second)
		add("elsewhere", 30*time.Second, "c")
		p.Forget("bound")

		time.Sleep(5 * time.Second) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		p.Hurry("b")
		time.Sleep(time.Minute) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.Equal(t, map[types.UID]time.Duration{
			"past": time.Second, "early": 3 * time.Second, "late": 5 * time.Second, "elsewhere": 30 * time.Second,
		}, tried)
	})
}

func TestAPodThatIsPostponedAlreadyIsNotPostponedOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		tried := map[types.UID][]time.Duration{}
		p := NewPostponed(func(pods map[types.UID]types.NamespacedName) {
			for uid := range pods {
				tried[uid] = append(tried[uid], time.Since(start))
			}
		})
		defer p.Stop()
		before, later := builders.Consumer("before", nil).UID("before").Obj(), builders.Consumer("new", nil).UID("new").Obj()
		p.Add(before, start.Add(3*time.Second), []string{"a"})
		p.AddIfNone(before, start.Add(5*time.Second))
		p.AddIfNone(later, start.Add(5*time.Second))
		p.AddIfNone(later, start.Add(2*time.Second))
		time.Sleep(time.Minute) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.Equal(t, map[types.UID][]time.Duration{"before": {3 * time.Second}, "new": {5 * time.Second}}, tried)
	})
}

func TestAPostponedPodIsNotHurriedMoreThanOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tried := 0
		var p *Postponed
		again := func() {
			p.Add(builders.Consumer("p", nil).UID("p").Obj(), time.Now().Add(30*time.Second), []string{"a"})
		}
		p = NewPostponed(func(map[types.UID]types.NamespacedName) {
			tried++
			again() // as a pod does from which the room is kept still
		})
		defer p.Stop()
		again()
		for range 1000 {
			p.Hurry("a")
			time.Sleep(10 * time.Millisecond) //nolint:forbidigo // the clock is synctest's
		}
		synctest.Wait()
		require.InDelta(t, 10, tried, 1)
	})
}

// TestAHurryIsNotLostHoweverSoonItComes: within the first second it counts at the end of that, and it makes nothing later.
func TestAHurryIsNotLostHoweverSoonItComes(t *testing.T) {
	for name, tc := range map[string]struct{ due, hurried, want time.Duration }{
		"at once":                                  {due: 30 * time.Second, want: time.Second},
		"within the first second":                  {due: 30 * time.Second, hurried: 500 * time.Millisecond, want: time.Second},
		"when the first second is over":            {due: 30 * time.Second, hurried: time.Second, want: time.Second},
		"later":                                    {due: 30 * time.Second, hurried: 7 * time.Second, want: 7 * time.Second},
		"for one that is due as soon as may be":    {due: time.Second, hurried: 500 * time.Millisecond, want: time.Second},
		"for one whose time has come in any event": {due: 2 * time.Second, hurried: 2*time.Second - 1, want: 2*time.Second - 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var tried []time.Duration
				p := NewPostponed(func(map[types.UID]types.NamespacedName) { tried = append(tried, time.Since(start)) })
				defer p.Stop()
				p.Add(builders.Consumer("p", nil).UID("p").Obj(), start.Add(tc.due), []string{"a"})
				time.Sleep(tc.hurried) //nolint:forbidigo // the clock is synctest's
				p.Hurry("other")
				p.Hurry("a")
				p.Hurry("a")
				time.Sleep(time.Minute) //nolint:forbidigo // the clock is synctest's
				synctest.Wait()
				require.Equal(t, []time.Duration{tc.want}, tried)
			})
		})
	}
}

func TestNoPodIsTriedAgainAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tried := 0
		p := NewPostponed(func(map[types.UID]types.NamespacedName) { tried++ })
		p.Add(builders.Consumer("p", nil).UID("p").Obj(), time.Now(), nil)
		require.Equal(t, 1, p.Len())
		p.Stop()
		require.Zero(t, p.Len())
		time.Sleep(time.Minute) //nolint:forbidigo // the clock is synctest's
		require.Zero(t, tried)
		NewPostponed(nil).Stop() // before any pod was postponed
	})
}
