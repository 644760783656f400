package demand

import "math"

// For a Poisson distribution with mean m, P(X <= x) >= p if and only if m is at most the (1-p) quantile of the gamma distribution with
// shape x+1. That quantile is approximated by E. B. Wilson and M. M. Hilferty, The Distribution of Chi-square, PNAS 17 (1931): the cube
// root of a gamma variable is nearly normal. For the means and levels here the result is right within a unit or two in a hundred.

// poissonMean returns the mean with which at most x is seen with the probability p.
func poissonMean(x int, p float64) float64 {
	shape := float64(x) + 1
	root := 1 - 1/(9*shape) - normalQuantile(p)/(3*math.Sqrt(shape))
	if root <= 0 {
		return 0
	}
	return shape * root * root * root
}

// poissonQuantile returns the smallest x, at least least, that is not exceeded with the probability p.
func poissonQuantile(mean, p float64, least int) int {
	x := least
	for x < MaxReplicas && poissonMean(x, p) < mean {
		x++
	}
	return x
}

func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
