package demand

import "testing"

// BenchmarkSize is one decision on the account of a busy Headroom of two weeks.
func BenchmarkSize(b *testing.B) {
	p := quiet(15)
	for i := range p.Hours {
		for slot := range Slots {
			p.Hours[i].TakenIn[slot] = (i*7919 + slot*104_729) % 11
			p.Hours[i].Taken += p.Hours[i].TakenIn[slot]
		}
	}
	for b.Loop() {
		p.size(weekly)
	}
}
