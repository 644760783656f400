package selection

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

// extender rejects the nodes that a test names, or fails.
type extender struct {
	fwk.Extender
	rejects []string
	err     error
	asked   [][]string
}

func (*extender) Name() string                  { return "extender" }
func (*extender) IsInterested(*corev1.Pod) bool { return true }
func (*extender) IsIgnorable() bool             { return false }

func (e *extender) Filter(
	_ *corev1.Pod, nodes []fwk.NodeInfo,
) ([]fwk.NodeInfo, extenderv1.FailedNodesMap, extenderv1.FailedNodesMap, error) {
	var passing []fwk.NodeInfo
	var asked []string
	for _, info := range nodes {
		asked = append(asked, info.Node().Name)
		if !slices.Contains(e.rejects, info.Node().Name) {
			passing = append(passing, info)
		}
	}
	slices.Reverse(passing) // it may answer in any order
	e.asked = append(e.asked, asked)
	return passing, nil, nil, e.err
}

// advised is the framework of a scheduler with an extender.
type advised struct {
	framework.Framework
	extender *extender
}

func (a advised) Extenders() []fwk.Extender { return []fwk.Extender{a.extender} }

// advise gives the scheduler of a fixture an extender.
func (f *fixture) advise(e *extender) {
	f.Handle = advised{f.framework, e}
	f.Profile = dryrun.NewProfile(f.Handle, proberName)
}

// TestExtendersHaveTheLastWord has two nodes with room and two with headroom.
func TestExtendersHaveTheLastWord(t *testing.T) {
	for name, tc := range map[string]struct {
		extender extender
		plugin   string // a node that a Filter plugin rejects
		want     string
	}{
		"they say nothing against free room": {},
		"they want none of the free room":    {extender: extender{rejects: []string{"free-1", "free-2"}}, want: "held-1"},
		"they leave some of the free room":   {extender: extender{rejects: []string{"free-1"}}},
		"what they leave, a plugin rejects": {
			extender: extender{rejects: []string{"free-1"}}, plugin: "free-2", want: "held-1",
		},
		"they want none of the free room and not the first node": {
			extender: extender{rejects: []string{"free-1", "free-2", "held-1"}}, want: "held-2",
		},
		"they want no node at all": {
			extender: extender{rejects: []string{"free-1", "free-2", "held-1", "held-2"}},
		},
		"they fail": {extender: extender{err: errors.New("no answer")}},
	} {
		t.Run(name, func(t *testing.T) {
			var nodes []*corev1.Node
			for _, name := range []string{"free-1", "free-2", "held-1", "held-2"} {
				nodes = append(nodes, node(name, "z", "1"))
			}
			f := newFixture(t, nodes, unit(0, "held-1"), unit(1, "held-2"))
			f.advise(&tc.extender)
			f.prober.rejects[tc.plugin] = true
			pod := wants("1").Obj()
			selected := f.Select(t.Context(), f.run(t, pod), f.consumer(t, pod))
			require.Nil(t, selected.Free, "extenders may have more to say in the cycle")
			if tc.want == "" {
				require.Nil(t, selected.Swap)
				return
			}
			require.NotNil(t, selected.Swap)
			require.Equal(t, tc.want, selected.Swap.Node)
		})
	}
}

func TestExtendersAreAskedOnceAboutAllNodesThatPluginsPass(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1"), node("b", "z", "1"), node("c", "z", "1")}, unit(0, "a"), unit(1, "b"), unit(2, "c"))
	e := &extender{rejects: []string{"a"}}
	f.advise(e)
	f.prober.rejects["b"] = true
	f.requireSwap(t, wants("1").Obj(), "c", "open-headroom-2")
	require.Len(t, e.asked, 1)
	require.ElementsMatch(t, []string{"a", "c"}, e.asked[0])
}

func TestExtendersAreNotAskedWhereNoNodePasses(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
	e := &extender{}
	f.advise(e)
	f.prober.rejects["a"] = true
	f.requireSwap(t, wants("1").Obj(), "")
	require.Empty(t, e.asked)
}
