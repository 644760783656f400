package dryrun

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/test/builders"
)

// extender rejects a node, or fails, or has no say about pods.
type extender struct {
	fwk.Extender
	name, rejects            string
	fails, ignorable, silent bool
	binder                   bool
}

func (e *extender) Name() string                  { return e.name }
func (e *extender) IsInterested(*corev1.Pod) bool { return !e.silent }
func (e *extender) IsIgnorable() bool             { return e.ignorable }
func (e *extender) IsBinder() bool                { return e.binder }

func (e *extender) Filter(
	_ *corev1.Pod, nodes []fwk.NodeInfo,
) ([]fwk.NodeInfo, extenderv1.FailedNodesMap, extenderv1.FailedNodesMap, error) {
	if e.fails {
		return nil, nil, nil, errors.New("no answer")
	}
	var passing []fwk.NodeInfo
	for _, info := range nodes {
		if info.Node().Name != e.rejects {
			passing = append(passing, info)
		}
	}
	return passing, nil, nil, nil
}

func TestANodePassesWhereNoExtenderRejectsIt(t *testing.T) {
	for name, tc := range map[string]struct {
		extenders []fwk.Extender
		has       bool
		want      []string
	}{
		"there is none":               {want: []string{"a", "b", "c"}},
		"it has no say about the pod": {extenders: []fwk.Extender{&extender{rejects: "a", silent: true}}, want: []string{"a", "b", "c"}},
		"one rejects a node":          {extenders: []fwk.Extender{&extender{rejects: "a"}}, has: true, want: []string{"b", "c"}},
		"each rejects one": {
			extenders: []fwk.Extender{&extender{rejects: "a"}, &extender{rejects: "c"}}, has: true, want: []string{"b"},
		},
		"one that has no say is beside another": {
			extenders: []fwk.Extender{&extender{rejects: "a", silent: true}, &extender{rejects: "c"}}, has: true, want: []string{"a", "b"},
		},
		"one fails":               {extenders: []fwk.Extender{&extender{fails: true}}, has: true},
		"one fails after another": {extenders: []fwk.Extender{&extender{rejects: "a"}, &extender{fails: true}}, has: true},
		"one fails that may": {
			extenders: []fwk.Extender{&extender{rejects: "a"}, &extender{fails: true, ignorable: true}, &extender{rejects: "b"}}, has: true,
			want: []string{"c"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var nodes []*corev1.Node
			for _, node := range []string{"a", "b", "c"} {
				nodes = append(nodes, builders.Node(node, "z", res("1")).Obj())
			}
			f := newFixture(t, cluster{nodes: nodes})
			run := NewProfile(advised{f.framework, tc.extenders}, Name).NewRun(framework.NewCycleState(), wants("1").Obj())
			require.Equal(t, tc.has, run.HasExtenders())
			require.ElementsMatch(t, tc.want, run.PassExtenders(t.Context(), f.nodes(t, "a", "b", "c")))
		})
	}
}

func TestTheFirstExtenderThatBindsAndHasASayBindsThePod(t *testing.T) {
	for name, tc := range map[string]struct {
		extenders []fwk.Extender
		want      string
	}{
		"none":              {},
		"one does not bind": {extenders: []fwk.Extender{&extender{name: "one"}}},
		"the second does":   {extenders: []fwk.Extender{&extender{name: "one"}, &extender{name: "two", binder: true}}, want: "two"},
		"the first has no say": {
			extenders: []fwk.Extender{&extender{name: "one", binder: true, silent: true}, &extender{name: "two", binder: true}}, want: "two",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{})
			profile := NewProfile(advised{f.framework, tc.extenders}, Name)
			require.Equal(t, tc.want, profile.NewRun(framework.NewCycleState(), wants("1").Obj()).BinderExtender())
			require.Equal(t, tc.want, profile.NewRunApart(wants("1").Obj()).BinderExtender())
			group := profile.NewRunInGroup(framework.NewCycleState(), wants("1").Obj())
			require.False(t, group.HasExtenders(), "extenders are not asked about groups")
		})
	}
}
