package swapevent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

func TestNote(t *testing.T) {
	web := func(i int) types.NamespacedName {
		return types.NamespacedName{Namespace: "shop", Name: fmt.Sprintf("web-headroom-%d", i)}
	}
	tests := map[string]struct {
		swap Swap
		want string
	}{
		"one placeholder": {
			swap: Swap{Placeholders: []types.NamespacedName{web(3)}, Node: "node-5", Why: "nearest, same zone: app=web"},
			want: "Took shop/web-headroom-3 on node node-5: nearest, same zone: app=web",
		},
		"several placeholders": {
			swap: Swap{Placeholders: []types.NamespacedName{web(3), web(7)}, Node: "node-5", Why: "spread"},
			want: "Took shop/web-headroom-3, shop/web-headroom-7 on node node-5: spread",
		},
		"no reason given": {
			swap: Swap{Placeholders: []types.NamespacedName{web(3)}, Node: "node-5"},
			want: "Took shop/web-headroom-3 on node node-5",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			note := Note(tc.swap)
			require.Equal(t, tc.want, note)
			got, ok := Parse(note)
			require.True(t, ok)
			require.Equal(t, tc.swap, got)
		})
	}
}

func TestNoteOfASwapThatUsesRoomMadeForOthers(t *testing.T) {
	a, b := types.NamespacedName{Namespace: "shop", Name: "a"}, types.NamespacedName{Namespace: "shop", Name: "b"}
	nothing := Note(Swap{Shared: []types.NamespacedName{a, b}, Node: "n", Why: "spread"})
	require.Equal(t, "Uses the room of shop/a, shop/b on node n: evicted for another pod; spread", nothing)
	got, ok := Parse(nothing)
	require.True(t, ok)
	require.Empty(t, got.Placeholders, "it took nothing")
	require.Equal(t, []types.NamespacedName{a, b}, got.Shared)
	some := Note(Swap{Placeholders: []types.NamespacedName{a}, Shared: []types.NamespacedName{b}, Node: "n", Why: "spread"})
	require.Equal(t, "Took shop/a on node n: spread; it also uses the room of 1 that were evicted for other pods", some)
}

func TestParseRefusesOtherNotes(t *testing.T) {
	for name, note := range map[string]string{
		"empty":                      "",
		"of another event":           "Preempted by pod 123 on node n",
		"without a node":             "Took shop/web-headroom-3",
		"with an empty node":         "Took shop/web-headroom-3 on node ",
		"of another event of a pod":  "Preempted shop/web on node n",
		"without a namespace":        "Took web-headroom-3 on node n",
		"with an empty namespace":    "Took /web-headroom-3 on node n",
		"with an empty name":         "Took shop/ on node n",
		"ending in more but no list": "Took more on node n",
	} {
		t.Run(name, func(t *testing.T) {
			_, ok := Parse(note)
			require.False(t, ok)
		})
	}
}

func TestPlaceholdersForWhichANoteHasNoRoomAreCounted(t *testing.T) {
	s := Swap{Node: "n", Why: "spread"}
	for i := range 100 {
		s.Placeholders = append(s.Placeholders, types.NamespacedName{Namespace: "shop", Name: fmt.Sprintf("web-headroom-%02d", i)})
	}
	note := Note(s)
	require.LessOrEqual(t, len(note), maxNote)
	require.Greater(t, len(note), maxNote-100, "as many are named as there is room for")
	got, ok := Parse(note)
	require.True(t, ok)
	require.Equal(t, s.Placeholders[:len(got.Placeholders)], got.Placeholders)
	require.Contains(t, note, fmt.Sprintf(" and %d more on node n: spread", 100-len(got.Placeholders)))
	require.Equal(t, "spread", got.Why)
}

func TestNoteFitsAndKeepsAPrefixOfTheNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z]([-a-z0-9]{0,60}[a-z0-9])?`)
		s := Swap{Node: name.Draw(t, "node"), Why: rapid.String().Draw(t, "why")}
		for range rapid.IntRange(1, 60).Draw(t, "placeholders") {
			s.Placeholders = append(s.Placeholders, types.NamespacedName{
				Namespace: name.Draw(t, "namespace"), Name: name.Draw(t, "name"),
			})
		}
		note := Note(s)
		require.LessOrEqual(t, len(note), maxNote)
		got, ok := Parse(note)
		require.True(t, ok)
		require.Equal(t, s.Node, got.Node)
		require.NotEmpty(t, got.Placeholders)
		require.Equal(t, s.Placeholders[:len(got.Placeholders)], got.Placeholders)
		require.True(t, strings.HasPrefix(s.Why, got.Why))
	})
}

func FuzzParse(f *testing.F) {
	f.Add("Took a/b and 3 more on node n: why")
	f.Add("Took  more on node n")
	f.Fuzz(func(t *testing.T, note string) {
		if s, ok := Parse(note); ok {
			require.NotEmpty(t, append(s.Placeholders, s.Shared...))
			require.NotEmpty(t, s.Node)
		}
	})
}
