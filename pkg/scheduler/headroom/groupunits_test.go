package headroom

import (
	"context"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestWhileUnitsLeaveForAGroupNoMoreGo: the group fails until they are gone, and keeps its nominations meanwhile.
func TestWhileUnitsLeaveForAGroupNoMoreGo(t *testing.T) {
	for name, tc := range map[string]struct {
		leaves bool
		want   []string
	}{"one leaves": {leaves: true}, "none does": {want: []string{"open-headroom-0", "open-headroom-1"}}} {
		t.Run(name, func(t *testing.T) {
			open := hr("open", "1")
			c, members := twoUnitsWithAPort(open, open), gangWithAPort("x", "y")
			c.pending = members
			members[0].Status.NominatedNodeName, members[1].Status.NominatedNodeName = "a", "b"
			if tc.leaves {
				leaving := preemptedBy("default-scheduler", unit(open, 2, "a").Terminating().Obj())
				c.pods = append(c.pods, leaving)
			}
			f := newFixture(t, c)
			for _, pod := range c.pods {
				require.NoError(t, f.client.Tracker().Add(pod))
			}
			nominated, status := f.postFilterGroup(t, func(context.Context) (*fwk.PodGroupAssignments, *fwk.Status) {
				return f.scheduleGroup(t, members)
			}, members...)
			require.True(t, status.IsSuccess(), status.Message())
			require.Len(t, nominated, 2)
			if !tc.leaves {
				require.Eventually(t, func() bool { return len(f.deleted()) == len(tc.want) }, patience, glance)
				require.ElementsMatch(t, tc.want, f.deleted())
				return
			}
			for i, name := range []string{"x", "y"} {
				kept := nominated[types.NamespacedName{Namespace: "default", Name: name}]
				require.Equal(t, members[i].Status.NominatedNodeName, kept.NominatedNodeName)
				require.Equal(t, fwk.ModeOverride, kept.NominatingMode)
			}
			require.Nil(t, f.group, "others have nothing to do for it")
			require.Never(t, func() bool { return len(f.deleted()) > 0 }, 10*glance, glance)
		})
	}
}

// TestUnitsGoForTheMembersOfAGroupThatFindNoRoomOtherwise has free nodes beside those that hold a unit each.
func TestUnitsGoForTheMembersOfAGroupThatFindNoRoomOtherwise(t *testing.T) {
	for name, tc := range map[string]struct {
		free []string
		want int
	}{"no node is free": {want: 2}, "there is one for one of them": {free: []string{"c"}, want: 1}} {
		t.Run(name, func(t *testing.T) {
			open := hr("open", "1")
			c, members := twoUnitsWithAPort(open, open), gangWithAPort("x", "y")
			for _, node := range tc.free {
				c.nodes = append(c.nodes, builders.Node(node, "z-1", res("4")).Obj())
			}
			c.pending = members
			f := newFixture(t, c)
			for _, pod := range c.pods {
				require.NoError(t, f.client.Tracker().Add(pod))
			}
			nominated, status := f.postFilterGroup(t, func(context.Context) (*fwk.PodGroupAssignments, *fwk.Status) {
				return f.scheduleGroup(t, members)
			}, members...)
			require.True(t, status.IsSuccess(), status.Message())
			require.Len(t, nominated, 2)
			require.Eventually(t, func() bool { return len(f.deleted()) == tc.want }, patience, glance)
			require.Never(t, func() bool { return len(f.deleted()) > tc.want }, 10*glance, glance)
		})
	}
}

// TestUnitsOfOthersGoForASystemCriticalGroupAlsoIfOneMemberIsEntitledToThem: what the others may not have decides.
func TestUnitsOfOthersGoForASystemCriticalGroupAlsoIfOneMemberIsEntitledToThem(t *testing.T) {
	for _, entitled := range []int{0, 1} {
		shut := closedHeadroom()
		c, members := twoUnitsWithAPort(shut, shut), gangWithAPort("x", "y")
		for _, member := range members {
			*member.Spec.Priority = nodeCritical
		}
		members[entitled].Labels = map[string]string{"app": "nobody"}
		c.headrooms, c.pending = []*v1alpha1.Headroom{shut}, members
		f := newFixture(t, c)
		f.requireUnitsGoFor(t, c.pods, members, "closed-headroom-0", "closed-headroom-1")
	}
}

// TestWhatAGroupTakesNeedsNoUnitsOfOthers has units that the group may take, and others that it must not: that it might have those by its
// priority is no reason to ask for them.
func TestWhatAGroupTakesNeedsNoUnitsOfOthers(t *testing.T) {
	open, shut := hr("open", "1"), closedHeadroom()
	c, members := twoUnitsWithAPort(open, open), gangWithAPort("x", "y")
	c.nodes = append(c.nodes, builders.Node("c", "z-1", res("4")).Obj())
	c.pods = append(c.pods, unit(shut, 7, "c").HostPort(80).Obj())
	for _, member := range members {
		*member.Spec.Priority = nodeCritical
	}
	c.headrooms, c.pending = []*v1alpha1.Headroom{shut}, members
	f := newFixture(t, c)
	f.requireUnitsGoFor(t, c.pods, members, "open-headroom-0", "open-headroom-1")
}

// TestAGroupWithoutPodsThatLackNodesTakesNothing, as one of which the last pod went meanwhile.
func TestAGroupWithoutPodsThatLackNodesTakesNothing(t *testing.T) {
	open := hr("open", "1")
	c := twoUnitsWithAPort(open, open)
	f := newFixture(t, c)
	f.group = &groupAttempt{members: []*corev1.Pod{wants("1").Obj()}}
	group := &noPods{}
	_, status := (&withGroups{Plugin: f.Plugin}).PodGroupPostFilter(t.Context(), nil, group, nil)
	require.Equal(t, fwk.Unschedulable, status.Code())
	require.Nil(t, f.group, "what was remembered of an earlier one is over")
}

// TestNobodyLooksForHeadroomForAGroupWhereThereIsNone, nor tells it anything: others have nothing to heed for it either.
func TestNobodyLooksForHeadroomForAGroupWhereThereIsNone(t *testing.T) {
	c, members := twoUnitsWithAPort(hr("open", "1"), hr("open", "1")), gangWithAPort("x", "y")
	c.pods, c.pending = nil, members
	f := newFixture(t, c)
	nominated, status := f.postFilterGroup(t, func(context.Context) (*fwk.PodGroupAssignments, *fwk.Status) {
		require.Fail(t, "the group is scheduled again")
		return nil, nil
	}, members...)
	require.Equal(t, fwk.Unschedulable, status.Code())
	require.Empty(t, status.Message())
	require.Empty(t, nominated)
	require.Nil(t, f.group)
}

// noPods is a group of which no pod lacks its node.
type noPods struct{ fwk.PodGroupInfo }

func (*noPods) GetUnscheduledPods() []*corev1.Pod { return nil }

// TestOtherPreemptionForAGroupMayTakeUnitsOfOthersBesideRunningPods, as for single pods: the plugin itself finds one unit for two members,
// where there are running pods for both.
func TestOtherPreemptionForAGroupMayTakeUnitsOfOthersBesideRunningPods(t *testing.T) {
	for name, running := range map[string][]string{"running pods would go": {"c", "d"}, "there are too few": {"c"}} {
		t.Run(name, func(t *testing.T) {
			shut := closedHeadroom()
			c, members := twoUnitsWithAPort(shut, shut), gangWithAPort("x", "y")
			c.nodes, c.pods = c.nodes[:1], c.pods[:1]
			for _, node := range running {
				c.nodes = append(c.nodes, builders.Node(node, "z-1", res("4")).Obj())
				c.pods = append(c.pods, wants("1").Name("running-"+node).UID("running-"+node).Priority(0).HostPort(80).Node(node).Obj())
			}
			for _, member := range members {
				*member.Spec.Priority = 1000
			}
			c.headrooms, c.pending = []*v1alpha1.Headroom{shut}, members
			f := newFixture(t, c)
			f.handle = groupsPreemptWith{f.handle, []schedulerconfig.Plugin{{Name: Name}, {Name: defaultpreemption.Name}}}
			f.requireUnitsGoFor(t, c.pods, members)
			require.Len(t, f.group.preemptors, 2)
			for _, preemptor := range f.group.preemptors {
				require.Equal(t, len(running) == 2, preemptor.ByPriority)
			}
		})
	}
}

// TestOtherPreemptionForAGroupHeedsWhatEachMemberMayTake: one of them is entitled to the units, the other is not.
func TestOtherPreemptionForAGroupHeedsWhatEachMemberMayTake(t *testing.T) {
	for _, entitled := range []int{0, 1} {
		shut := closedHeadroom()
		c, members := twoUnitsWithAPort(shut, shut), gangWithAPort("x", "y")
		members[entitled].Labels = map[string]string{"app": "nobody"}
		c.headrooms, c.pending = []*v1alpha1.Headroom{shut}, members
		f := newFixture(t, c)
		f.requireUnitsGoFor(t, c.pods, members)
		require.NoError(t, f.snapshot.StartMutations())
		for _, pod := range c.pods {
			require.NoError(t, f.snapshot.RemovePod(klog.Background(), pod, pod.Spec.NodeName))
		}
		for i := range members {
			_, status := f.scheduleGroup(t, members[i:i+1])
			require.Equal(t, i == entitled, status.IsSuccess(), status.Message())
		}
		require.NoError(t, f.snapshot.EndMutations())
	}
}

func TestAnOperatorIsToldThatOtherPreemptionComesFirstForGroups(t *testing.T) {
	own, stock := schedulerconfig.Plugin{Name: Name}, schedulerconfig.Plugin{Name: defaultpreemption.Name}
	for name, tc := range map[string]struct {
		plugins []schedulerconfig.Plugin
		want    int
	}{
		"the plugin comes first":   {plugins: []schedulerconfig.Plugin{own, stock}},
		"it comes last":            {plugins: []schedulerconfig.Plugin{stock, own}, want: 1},
		"nothing else preempts":    {plugins: []schedulerconfig.Plugin{own}},
		"the plugin preempts none": {plugins: []schedulerconfig.Plugin{stock}},
	} {
		t.Run(name, func(t *testing.T) {
			var logged []string
			f := newFixture(t, cluster{})
			f.handle = groupsPreemptWith{f.handle, tc.plugins}
			ctx := klog.NewContext(t.Context(), funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{}))
			for range 2 { // it is told once, in the cycle of the first pod of a group
				state := framework.NewCycleState()
				state.SetPodGroupSchedulingCycle(framework.NewCycleState())
				_, status := f.PreFilter(ctx, state, wants("1").Obj(), f.nodes)
				require.True(t, status.IsSuccess(), status.Message())
			}
			require.Len(t, logged, tc.want)
		})
	}
}
