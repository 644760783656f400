package headroom

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1beta1 "k8s.io/api/scheduling/v1beta1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// fullNodes are nodes of one core, each full of a unit of a Headroom, and the members of a group that want a core each.
func fullNodes(h *v1alpha1.Headroom, units, size int) (c cluster, members []*corev1.Pod) {
	c.headrooms = []*v1alpha1.Headroom{h}
	for i := range units {
		node := fmt.Sprintf("n%d", i)
		c.nodes = append(c.nodes, builders.Node(node, "z-1", res("1")).Obj())
		c.pods = append(c.pods, unit(h, i, node).Obj())
	}
	for i := range size {
		name := fmt.Sprintf("m%d", i)
		members = append(members, wants("1").Name(name).UID(name).Obj())
	}
	c.pending = members
	return c, members
}

func TestEachPodOfAGroupTakesHeadroomInTheCycleOfTheGroup(t *testing.T) {
	c, members := fullNodes(hr("open", "1"), 2, 3)
	f := newFixture(t, c)
	all, status := f.scheduleGroup(t, members[:2])
	require.True(t, status.IsSuccess(), status.Message())
	taken := map[string]bool{}
	for _, assigned := range all.ProposedAssignments {
		taken[cycleOf(assigned.GetCycleState()).swap.Victims[0].Name] = true
	}
	require.Len(t, taken, 2, "each takes a unit of its own")
	_, status = f.scheduleGroup(t, members)
	require.True(t, status.IsRejected(), "there are two units for three pods")
}

// TestOtherPreemptionGetsNoSwapsForAGroup has the plugin find too little for the group. What others then try on a changed snapshot must not
// take for room what units hold that go in no such try.
func TestOtherPreemptionGetsNoSwapsForAGroup(t *testing.T) {
	c, members := fullNodes(hr("open", "1"), 2, 3)
	f := newFixture(t, c)
	_, status := f.postFilterGroup(t, func(context.Context) (*fwk.PodGroupAssignments, *fwk.Status) {
		return f.scheduleGroup(t, members)
	}, members...)
	require.True(t, status.IsRejected(), status.Message())
	require.NoError(t, f.snapshot.StartMutations())
	_, status = f.scheduleGroup(t, members[:1])
	require.True(t, status.IsRejected(), status.Message())
	f.group = nil // that there is none, as after a group without headroom, is no harm
	_, status = f.scheduleGroup(t, members[:1])
	require.True(t, status.IsSuccess(), status.Message())
	require.NoError(t, f.snapshot.EndMutations())
}

func TestWhereThePodsOfAGroupMayGoWhileUnitsGoForIt(t *testing.T) {
	for name, tc := range map[string]struct {
		places map[types.UID]string
		pod    int
		want   []string
	}{
		"one that has its place goes there":   {places: map[types.UID]string{"m0": "n1"}, want: []string{"n1"}},
		"one that has none goes nowhere":      {places: map[types.UID]string{"m0": "n1"}, pod: 1},
		"all go anywhere while that is asked": {want: []string{"n0", "n1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, members := fullNodes(hr("open", "1"), 2, 2)
			c.pods = nil // they have gone
			f := newFixture(t, c)
			f.group = &groupAttempt{members: members, own: true, places: tc.places}
			state := framework.NewCycleState()
			state.SetPodGroupSchedulingCycle(framework.NewCycleState())
			result, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, members[tc.pod])
			if len(tc.want) == 0 {
				require.Equal(t, reasonUnplaced, status.Message())
				return
			}
			require.True(t, status.IsSuccess(), status.Message())
			require.Nil(t, cycleOf(state).swap, "what goes was decided before")
			require.Equal(t, tc.places == nil, result.AllNodes(), "no other node need be looked at")
			var passed []string
			for _, info := range f.nodes {
				if name := info.Node().Name; f.framework.RunFilterPlugins(t.Context(), state, members[tc.pod], info).IsSuccess() {
					require.True(t, result.AllNodes() || result.NodeNames.Has(name))
					passed = append(passed, name)
				}
			}
			require.ElementsMatch(t, tc.want, passed)
		})
	}
}

func TestAGroupThatFailsWhileUnitsGoForItIsItsOwnNoMore(t *testing.T) {
	open := hr("open", "1")
	c, members := twoUnitsWithAPort(open, open), gangWithAPort("x", "y")
	c.pending = members
	f, asked := newFixture(t, c), 0
	_, status := f.postFilterGroup(t, func(context.Context) (*fwk.PodGroupAssignments, *fwk.Status) {
		if asked++; asked == 1 {
			return f.scheduleGroup(t, members)
		}
		return nil, fwk.NewStatus(fwk.Unschedulable, "the room went to others meanwhile")
	}, members...)
	require.True(t, status.IsRejected(), status.Message())
	require.Greater(t, asked, 1, "it fits without the units, so these are to go")
	require.Empty(t, f.deleted())
	require.False(t, f.group.own)
	require.Nil(t, f.group.places)
}

// TestAGroupDuringWhoseCycleAHeadroomChangesIsTriedAgain: nobody knows yet that its pods wait.
func TestAGroupDuringWhoseCycleAHeadroomChangesIsTriedAgain(t *testing.T) {
	for name, changes := range map[string]bool{"it changes": true, "it does not": false} {
		t.Run(name, func(t *testing.T) {
			c, members := fullNodes(closedHeadroom(), 1, 2)
			f, cycle := newFixture(t, c), framework.NewCycleState()
			state := framework.NewCycleState()
			state.SetPodGroupSchedulingCycle(cycle)
			_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, members[0])
			require.True(t, status.IsSuccess(), status.Message())
			if changes {
				require.NoError(t, f.shared.catalog.Set(hr("closed", "1")))
				f.shared.waker.HeadroomChanged(t.Context(), types.NamespacedName{Namespace: "default", Name: "closed"})
			}
			group := &framework.PodGroupInfo{
				Name: "gang", Namespace: "default", Type: fwk.PodGroupKeyType, UnscheduledPods: members, PodGroup: &schedulingv1beta1.PodGroup{},
			}
			(&withGroups{Plugin: f.Plugin}).PodGroupPostFilter(t.Context(), cycle, group, func(context.Context) (*fwk.PodGroupAssignments, *fwk.Status) {
				return nil, fwk.NewStatus(fwk.Unschedulable)
			})
			if !changes {
				require.Empty(t, f.activated)
				return
			}
			require.ElementsMatch(t, []string{"m0", "m1"}, f.activated)
		})
	}
}

func TestWhatAGroupIsToldThatGetsNoHeadroom(t *testing.T) {
	const (
		shut    = "1 of 1 nodes hold headroom, none for this pod: consumers.podSelector of default/closed does not match"
		tooMuch = "there is no headroom for all of the 2 pods of the group, so none takes any"
	)
	for name, tc := range map[string]struct {
		headroom *v1alpha1.Headroom
		// entitled is the member that the Headroom names, if it does.
		entitled string
		priority int32
		want     string
	}{
		"that it is of too little importance": {
			headroom: hr("open", "1"), priority: builders.PlaceholderPriority,
			want: "1 of 1 nodes hold headroom, none for this pod: its priority -5 is not above that of the placeholders",
		},
		"who may take it":                    {headroom: closedHeadroom(), want: shut},
		"that it is too much":                {headroom: hr("open", "1"), want: tooMuch},
		"what is so for its first pod":       {headroom: closedHeadroom(), entitled: "m1", want: shut},
		"what is so for its first pod, else": {headroom: closedHeadroom(), entitled: "m0", want: tooMuch},
	} {
		t.Run(name, func(t *testing.T) {
			c, members := fullNodes(tc.headroom, 1, 2)
			for _, member := range members {
				*member.Spec.Priority = tc.priority
				if member.Name == tc.entitled {
					member.Labels = map[string]string{"app": "nobody"}
				}
			}
			f := newFixture(t, c)
			_, status := f.postFilterGroup(t, func(context.Context) (*fwk.PodGroupAssignments, *fwk.Status) {
				return f.scheduleGroup(t, members)
			}, members...)
			require.Equal(t, tc.want, status.Message())
		})
	}
}

func TestASystemCriticalGroupTakesUnitsOfOthersWhereNoRunningPodsWouldGo(t *testing.T) {
	for name, tc := range map[string]struct {
		priority int32
		want     []string
	}{
		"it does":              {priority: nodeCritical, want: []string{"closed-headroom-0", "closed-headroom-1"}},
		"another one does not": {priority: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			shut := closedHeadroom()
			c, members := twoUnitsWithAPort(shut, shut), gangWithAPort("x", "y")
			for _, member := range members {
				*member.Spec.Priority = tc.priority
			}
			c.headrooms, c.pending = []*v1alpha1.Headroom{shut}, members
			f := newFixture(t, c)
			f.requireUnitsGoFor(t, c.pods, members, tc.want...)
		})
	}
}

// TestAPlaceholderInAGroupTakesNothing, as a pod of a group that carries the label and is a Headroom's.
func TestAPlaceholderInAGroupTakesNothing(t *testing.T) {
	shut := closedHeadroom()
	c, members := twoUnitsWithAPort(shut, shut), gangWithAPort("x")
	members = append(members, pending(3))
	*members[0].Spec.Priority, members[1].Spec.Priority = 1000, members[0].Spec.Priority
	c.headrooms, c.pending = []*v1alpha1.Headroom{shut}, members
	f := newFixture(t, c)
	f.requireUnitsGoFor(t, c.pods, members)
}
