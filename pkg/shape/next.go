package shape

import (
	"math/big"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	// Ignored is the largest change of a resource, in percent of what units request of it, that placeholders do not follow.
	Ignored = 10
	// Pause is how long units keep their shape after it changed.
	Pause = 10 * time.Minute
)

// Verdict is what becomes of the shape of a workload.
type Verdict string

const (
	// Follow: units take it.
	Follow Verdict = "Follow"
	// Same: units have it, or one that differs by less than 10 percent.
	Same Verdict = "Same"
	// Later: units take it when the time is over.
	Later Verdict = "Later"
	// Rolls: units take it when the workload no longer replaces its pods.
	Rolls Verdict = "Rolls"
)

// Next says whether units that have the shape held, since a time, take the shape found now. wait is until when not, if it is Later. Units
// without any shape, held nil, take whatever there is at once.
func Next(held *Shape, since time.Time, found Shape, rolls bool, now time.Time) (verdict Verdict, wait time.Duration) {
	if held == nil {
		return Follow, 0
	}
	if samePlace(*held, found) && alike(held.Requests, found.Requests) {
		return Same, 0
	}
	if rolls {
		return Rolls, 0
	}
	// A change in the future was made before the clock was put back.
	if wait := since.Add(Pause).Sub(now); wait > 0 && !since.After(now) {
		return Later, wait
	}
	return Follow, 0
}

// alike reports whether no resource differs by 10 percent or more of what is held.
func alike(held, found corev1.ResourceList) bool {
	if len(held) != len(found) {
		return false
	}
	for name, have := range held {
		want, ok := found[name]
		if !ok {
			return false
		}
		difference := new(big.Rat).Sub(rat(want), rat(have))
		if difference.Abs(difference).Cmp(new(big.Rat).Mul(rat(have), big.NewRat(Ignored, 100))) >= 0 && difference.Sign() != 0 {
			return false
		}
	}
	return true
}

func rat(q resource.Quantity) *big.Rat {
	value, ok := new(big.Rat).SetString(q.AsDec().String())
	if !ok {
		return new(big.Rat) // a quantity always is a decimal number
	}
	return value
}
