package swapevent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
)

func TestToHideNamesLeavesTheSwapAsItIs(t *testing.T) {
	mine, other := types.NamespacedName{Namespace: "shop", Name: "mine"}, types.NamespacedName{Namespace: "bank", Name: "other"}
	for name, swap := range map[string]Swap{
		"took":   {Placeholders: []types.NamespacedName{other, mine, other}, Shared: []types.NamespacedName{other, mine}},
		"shared": {Shared: []types.NamespacedName{other, mine, other}},
	} {
		t.Run(name, func(t *testing.T) {
			before := Swap{Placeholders: slices.Clone(swap.Placeholders), Shared: slices.Clone(swap.Shared)}
			hidden := swap.Hide("shop")
			require.Equal(t, before, swap)
			require.Equal(t, 2, hidden.Hidden)
		})
	}
}

// TestANoteThatHidesAndCountsFits: as many of the own namespace as there is room for are named, and all others counted.
func TestANoteThatHidesAndCountsFits(t *testing.T) {
	for count := 1; count < 150; count++ {
		node := strings.Repeat("n", 1+count%30) // so that the names fill the room to any byte
		s := Swap{Node: node, Why: strings.Repeat("w", 2*maxWhy)}
		for i := range count {
			s.Placeholders = append(s.Placeholders, types.NamespacedName{Namespace: "shop", Name: fmt.Sprintf("web-headroom-%d", i)})
			s.Placeholders = append(s.Placeholders, types.NamespacedName{Namespace: "bank", Name: fmt.Sprintf("web-headroom-%d", i)})
		}
		shared := Note(Swap{Shared: s.Placeholders, Node: node, Why: s.Why}.Hide("shop"))
		require.LessOrEqual(t, len(shared), maxNote)
		require.Contains(t, shared, fmt.Sprintf(" and %d of other namespaces on node %s: evicted for another pod; w", count, node))
		note := Note(s.Hide("shop"))
		require.LessOrEqual(t, len(note), maxNote)
		got, ok := Parse(note)
		require.True(t, ok)
		require.Len(t, got.Why, maxWhy, "it is cut")
		if left := count - len(got.Placeholders); left > 0 {
			require.Contains(t, note, fmt.Sprintf(" and %d more and %d of other namespaces on node %s: w", left, count, node))
			continue
		}
		require.NotContains(t, note, "more")
		require.Contains(t, note, fmt.Sprintf(" and %d of other namespaces on node %s: w", count, node))
	}
}

func TestNotesCanLeaveOutNamesOfOtherNamespaces(t *testing.T) {
	mine, other := types.NamespacedName{Namespace: "shop", Name: "web-headroom-3"}, types.NamespacedName{Namespace: "bank", Name: "vault-headroom-0"}
	for name, tc := range map[string]struct {
		swap   Swap
		want   string
		parses bool
	}{
		"none is of another": {
			Swap{Placeholders: []types.NamespacedName{mine}, Node: "n", Why: "nearest"}, "Took shop/web-headroom-3 on node n: nearest", true,
		},
		"some are": {
			Swap{Placeholders: []types.NamespacedName{other, mine, other}, Node: "n"},
			"Took shop/web-headroom-3 and 2 of other namespaces on node n", true,
		},
		"all are": {
			Swap{Placeholders: []types.NamespacedName{other}, Shared: []types.NamespacedName{mine}, Node: "n", Why: "nearest"},
			"Took 1 of other namespaces on node n: nearest; it also uses the room of 1 that were evicted for other pods", false,
		},
		"evicted for other pods": {
			Swap{Shared: []types.NamespacedName{other, other}, Node: "n"},
			"Uses the room of 2 of other namespaces on node n: evicted for another pod", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			note := Note(tc.swap.Hide("shop"))
			require.Equal(t, tc.want, note)
			got, ok := Parse(note)
			require.Equal(t, tc.parses, ok)
			if ok {
				require.Equal(t, []types.NamespacedName{mine}, got.Placeholders)
			}
		})
	}
}
