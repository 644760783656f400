package dryrun

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"

	"github.com/headroom-dev/headroom/test/builders"
)

// counted is a state that a plugin keeps.
type counted struct{ what string }

func (c *counted) Clone() fwk.StateData { return &counted{c.what} }

// allocator stands in for DynamicResources: it keeps what it sees when its PreFilter runs, and says what a test wants.
type allocator struct {
	fwk.PreFilterPlugin
	freed  *freed
	status *fwk.Status

	hidden []*resourcev1.ResourceClaim
	pod    *corev1.Pod
	group  fwk.PodGroupCycleState
}

func (a *allocator) PreFilter(
	_ context.Context, state fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo,
) (*fwk.PreFilterResult, *fwk.Status) {
	a.hidden, a.pod, a.group = a.freed.hidden, pod, state.GetPodGroupSchedulingCycle()
	state.Write(DevicesKey, &counted{"devices"})
	return nil, a.status
}

func TestDevicesAreFreeWhileItIsAskedWhatThenWouldBe(t *testing.T) {
	for name, status := range map[string]*fwk.Status{
		"it can be":          nil,
		"it cannot":          fwk.NewStatus(fwk.Unschedulable, "no such device"),
		"it cannot be known": fwk.AsStatus(errors.New("no such class")),
	} {
		t.Run(name, func(t *testing.T) {
			hidden := &freed{}
			a := &allocator{freed: hidden, status: status}
			d := &Devices{plugin: a, freed: hidden}
			group, cycle := framework.NewCycleState(), framework.NewCycleState()
			cycle.SetPodGroupSchedulingCycle(group)
			pod, claims := wants("1").Obj(), []*resourcev1.ResourceClaim{claim(result("a")), claim(result("b"))}

			state, err := newFixture(t, cluster{}).profile.NewRun(cycle, pod).FreedFor(t.Context(), d, claims)

			require.Equal(t, claims, a.hidden)
			require.Same(t, pod, a.pod)
			require.Same(t, group, a.group, "a pod of a group is asked about as one")
			require.Nil(t, hidden.hidden, "they are held for everybody else")
			_, written := cycle.Read(DevicesKey)
			require.ErrorIs(t, written, fwk.ErrNotFound, "the cycle itself has nothing of this")
			if status != nil {
				require.ErrorContains(t, err, status.Message())
				require.ErrorContains(t, err, "2 claims")
				require.Nil(t, state)
				return
			}
			require.NoError(t, err)
			require.Equal(t, &counted{"devices"}, state)
		})
	}
}

func TestWithoutDevicesInTheSchedulerThereIsNothingToAsk(t *testing.T) {
	devices, err := NewDevices(t.Context(), newFixture(t, cluster{}).framework, feature.Features{})
	require.ErrorContains(t, err, "DynamicResourceAllocation")
	require.Nil(t, devices)
}

// seeing is a framework whose Filter plugins say what a test says, given what they see.
type seeing struct {
	framework.Framework
	say func(ctx context.Context, state fwk.CycleState, node fwk.NodeInfo) *fwk.Status
}

func (s seeing) RunFilterPlugins(ctx context.Context, state fwk.CycleState, _ *corev1.Pod, node fwk.NodeInfo) *fwk.Status {
	return s.say(ctx, state, node)
}

func (s seeing) RunFilterPluginsWithNominatedPods(
	ctx context.Context, state fwk.CycleState, _ *corev1.Pod, node fwk.NodeInfo,
) *fwk.Status {
	return s.say(ctx, state.Clone(), node) // which it does where pods are nominated
}

// TestFilterPluginsSeeWhatIsLeftOut in each way to ask them.
func TestFilterPluginsSeeWhatIsLeftOut(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z", res("1")).Obj(), builders.Node("b", "z", res("1")).Obj()}})
	victims := []*corev1.Pod{on("a", "first", "1"), on("a", "second", "1")}
	for way, tc := range map[string]struct {
		ask     func(r *Run, node fwk.NodeInfo, without []*corev1.Pod) bool
		devices bool
	}{
		"all": {ask: func(r *Run, node fwk.NodeInfo, without []*corev1.Pod) bool {
			return r.Passes(t.Context(), node, without)
		}},
		"why not": {ask: func(r *Run, node fwk.NodeInfo, without []*corev1.Pod) bool {
			return r.Reasons(t.Context(), node, without) == nil
		}},
		"those of the node": {ask: func(r *Run, node fwk.NodeInfo, without []*corev1.Pod) bool {
			return r.PassesNodeLocal(t.Context(), node, without)
		}},
		"with devices": {devices: true, ask: func(r *Run, node fwk.NodeInfo, without []*corev1.Pod) bool {
			return r.PassesFreed(t.Context(), node, without, &counted{"devices"})
		}},
	} {
		t.Run(way, func(t *testing.T) {
			for _, without := range [][]*corev1.Pod{nil, victims[:1], victims} {
				asked := 0
				run := NewProfile(seeing{f.framework, func(_ context.Context, state fwk.CycleState, node fwk.NodeInfo) *fwk.Status {
					asked++
					left, dry := Without(state)
					require.True(t, dry)
					require.Equal(t, without, left)
					found, err := state.Read(DevicesKey)
					if tc.devices {
						require.NoError(t, err)
						require.Equal(t, &counted{"devices"}, found)
					} else {
						require.ErrorIs(t, err, fwk.ErrNotFound)
					}
					if node.Node().Name == "b" {
						return fwk.NewStatus(fwk.Unschedulable, "not b")
					}
					return nil
				}}, Name).NewRun(framework.NewCycleState(), wants("1").Obj())
				require.True(t, run.Start(t.Context()))
				nodes := f.nodes(t, "a", "b")
				require.True(t, tc.ask(run, nodes[0], without))
				require.False(t, tc.ask(run, nodes[1], without))
				require.Equal(t, 2, asked)
			}
		})
	}
}

func TestReasonsAreTheWordsOfTheFilterPlugins(t *testing.T) {
	f := newFixture(t, cluster{nodes: []*corev1.Node{
		builders.Node("a", "z", builders.Resources{"cpu": "1", "memory": "1Gi"}).Obj(), builders.Node("b", "z", res("4")).Obj(),
	}})
	node := &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
		{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}},
	}}}}
	both := builders.Consumer("consumer", builders.Resources{"cpu": "2", "memory": "2Gi"}).Namespace("default").UID("consumer").Obj()
	only := wants("2").Obj()
	only.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: node}}
	nodes := f.nodes(t, "a", "b")
	run := f.started(t, f.profile, wants("2").Obj())
	require.Equal(t, []string{"Insufficient cpu"}, run.Reasons(t.Context(), nodes[0], nil))
	require.Nil(t, run.Reasons(t.Context(), nodes[1], nil), "it passes there")
	run = f.started(t, f.profile, both)
	require.ElementsMatch(t, []string{"Insufficient cpu", "Insufficient memory"}, run.Reasons(t.Context(), nodes[0], nil), "all of them")
	run = f.started(t, f.profile, only)
	require.Equal(t, []string{"Insufficient cpu"}, run.Reasons(t.Context(), nodes[0], nil))
	require.Nil(t, run.Reasons(t.Context(), nodes[1], nil), "the cycle is not about that node")
}
