package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestTheOrderOfARound(t *testing.T) {
	for name, tc := range map[string]struct {
		round, n int
		want     []int
	}{
		"nothing":                           {1, 0, nil},
		"one":                               {5, 1, []int{0}},
		"two":                               {1, 2, []int{0, 1}},
		"two, the other way round":          {2, 2, []int{1, 0}},
		"two, the first way again":          {3, 2, []int{0, 1}},
		"three":                             {1, 3, []int{0, 2, 1}},
		"three, shifted":                    {2, 3, []int{1, 0, 2}},
		"three, shifted again":              {3, 3, []int{2, 1, 0}},
		"three, the first way, but reverse": {4, 3, []int{1, 2, 0}},
		"four":                              {1, 4, []int{0, 3, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.want, order(tc.round, tc.n))
		})
	}
}

func TestEachIsEquallyOftenInEachPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "n")
		first := 1 + n*rapid.IntRange(0, 5).Draw(t, "passes before")
		for place := range n {
			var seen []int
			for round := first; round < first+n; round++ {
				seen = append(seen, order(round, n)[place])
			}
			slices.Sort(seen)
			assert.Len(t, slices.Compact(seen), n, "place %d has each of %d once in %d rounds", place, n, n)
		}
	})
}

func TestEachFollowsEachOtherEquallyOften(t *testing.T) {
	for n := 2; n <= 9; n++ {
		rounds, times := n, 1
		if n%2 == 1 {
			rounds, times = 2*n, 2
		}
		follows := map[[2]int]int{}
		for round := 1; round <= rounds; round++ {
			taken := order(round, n)
			for i := 1; i < n; i++ {
				follows[[2]int{taken[i-1], taken[i]}]++
			}
		}
		assert.Len(t, follows, n*(n-1), "%d things", n)
		for pair, count := range follows {
			assert.Equal(t, times, count, "of %d things %d is followed by %d", n, pair[0], pair[1])
		}
	}
}

func TestEachSideIsFirstInTurn(t *testing.T) {
	sides := []string{"base", "head"}
	assert.Equal(t, []string{"base", "head"}, sidesOf(1, 0, sides))
	assert.Equal(t, []string{"head", "base"}, sidesOf(2, 0, sides))
	assert.Equal(t, []string{"head", "base"}, sidesOf(1, 1, sides), "the next variant of the round begins with the other")
	assert.Equal(t, []string{"base", "head"}, sides, "the argument stays as it was")
}
