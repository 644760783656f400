package evictionorder

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func sized(name string, milliCPU int64) Placeholder {
	p := plain(name)
	p.Requests = Resources{1, milliCPU}
	return p
}

func TestPick(t *testing.T) {
	allocatable := Resources{110, 8000}
	deleting := sized("deleting", 500)
	deleting.Leaving = true
	tests := []struct {
		name         string
		placeholders []Placeholder
		shortfall    Resources
		want         []string
		wantMisfit   bool
	}{
		{
			name:         "nothing is short, so nothing goes",
			placeholders: []Placeholder{sized("a", 1000)},
			shortfall:    Resources{0, 0},
		},
		{
			name:         "there are no placeholders, so the pod does not fit",
			placeholders: nil,
			shortfall:    Resources{0, 1},
			wantMisfit:   true,
		},
		{
			name:         "all together are not enough",
			placeholders: []Placeholder{sized("a", 1000), sized("b", 1000)},
			shortfall:    Resources{0, 2001},
			wantMisfit:   true,
		},
		{
			name:         "the one with the smallest surplus that is enough goes",
			placeholders: []Placeholder{sized("big", 4000), sized("right", 2000), sized("bigger", 6000)},
			shortfall:    Resources{0, 2000},
			want:         []string{"right"},
		},
		{
			name:         "one that was taken early and proves unnecessary stays", // small (no surplus), big: big alone is enough
			placeholders: []Placeholder{sized("small", 500), sized("big", 3000)},
			shortfall:    Resources{0, 2000},
			want:         []string{"big"},
		},
		{
			name:         "several go for a pod larger than each",
			placeholders: []Placeholder{sized("a", 1000), sized("b", 1000), sized("c", 1000)},
			shortfall:    Resources{0, 1500},
			want:         []string{"a", "b"},
		},
		{
			name:         "one that is being deleted is enough, so no other goes",
			placeholders: []Placeholder{sized("a", 500), deleting},
			shortfall:    Resources{0, 500},
			want:         []string{"deleting"},
		},
		{
			name:         "one goes for the number of pods alone",
			placeholders: []Placeholder{sized("a", 3000), sized("b", 1000)},
			shortfall:    Resources{1, 0},
			want:         []string{"b"},
		},
		{
			name:         "a resource that no placeholder holds cannot be made",
			placeholders: []Placeholder{sized("a", 8000)},
			shortfall:    Resources{0, 0, 0, 0, 1},
			wantMisfit:   true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			victims, ok := Pick(tt.placeholders, tt.shortfall, allocatable)
			require.Equal(t, !tt.wantMisfit, ok)
			var got []string
			for _, victim := range victims {
				got = append(got, victim.Name)
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestPickWorksBeyondTheResourcesThatFitOnTheStack(t *testing.T) {
	for resources := stackResources - 1; resources < stackResources+5; resources++ {
		p := plain("a")
		p.Requests = make(Resources, resources)
		p.Requests[resources-1] = 2
		shortfall := make(Resources, resources)
		shortfall[resources-1] = 2
		victims, ok := Pick([]Placeholder{p}, shortfall, nil)
		require.True(t, ok, resources)
		require.Len(t, victims, 1, resources)
	}
}

func TestAsManyGoAsThePodNeeds(t *testing.T) {
	var drawn []Placeholder
	for i := range 100 {
		drawn = append(drawn, sized(fmt.Sprintf("p%02d", i), 100))
	}
	for _, needed := range []int{1, 9, 17, 65, 100} {
		victims, ok := Pick(drawn, Resources{0, int64(needed) * 100}, Resources{110, 20_000})
		require.True(t, ok)
		require.Len(t, victims, needed)
	}
}

func TestSurplusIsWhatEachHoldsBeyondTheShortfall(t *testing.T) {
	drawn := []Placeholder{sized("right", 2000), sized("big", 4000), sized("small", 1000)}
	SetSurplus(drawn, Resources{0, 2000}, Resources{110, 8000})
	for i, want := range []int64{0, 250_000, 0} { // (4000-2000)/8000
		require.Equal(t, want, drawn[i].Surplus, drawn[i].Name)
	}
}

func TestEvictedIsTheSumOfAllVictimsWhateverTheyRequest(t *testing.T) {
	few, many := Placeholder{Requests: Resources{1, 100}}, Placeholder{Requests: Resources{1, 10, 5, 0, 2}}
	for _, victims := range [][]Placeholder{{few, many, few}, {many, few, few}} {
		require.Equal(t, Resources{3, 210, 5, 0, 2}, Evicted(Resources{7, 7}, victims))
	}
	require.Empty(t, Evicted(Resources{7, 7}, nil))
}

func TestPickIsMinimalAndInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := placeholders(t, 8)
		shortfall := Resources{
			rapid.Int64Range(0, 2).Draw(t, "pods"), rapid.Int64Range(0, 6).Draw(t, "cpu"), rapid.Int64Range(0, 6).Draw(t, "memory"),
		}
		all := slices.Clone(drawn)
		victims, ok := Pick(drawn, shortfall, Resources{10, 10, 10})

		require.ElementsMatch(t, indices(all), indices(drawn), "Pick loses and doubles none")
		require.Equal(t, Covers(Evicted(nil, all), shortfall), ok, "Pick fails only if all together are not enough")
		if !ok {
			require.Nil(t, victims)
			return
		}
		require.True(t, Covers(Evicted(nil, victims), shortfall), "the pod fits")
		require.True(t, slices.IsSortedFunc(victims, Compare), "the victims are in order")
		for i := range victims {
			without := slices.Delete(slices.Clone(victims), i, i+1)
			require.False(t, Covers(Evicted(nil, without), shortfall), "victim %d could have stayed", i)
		}

		again := slices.Clone(all)
		slices.Reverse(again)
		same, _ := Pick(again, shortfall, Resources{10, 10, 10})
		require.Equal(t, victims, same, "the order of the input does not matter")
	})
}

func indices(drawn []Placeholder) []int {
	var all []int
	for _, p := range drawn {
		all = append(all, p.Index)
	}
	return all
}

func TestLeft(t *testing.T) {
	of := func(headroom int, terminating bool) Placeholder {
		return Placeholder{Headroom: headroom, Leaving: terminating}
	}
	units := func(headroom int) []int {
		return [][]int{{4, 2}, {7}, {1, 1, 1}, {1}, {3, 3}}[headroom]
	}
	tests := []struct {
		name    string
		victims []Placeholder
		want    []int
		losers  []int
	}{
		{"nothing is lost", nil, []int{}, []int{}},
		{"one unit of one Headroom", []Placeholder{of(0, false)}, []int{3, 1}, []int{0, 0}},
		{"two units of one Headroom", []Placeholder{of(0, false), of(0, false)}, []int{2, 0}, []int{0, 0}},
		{"the smaller of two Headrooms counts, key by key", []Placeholder{of(1, false), of(0, false)}, []int{3, 1}, []int{0, 0}},
		{"the longer list of keys counts", []Placeholder{of(1, false), of(2, false)}, []int{0, 0, 0}, []int{2, 2, 2}},
		{"of two Headrooms alike, the first counts", []Placeholder{of(2, false), of(3, false)}, []int{0, 0, 0}, []int{2, 2, 2}},
		{"what is being deleted is lost anyhow", []Placeholder{of(2, true), of(0, true), of(0, false)}, []int{3, 1}, []int{0, 0}},
		{"each key is about the Headroom that has least by it", []Placeholder{of(0, false), of(4, false)}, []int{2, 1}, []int{4, 0}},
		{
			"two of one Headroom count before one of another", []Placeholder{of(4, false), of(0, false), of(0, false)},
			[]int{2, 0}, []int{4, 0},
		},
		{"only what is being deleted is lost", []Placeholder{of(0, true)}, []int{}, []int{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, Left([]int{9, 9, 9, 9}, tt.victims, units))
			require.Equal(t, tt.losers, Losers(tt.victims, units))
		})
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	drawn := []Placeholder{sized("a", 1000), sized("b", 500), sized("c", 3000)}
	shortfall, allocatable := Resources{0, 1500}, Resources{110, 8000}
	require.Zero(t, testing.AllocsPerRun(100, func() { Pick(drawn, shortfall, allocatable) }))
}
