package evictionorder

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestShortfall(t *testing.T) {
	tests := []struct {
		name                            string
		request, requested, allocatable Resources
		want                            Resources
	}{
		{
			name:    "what does not fit is short, what fits is not",
			request: Resources{1, 2000, 4}, requested: Resources{5, 3000, 4}, allocatable: Resources{110, 4000, 10},
			want: Resources{0, 1000, 0}, // 2000+3000-4000
		},
		{
			name:    "the number of pods can be short",
			request: Resources{1}, requested: Resources{110}, allocatable: Resources{110},
			want: Resources{1},
		},
		{
			name:    "a resource that is not requested is not short on an overcommitted node",
			request: Resources{1, 100, 0}, requested: Resources{1, 0, 90}, allocatable: Resources{110, 100, 50},
			want: Resources{0, 0, 0},
		},
		{
			name:    "a resource that the node does not have is short",
			request: Resources{1, 0, 0, 0, 2}, requested: Resources{}, allocatable: Resources{110, 1000},
			want: Resources{0, 0, 0, 0, 2},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, Shortfall(Resources{7, 7, 7}, tt.request, tt.requested, tt.allocatable))
		})
	}
}

func TestWaste(t *testing.T) {
	allocatable := Resources{110, 4000, 1000, 0}
	tests := []struct {
		name               string
		evicted, shortfall Resources
		want               int64
	}{
		{"nothing evicted beyond the shortfall is no waste", Resources{1, 1000, 100}, Resources{0, 1000, 100}, 0},
		{"the largest share counts", Resources{1, 2000, 100}, Resources{0, 1000, 50}, 250_000}, // 1000/4000, 50/1000
		{"the number of pods does not count", Resources{100, 0, 0}, Resources{}, 0},
		{"a resource that the node does not have does not count", Resources{1, 0, 0, 9}, Resources{}, 0},
		{"a share is rounded up", Resources{1, 0, 1}, Resources{}, 1000},
		{"a share below a millionth is a millionth", Resources{1, 1}, Resources{}, 250},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, Waste(tt.evicted, tt.shortfall, allocatable))
		})
	}
}

func TestTheBoundsOfAShare(t *testing.T) {
	for name, tt := range map[string]struct{ part, whole, want int64 }{
		"nothing":                                {0, 5, 0},
		"less than nothing":                      {-5, 5, 0},
		"of nothing":                             {5, 0, 0},
		"of less than nothing":                   {5, -5, 0},
		"all":                                    {5, 5, million},
		"a millionth":                            {1, million, 1},
		"a little more is two":                   {1_000_001, million * million, 2},
		"the largest that fits":                  {math.MaxInt64 / million, 1, math.MaxInt64 / million * million},
		"one more does not fit":                  {math.MaxInt64/million + 1, 1, math.MaxInt64},
		"more than twice that does not fit":      {math.MaxInt64/million*2 + 9, 1, math.MaxInt64},
		"more than any word holds does not, too": {math.MaxInt64, 1, math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, share(tt.part, tt.whole)) })
	}
}

func TestSharesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.Int64Range(1, math.MaxInt64).Draw(t, "part")
		whole := rapid.Int64Range(1, math.MaxInt64).Draw(t, "whole")

		scaled := new(big.Int).Mul(big.NewInt(part), big.NewInt(million))
		scaled.Add(scaled, new(big.Int).Sub(big.NewInt(whole), big.NewInt(1)))
		scaled.Div(scaled, big.NewInt(whole))
		want := int64(math.MaxInt64)
		if scaled.IsInt64() {
			want = scaled.Int64()
		}
		require.Equal(t, want, share(part, whole))
	})
}
