package headroom

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/gang"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestWhichOfTwoGroupsHasItsTurnFirst: both were turned away because of a third one, which is given up then.
func TestWhichOfTwoGroupsHasItsTurnFirst(t *testing.T) {
	for name, tc := range map[string]struct {
		// older is the group that was created first, above the one of higher priority.
		older, above string
		want         string
	}{
		"the older one":                         {older: "web", want: "web"},
		"the older one, whatever its name":      {older: "db", want: "db"},
		"the one of higher priority before all": {older: "web", above: "db", want: "db"},
	} {
		t.Run(name, func(t *testing.T) {
			c := withGangs(2, map[string]int{"app": 2})
			holder := c.pending[0]
			members := map[string][]*corev1.Pod{}
			for _, group := range []string{"db", "web"} {
				members[group] = []*corev1.Pod{member1(group, 0), member1(group, 1)}
				for _, pod := range members[group] {
					if group == tc.above {
						pod.Spec.Priority = ptr.To[int32](10)
					}
				}
				c.pending = append(c.pending, members[group]...)
			}
			f := newFixture(t, c)
			f.shared.gangs.Set(podGroup("app", 2))
			for group := range members {
				g := podGroup(group, 2)
				g.Created = builders.Epoch().Add(time.Hour)
				if group == tc.older {
					g.Created = builders.Epoch()
				}
				f.shared.gangs.Set(g)
			}
			first, status := f.schedule(t, holder)
			require.True(t, status.IsWait(), status.Message())
			for _, pods := range members {
				_, status = f.schedule(t, pods[0])
				require.Contains(t, status.Message(), "for group default/app first")
			}
			f.framework.RunReservePluginsUnreserve(t.Context(), first.state, first.pod, first.node)
			require.NoError(t, f.snapshot.ForgetPod(klog.Background(), first.pod))
			second := map[string]string{"db": "web", "web": "db"}[tc.want]

			_, status = f.schedule(t, members[second][0])
			require.Contains(t, status.Message(), "for group default/"+tc.want+" first")
			_, status = f.schedule(t, members[tc.want][0])
			require.True(t, status.IsWait(), status.Message())
		})
	}
}

// TestAGroupThatNeverComesInItsTurnKeepsOthersForAMomentOnly.
func TestAGroupThatNeverComesInItsTurnKeepsOthersForAMomentOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withGangs(2, map[string]int{"app": 2})
		holder := c.pending[0]
		second, third := []*corev1.Pod{member1("db", 0), member1("db", 1)}, []*corev1.Pod{member1("web", 0), member1("web", 1)}
		c.pending = append(append(c.pending, second...), third...)
		f := newFixture(t, c)
		for _, name := range []string{"app", "db", "web"} {
			f.shared.gangs.Set(podGroup(name, 2))
		}
		first, status := f.schedule(t, holder)
		require.True(t, status.IsWait(), status.Message())
		_, status = f.schedule(t, second[0])
		require.Contains(t, status.Message(), "for group default/app first")
		f.framework.RunReservePluginsUnreserve(t.Context(), first.state, first.pod, first.node)
		require.NoError(t, f.snapshot.ForgetPod(klog.Background(), first.pod))
		_, status = f.schedule(t, third[0])
		require.Contains(t, status.Message(), "for group default/db first")
		time.Sleep(gang.Turn - time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		f.activated = nil
		time.Sleep(time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		synctest.Wait()
		require.ElementsMatch(t, []string{"web-0", "web-1"}, f.activated)
		_, status = f.schedule(t, third[0])
		require.True(t, status.IsWait(), status.Message())
	})
}

// TestAGroupWaitsForNoHeadroomThatItMayNotTake: another group holds units that are not for it, and what is for it is too little.
func TestAGroupWaitsForNoHeadroomThatItMayNotTake(t *testing.T) {
	c, shut, open := withGangs(0, map[string]int{"app": 2}), closedHeadroom(), hr("open", "1")
	for _, pod := range c.pending {
		pod.Labels["app"] = "nobody"
	}
	others := []*corev1.Pod{member1("db", 0), member1("db", 1)}
	for _, pod := range others {
		pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	}
	holder := c.pending[0]
	c.pending, c.headrooms = append(c.pending, others...), []*v1alpha1.Headroom{shut}
	c.nodes = []*corev1.Node{
		builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("1")).Obj(),
		avoided(builders.Node("c", "z-1", res("1")).Obj(), corev1.TaintEffectNoSchedule),
	}
	c.pods = []*corev1.Pod{unit(shut, 0, "a").Obj(), unit(shut, 1, "b").Obj(), unit(open, 0, "c").Obj()}
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("app", 2))
	f.shared.gangs.Set(podGroup("db", 2))
	_, status := f.schedule(t, holder)
	require.True(t, status.IsWait(), status.Message())
	_, status = f.schedule(t, others[0])
	require.Contains(t, status.Message(), "with all the headroom that it may take there is none for 1 of them")
}

// TestAGroupTakesNothingOfAHeadroomOfWhichAnotherOneHoldsUnits although there is one more of them, which would waste less.
func TestAGroupTakesNothingOfAHeadroomOfWhichAnotherOneHoldsUnits(t *testing.T) {
	c := withGangs(3, map[string]int{"app": 2})
	holder, large := c.pending[0], hr("large", "2")
	for i, node := range []string{"a", "b"} {
		c.nodes = append(c.nodes, builders.Node(node, "z-1", res("2")).Obj())
		c.pods = append(c.pods, unit(large, i, node).Obj())
	}
	others := []*corev1.Pod{member1("db", 0), member1("db", 1)}
	others[0].Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("2")
	c.pending = append(c.pending, others...)
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("app", 2))
	f.shared.gangs.Set(podGroup("db", 2))
	_, status := f.schedule(t, holder)
	require.True(t, status.IsWait(), status.Message())
	require.Equal(t, []types.NamespacedName{{Namespace: "default", Name: "open"}}, f.shared.attempts.Of(podGroup("app", 2).Name).Headrooms)
	_, status = f.schedule(t, others[0])
	require.True(t, status.IsWait(), status.Message())
	require.Equal(t, []types.NamespacedName{{Namespace: "default", Name: "large"}}, f.shared.attempts.Of(podGroup("db", 2).Name).Headrooms)
}

// TestAGroupIsTriedEverLaterIfItIsGivenUpAgainAndAgain, and not at once, as others have their turn meanwhile.
func TestAGroupIsTriedEverLaterIfItIsGivenUpAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withGangs(2, map[string]int{"web": 2})
		f := newFixture(t, c)
		f.shared.gangs.Set(podGroup("web", 2))
		for _, after := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			done, status := f.schedule(t, c.pending[0])
			require.True(t, status.IsWait(), status.Message())
			f.framework.RunReservePluginsUnreserve(t.Context(), done.state, done.pod, done.node)
			require.NoError(t, f.snapshot.ForgetPod(klog.Background(), done.pod))
			f.activated = nil
			time.Sleep(after - time.Nanosecond) //nolint:forbidigo // the clock is synctest's
			synctest.Wait()
			require.Empty(t, f.activated)
			time.Sleep(time.Nanosecond) //nolint:forbidigo // the clock is synctest's
			synctest.Wait()
			require.ElementsMatch(t, []string{"web-0", "web-1"}, f.activated)
		}
	})
}

// TestAMemberWaitsInPermitUntilTheDeadlineOfItsGroup, which it may reach late.
func TestAMemberWaitsInPermitUntilTheDeadlineOfItsGroup(t *testing.T) {
	for name, tc := range map[string]struct{ late, want time.Duration }{
		"at once":              {want: time.Minute},
		"on the way":           {late: 20 * time.Second, want: 40 * time.Second},
		"at the last moment":   {late: time.Minute - time.Millisecond, want: time.Second},
		"half a second before": {late: time.Minute - 1500*time.Millisecond, want: 1500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := withGangs(2, map[string]int{"web": 2})
				f := newFixture(t, c)
				group := podGroup("web", 2)
				group.Timeout = time.Minute
				f.shared.gangs.Set(group)
				decided, state := f.decided(t, c.pending[0])
				time.Sleep(tc.late) //nolint:forbidigo // the clock is synctest's
				status, waits := f.Permit(t.Context(), state, c.pending[0], decided.place)
				require.True(t, status.IsWait(), status.Message())
				require.Equal(t, tc.want, waits)
			})
		})
	}
}

// TestAMemberOfAGroupThatWasGivenUpDoesNotPassPermit: it has no right to the units any more.
func TestAMemberOfAGroupThatWasGivenUpDoesNotPassPermit(t *testing.T) {
	c := withGangs(2, map[string]int{"web": 2})
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	decided, state := f.decided(t, c.pending[0])
	f.shared.giveUp(t.Context(), decided.member.attempt, "of the test")
	status, _ := f.Permit(t.Context(), state, c.pending[0], decided.place)
	require.True(t, status.IsRejected())
	require.Equal(t, "its group was given up", status.Message())
}

// TestAMemberThatGetsNoHeadroomIsAMissAndIsTriedAgainWhenThatChanges.
func TestAMemberThatGetsNoHeadroomIsAMissAndIsTriedAgainWhenThatChanges(t *testing.T) {
	c := withGangs(1, map[string]int{"web": 2})
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	before := counts(t, "headroom_scheduler_misses_total")["too_small"]
	_, status := f.schedule(t, c.pending[0])
	require.Contains(t, status.Message(), "there is none for 1 of them")
	require.InDelta(t, 1, counts(t, "headroom_scheduler_misses_total")["too_small"]-before, 0)
	f.activated = nil
	f.shared.waker.HeadroomChanged(t.Context(), types.NamespacedName{Namespace: "default", Name: "open"})
	require.Equal(t, activations{"web-0"}, f.activated)
}

// TestAMemberIsToldForHowManyOfThoseThatAreNeededThereIsNoRoom: members beyond those lack nothing, whether sums tell or the look at nodes.
func TestAMemberIsToldForHowManyOfThoseThatAreNeededThereIsNoRoom(t *testing.T) {
	for name, units := range map[string]int{"by the sums": 2, "by what the nodes allow": 3} {
		t.Run(name, func(t *testing.T) {
			c := withGangs(units, map[string]int{"web": 5})
			if units > 2 {
				avoided(c.nodes[2], corev1.TaintEffectNoSchedule)
			}
			f := newFixture(t, c)
			f.shared.gangs.Set(podGroup("web", 3))
			_, status := f.schedule(t, c.pending[0])
			require.Contains(t, status.Message(), "there is none for 1 of them: missing cpu 1")
		})
	}
}

// TestAMemberIsToldHowManyOfItsGroupAreThere, those that run included.
func TestAMemberIsToldHowManyOfItsGroupAreThere(t *testing.T) {
	c := withGangs(1, map[string]int{"web": 2})
	running := member1("web", 2)
	running.Spec.NodeName = "n1"
	c.pending = append(c.pending, running)
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 4))
	require.Equal(t, "3 pods of its group are there, 4 are needed before it takes headroom", f.missed(t, c.pending[0]))
}

// TestTheSwapOfAMemberSaysWhatItsOwnChoiceWastes has a unit of three cores for two members of one.
func TestTheSwapOfAMemberSaysWhatItsOwnChoiceWastes(t *testing.T) {
	c, large := withGangs(0, map[string]int{"web": 2}), hr("large", "3")
	c.nodes = []*corev1.Node{builders.Node("a", "z-1", res("3")).Obj()}
	c.pods = []*corev1.Pod{unit(large, 0, "a").Obj()}
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	var wastes []int64
	for _, pod := range c.pending {
		done, status := f.schedule(t, pod)
		require.NotNil(t, done, status.Message())
		wastes = append(wastes, cycleOf(done.state).swap.Waste)
	}
	require.Positive(t, wastes[0])
	require.Zero(t, wastes[1], "what is left of the unit goes once")
}

// TestTheLastMemberOfTwoGroupsOfOneNameCompletesItsOwn, which is of its namespace.
func TestTheLastMemberOfTwoGroupsOfOneNameCompletesItsOwn(t *testing.T) {
	c := withGangs(2, map[string]int{"web": 2})
	other := member1("web", 0)
	other.Namespace, other.UID = "other", "other"
	c.pending = append(c.pending, other)
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	group := podGroup("web", 2)
	group.Name.Namespace = "other"
	f.shared.gangs.Set(group)
	require.True(t, strings.HasPrefix(f.missed(t, other), "1 pods of its group are there, 2 are needed"))
	_, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	_, status = f.schedule(t, c.pending[1])
	require.True(t, status.IsSuccess(), status.Message())
}

// TestAMemberFindsTheUnitsOfItsNodeAsTheyAreNow: what a swap goes by is the snapshot's, and what went meanwhile is not asked for again.
func TestAMemberFindsTheUnitsOfItsNodeAsTheyAreNow(t *testing.T) {
	c := withGangs(0, map[string]int{"web": 2})
	c.nodes = []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}
	c.pods = []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj(), unit(hr("open", "1"), 1, "a").Obj()}
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	first, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	require.ElementsMatch(t, []string{"open-headroom-0", "open-headroom-1"}, names(cycleOf(first.state).swap.Victims), "all from the node")
	require.NoError(t, f.snapshot.StartMutations())
	require.NoError(t, f.snapshot.RemovePod(klog.Background(), c.pods[0], "a"))
	decided, _ := f.decided(t, c.pending[1])
	require.Equal(t, []string{"open-headroom-1"}, names(decided.swap.Victims))
	require.NoError(t, f.snapshot.EndMutations())
}
