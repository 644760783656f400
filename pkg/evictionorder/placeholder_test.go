package evictionorder

import (
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// plain returns a placeholder that differs from another plain one by name and UID only.
func plain(name string) Placeholder {
	return Placeholder{Name: name, UID: "uid-of-" + name, Priority: -10, Requests: Resources{1, 1000, 2 << 30}}
}

// TestVictimRules has one test for each victim rule, by its number. In each, all later rules say the opposite.
func TestVictimRules(t *testing.T) {
	tests := []struct {
		name          string
		first, second Placeholder
		want          string
	}{
		{
			name:   "1: one that is being deleted already goes before one that would have to be",
			first:  Placeholder{Name: "x", UID: "9", Leaving: true, NamesConsumer: false, Priority: -1, Surplus: 9, Created: 1},
			second: Placeholder{Name: "y", UID: "1", NamesConsumer: true, Priority: -10, Surplus: 1, Created: 9},
			want:   "victim rule 1 leaving: x is being deleted already, y is not",
		},
		{
			name:   "2: one of a Headroom that names the consumer goes before one that is open to all",
			first:  Placeholder{Name: "x", UID: "9", NamesConsumer: true, Priority: -1, Surplus: 9, Created: 1},
			second: Placeholder{Name: "y", UID: "1", Priority: -10, Surplus: 1, Created: 9},
			want:   "victim rule 2 named: the Headroom of x names the consumer, that of y is open to all",
		},
		{
			name:   "2: one that is open to all goes before one of a Headroom that does not entitle the consumer",
			first:  Placeholder{Name: "x", UID: "9", Priority: -1, Surplus: 9, Created: 1},
			second: Placeholder{Name: "y", UID: "1", Unentitled: true, Priority: -10, Surplus: 1, Created: 9},
			want:   "victim rule 2 named: the Headroom of x is open to all, that of y does not entitle it",
		},
		{
			name:   "3: lower priority goes first",
			first:  Placeholder{Name: "x", UID: "9", Priority: -10, Surplus: 9, Created: 1},
			second: Placeholder{Name: "y", UID: "1", Priority: -1, Surplus: 1, Created: 9},
			want:   "victim rule 3 priority: x has priority -10, y -1",
		},
		{
			name:   "4: the smallest surplus goes first",
			first:  Placeholder{Name: "x", UID: "9", Surplus: 12_500, Created: 1},
			second: Placeholder{Name: "y", UID: "1", Surplus: 500_000, Created: 9},
			want:   "victim rule 4 surplus: x holds 1.25% of the node more than is missing, y 50%",
		},
		{
			name:   "5: the youngest goes first",
			first:  Placeholder{Name: "x", UID: "9", Created: 9e9},
			second: Placeholder{Name: "y", UID: "1", Created: 1e9},
			want:   "victim rule 5 age: x was created at 1970-01-01T00:00:09Z, y at 1970-01-01T00:00:01Z",
		},
		{
			name:   "5: the youngest goes first, by less than a second",
			first:  Placeholder{Name: "x", UID: "9", Created: 9_000_000_500},
			second: Placeholder{Name: "y", UID: "1", Created: 9e9},
			want:   "victim rule 5 age: x was created at 1970-01-01T00:00:09.0000005Z, y at 1970-01-01T00:00:09Z",
		},
		{
			name:   "6: lower UID goes first",
			first:  Placeholder{Name: "y", UID: "1"},
			second: Placeholder{Name: "x", UID: "9"},
			want:   "victim rule 6 uid: y has UID 1, x 9",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Negative(t, Compare(tt.first, tt.second))
			require.Positive(t, Compare(tt.second, tt.first))
			require.Equal(t, tt.want, Explain(tt.first, tt.second).String())
			require.Equal(t, tt.want, Explain(tt.second, tt.first).String(), "whichever is asked about first")
		})
	}
}

// placeholders draws up to max placeholders that often tie, so that every rule gets to decide.
func placeholders(t *rapid.T, most int) []Placeholder {
	few := rapid.Int64Range(0, 2)
	drawn := make([]Placeholder, rapid.IntRange(0, most).Draw(t, "count"))
	for i := range drawn {
		drawn[i] = Placeholder{
			UID:           string(rune('a' + i)),
			Index:         i,
			Headroom:      rapid.IntRange(0, 2).Draw(t, "headroom"),
			Leaving:       rapid.Bool().Draw(t, "terminating"),
			NamesConsumer: rapid.Bool().Draw(t, "names"),
			Priority:      int32(few.Draw(t, "priority")),
			Created:       few.Draw(t, "created"),
			Requests:      Resources{1, few.Draw(t, "cpu"), few.Draw(t, "memory")},
		}
	}
	return drawn
}

func TestCompareIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := placeholders(t, 6)
		for i := range drawn {
			drawn[i].Surplus = rapid.Int64Range(0, 2).Draw(t, "surplus")
		}
		requireTotalOrder(t, drawn, Compare)
	})
}

func requireTotalOrder[T any](t *rapid.T, drawn []T, compare func(a, b T) int) {
	for i, a := range drawn {
		for j, b := range drawn {
			require.Equal(t, i == j, compare(a, b) == 0, "only one and the same are equal")
			require.Equal(t, sign(compare(a, b)), -sign(compare(b, a)), "antisymmetric")
			for _, c := range drawn {
				if compare(a, b) < 0 && compare(b, c) < 0 {
					require.Negative(t, compare(a, c), "transitive")
				}
			}
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	default:
		return 0
	}
}

func TestSortingGivesTheSameOrderFromEveryShuffle(t *testing.T) {
	var sorted []Placeholder
	for i := range 30 {
		p := plain(string(rune('A' + i)))
		p.Leaving, p.NamesConsumer = i%7 == 0, i%5 == 0
		p.Priority, p.Surplus, p.Created = int32(i%3), int64(i%2), int64(i%4)
		sorted = append(sorted, p)
	}
	slices.SortFunc(sorted, Compare)
	for seed := range int64(100) {
		shuffled := slices.Clone(sorted)
		rand.New(rand.NewSource(seed)).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		slices.SortFunc(shuffled, Compare)
		require.Equal(t, sorted, shuffled)
	}
}
