package dryrun

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

var errStart, errEnd, errRemove, errList = errors.New("start"), errors.New("end"), errors.New("remove"), errors.New("list")

// broken is a snapshot that fails in the ways that a test names.
type broken struct {
	fwk.MutableSnapshotSharedLister
	fwk.NodeInfoLister
	fails []error
}

func (b *broken) in(err error) error {
	if slices.Contains(b.fails, err) {
		return err
	}
	return nil
}

func (b *broken) StartMutations() error         { return b.in(errStart) }
func (b *broken) EndMutations() error           { return b.in(errEnd) }
func (b *broken) NodeInfos() fwk.NodeInfoLister { return b }

func (b *broken) RemovePod(klog.Logger, *corev1.Pod, string) error { return b.in(errRemove) }

func (b *broken) List() ([]fwk.NodeInfo, error) { return nil, b.in(errList) }

// onBroken is a framework with such a snapshot.
type onBroken struct {
	framework.Framework
	snapshot *broken
}

func (o onBroken) MutableSnapshotSharedLister() fwk.MutableSnapshotSharedLister { return o.snapshot }

func TestWhatFailsWithASnapshotIsTold(t *testing.T) {
	pod := st.MakePod().Name("first").Namespace("default").Node("a").Obj()
	for name, tc := range map[string]struct {
		fails, want []error
		changed     bool
	}{
		"nothing":                         {changed: true},
		"the beginning":                   {fails: []error{errStart}, want: []error{errStart}},
		"a removal":                       {fails: []error{errRemove}, want: []error{errRemove}, changed: true},
		"the end":                         {fails: []error{errEnd}, want: []error{errEnd}, changed: true},
		"the end of what has failed, too": {fails: []error{errRemove, errEnd}, want: []error{errRemove, errEnd}, changed: true},
	} {
		t.Run(name, func(t *testing.T) {
			changed := false
			err := NewProfile(onBroken{snapshot: &broken{fails: tc.fails}}, Name).OnChangedSnapshot(func(s fwk.MutableSnapshotSharedLister) error {
				changed = true
				return RemovePods(t.Context(), s, []*corev1.Pod{pod})
			})
			require.Equal(t, tc.changed, changed)
			if len(tc.want) == 0 {
				require.NoError(t, err)
			}
			for _, want := range tc.want {
				require.ErrorIs(t, err, want)
			}
			if err != nil && !errors.Is(err, errStart) && errors.Is(err, errRemove) {
				require.ErrorContains(t, err, "default/first", "it says which pod")
			}
		})
	}
	confined := NewProfile(onBroken{snapshot: &broken{fails: []error{errList}}}, Name).Confined(nil)
	_, err := confined.MutableSnapshotSharedLister().NodeInfos().List()
	require.ErrorIs(t, err, errList)
}

func TestASnapshotThatNobodyMayChangeIsLeftAsItIs(t *testing.T) {
	_, snapshot, pods := twoPodsOn("a")
	pods[0].Namespace = "default"
	require.ErrorContains(t, AddPod(snapshot, st.MakePod().Name("third").Namespace("default").UID("third").Obj(), "a"), "default/third")
	require.ErrorContains(t, RemovePods(t.Context(), snapshot, pods[:1]), "default/first")
	require.Equal(t, []string{"first", "second"}, podsOf(t, snapshot.NodeInfos()))
}

// telling is a framework that keeps which node plugins were asked about last.
type telling struct {
	framework.Framework
	snapshot *cache.Snapshot
	asked    fwk.NodeInfo
	pod      string
}

func (f *telling) MutableSnapshotSharedLister() fwk.MutableSnapshotSharedLister { return f.snapshot }

func (f *telling) RunFilterPluginsWithNominatedPods(_ context.Context, _ fwk.CycleState, pod *corev1.Pod, node fwk.NodeInfo) *fwk.Status {
	f.asked, f.pod = node, pod.Name
	return nil
}

func (f *telling) RunPreFilterExtensionAddPod(
	_ context.Context, _ fwk.CycleState, _ *corev1.Pod, added fwk.PodInfo, node fwk.NodeInfo,
) *fwk.Status {
	f.asked, f.pod = node, added.GetPod().Name
	return nil
}

func (f *telling) RunPreFilterExtensionRemovePod(
	_ context.Context, _ fwk.CycleState, _ *corev1.Pod, removed fwk.PodInfo, node fwk.NodeInfo,
) *fwk.Status {
	f.asked, f.pod = node, removed.GetPod().Name
	return nil
}

// TestPluginsSeeAllOfANodeOfWhichAPreemptionSeesSome has a node with a victim, and one without any.
func TestPluginsSeeAllOfANodeOfWhichAPreemptionSeesSome(t *testing.T) {
	pods := []*corev1.Pod{
		st.MakePod().Name("first").UID("first").Node("a").Obj(), st.MakePod().Name("second").UID("second").Node("a").Obj(),
		st.MakePod().Name("third").UID("third").Node("b").Obj(),
	}
	handle := &telling{snapshot: cache.NewSnapshot(pods, []*corev1.Node{st.MakeNode().Name("a").Obj(), st.MakeNode().Name("b").Obj()})}
	confined := NewProfile(handle, Name).Confined(sets.New(types.UID("second")))
	shown, err := confined.MutableSnapshotSharedLister().NodeInfos().List()
	require.NoError(t, err)
	require.Len(t, shown, 2, "a node without victims is there, too: the pod may fit on it as it is")
	if shown[0].Node().Name == "b" {
		shown[0], shown[1] = shown[1], shown[0]
	}
	require.Len(t, shown[0].GetPods(), 1)
	require.Empty(t, shown[1].GetPods())
	state, victim := framework.NewCycleState(), shown[0].GetPods()[0]
	for _, node := range shown {
		whole, err := handle.snapshot.NodeInfos().Get(node.Node().Name)
		require.NoError(t, err)
		for pod, ask := range map[string]func(){
			"asks": func() {
				confined.RunFilterPluginsWithNominatedPods(t.Context(), state, st.MakePod().Name("asks").Obj(), node)
			},
			"second": func() { confined.RunPreFilterExtensionAddPod(t.Context(), state, pods[0], victim, node) },
			"first": func() {
				info, err := framework.NewPodInfo(pods[0])
				require.NoError(t, err)
				confined.RunPreFilterExtensionRemovePod(t.Context(), state, pods[1], info, node)
			},
		} {
			handle.asked, handle.pod = nil, ""
			ask()
			require.Same(t, whole, handle.asked, pod)
			require.Equal(t, pod, handle.pod)
		}
	}
}

// TestAPodOfAGroupIsAskedAboutAsOne on the nodes to which the group is confined.
func TestAPodOfAGroupIsAskedAboutAsOne(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z", res("1")).Obj(), builders.Node("b", "z", res("1")).Obj()}})
	nodes := f.nodes(t, "a", "b")
	require.NoError(t, f.snapshot.AssumePlacement(&fwk.Placement{Name: "only b", Nodes: nodes[1:]}))
	group := framework.NewCycleState()

	run := f.profile.NewRunInGroup(group, wants("1").Obj())
	require.True(t, run.InGroup())
	require.True(t, run.Start(t.Context()))
	require.Equal(t, nodes[1:], run.Allowed(nodes))
	require.Same(t, group, run.State().GetPodGroupSchedulingCycle())
	require.NotNil(t, run.cycle.GetPlacementCycleState())
	require.Same(t, group, run.cycle.GetPlacementCycleState().GetPodGroupSchedulingCycle())
	require.Same(t, run.cycle.GetPlacementCycleState(), run.State().GetPlacementCycleState())
	require.True(t, run.MustSpread(), "there is no cycle that tells otherwise")
	_, dry := Without(run.State())
	require.True(t, dry)

	alone := f.profile.NewRun(framework.NewCycleState(), wants("1").Obj())
	require.True(t, alone.Start(t.Context()))
	require.Equal(t, nodes, alone.Allowed(nodes), "what groups are confined to is nothing to a pod alone")
}
