package sizing

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
)

// OfPods is a percentage of a number of pods, rounded up, with the arithmetic. pods says which they are, such as
// "bound pods of Deployment web".
func OfPods(percent, count int, pods string) (units int, message string) {
	exact := big.NewRat(int64(percent)*int64(count), 100)
	units = ceil(exact)
	return units, fmt.Sprintf("%d %% of %d %s is %s%s.", percent, count, pods, text(exact), rounded(exact, units))
}

// OfRequests is how many units hold a percentage of what pods request, of each resource that a unit has, with the arithmetic of the
// resource that needs most. total is what the pods request.
func OfRequests[Name ~string](percent, count int, pods string, total, unit map[Name]resource.Quantity) (units int, message string) {
	most := new(big.Rat)
	var decides Name
	for _, name := range names(unit) {
		each := ratOf(unit[name])
		if each.Sign() <= 0 {
			continue
		}
		need := new(big.Rat).Quo(share(percent, total[name]), each)
		if decides == "" || need.Cmp(most) > 0 {
			most, decides = need, name
		}
	}
	if decides == "" {
		return 0, "A unit requests nothing, so that no number of them holds what the pods request."
	}
	units = ceil(most)
	all, each := total[decides], unit[decides]
	return units, fmt.Sprintf("%d %% of the %s %s that %d %s request is %s times the %s of a unit%s.",
		percent, all.String(), decides, count, pods, text(most), each.String(), rounded(most, units))
}

// UpTo is how many replicas a HorizontalPodAutoscaler may still add to a workload: its maxReplicas without the replicas that the
// workload is to have, or without the pods that are bound if those are more.
func UpTo(maxReplicas, replicas, bound int, autoscaler, target string) (units int, message string) {
	units = max(0, maxReplicas-max(replicas, bound))
	return units, fmt.Sprintf("%s allows %d replicas, and %s is to have %d and has %d bound pods, so it may still add %d.",
		autoscaler, maxReplicas, target, replicas, bound, units)
}

// Fit is how many units fit into a limit, rounded down, with the arithmetic of the resource that decides. It is negative if the limit
// has no resource of a unit.
func Fit[Name ~string](limit, unit map[Name]resource.Quantity) (units int, message string) {
	units = -1
	for _, name := range names(limit) {
		each := ratOf(unit[name])
		if each.Sign() <= 0 {
			continue
		}
		fit := new(big.Rat).Quo(ratOf(limit[name]), each)
		if n := min(floor(fit), MaxUnits); units < 0 || n < units {
			all, one := limit[name], unit[name]
			units, message = n, fmt.Sprintf("maxResources of %s %s holds %s of %s", all.String(), name, Units(n), one.String())
		}
	}
	return units, message
}

func share(percent int, of resource.Quantity) *big.Rat {
	return new(big.Rat).Mul(ratOf(of), big.NewRat(int64(percent), 100))
}

// ratOf is the exact value of a quantity.
func ratOf(q resource.Quantity) *big.Rat {
	value, ok := new(big.Rat).SetString(q.AsDec().String())
	if !ok {
		return new(big.Rat) // a quantity always is a decimal number
	}
	return value
}

// ceil rounds up, floor down; both stay between 0 and a billion.
// largest is where floor and ceil end: far beyond any number of units.
const largest = 1_000_000_000

func ceil(r *big.Rat) int {
	n := floor(r)
	if !r.IsInt() && r.Sign() > 0 {
		n++
	}
	return min(n, largest)
}

func floor(r *big.Rat) int {
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if !n.IsInt64() || n.Int64() > largest {
		return largest
	}
	return int(max(0, n.Int64()))
}

// text is a number with at most two decimals.
func text(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return r.FloatString(2)
}

func rounded(exact *big.Rat, units int) string {
	if exact.IsInt() {
		return ""
	}
	return fmt.Sprintf(", rounded up to %d", units)
}

// names are the resources of a list, in order.
func names[Name ~string](list map[Name]resource.Quantity) []Name {
	var all []Name
	for name := range list {
		all = append(all, name)
	}
	slices.SortFunc(all, func(a, b Name) int { return cmp.Compare(a, b) })
	return all
}
