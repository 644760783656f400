package gang

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/test/builders"
)

func TestWhetherMembersFitAsTheyAre(t *testing.T) {
	large := func() *st.PodWrapper {
		return builders.Consumer("large", builders.Resources{"cpu": "3"}).Namespace("default").UID("large")
	}
	whole := func() *st.PodWrapper { // has room on the second node alone
		return builders.Consumer("whole", builders.Resources{"cpu": "2"}).Namespace("default").UID("whole")
	}
	for name, tc := range map[string]struct {
		members []*st.PodWrapper
		needed  int
		rejects string
		want    bool
	}{
		"room for more than are needed": {members: []*st.PodWrapper{waits("x"), waits("y"), waits("z")}, needed: 2, want: true},
		"room for all":                  {members: []*st.PodWrapper{waits("x"), waits("y"), waits("z")}, needed: 3, want: true},
		"room for as many as are needed": {
			members: []*st.PodWrapper{waits("v"), waits("w"), waits("x"), waits("y"), waits("z")}, needed: 3, want: true,
		},
		"each sees the ones before it": {members: []*st.PodWrapper{waits("w"), waits("x"), waits("y"), waits("z")}, needed: 4},
		"one that is too large": {
			members: []*st.PodWrapper{large(), waits("y"), waits("z")}, needed: 2, want: true,
		},
		"too few without one that is too large": {members: []*st.PodWrapper{large(), waits("y")}, needed: 2},
		"one of too much memory": {
			members: []*st.PodWrapper{builders.Consumer("x", builders.Resources{"memory": "5Gi"}).Namespace("default").UID("x")}, needed: 1,
		},
		"one of all the memory of a node": {
			members: []*st.PodWrapper{builders.Consumer("x", builders.Resources{"memory": "4Gi"}).Namespace("default").UID("x")}, needed: 1,
			want: true,
		},
		"the second goes to a node before that of the first": {members: []*st.PodWrapper{whole(), waits("y")}, needed: 2, want: true},
		"none where the first is":                            {members: []*st.PodWrapper{whole(), whole()}, needed: 2},
		"one that plugins reject": {
			members: []*st.PodWrapper{waits("x").Label("rejected", "yes"), waits("y"), waits("z")}, needed: 2, want: true,
		},
		"a node that plugins reject": {
			members: []*st.PodWrapper{waits("x"), waits("y"), waits("z")}, needed: 3, rejects: "b",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := planner(t, []string{"a", "b"}, []*st.PodWrapper{runs("r", "a")})
			p.prober.rejects[tc.rejects] = true
			before := p.podsByNode(t)
			fit, err := p.Fit(t.Context(), objects(tc.members), tc.needed)
			require.NoError(t, err)
			require.Equal(t, tc.want, fit)
			require.Equal(t, before, p.podsByNode(t), "what was tried on paper is undone")
		})
	}
}

// TestMembersShareANodeSoThatALargeOneHasAnother, whichever of the two nodes is looked at first.
func TestMembersShareANodeSoThatALargeOneHasAnother(t *testing.T) {
	p := planner(t, []string{"a", "b"}, nil)
	large := builders.Consumer("large", builders.Resources{"cpu": "2"}).Namespace("default").UID("large")
	fit, err := p.Fit(t.Context(), objects([]*st.PodWrapper{waits("x"), waits("y"), large}), 3)
	require.NoError(t, err)
	require.True(t, fit)
}

func TestWhatPlaceholdersHoldIsNoRoomForMembersThatFitAsTheyAre(t *testing.T) {
	p := planner(t, []string{"a"}, []*st.PodWrapper{holds("spare", 0, "a"), holds("spare", 1, "a")})
	fit, err := p.Fit(t.Context(), objects([]*st.PodWrapper{waits("x")}), 1)
	require.NoError(t, err)
	require.False(t, fit, "what placeholders hold is not free")
	require.Equal(t, 2, p.Selector.Inventory.Placeholders())
}

// TestMembersFitOnANodeThatIsLargerThanTheOthers, wherever it is among them.
func TestMembersFitOnANodeThatIsLargerThanTheOthers(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	for _, larger := range names {
		p := planner(t, names, nil)
		info, err := p.snapshot.NodeInfos().Get(larger)
		require.NoError(t, err)
		info.(*framework.NodeInfo).SetNode(builders.Node(larger, "z", builders.Resources{"cpu": "4", "memory": "8Gi"}).Obj())
		large := builders.Consumer("large", builders.Resources{"cpu": "3", "memory": "6Gi"}).Namespace("default").UID("large")
		fit, err := p.Fit(t.Context(), objects([]*st.PodWrapper{waits("x"), large}), 2)
		require.NoError(t, err)
		require.True(t, fit, larger)
	}
}
