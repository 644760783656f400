package dryrun

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

// onSnapshot is a framework of which only the snapshot is used.
type onSnapshot struct {
	framework.Framework
	snapshot *cache.Snapshot
}

func (o onSnapshot) MutableSnapshotSharedLister() fwk.MutableSnapshotSharedLister { return o.snapshot }

// twoPodsOn returns the profile of a scheduler that sees one node with two pods, and that snapshot.
func twoPodsOn(node string) (*Profile, *cache.Snapshot, []*corev1.Pod) {
	pods := []*corev1.Pod{
		st.MakePod().Name("first").UID("first").Node(node).Obj(), st.MakePod().Name("second").UID("second").Node(node).Obj(),
	}
	snapshot := cache.NewSnapshot(pods, []*corev1.Node{st.MakeNode().Name(node).Obj()})
	return NewProfile(onSnapshot{snapshot: snapshot}, "Headroom"), snapshot, pods
}

func podsOf(t *testing.T, nodes fwk.NodeInfoLister) (names []string) {
	t.Helper()
	list, err := nodes.List()
	require.NoError(t, err)
	for _, info := range list {
		for _, podInfo := range info.GetPods() {
			names = append(names, podInfo.GetPod().Name)
		}
	}
	return names
}

func TestAChangedSnapshotIsRestoredHoweverTheChangeEnds(t *testing.T) {
	failed := errors.New("failed")
	for name, end := range map[string]func() error{
		"well":         func() error { return nil },
		"with failure": func() error { return failed },
		"with a panic": func() error { panic(failed) }, //nolint:forbidigo // that is the case
	} {
		t.Run(name, func(t *testing.T) {
			profile, snapshot, pods := twoPodsOn("a")
			change := func(changed fwk.MutableSnapshotSharedLister) error {
				require.NoError(t, RemovePods(t.Context(), changed, pods[:1]))
				require.NoError(t, AddPod(changed, st.MakePod().Name("third").UID("third").Obj(), "a"))
				require.Equal(t, []string{"second", "third"}, podsOf(t, snapshot.NodeInfos()))
				return end()
			}
			if name == "with a panic" {
				require.PanicsWithValue(t, failed, func() { _ = profile.OnChangedSnapshot(change) })
			} else {
				require.ErrorIs(t, profile.OnChangedSnapshot(change), end())
			}
			require.Equal(t, []string{"first", "second"}, podsOf(t, snapshot.NodeInfos()))
			require.NoError(t, snapshot.StartMutations(), "the changes have ended")
		})
	}
}

func TestAPodThatIsPutIntoASnapshotIsItselfLeftAsItIs(t *testing.T) {
	profile, snapshot, _ := twoPodsOn("a")
	waits := st.MakePod().Name("third").UID("third").Obj()
	require.NoError(t, profile.OnChangedSnapshot(func(changed fwk.MutableSnapshotSharedLister) error {
		defer func() { require.Len(t, podsOf(t, snapshot.NodeInfos()), 3) }()
		return AddPod(changed, waits, "a")
	}))
	require.Empty(t, waits.Spec.NodeName, "it is the informer's own, and waits still")
}

func TestPodsAreTakenFromTheirOwnNodesAndPutOntoAnother(t *testing.T) {
	pods := []*corev1.Pod{
		st.MakePod().Name("first").UID("first").Node("a").Obj(), st.MakePod().Name("second").UID("second").Node("b").Obj(),
		st.MakePod().Name("stays").UID("stays").Node("b").Obj(),
	}
	snapshot := cache.NewSnapshot(pods, []*corev1.Node{st.MakeNode().Name("a").Obj(), st.MakeNode().Name("b").Obj()})
	require.NoError(t, NewProfile(onSnapshot{snapshot: snapshot}, Name).OnChangedSnapshot(func(changed fwk.MutableSnapshotSharedLister) error {
		require.NoError(t, RemovePods(t.Context(), changed, pods[:2]))
		require.Equal(t, []string{"stays"}, podsOf(t, snapshot.NodeInfos()))
		require.NoError(t, AddPod(changed, st.MakePod().Name("waits").UID("waits").Obj(), "a"))
		a, err := snapshot.NodeInfos().Get("a")
		require.NoError(t, err)
		require.Len(t, a.GetPods(), 1)
		require.Equal(t, "a", a.GetPods()[0].GetPod().Spec.NodeName, "plugins read there where it is")
		return nil
	}))
}

func TestASnapshotThatAnotherChangesIsLeftToIt(t *testing.T) {
	profile, snapshot, _ := twoPodsOn("a")
	require.NoError(t, snapshot.StartMutations())
	require.Error(t, profile.OnChangedSnapshot(func(fwk.MutableSnapshotSharedLister) error { return nil }))
	require.NoError(t, snapshot.EndMutations(), "it has not ended yet")
}

func TestAConfinedPreemptionSeesOnlyItsVictims(t *testing.T) {
	profile, snapshot, pods := twoPodsOn("a")
	confined := profile.Confined(sets.New(types.UID("second"))).MutableSnapshotSharedLister()
	require.Equal(t, []string{"second"}, podsOf(t, confined.NodeInfos()))
	both := profile.Confined(sets.New(types.UID("first"), types.UID("second"))).MutableSnapshotSharedLister()
	require.Equal(t, []string{"first", "second"}, podsOf(t, both.NodeInfos()))

	shown, err := confined.NodeInfos().List()
	require.NoError(t, err)
	real, err := snapshot.NodeInfos().Get("a")
	require.NoError(t, err)
	require.Same(t, real, whole(shown[0]), "Filter plugins see the node with all its pods")

	require.NoError(t, confined.StartMutations())
	require.NoError(t, RemovePods(t.Context(), confined, pods[1:]), "and what the preemption takes away is away")
	require.Equal(t, []string{"first"}, podsOf(t, snapshot.NodeInfos()))
}

func TestTheBestNodeIsTheOneThatScoresMostAndOfEqualsTheFirstByName(t *testing.T) {
	for name, tc := range map[string]struct {
		pods []*corev1.Pod
		want string
	}{
		"all score alike":             {want: "a"},
		"the first scores less":       {pods: []*corev1.Pod{on("a", "x", "2")}, want: "b"},
		"the first has no room":       {pods: []*corev1.Pod{on("a", "x", "4")}, want: "b"},
		"only the last is not in use": {pods: []*corev1.Pod{on("a", "x", "2"), on("b", "y", "2")}, want: "c"},
		"none has room":               {pods: []*corev1.Pod{on("a", "x", "4"), on("b", "y", "4"), on("c", "z", "4")}},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster{pods: tc.pods}
			for _, node := range []string{"a", "b", "c"} {
				c.nodes = append(c.nodes, builders.Node(node, "z", res("4")).Obj())
			}
			f := newFixture(t, c)
			for _, order := range [][]string{{"a", "b", "c"}, {"c", "b", "a"}, {"b", "a", "c"}} { // the snapshot's order is nobody's choice
				run := f.profile.NewRunApart(wants("1").Obj())
				require.True(t, run.Start(t.Context()))
				best, err := run.Best(t.Context(), f.nodes(t, order...))
				require.NoError(t, err)
				require.Equal(t, tc.want, best, "%v", order)
			}
		})
	}
}
