package topup_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/topup"
)

// FuzzPlan reads units from bytes, four each, also such as cannot occur (two of one name). Carrying the plan out must leave
// the wanted number of live units, each under a name of its own.
//
//	go test ./pkg/topup -run '^$' -fuzz FuzzPlan -fuzztime 1m
func FuzzPlan(f *testing.F) {
	f.Add(3, 0, []byte{0, 0, 0, 0, 1, 1, 0, 1, 2, 3, 1, 2})
	f.Add(0, 2, []byte{255, 1, 2, 3, 255, 1, 2, 3})
	f.Add(4, 1, []byte{1, 3, 0, 0, 1, 3, 0, 0})
	f.Add(-1, -1, []byte(nil))
	f.Fuzz(func(t *testing.T, replicas, pendingReplacements int, data []byte) {
		replicas %= 1000
		units := unitsFrom(data)
		actions := topup.Plan(topup.Desired{Replicas: replicas, Template: "0", PendingReplacements: pendingReplacements}, units)

		live := 0
		held := map[int]bool{}
		for _, u := range units {
			held[u.Ordinal] = true
			if u.State == topup.Pending || u.State == topup.Bound {
				live++
			}
		}
		made := map[int]bool{}
		for _, n := range actions.Create {
			require.False(t, held[n.Ordinal] || made[n.Ordinal], "ordinal %d is in use", n.Ordinal)
			made[n.Ordinal] = true
			live++
		}
		for _, r := range actions.Replace {
			require.False(t, held[r.New.Ordinal] || made[r.New.Ordinal], "ordinal %d is in use", r.New.Ordinal)
			made[r.New.Ordinal] = true
			if r.Old.State == topup.Lost {
				live++
			}
		}
		for _, d := range actions.Delete {
			if d.Old.State != topup.Lost {
				live--
			}
		}
		require.Equal(t, max(0, replicas), live)
	})
}

func unitsFrom(data []byte) []topup.Unit {
	var units []topup.Unit
	for ; len(data) >= 4; data = data[4:] {
		ordinal := int(int8(data[0]))
		units = append(units, topup.Unit{
			Name:        fmt.Sprintf("unit-%d", ordinal),
			UID:         types.UID(fmt.Sprintf("uid-%d", len(units))),
			Ordinal:     max(-1, ordinal),
			State:       topup.State(data[1] % 5),
			Template:    strconv.Itoa(int(data[2] % 3)),
			FromRollout: data[2]&4 != 0,
			Domains:     []string{strconv.Itoa(int(data[2] >> 5))},
			Created:     epoch.Add(time.Duration(data[3]>>4) * time.Second),
			BoundAt:     epoch.Add(time.Duration(data[3]&15) * time.Second),
		})
	}
	return units
}
