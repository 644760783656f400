package headroom

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/apis/scheduling"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	tf "k8s.io/kubernetes/pkg/scheduler/testing/framework"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/gang"
	"github.com/headroom-dev/headroom/test/builders"
)

// withGangs are nodes that are full of one unit each, and the members of groups, which wait.
func withGangs(units int, groups map[string]int) cluster {
	c, open := cluster{}, hr("open", "1")
	for i := range units {
		node := fmt.Sprintf("n%d", i)
		c.nodes = append(c.nodes, builders.Node(node, "z-1", res("1")).Obj())
		c.pods = append(c.pods, unit(open, i, node).Obj())
	}
	for name, size := range groups {
		for i := range size {
			c.pending = append(c.pending, member1(name, i))
		}
	}
	return c
}

func member1(group string, i int) *corev1.Pod {
	name := fmt.Sprintf("%s-%d", group, i)
	return builders.Consumer(name, res("1")).Namespace("default").UID(name).SchedulerName("default-scheduler").Label(gang.Label, group).Obj()
}

func podGroup(name string, minMember int) gang.Group {
	return gang.Group{Name: types.NamespacedName{Namespace: "default", Name: name}, MinMember: minMember, Timeout: time.Hour}
}

// cycleOn is a cycle that has got as far as Permit.
type cycleOn struct {
	state *framework.CycleState
	pod   *corev1.Pod
	node  string
}

// schedule runs the scheduling cycle of a pod, as far as the plugins go: it is assumed on the first node that passes, and waits if Permit
// says so.
func (f *fixture) schedule(t testing.TB, pod *corev1.Pod) (done *cycleOn, status *fwk.Status) {
	t.Helper()
	ctx, state := context.Background(), framework.NewCycleState()
	result, status, _ := f.framework.RunPreFilterPlugins(ctx, state, pod)
	if !status.IsSuccess() {
		f.framework.RunPostFilterPlugins(ctx, state, pod, framework.NewDefaultNodeToStatus())
		return nil, status
	}
	for _, info := range f.nodes {
		node := info.Node().Name
		if !result.AllNodes() && !result.NodeNames.Has(node) {
			continue
		}
		if status = f.framework.RunFilterPluginsWithNominatedPods(ctx, state, pod, info); !status.IsSuccess() {
			continue
		}
		placed := pod.DeepCopy()
		placed.Spec.NodeName = node
		assumed, err := framework.NewPodInfo(placed)
		require.NoError(t, err)
		require.NoError(t, f.snapshot.AssumePod(assumed))
		done = &cycleOn{state: state, pod: placed, node: node}
		require.True(t, f.framework.RunReservePluginsReserve(ctx, state, placed, node).IsSuccess())
		waits, status := f.framework.RunPermitPlugins(ctx, state, placed, node)
		if status.IsWait() {
			f.framework.AddWaitingPod(placed, waits)
		}
		return done, status
	}
	f.framework.RunPostFilterPlugins(ctx, state, pod, framework.NewDefaultNodeToStatus())
	return nil, status
}

func (f *fixture) reservedUnits(c *cluster) (count int) {
	for _, pod := range c.pods {
		if f.shared.reservations.Reserved(pod.UID) {
			count++
		}
	}
	return count
}

func TestTheMembersOfAGroupWaitForTheLastOne(t *testing.T) {
	c := withGangs(4, map[string]int{"web": 3})
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 3))
	first, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	require.ElementsMatch(t, []string{"web-1", "web-2"}, f.activated)
	require.Equal(t, 3, f.reservedUnits(&c), "those of all members")
	require.Equal(t, first.node, cycleOf(first.state).swap.Node)
	_, status = f.schedule(t, c.pending[1])
	require.True(t, status.IsWait(), status.Message())
	require.Empty(t, f.deleted(), "nothing goes before the last Permit")
	_, status = f.schedule(t, c.pending[2])
	require.True(t, status.IsSuccess(), status.Message())
	for _, name := range []types.UID{"web-0", "web-1"} {
		require.True(t, f.framework.WaitOnPermit(t.Context(), &corev1.Pod{ObjectMeta: builders.Consumer("", nil).UID(string(name)).Obj().ObjectMeta}).IsSuccess())
	}
	require.Nil(t, f.shared.attempts.Of(podGroup("web", 3).Name))
	require.Equal(t, 3, f.reservedUnits(&c), "until they are bound")
}

// TestP1AMemberTakesTheUnitsOfItsGroupAlone has a running pod and a unit that is for nobody of the group on each node, too.
func TestP1AMemberTakesTheUnitsOfItsGroupAlone(t *testing.T) {
	c, shut := withGangs(2, map[string]int{"web": 2}), closedHeadroom()
	c.headrooms = []*v1alpha1.Headroom{shut}
	for i, node := range c.nodes {
		c.nodes[i] = builders.Node(node.Name, "z-1", res("3")).Obj()
		c.pods = append(c.pods, on(node.Name, "running-"+node.Name, "1"), unit(shut, i, node.Name).Obj())
	}
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	for _, pod := range c.pending {
		done, status := f.schedule(t, pod)
		require.NotNil(t, done, status.Message())
		require.Equal(t, []string{"open-headroom-" + strings.TrimPrefix(done.node, "n")}, names(cycleOf(done.state).swap.Victims))
	}
}

func TestAMemberThatIsNotBoundAfterAllGivesTheGroupUp(t *testing.T) {
	c := withGangs(3, map[string]int{"web": 3})
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 3))
	first, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	second, status := f.schedule(t, c.pending[1])
	require.True(t, status.IsWait(), status.Message())

	f.framework.RunReservePluginsUnreserve(t.Context(), second.state, second.pod, second.node)

	require.True(t, f.framework.WaitOnPermit(t.Context(), first.pod).IsRejected())
	f.framework.RunReservePluginsUnreserve(t.Context(), first.state, first.pod, first.node)
	require.Zero(t, f.reservedUnits(&c))
	require.Equal(t, 3, f.shared.postponed.Len(), "they are tried again after a while")
}

func TestAGroupThatIsGivenUpKeepsNoRoomFromOthers(t *testing.T) {
	c := withGangs(2, map[string]int{"web": 2})
	f := newFixture(t, c)
	handle := noting{f.handle, map[string]string{}}
	f.handle = handle
	f.shared.gangs.Set(podGroup("web", 2))
	first, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	require.Contains(t, handle.nominated, "web-1")

	f.framework.RunReservePluginsUnreserve(t.Context(), first.state, first.pod, first.node)

	require.NotContains(t, handle.nominated, "web-1")
}

func TestAMemberThatLeavesItsGroupGivesTheGroupUp(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*corev1.Pod)
		over   bool
	}{
		"it is of another group now": {change: func(pod *corev1.Pod) { pod.Labels[gang.Label] = "db" }, over: true},
		"it is of none now":          {change: func(pod *corev1.Pod) { delete(pod.Labels, gang.Label) }, over: true},
		"it is being deleted":        {change: func(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{Time: builders.Epoch()} }, over: true},
		"not if it changes else":     {change: func(pod *corev1.Pod) { pod.Labels["app"] = "web" }},
	} {
		t.Run(name, func(t *testing.T) {
			c := withGangs(2, map[string]int{"web": 2})
			f := newFixture(t, c)
			f.shared.gangs.Set(podGroup("web", 2))
			_, status := f.schedule(t, c.pending[0])
			require.True(t, status.IsWait(), status.Message())
			changed := c.pending[1].DeepCopy()
			tc.change(changed)
			f.shared.podUpdated(t.Context(), c.pending[1], changed)
			require.Equal(t, tc.over, f.shared.attempts.Of(podGroup("web", 2).Name) == nil)
			require.Equal(t, tc.over, f.reservedUnits(&c) == 0)
		})
	}
}

func TestAMemberThatDoesNotFitItsPlaceIsNotHeldToIt(t *testing.T) {
	c := withGangs(2, map[string]int{"web": 2})
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	_, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	decided, state := f.decided(t, c.pending[1])
	require.NotEmpty(t, decided.place)
	require.NotNil(t, decided.swap)

	f.PostFilter(t.Context(), state, c.pending[1], framework.NewDefaultNodeToStatus())

	require.Nil(t, f.shared.attempts.Of(podGroup("web", 2).Name))
	require.Nil(t, decided.swap)
	for _, info := range f.nodes {
		status := f.Filter(t.Context(), state, c.pending[1], info)
		require.NotEqual(t, reasonPlaced, status.Message(), "other preemption may look for room anywhere")
	}
}

// TestAGroupThatWaitsForTheTurnOfAnotherIsTriedAgainWhenThatIsOver: the other one may never come.
func TestAGroupThatWaitsForTheTurnOfAnotherIsTriedAgainWhenThatIsOver(t *testing.T) {
	c := withGangs(2, map[string]int{"app": 2})
	second, third := []*corev1.Pod{member1("db", 0), member1("db", 1)}, []*corev1.Pod{member1("web", 0), member1("web", 1)}
	holder := c.pending[0]
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
	require.Equal(t, 2, f.shared.postponed.Len(), "those of the group that was given up")

	_, status = f.schedule(t, third[0])

	require.Contains(t, status.Message(), "for group default/db first")
	require.Equal(t, 4, f.shared.postponed.Len())
}

func TestAGroupThatFindsNoRoomInItsTurnLetsTheNextOneTry(t *testing.T) {
	c := withGangs(2, map[string]int{"app": 2})
	second := []*corev1.Pod{member1("db", 0), member1("db", 1), member1("db", 2)}
	third := []*corev1.Pod{member1("web", 0), member1("web", 1)}
	holder := c.pending[0]
	c.pending = append(append(c.pending, second...), third...)
	f := newFixture(t, c)
	for name, needed := range map[string]int{"app": 2, "db": 3, "web": 2} {
		f.shared.gangs.Set(podGroup(name, needed))
	}
	first, status := f.schedule(t, holder)
	require.True(t, status.IsWait(), status.Message())
	for _, pod := range []*corev1.Pod{second[0], third[0]} {
		_, status = f.schedule(t, pod)
		require.Contains(t, status.Message(), "for group default/app first")
	}
	f.framework.RunReservePluginsUnreserve(t.Context(), first.state, first.pod, first.node)
	require.NoError(t, f.snapshot.ForgetPod(klog.Background(), first.pod))
	f.activated = nil

	_, status = f.schedule(t, second[0])

	require.Contains(t, status.Message(), "there is none for 1 of them")
	require.ElementsMatch(t, []string{"web-0", "web-1"}, f.activated)
}

func TestWhetherAGroupFitsAsItIs(t *testing.T) {
	for name, tc := range map[string]struct {
		cores  string
		needed int
		want   bool
	}{
		"all of it does":                       {cores: "3", needed: 3, want: true},
		"as many as are needed do":             {cores: "2", needed: 2, want: true},
		"not if there is no room for the last": {cores: "2", needed: 3},
	} {
		t.Run(name, func(t *testing.T) {
			c := withGangs(0, map[string]int{"web": 3})
			c.nodes = []*corev1.Node{builders.Node("free", "z-1", res(tc.cores)).Obj()}
			f := newFixture(t, c)
			fits, err := f.planner.Fit(t.Context(), c.pending, tc.needed)
			require.NoError(t, err)
			require.Equal(t, tc.want, fits)
		})
	}
}

func TestAGroupThatComesSecondFailsAtOnceAndIsActivatedAtTheEnd(t *testing.T) {
	c := withGangs(4, map[string]int{"web": 3})
	other := []*corev1.Pod{member1("db", 0), member1("db", 1), member1("db", 2)}
	c.pending = append(c.pending, other...)
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 3))
	f.shared.gangs.Set(podGroup("db", 3))
	first, status := f.schedule(t, c.pending[0])
	require.True(t, status.IsWait(), status.Message())
	f.activated = nil

	_, status = f.schedule(t, other[0])
	require.True(t, status.IsRejected())
	require.Contains(t, status.Message(), "headroom that it may take is for group default/web first: missing cpu 3")
	require.Empty(t, f.activated)

	f.framework.RunReservePluginsUnreserve(t.Context(), first.state, first.pod, first.node)
	require.Subset(t, f.activated, []string{"db-0", "db-1", "db-2"})
	require.NoError(t, f.snapshot.ForgetPod(klog.Background(), first.pod))
	_, status = f.schedule(t, other[0])
	require.True(t, status.IsWait(), status.Message())
}

func TestMembersBeyondThoseThatAreNeededAreTriedOnceTheGroupIsThrough(t *testing.T) {
	c := withGangs(4, map[string]int{"web": 4})
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 3))
	for _, pod := range c.pending[:2] {
		_, status := f.schedule(t, pod)
		require.True(t, status.IsWait(), status.Message())
	}
	f.activated = nil
	_, status := f.schedule(t, c.pending[2])
	require.True(t, status.IsSuccess(), status.Message())
	require.Equal(t, []string{"web-3"}, []string(f.activated), "it may take headroom for itself now")
}

// noting is the framework of a profile that notes to which node each pod is nominated.
type noting struct {
	framework.Framework
	nominated map[string]string
}

func (n noting) AddNominatedPod(_ klog.Logger, info fwk.PodInfo, to *fwk.NominatingInfo) {
	if to.Mode() == fwk.ModeOverride { // any other leaves the room to others
		n.nominated[info.GetPod().Name] = to.NominatedNodeName
	}
}

func (n noting) DeleteNominatedPodIfExists(pod *corev1.Pod) { delete(n.nominated, pod.Name) }

// TestTheNominationsOfAGroupThatIsNotPlacedStay: a scheduler before this one may have evicted for them.
func TestTheNominationsOfAGroupThatIsNotPlacedStay(t *testing.T) {
	for name, tc := range map[string]struct {
		units int
		want  map[string]string
	}{
		"it has no room":    {units: 1, want: map[string]string{"web-0": "elsewhere"}},
		"it has its places": {units: 2, want: map[string]string{"web-0": "n0", "web-1": "n1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := withGangs(tc.units, map[string]int{"web": 2})
			c.pending[0].Status.NominatedNodeName = "elsewhere"
			f := newFixture(t, c)
			handle := noting{f.handle, map[string]string{"web-0": "elsewhere"}}
			f.handle = handle
			f.shared.gangs.Set(podGroup("web", 2))
			_, status := f.schedule(t, c.pending[0])
			require.Equal(t, tc.units == 2, status.IsWait(), status.Message())
			require.Equal(t, tc.want, handle.nominated)
		})
	}
}

func TestAGroupThatLacksRoomIsUnschedulableAtOnce(t *testing.T) {
	c := withGangs(2, map[string]int{"web": 3})
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 3))
	_, status := f.schedule(t, c.pending[0])
	require.Equal(t, fwk.Unschedulable, status.Code())
	require.Contains(t, status.Message(), "there is none for 1 of them: missing cpu 1")
	require.Zero(t, f.reservedUnits(&c))
	require.NoError(t, f.snapshot.StartMutations(), "the changes of the snapshot are undone")
	require.NoError(t, f.snapshot.EndMutations())
}

// TestAGroupLooksAtMoreThanSums has room enough for three by the sums, of which a taint leaves two.
func TestAGroupLooksAtMoreThanSums(t *testing.T) {
	c := withGangs(3, map[string]int{"web": 3})
	c.nodes[1].Spec.Taints = []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoSchedule}}
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 3))
	_, status := f.schedule(t, c.pending[0])
	require.Contains(t, status.Message(), "there is none for 1 of them: missing cpu 1")
	require.Zero(t, f.reservedUnits(&c))
}

// TestTheMembersOfAGroupSpreadOnPaper has three members that must spread over two zones, of which one has two units and the other has one:
// whether the second of the two can be taken depends on where the member before went. A node has room that is in no zone.
func TestTheMembersOfAGroupSpreadOnPaper(t *testing.T) {
	open := hr("open", "1")
	c := cluster{
		nodes: []*corev1.Node{builders.Node("one", "z-1", res("1")).Obj(), builders.Node("two", "z-2", res("2")).Obj()},
		pods:  []*corev1.Pod{unit(open, 0, "one").Obj(), unit(open, 1, "two").Obj(), unit(open, 2, "two").Obj()},
	}
	nowhere := builders.Node("nowhere", "", res("3")).Obj()
	delete(nowhere.Labels, corev1.LabelTopologyZone)
	c.nodes = append(c.nodes, nowhere)
	for i := range 3 {
		pod := member1("web", i)
		pod.Labels["app"] = "web"
		pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: metav1.AddLabelToSelector(&metav1.LabelSelector{}, "app", "web"),
		}}
		c.pending = append(c.pending, pod)
	}
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 3))
	nodes := map[string]int{}
	for i, pod := range c.pending {
		done, status := f.schedule(t, pod)
		require.Equal(t, i < 2, status.IsWait(), status.Message())
		nodes[done.node]++
	}
	require.Equal(t, map[string]int{"one": 1, "two": 2}, nodes)
}

// TestAGroupThatCanDoWithoutAMemberLooksForTheOthers has a member for which there is no room, and others of the same controller for which
// there is.
func TestAGroupThatCanDoWithoutAMemberLooksForTheOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		needed int
		want   bool
	}{"two of three are needed": {needed: 2, want: true}, "all are": {needed: 3}} {
		t.Run(name, func(t *testing.T) {
			c := withGangs(3, map[string]int{"web": 3})
			for _, pod := range c.pending {
				pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(
					&metav1.ObjectMeta{Name: "web", UID: "web"}, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
			}
			c.pending[0].Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("2")
			f := newFixture(t, c)
			f.shared.gangs.Set(podGroup("web", tc.needed))
			_, status := f.schedule(t, c.pending[1])
			require.Equal(t, tc.want, status.IsWait(), status.Message())
		})
	}
}

func TestAGroupThatFitsAsItIsIsLeftAlone(t *testing.T) {
	c := withGangs(1, map[string]int{"web": 3})
	c.nodes = append(c.nodes, builders.Node("free", "z-1", res("3")).Obj())
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 3))
	for _, pod := range c.pending {
		done, status := f.schedule(t, pod)
		require.True(t, status.IsSuccess(), status.Message())
		require.Equal(t, "free", done.node)
	}
	require.Empty(t, f.activated)
	require.Zero(t, f.reservedUnits(&c))
}

func TestWhoTakesHeadroomAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		arrange func(*fixture)
		change  func(*cluster)
		// alone is whether it takes headroom like any other pod, together whether it does so with its group.
		alone, together bool
	}{
		"a pod whose group is not there":          {alone: true},
		"a member of a group of one":              {arrange: func(f *fixture) { f.shared.gangs.Set(podGroup("web", 1)) }, together: true},
		"not a member of a group that lacks pods": {arrange: func(f *fixture) { f.shared.gangs.Set(podGroup("web", 2)) }},
		"a member beyond those that are needed": {
			arrange: func(f *fixture) { f.shared.gangs.Set(podGroup("web", 2)) }, alone: true,
			change: func(c *cluster) {
				for i := range 2 {
					bound := member1("web", i+1)
					bound.Spec.NodeName = "n1"
					c.pending = append(c.pending, bound)
				}
			},
		},
		"a system-critical pod": {
			arrange: func(f *fixture) { f.shared.gangs.Set(podGroup("web", 2)) }, alone: true,
			change: func(c *cluster) { c.pending[0].Spec.Priority = ptr.To(scheduling.SystemCriticalPriority) },
		},
		"not where members cannot wait for each other": {
			arrange: func(f *fixture) { f.shared.gangs.Set(podGroup("web", 1)) },
			change: func(c *cluster) {
				c.arrange = func(plugins *schedulerconfig.Plugins) {
					plugins.Permit.Disabled = []schedulerconfig.Plugin{{Name: Name}}
				}
			},
		},
		"not where swaps are off": {
			arrange: func(f *fixture) { f.shared.gangs.Set(podGroup("web", 1)) },
			change:  func(c *cluster) { c.change = func(args *config.HeadroomArgs) { args.Swap = false } },
		},
		"not where an extender binds pods": {
			arrange: func(f *fixture) { f.shared.gangs.Set(podGroup("web", 1)) },
			change:  func(c *cluster) { c.extenders = []fwk.Extender{&tf.FakeExtender{}} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := withGangs(1, map[string]int{"web": 1})
			if tc.change != nil {
				tc.change(&c)
			}
			f := newFixture(t, c)
			if tc.arrange != nil {
				tc.arrange(f)
			}
			done, _ := f.schedule(t, c.pending[0])
			switch {
			case tc.alone:
				require.NotNil(t, done)
				require.Nil(t, cycleOf(done.state).member)
			case tc.together:
				require.NotNil(t, done)
				require.NotNil(t, cycleOf(done.state).member.attempt)
			default:
				require.Nil(t, done)
				require.Zero(t, f.reservedUnits(&c))
			}
		})
	}
}

// TestDefaultPreemptionGainsNothingFromPlaceholdersForAMember has a member of a group that lacks pods, and a unit that would do for it alone.
func TestDefaultPreemptionGainsNothingFromPlaceholdersForAMember(t *testing.T) {
	c := withGangs(1, map[string]int{"web": 1})
	f := newFixture(t, c)
	f.shared.gangs.Set(podGroup("web", 2))
	state := framework.NewCycleState()
	_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, c.pending[0])
	require.True(t, status.IsSuccess())
	_, status = f.PostFilter(t.Context(), state, c.pending[0], framework.NewDefaultNodeToStatus())
	require.Contains(t, status.Message(), "1 pods of its group are there, 2 are needed")
	node := f.nodes[0].Snapshot()
	require.NoError(t, node.RemovePod(klog.Background(), c.pods[0]))
	require.False(t, f.framework.RunFilterPlugins(t.Context(), state, c.pending[0], node).IsSuccess(), "the placeholder is counted back in")
}

func TestAUnitThatGoesBeforeTheLastPermitGivesTheGroupUp(t *testing.T) {
	for name, tc := range map[string]struct {
		evicted bool
		// member is whether a member goes, and not a unit.
		member bool
		over   bool
	}{
		"somebody deletes it":                         {over: true},
		"a member that was to take it goes":           {member: true, over: true},
		"another consumer takes what it has to spare": {evicted: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := withGangs(2, map[string]int{"web": 2})
			f := newFixture(t, c)
			f.shared.gangs.Set(podGroup("web", 2))
			first, status := f.schedule(t, c.pending[0])
			require.True(t, status.IsWait(), status.Message())
			if tc.evicted {
				f.shared.reservations.Gone(c.pods[0].UID) // as after a deletion of the scheduler's own
			}
			lost := c.pods[0]
			if tc.member {
				lost = c.pending[1]
			}
			f.shared.podGone(t.Context(), lost)
			require.Equal(t, tc.over, f.shared.attempts.Of(podGroup("web", 2).Name) == nil)
			if tc.over {
				require.True(t, f.framework.WaitOnPermit(t.Context(), first.pod).IsRejected())
			}
		})
	}
}

func TestGroupsOfOneNameInTwoNamespacesHaveNothingInCommon(t *testing.T) {
	c := withGangs(1, map[string]int{"web": 1})
	other := member1("web", 1)
	other.Namespace = "other"
	c.pending = append(c.pending, other)
	f := newFixture(t, c)
	require.Equal(t, c.pending[:1], f.shared.podsOf(podGroup("web", 2).Name))
	require.Equal(t, c.pending[1:], f.shared.podsOf(types.NamespacedName{Namespace: "other", Name: "web"}))
}

func TestPodsWithoutTheLabelDoNotPayForGroups(t *testing.T) {
	f := newFixture(t, withGangs(1, nil))
	f.shared.gangs.Set(podGroup("web", 1))
	pod := wants("1").Obj()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if f.groupOf(context.Background(), pod) != nil {
			t.Fail()
		}
	}))
}
