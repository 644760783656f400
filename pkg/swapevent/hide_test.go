package swapevent

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
)

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
