package oracle

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestAGroupTakesWhatTheOracleSaysOrNothing covers P11 (all or nothing), and with it P4 (the published order) for groups of scheduler-plugins:
// all members are where the rules put them one after another on paper, and just the placeholders are gone that these took there, or no
// member is bound and nothing is gone.
func TestAGroupTakesWhatTheOracleSaysOrNothing(t *testing.T) {
	profile, server := shipped(t), startHeadroomServer(t)
	var free, bound, refused atomic.Int64
	t.Cleanup(func() {
		t.Logf("groups that may fit as they are: %d, bound with headroom: %d, refused: %d", free.Load(), bound.Load(), refused.Load())
		for _, count := range []*atomic.Int64{&free, &bound, &refused} {
			assert.Positive(t, count.Load(), "the random clusters must have all three")
		}
	})
	inShards(t, func(t *rapid.T) {
		c := GenerateGroup(t)
		run, err := tested(t, c, profile, server).SimulateGroup(c)
		require.NoError(t, err, "%s", run)
		for _, step := range run.Steps {
			require.Empty(t, step.Outcome.BoundTooEarly, "P5: a member was bound before its room was free%s", run)
		}
		for _, name := range run.Evicted {
			require.True(t, c.takeable(c.pod(name), ownOnly), "P1, P8: %s must not go%s", name, run)
		}
		switch {
		case c.mayFitAsTheyAre():
			free.Add(1)
		case run.Expected.Nodes == nil:
			refused.Add(1)
			require.Empty(t, run.Evicted, "P11: nothing is evicted for a part of a group%s", run)
			if slices.ContainsFunc(c.Pods, func(p Pod) bool { return c.takeable(p, ownOnly) }) {
				require.Empty(t, run.nodes(), "P11: no part of a group is bound%s", run)
			}
		default:
			bound.Add(1)
			require.Equal(t, run.Expected.Nodes, run.nodes(), "P11, P4: the rules name other nodes%s", run)
			require.ElementsMatch(t, run.Expected.Victims, run.Evicted, "P11, P4: the rules name other placeholders%s", run)
		}
	})
}

// nodes are those of the members that were bound, by their names.
func (r GroupRun) nodes() map[string]string {
	nodes := map[string]string{}
	for i, member := range r.cluster.consumers() {
		if node := r.Steps[i].Outcome.Node; node != "" {
			nodes[member.Name] = node
		}
	}
	return nodes
}
