package headroom

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1beta1 "k8s.io/api/scheduling/v1beta1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// assignment is where a member of a group goes.
type assignment struct {
	info  fwk.PodInfo
	state *framework.CycleState
	node  string
}

func (a *assignment) GetPod() *corev1.Pod           { return a.info.GetPod() }
func (a *assignment) GetPodInfo() fwk.PodInfo       { return a.info }
func (a *assignment) GetNodeName() string           { return a.node }
func (a *assignment) GetCycleState() fwk.CycleState { return a.state }

// scheduleGroup places all members in the snapshot, one after another, on the first node by name that passes, and undoes that, as the
// scheduler does with a group.
func (f *fixture) scheduleGroup(t *testing.T, members []*corev1.Pod) (*fwk.PodGroupAssignments, *fwk.Status) {
	t.Helper()
	group, all := framework.NewCycleState(), &fwk.PodGroupAssignments{}
	for _, member := range members {
		state := framework.NewCycleState()
		state.SetPodGroupSchedulingCycle(group)
		result, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, member)
		if status.IsRejected() {
			return all, status
		}
		nodes, err := f.snapshot.NodeInfos().List()
		require.NoError(t, err)
		i := slices.IndexFunc(nodes, func(info fwk.NodeInfo) bool {
			return (result.AllNodes() || result.NodeNames.Has(info.Node().Name)) &&
				f.framework.RunFilterPluginsWithNominatedPods(t.Context(), state, member, info).IsSuccess()
		})
		if i < 0 {
			return all, fwk.NewStatus(fwk.Unschedulable, "a member fits nowhere")
		}
		placed := member.DeepCopy()
		placed.Spec.NodeName = nodes[i].Node().Name
		info, err := framework.NewPodInfo(placed)
		require.NoError(t, err)
		require.NoError(t, f.snapshot.AssumePod(info))
		require.True(t, f.framework.RunReservePluginsReserve(t.Context(), state, member, placed.Spec.NodeName).IsSuccess())
		defer func() {
			f.framework.RunReservePluginsUnreserve(context.Background(), state, member, placed.Spec.NodeName)
			require.NoError(t, f.snapshot.ForgetPod(klog.Background(), placed))
		}()
		memberInfo, err := framework.NewPodInfo(member)
		require.NoError(t, err)
		all.ProposedAssignments = append(all.ProposedAssignments, &assignment{info: memberInfo, state: state, node: placed.Spec.NodeName})
	}
	return all, nil
}

// postFilterGroup has a group fail and returns what comes of it.
func (f *fixture) postFilterGroup(
	t *testing.T, schedule fwk.PodGroupSchedulingFunc, members ...*corev1.Pod,
) (map[types.NamespacedName]*fwk.NominatingInfo, *fwk.Status) {
	t.Helper()
	group := &framework.PodGroupInfo{
		Name: "gang", Namespace: "default", Type: fwk.PodGroupKeyType, UnscheduledPods: members,
		PodGroup: &schedulingv1beta1.PodGroup{},
	}
	group.PodGroup.UID, group.PodGroup.Spec.Priority = "gang", members[0].Spec.Priority
	result, status := (&withGroups{Plugin: f.Plugin}).PodGroupPostFilter(t.Context(), framework.NewCycleState(), group, schedule)
	require.NoError(t, f.snapshot.StartMutations(), "the plugin has ended its changes of the snapshot")
	require.NoError(t, f.snapshot.EndMutations())
	if result == nil {
		return nil, status
	}
	return result.NominatingInfos, status
}

// twoUnitsWithAPort are two nodes with a unit each that holds a host port, of the Headrooms given.
func twoUnitsWithAPort(a, b *v1alpha1.Headroom) cluster {
	return cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj(), builders.Node("b", "z-1", res("4")).Obj()},
		pods:  []*corev1.Pod{unit(a, 0, "a").HostPort(80).Obj(), unit(b, 1, "b").HostPort(80).Obj()},
	}
}

// gangWithAPort are pods that want that port.
func gangWithAPort(names ...string) (members []*corev1.Pod) {
	for _, name := range names {
		members = append(members, st.MakePod().Name(name).Namespace("default").UID(name).Priority(0).Req(res("1")).HostPort(80).Obj())
	}
	return members
}

func TestP11AGroupPreemptsPlaceholdersForAllOrForNone(t *testing.T) {
	open, shut := hr("open", "1"), closedHeadroom()
	for name, tc := range map[string]struct {
		second *v1alpha1.Headroom
		names  []string
		want   []string
	}{
		"for all":                                {open, []string{"x", "y"}, []string{"open-headroom-0", "open-headroom-1"}},
		"for none if there are too few":          {open, []string{"x", "y", "z"}, nil},
		"for none if one is not entitled to all": {shut, []string{"x", "y"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, members := twoUnitsWithAPort(open, tc.second), gangWithAPort(tc.names...)
			c.headrooms, c.pending = []*v1alpha1.Headroom{shut}, members
			f := newFixture(t, c)
			f.requireUnitsGoFor(t, c.pods, members, tc.want...)
		})
	}
}

func TestNothingIsPreemptedForAGroupWithAPodThatMustNotPreempt(t *testing.T) {
	polite, never := hr("polite", "1"), corev1.PreemptNever
	polite.Spec.Consumers = &v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow}
	for name, tc := range map[string]struct {
		policy *corev1.PreemptionPolicy
		want   []string
	}{
		"all of them may":      {want: []string{"polite-headroom-0", "polite-headroom-1"}},
		"one of them must not": {policy: &never},
	} {
		t.Run(name, func(t *testing.T) {
			c, members := twoUnitsWithAPort(polite, polite), gangWithAPort("x", "y")
			members[1].Spec.PreemptionPolicy = tc.policy
			c.headrooms, c.pending = []*v1alpha1.Headroom{polite}, members
			f := newFixture(t, c)
			f.requireUnitsGoFor(t, c.pods, members, tc.want...)
		})
	}
}

func TestAGroupThatGotNothingIsTriedAgainWhenItsHeadroomChanges(t *testing.T) {
	shut := closedHeadroom()
	c, members := twoUnitsWithAPort(shut, shut), gangWithAPort("x", "y")
	c.headrooms, c.pending = []*v1alpha1.Headroom{shut}, members
	f := newFixture(t, c)
	f.requireUnitsGoFor(t, c.pods, members)
	f.activated = nil
	require.NoError(t, f.shared.catalog.Set(hr("closed", "1")))
	f.shared.waker.HeadroomChanged(t.Context(), types.NamespacedName{Namespace: "default", Name: "closed"})
	require.ElementsMatch(t, []string{"x", "y"}, f.activated)
}

func TestAGroupRemembersWhatWasKnownWhenItsCycleBegan(t *testing.T) {
	f, state := newFixture(t, cluster{}), framework.NewCycleState()
	f.shared.waker.HeadroomChanged(t.Context(), types.NamespacedName{Namespace: "default", Name: "open"})
	require.NotZero(t, f.shared.waiting.Generation())
	require.Equal(t, f.shared.waiting.Generation(), f.generationOf(state), "none of its pods has been looked at")
	noteGeneration(state, 7)
	noteGeneration(state, 8) // by its second pod, before which something may have changed
	require.EqualValues(t, 7, f.generationOf(state))
}

// requireUnitsGoFor requires that PostFilter of a group, in a cluster of these pods, evicts exactly these units and nominates all members; or
// that it leaves the group to other plugins, if no units are named.
func (f *fixture) requireUnitsGoFor(t *testing.T, existing, members []*corev1.Pod, units ...string) {
	t.Helper()
	for _, pod := range existing {
		require.NoError(t, f.client.Tracker().Add(pod))
	}
	nominated, status := f.postFilterGroup(t, func(context.Context) (*fwk.PodGroupAssignments, *fwk.Status) {
		return f.scheduleGroup(t, members)
	}, members...)
	if len(units) == 0 {
		require.Equal(t, fwk.Unschedulable, status.Code(), "others have their turn")
		require.Empty(t, nominated)
		require.Empty(t, f.deleted())
		return
	}
	require.True(t, status.IsSuccess(), status.Message())
	require.Nil(t, f.group, "nothing more is tried for it")
	require.Len(t, nominated, len(members))
	require.Eventually(t, func() bool { return len(f.deleted()) == len(units) }, patience, glance)
	require.ElementsMatch(t, units, f.deleted())
}

// groupsPreemptWith is the framework of a profile in which these plugins, one after another, preempt for groups.
type groupsPreemptWith struct {
	framework.Framework
	plugins []schedulerconfig.Plugin
}

func (g groupsPreemptWith) ListPlugins() *schedulerconfig.Plugins {
	plugins := g.Framework.ListPlugins().DeepCopy()
	plugins.PodGroupPostFilter.Enabled = g.plugins
	return plugins
}

func TestUnitsOfOthersGoForAGroupOnlyWhereRunningPodsWouldGoOtherwise(t *testing.T) {
	shut := closedHeadroom()
	for name, tc := range map[string]struct {
		running []string
		// leaving says that these are being deleted.
		leaving   bool
		preempted bool
		want      []string
	}{
		"they would":                {running: []string{"c", "d"}, preempted: true, want: []string{"closed-headroom-0", "closed-headroom-1"}},
		"there are none":            {preempted: true},
		"there are too few of them": {running: []string{"c"}, preempted: true},
		"they go anyway":            {running: []string{"c", "d"}, leaving: true, preempted: true},
		"nothing preempts for groups in the profile": {running: []string{"c", "d"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, members := twoUnitsWithAPort(shut, shut), gangWithAPort("x", "y")
			for _, node := range tc.running {
				c.nodes = append(c.nodes, builders.Node(node, "z-1", res("4")).Obj())
				running := st.MakePod().Name("running-" + node).Namespace("default").UID("running-" + node).Priority(0)
				if tc.leaving {
					running.Terminating()
				}
				c.pods = append(c.pods, running.Req(res("1")).HostPort(80).Node(node).Obj())
			}
			for _, member := range members {
				*member.Spec.Priority = 1000
			}
			c.headrooms, c.pending = []*v1alpha1.Headroom{shut}, members
			f := newFixture(t, c)
			own, stock := schedulerconfig.Plugin{Name: Name}, schedulerconfig.Plugin{Name: defaultpreemption.Name}
			f.handle = groupsPreemptWith{f.handle, []schedulerconfig.Plugin{own}}
			if tc.preempted {
				f.handle = groupsPreemptWith{f.handle, []schedulerconfig.Plugin{own, stock}}
			}
			f.requireUnitsGoFor(t, c.pods, members, tc.want...)
		})
	}
}

func TestAGroupKeepsItsNominationsWhilePodsOfLowerPriorityGoForIt(t *testing.T) {
	leaving := func(priority int32) *corev1.Pod {
		pod := builders.Consumer("leaving", res("1")).Namespace("default").UID("leaving").Node("a").Priority(priority).Terminating().Obj()
		return preemptedBy("default-scheduler", pod)
	}
	deleted := leaving(-10)
	deleted.Status.Conditions = nil
	stays := leaving(-10)
	stays.DeletionTimestamp = nil
	for name, tc := range map[string]struct {
		on        *corev1.Pod
		nominated string
		want      bool
	}{
		"one of lower priority goes":         {on: leaving(-10), nominated: "a", want: true},
		"one that somebody else deleted":     {on: deleted, nominated: "a"},
		"one that is there still":            {on: stays, nominated: "a"},
		"one of its own priority":            {on: leaving(0), nominated: "a"},
		"one on a node that is not its":      {on: leaving(-10), nominated: "b"},
		"one on a node, and it has none yet": {on: leaving(-10)},
	} {
		t.Run(name, func(t *testing.T) {
			members := gangWithAPort("x", "y")
			members[0].Status.NominatedNodeName = tc.nominated
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj(), builders.Node("b", "z-1", res("4")).Obj()},
				pods:  []*corev1.Pod{tc.on}, pending: members,
			})
			require.True(t, f.readSnapshot())
			kept := f.nominationsToKeep(members)
			if !tc.want {
				require.Nil(t, kept)
				return
			}
			require.Len(t, kept, 2, "the group as a whole")
			require.Equal(t, tc.nominated, kept[types.NamespacedName{Namespace: "default", Name: "x"}].NominatedNodeName)
		})
	}
}

func TestAGroupThatCannotBeScheduledForAnErrorTakesNothing(t *testing.T) {
	c, members := twoUnitsWithAPort(hr("open", "1"), hr("open", "1")), gangWithAPort("x", "y")
	c.pending = members
	f := newFixture(t, c)
	_, status := f.postFilterGroup(t, func(context.Context) (*fwk.PodGroupAssignments, *fwk.Status) {
		return nil, fwk.AsStatus(errors.New("out of order"))
	}, members...)
	require.True(t, status.IsRejected(), status.Message())
	require.Empty(t, f.deleted())
	require.False(t, f.group.own, "the next PreFilter is not taken for one of the plugin's own")
}

func TestAfterThePluginOtherPreemptionGainsNothingForAGroupFromUnitsOfOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		headroom *v1alpha1.Headroom
		want     bool
	}{"of others": {closedHeadroom(), false}, "of its own": {hr("open", "1"), true}} {
		t.Run(name, func(t *testing.T) {
			// There are two units, so that the plugin itself takes none for the three.
			c, members := twoUnitsWithAPort(tc.headroom, tc.headroom), gangWithAPort("x", "y", "z")
			c.headrooms, c.pending = []*v1alpha1.Headroom{tc.headroom}, members
			f := newFixture(t, c)
			schedule := func(context.Context) (*fwk.PodGroupAssignments, *fwk.Status) { return f.scheduleGroup(t, members) }
			_, status := f.postFilterGroup(t, schedule, members...)
			require.True(t, status.IsRejected(), status.Message())

			require.NoError(t, f.snapshot.StartMutations())
			for _, pod := range c.pods {
				require.NoError(t, f.snapshot.RemovePod(klog.Background(), pod, pod.Spec.NodeName))
			}
			_, status = f.scheduleGroup(t, members[:2])
			require.Equal(t, tc.want, status.IsSuccess(), status.Message())
			require.NoError(t, f.snapshot.EndMutations())

			_, status = f.scheduleGroup(t, members[:1])
			require.True(t, status.IsRejected(), "the units are back")
			require.Nil(t, f.group, "and the next cycle is one of its own")
		})
	}
}

func TestOnlyWithTheFeatureGateThePluginHasPodGroupPostFilter(t *testing.T) {
	f := newFixture(t, freeNode())
	_, has := any(f.Plugin).(fwk.PodGroupPostFilterPlugin)
	require.False(t, has)
	for _, plugin := range f.framework.ListPlugins().PodGroupPostFilter.Enabled {
		require.NotEqual(t, Name, plugin.Name)
	}
}
