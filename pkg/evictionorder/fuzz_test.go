package evictionorder

import (
	"testing"

	"pgregory.net/rapid"
)

func FuzzPick(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		drawn := placeholders(t, 12)
		amount := rapid.Int64Range(0, 1<<60)
		shortfall := Resources{amount.Draw(t, "pods"), amount.Draw(t, "cpu"), amount.Draw(t, "memory")}
		allocatable := Resources{amount.Draw(t, "pods"), amount.Draw(t, "cpu"), amount.Draw(t, "memory")}
		victims, ok := Pick(drawn, shortfall, allocatable)
		if ok != Covers(Evicted(nil, drawn), shortfall) || ok && !Covers(Evicted(nil, victims), shortfall) {
			t.Fatal("Pick must make the pod fit exactly when all together do")
		}
	}))
}
