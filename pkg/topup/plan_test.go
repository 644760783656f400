package topup_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/ladder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// unit is a unit of this ordinal. Bound ones were bound when they were created.
func unit(ordinal int, state topup.State, template string, domains ...string) topup.Unit {
	return topup.Unit{
		Name: fmt.Sprintf("unit-%d", ordinal), UID: types.UID(fmt.Sprintf("uid-%d", ordinal)), Ordinal: ordinal,
		State: state, Template: template, Domains: domains, Created: epoch, BoundAt: epoch,
	}
}

func bound(ordinals ...int) []topup.Unit   { return units(topup.Bound, "a", ordinals...) }
func pending(ordinals ...int) []topup.Unit { return units(topup.Pending, "a", ordinals...) }

func units(state topup.State, template string, ordinals ...int) []topup.Unit {
	var all []topup.Unit
	for _, ordinal := range ordinals {
		all = append(all, unit(ordinal, state, template))
	}
	return all
}

func all(lists ...[]topup.Unit) []topup.Unit {
	var all []topup.Unit
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// summary of Actions: ordinals only, for cases that a person can read.
type summary struct {
	Delete, Replace, Create []int
	// As are the ordinals of those that take the places of Replace.
	As       []int
	Outdated int
}

func summarize(a topup.Actions) summary {
	s := summary{Outdated: a.Outdated}
	for _, d := range a.Delete {
		s.Delete = append(s.Delete, d.Old.Ordinal)
	}
	for _, r := range a.Replace {
		s.Replace, s.As = append(s.Replace, r.Old.Ordinal), append(s.As, r.New.Ordinal)
	}
	for _, n := range a.Create {
		s.Create = append(s.Create, n.Ordinal)
	}
	return s
}

func TestOrdinalsThatCoolDownAreNotGiven(t *testing.T) {
	desired := topup.Desired{Replicas: 4, Template: "a", CoolingDown: []int{0, 2, 3}}
	require.Equal(t, summary{Create: []int{4, 5}}, summarize(topup.Plan(desired, bound(1, 3))))
	lost := units(topup.Lost, "a", 2)
	require.Equal(t, summary{Replace: []int{2}, As: []int{4}, Create: []int{5}}, summarize(topup.Plan(desired, all(bound(1, 3), lost))))
}

func TestPlan(t *testing.T) {
	stranger := topup.Unit{Name: "stranger", UID: "s", Ordinal: -1, State: topup.Bound, Template: "a"}
	for _, tc := range []struct {
		name     string
		replicas int
		units    []topup.Unit
		want     summary
	}{
		{name: "nothing wanted, nothing there"},
		{name: "a negative number of replicas counts as none", replicas: -3, units: bound(0), want: summary{Delete: []int{0}}},
		{name: "all are created under the lowest ordinals", replicas: 3, want: summary{Create: []int{0, 1, 2}}},
		{name: "as many as wanted, nothing to do", replicas: 3, units: all(bound(0, 1), pending(2))},
		{name: "gaps in the ordinals are filled first", replicas: 4, units: bound(1, 3), want: summary{Create: []int{0, 2}}},
		{name: "higher ordinals than replicas are as good as others", replicas: 2, units: bound(5, 9)},
		{
			name: "a terminating unit is replaced at once, under another name", replicas: 2,
			units: all(bound(0), units(topup.Terminating, "a", 1)), want: summary{Create: []int{2}},
		},
		{
			name: "a foreign object keeps its name and does not count", replicas: 2,
			units: all(units(topup.Foreign, "", 0), bound(1)), want: summary{Create: []int{2}},
		},
		{
			name: "a lost unit is replaced at once, under another name", replicas: 3,
			units: all(bound(0, 2), units(topup.Lost, "a", 1)), want: summary{Replace: []int{1}, As: []int{3}},
		},
		{
			name: "a lost unit that is not needed is deleted", replicas: 1,
			units: all(bound(0), units(topup.Lost, "a", 1)), want: summary{Delete: []int{1}},
		},
		{
			name: "lost units first, then those that are missing", replicas: 4,
			units: all(bound(0), units(topup.Lost, "b", 3)), want: summary{Replace: []int{3}, As: []int{1}, Create: []int{2, 4}},
		},
		{
			name: "pending units go first when there are too many", replicas: 2,
			units: all(bound(1, 2, 3), pending(0)), want: summary{Delete: []int{0, 3}},
		},
		{
			name: "also before bound ones of an old template, which hold room", replicas: 2,
			units: all(units(topup.Bound, "old", 1), bound(2), pending(0)), want: summary{Delete: []int{0}, Replace: []int{1}, As: []int{3}},
		},
		{
			name: "among pending ones the highest ordinal goes first", replicas: 1,
			units: pending(0, 1, 2), want: summary{Delete: []int{2, 1}},
		},
		{
			name: "an old template goes before the spread", replicas: 2,
			units: []topup.Unit{
				unit(0, topup.Bound, "old", "z2"), unit(1, topup.Bound, "a", "z1"), unit(2, topup.Bound, "a", "z1"),
			},
			want: summary{Delete: []int{0}},
		},
		{
			name: "of the fullest zone first, then of the fullest host in it, then the highest ordinal", replicas: 3,
			units: []topup.Unit{
				unit(0, topup.Bound, "a", "z1", "h1"), unit(1, topup.Bound, "a", "z1", "h1"), unit(2, topup.Bound, "a", "z1", "h2"),
				unit(3, topup.Bound, "a", "z2", "h3"), unit(4, topup.Bound, "a", "z2", "h4"), unit(5, topup.Bound, "a", "z3", "h5"),
			},
			// z1 3, z2 2, z3 1: of z1, h1 has two. Then z1 2, z2 2, all hosts 1: 4. Then z1.
			want: summary{Delete: []int{1, 4, 2}},
		},
		{
			name: "nodes without the label are one more domain", replicas: 2,
			units: []topup.Unit{unit(0, topup.Bound, "a", "z1"), unit(1, topup.Bound, "a"), unit(2, topup.Bound, "a", "")},
			want:  summary{Delete: []int{2}},
		},
		{
			name: "a unit without a name of ours counts, and goes first of its kind", replicas: 1,
			units: append(bound(7), stranger), want: summary{Delete: []int{-1}},
		},
		{
			name: "lost units are replaced in the order of their numbers, and those that are left are deleted", replicas: 1,
			units: units(topup.Lost, "a", 10, 2), want: summary{Replace: []int{2}, As: []int{0}, Delete: []int{10}},
		},
		{
			name: "a node without the label is a domain if its unit is the last too", replicas: 2,
			units: []topup.Unit{unit(0, topup.Bound, "a", "z1"), unit(1, topup.Bound, "a", "z1"), unit(2, topup.Bound, "a")},
			want:  summary{Delete: []int{1}},
		},
		{
			name: "a zone and a host of one name are two domains", replicas: 1,
			units: []topup.Unit{unit(0, topup.Bound, "a", "z1", "h1"), unit(1, topup.Bound, "a", "z2", "z1")},
			want:  summary{Delete: []int{1}},
		},
		{
			name: "pending units are in no domain, not in that of nodes without the label either", replicas: 2,
			units: all(unavailable(unit(0, topup.Bound, "a"), unit(1, topup.Bound, "a", "z1")), pending(2)),
			want:  summary{Delete: []int{1}},
		},
		{
			name: "a pending unit is on no node that could be unavailable", replicas: 1,
			units: unavailable(unit(0, topup.Bound, "a"), unit(1, topup.Pending, "a")), want: summary{Delete: []int{0}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := summarize(topup.Plan(topup.Desired{Replicas: tc.replicas, Template: "a"}, tc.units))
			require.Empty(t, cmp.Diff(tc.want, got, cmpopts.EquateEmpty()), "(-want +got)")
		})
	}
}

// unavailable are units that no pod could take.
func unavailable(units ...topup.Unit) []topup.Unit {
	for i := range units {
		units[i].Unavailable = true
	}
	return units
}

// promised are bound units whose room pods wait for.
func promised(units ...topup.Unit) []topup.Unit {
	for i := range units {
		units[i].Promised, units[i].Unavailable = true, true
	}
	return units
}

func TestUnitsThatArePromisedStay(t *testing.T) {
	for name, tc := range map[string]struct {
		replicas int
		units    []topup.Unit
		want     summary
	}{
		"others go, although promised ones are unavailable": {
			replicas: 2, units: all(promised(bound(0, 1)...), bound(2, 3)), want: summary{Delete: []int{3, 2}},
		},
		"what is too many stays until it is taken": {
			replicas: 0, units: all(promised(bound(0, 1)...), bound(2)), want: summary{Delete: []int{2}},
		},
		"they count": {replicas: 2, units: all(promised(bound(0)...), bound(1))},
		"a rollout goes on with others": {
			replicas: 4, units: all(promised(units(topup.Bound, "old", 0)...), units(topup.Bound, "old", 1), bound(2, 3)),
			want: summary{Replace: []int{1}, As: []int{4}, Outdated: 1},
		},
		"and waits for them": {
			replicas: 2, units: all(promised(units(topup.Bound, "old", 0)...), bound(1)), want: summary{Outdated: 1},
		},
		"a promise to a unit that is not bound means nothing": {
			replicas: 0, units: promised(pending(0)...), want: summary{Delete: []int{0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := summarize(topup.Plan(topup.Desired{Replicas: tc.replicas, Template: "a"}, tc.units))
			require.Empty(t, cmp.Diff(tc.want, got, cmpopts.EquateEmpty()), "(-want +got)")
		})
	}
}

// Two objects cannot share a name, so one of two units of one ordinal was misread.
func TestTheSecondUnitOfAnOrdinalCountsAsOneWithoutANameOfOurs(t *testing.T) {
	second := unit(0, topup.Bound, "a")
	second.Name, second.UID = "unit-00", "a-second"
	for _, units := range [][]topup.Unit{append(bound(0, 1), second), append([]topup.Unit{second}, bound(0, 1)...)} {
		actions := topup.Plan(topup.Desired{Replicas: 2, Template: "a"}, units)
		require.Len(t, actions.Delete, 1)
		require.Equal(t, second.UID, actions.Delete[0].Old.UID)
		require.Negative(t, actions.Delete[0].Old.Ordinal)
	}
}

func TestOfUnitsThatAreEqualTheLastNameGoesFirstAndThenTheLastUID(t *testing.T) {
	stranger := func(name string, uid types.UID) topup.Unit {
		return topup.Unit{Name: name, UID: uid, Ordinal: -1, State: topup.Bound, Template: "a"}
	}
	actions := topup.Plan(topup.Desired{Replicas: 0, Template: "a"}, []topup.Unit{stranger("a", "2"), stranger("b", "1"), stranger("a", "3")})
	var order []types.UID
	for _, d := range actions.Delete {
		order = append(order, d.Old.UID)
	}
	require.Equal(t, []types.UID{"1", "3", "2"}, order)
}

func TestPlanGivesReasons(t *testing.T) {
	actions := topup.Plan(topup.Desired{Replicas: 1, Template: "a"}, all(bound(0, 1), units(topup.Lost, "a", 2)))
	require.Equal(t, topup.ReasonSurplus, actions.Delete[0].Reason)
	require.Equal(t, topup.ReasonLost, actions.Delete[1].Reason)

	actions = topup.Plan(topup.Desired{Replicas: 2, Template: "b"}, all(bound(0), units(topup.Lost, "a", 2)))
	require.Equal(t, topup.ReasonLost, actions.Replace[0].Reason)
	require.Equal(t, topup.ReasonOutdated, actions.Replace[1].Reason)

	for template, want := range map[string]topup.Reason{"a": topup.ReasonNonconforming, "old": topup.ReasonOutdated} {
		for _, state := range []topup.State{topup.Pending, topup.Bound} {
			changed := unit(0, state, template)
			changed.Nonconforming = true
			actions = topup.Plan(topup.Desired{Replicas: 1, Template: "a"}, []topup.Unit{changed})
			require.Len(t, actions.Replace, 1)
			require.Equal(t, want, actions.Replace[0].Reason, "one that was changed at admission, of template %s", template)
			require.Equal(t, state == topup.Bound, actions.Replace[0].New.FromRollout)
		}
	}
}

// TestAReplacementTakesRoomOnWhicheverStepItStands: what a rollout took is counted, or it would take too much at once.
func TestAReplacementTakesRoomOnWhicheverStepItStands(t *testing.T) {
	for _, step := range []int{0, 1, 2, 7} {
		for _, state := range []topup.State{topup.Pending, topup.Bound} {
			old := unit(0, state, "old")
			old.Step = step
			actions := topup.Plan(topup.Desired{Replicas: 1, Template: "a"}, []topup.Unit{old})
			require.Len(t, actions.Replace, 1)
			require.Equal(t, state == topup.Bound, actions.Replace[0].New.FromRollout, "%v, on step %d", state, step)
		}
	}
}

func TestRolloutSteps(t *testing.T) {
	later := epoch.Add(time.Minute)
	fromRollout := func(ordinal int, state topup.State, template string) topup.Unit {
		u := unit(ordinal, state, template)
		u.FromRollout, u.Created, u.BoundAt = true, later, later
		return u
	}
	boundLater := func(ordinal int) topup.Unit {
		u := unit(ordinal, topup.Bound, "b")
		u.BoundAt = later.Add(time.Second)
		return u
	}
	for _, tc := range []struct {
		name                string
		pendingReplacements int
		units               []topup.Unit
		want                summary
	}{
		{name: "one of four at a time", units: bound(0, 1, 2, 3), want: summary{Replace: []int{3}, As: []int{4}, Outdated: 3}},
		{
			name: "two of eight at a time", units: bound(0, 1, 2, 3, 4, 5, 6, 7),
			want: summary{Replace: []int{7, 6}, As: []int{8, 9}, Outdated: 6},
		},
		{
			name: "one of seven at a time, a quarter is rounded down", units: bound(0, 1, 2, 3, 4, 5, 6),
			want: summary{Replace: []int{6}, As: []int{7}, Outdated: 6},
		},
		{name: "the only unit is replaced too", units: bound(0), want: summary{Replace: []int{0}, As: []int{1}}},
		{
			name:  "pending ones are replaced all at once, and do not count as unavailable",
			units: all(bound(0), pending(1, 2, 3)), want: summary{Replace: []int{1, 2, 3, 0}, As: []int{4, 5, 6, 7}},
		},
		{
			name:  "the next one waits while the one before is pending",
			units: all(bound(0, 1, 2), []topup.Unit{fromRollout(3, topup.Pending, "b")}), want: summary{Outdated: 3},
		},
		{
			name:  "the next one goes when the one before is bound",
			units: all(bound(0, 1, 2), []topup.Unit{fromRollout(3, topup.Bound, "b")}), want: summary{Replace: []int{2}, As: []int{4}, Outdated: 2},
		},
		{
			name:  "a unit that never had room does not hold up the rollout",
			units: all(bound(0, 1, 2), units(topup.Pending, "b", 3)), want: summary{Replace: []int{2}, As: []int{4}, Outdated: 2},
		},
		{
			name:  "another unit of the new template in its room is as good",
			units: all(bound(0, 1), []topup.Unit{fromRollout(2, topup.Pending, "b"), boundLater(3)}),
			want:  summary{Replace: []int{1}, As: []int{4}, Outdated: 1},
		},
		{
			name:  "a unit that was bound before is not",
			units: all(bound(0, 1), []topup.Unit{fromRollout(2, topup.Pending, "b"), unit(3, topup.Bound, "b")}), want: summary{Outdated: 2},
		},
		{
			name:  "nor is one that gives back its own room only",
			units: all(bound(0, 1), []topup.Unit{fromRollout(2, topup.Pending, "b"), fromRollout(3, topup.Bound, "b")}), want: summary{Outdated: 2},
		},
		{
			name:  "those of the new template count among those of which a quarter goes",
			units: all(bound(0, 1, 2, 3), units(topup.Bound, "b", 4, 5, 6, 7)), want: summary{Replace: []int{3, 2}, As: []int{8, 9}, Outdated: 2},
		},
		{
			name: "of a zone with more bound units, which pending ones are not",
			units: []topup.Unit{
				unit(0, topup.Bound, "a"), unit(1, topup.Bound, "a", "z1"), unit(2, topup.Bound, "a", "z1"), unit(3, topup.Pending, "b"),
				unit(4, topup.Pending, "b"),
			},
			want: summary{Replace: []int{2}, As: []int{5}, Outdated: 2},
		},
		{
			name:  "a rollout in the middle of a rollout takes over what is unavailable",
			units: all(bound(0, 1, 2), []topup.Unit{fromRollout(3, topup.Pending, "c")}), want: summary{Replace: []int{3}, As: []int{4}, Outdated: 3},
		},
		{
			name: "what it and the one before took counts together",
			units: all(bound(0, 1, 2, 3, 4, 5, 6, 7), []topup.Unit{
				fromRollout(8, topup.Pending, "b"), fromRollout(9, topup.Pending, "c"),
			}),
			want: summary{Replace: []int{9}, As: []int{10}, Outdated: 8},
		},
		{
			name:  "of room that was taken a quarter may go too",
			units: all(bound(0, 1, 2, 3, 4, 5, 6), []topup.Unit{fromRollout(7, topup.Pending, "b")}),
			want:  summary{Replace: []int{6}, As: []int{8}, Outdated: 6},
		},
		{
			name:                "a replacement that is refused holds up the rollout",
			pendingReplacements: 1, units: bound(0, 1, 2), want: summary{Create: []int{3}, Outdated: 3},
		},
		{
			name:  "units that are missing for other reasons do not",
			units: bound(0, 1, 2), want: summary{Replace: []int{2}, As: []int{4}, Create: []int{3}, Outdated: 2},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			desired := topup.Desired{Replicas: max(4, len(tc.units)), Template: "b", PendingReplacements: tc.pendingReplacements}
			if len(tc.units) == 1 {
				desired.Replicas = 1
			}
			got := summarize(topup.Plan(desired, tc.units))
			require.Empty(t, cmp.Diff(tc.want, got, cmpopts.EquateEmpty()), "(-want +got)")
		})
	}
}

func TestRolloutMarksWhatItTakes(t *testing.T) {
	actions := topup.Plan(topup.Desired{Replicas: 2, Template: "b"}, all(bound(0), pending(1)))
	require.False(t, actions.Replace[0].New.FromRollout, "the pending one held no room")
	require.True(t, actions.Replace[1].New.FromRollout, "the bound one did")

	actions = topup.Plan(topup.Desired{Replicas: 3, Template: "b", PendingReplacements: 1}, nil)
	require.True(t, actions.Create[0].FromRollout)
	require.False(t, actions.Create[1].FromRollout)
}

// TestScalingDownKeepsUnitsOnTheHighestStepsOfTheirZones begins with units on steps as pkg/ladder gives them.
func TestScalingDownKeepsUnitsOnTheHighestStepsOfTheirZones(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zones, steps := rapid.IntRange(1, 4).Draw(t, "zones"), rapid.IntRange(1, 10).Draw(t, "steps")
		keys := rapid.IntRange(1, 2).Draw(t, "topology keys")
		names := make([]string, zones)
		for i := range names {
			names[i] = zoneName(i)
		}
		before := rapid.IntRange(0, 60).Draw(t, "before")
		var units []topup.Unit
		for i, place := range ladder.Places(steps, before, names, nil) {
			u := unit(i, topup.Bound, "a", []string{place.Domain, fmt.Sprint("host-", i%7)}[:keys]...)
			u.Step = place.Step
			units = append(units, u)
		}
		after := rapid.IntRange(0, before).Draw(t, "after")
		order := rapid.Permutation(units).Draw(t, "order")
		gone := map[types.UID]bool{}
		for _, deletion := range topup.Plan(topup.Desired{Replicas: after, Template: "a"}, order).Delete {
			gone[deletion.Old.UID] = true
		}

		got, want := map[ladder.Place]int{}, map[ladder.Place]int{}
		perZone := map[string]int{}
		for _, u := range units {
			if !gone[u.UID] {
				got[ladder.Place{Domain: u.Domains[0], Step: u.Step}]++
				perZone[u.Domains[0]]++
			}
		}
		for zone, n := range perZone {
			for _, place := range ladder.Places(steps, n, []string{zone}, nil) {
				want[place.Place]++
			}
		}
		require.Equal(t, want, got, "as if so many had been made")
	})
}

func TestAUnitOnNoStepGoesBeforeThoseOnSteps(t *testing.T) {
	on := func(ordinal, step int) topup.Unit {
		u := unit(ordinal, topup.Bound, "a", "a")
		u.Step = step
		return u
	}
	actions := topup.Plan(topup.Desired{Replicas: 2, Template: "a"}, []topup.Unit{on(0, 0), on(1, 1), on(2, 2)})
	require.Equal(t, summary{Delete: []int{0}}, summarize(actions))
}

// A promised unit holds its room until it is taken, so its zone is as full as any other until then.
func TestScalingDownCountsPromisedUnitsToTheirZones(t *testing.T) {
	in := func(zone string, units ...topup.Unit) []topup.Unit {
		for i := range units {
			units[i].Domains = []string{zone}
		}
		return units
	}
	plan := topup.Plan(topup.Desired{Replicas: 4, Template: "a"}, all(in("a", promised(bound(0, 1)...)...), in("a", bound(2)...), in("b", bound(3, 4)...)))
	require.Equal(t, summary{Delete: []int{2}}, summarize(plan), "so that two stay in each")
}
