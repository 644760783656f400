package evictionorder

import (
	"fmt"
	"testing"
)

func BenchmarkPick(b *testing.B) {
	for _, count := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("placeholders=%d", count), func(b *testing.B) {
			shortfall := Resources{0, 3000, 6 << 30, 0}
			allocatable := Resources{110, 16000, 64 << 30, 100 << 30}
			original := make([]Placeholder, count)
			for i := range original {
				original[i] = Placeholder{
					UID: fmt.Sprintf("uid-%d", i*7919%count), Created: int64(i * 31 % 17), Priority: -10,
					Requests: Resources{1, int64(4000 / min(count, 4)), 8 << 30, 0},
				}
			}
			work := make([]Placeholder, count)
			b.ReportAllocs()
			for b.Loop() {
				copy(work, original)
				if _, ok := Pick(work, shortfall, allocatable); !ok {
					b.Fatal("the pod must fit")
				}
			}
		})
	}
}

func BenchmarkOrderCompare(b *testing.B) {
	order := DefaultOrder()
	x := Node{Name: "a", Left: []int{4, 1}, Waste: 10, Evictions: 1, Score: 80}
	y := Node{Name: "b", Left: []int{4, 1}, Waste: 10, Evictions: 1, Score: 80}
	b.ReportAllocs()
	for b.Loop() {
		if order.Compare(x, y) >= 0 {
			b.Fatal("a must go first")
		}
	}
}
