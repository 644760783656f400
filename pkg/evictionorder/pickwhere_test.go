package evictionorder

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// holding makes a placeholder that holds devices, which no shortfall counts: its Index is how many.
func holding(name string, milliCPU int64, devices int) Placeholder {
	p := sized(name, milliCPU)
	p.Index = devices
	return p
}

// together reports whether placeholders hold that many devices.
func together(want int) func([]Placeholder) bool {
	return func(victims []Placeholder) bool {
		held := 0
		for _, victim := range victims {
			held += victim.Index
		}
		return held >= want
	}
}

func TestPickWhere(t *testing.T) {
	for name, tt := range map[string]struct {
		placeholders []Placeholder
		shortfall    Resources
		devices      int
		want         []string
		wantMisfit   bool
	}{
		"nothing is lacking": {placeholders: []Placeholder{holding("a", 100, 1)}},
		"one that holds no device stays": {
			placeholders: []Placeholder{holding("a", 100, 0), holding("b", 100, 1), holding("c", 100, 1)}, devices: 1, want: []string{"b"},
		},
		"one goes for its device and one for its CPU": {
			placeholders: []Placeholder{holding("a", 900, 0), holding("b", 100, 1)}, shortfall: Resources{0, 950}, devices: 1,
			want: []string{"a", "b"},
		},
		"one that was taken early and proves unnecessary stays": {
			placeholders: []Placeholder{holding("a", 100, 1), holding("b", 100, 2)}, devices: 2, want: []string{"b"},
		},
		"all together do not hold enough": {
			placeholders: []Placeholder{holding("a", 100, 1), holding("b", 100, 1)}, devices: 3, wantMisfit: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			victims, ok := PickWhere(tt.placeholders, tt.shortfall, together(tt.devices))
			require.Equal(t, !tt.wantMisfit, ok)
			var got []string
			for _, victim := range victims {
				got = append(got, victim.Name)
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestPickWhereIsMinimalAndInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := placeholders(t, 8)
		for i := range drawn {
			drawn[i].Index = rapid.IntRange(0, 2).Draw(t, "devices")
		}
		shortfall := Resources{rapid.Int64Range(0, 2).Draw(t, "pods"), rapid.Int64Range(0, 6).Draw(t, "cpu")}
		enough := together(rapid.IntRange(0, 5).Draw(t, "wanted"))
		all := slices.Clone(drawn)
		fits := func(victims []Placeholder) bool { return Covers(Evicted(nil, victims), shortfall) && enough(victims) }

		victims, ok := PickWhere(drawn, shortfall, enough)

		require.ElementsMatch(t, all, drawn, "PickWhere loses and doubles none")
		require.Equal(t, fits(all), ok, "it fails only if all together are not enough")
		if !ok {
			return
		}
		require.True(t, fits(victims))
		require.True(t, slices.IsSortedFunc(victims, Compare), "the victims are in order")
		for i := range victims {
			require.False(t, fits(slices.Delete(slices.Clone(victims), i, i+1)), "victim %d could have stayed", i)
		}
	})
}
