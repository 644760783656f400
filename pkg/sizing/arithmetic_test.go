package sizing

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
)

type list = map[string]resource.Quantity

func quantities(pairs ...string) list {
	all := list{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = resource.MustParse(pairs[i+1])
	}
	return all
}

func TestPercentOfPods(t *testing.T) {
	for name, tc := range map[string]struct {
		percent, count, want int
		message              string
	}{
		"a part is rounded up":       {10, 137, 14, "10 % of 137 bound pods of Deployment web is 13.70, rounded up to 14."},
		"a whole number stays":       {10, 30, 3, "10 % of 30 bound pods of Deployment web is 3."},
		"the least is one":           {1, 1, 1, "1 % of 1 bound pods of Deployment web is 0.01, rounded up to 1."},
		"a percentage of nothing":    {50, 0, 0, "50 % of 0 bound pods of Deployment web is 0."},
		"more than there are":        {250, 3, 8, "250 % of 3 bound pods of Deployment web is 7.50, rounded up to 8."},
		"as many as a cluster holds": {1000, 150_000, 1_500_000, "1000 % of 150000 bound pods of Deployment web is 1500000."},
	} {
		t.Run(name, func(t *testing.T) {
			units, message := OfPods(tc.percent, tc.count, "bound pods of Deployment web")
			require.Equal(t, tc.want, units)
			require.Equal(t, tc.message, message)
		})
	}
}

func TestPercentOfRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		percent     int
		total, unit list
		want        int
		message     string
	}{
		// 10 % of 30 CPU are 3 CPU: 3 units of 1, and not 4 as 30*0.1/1 is in floating point.
		"exactly": {10, quantities("cpu", "30"), quantities("cpu", "1"), 3, "10 % of the 30 cpu that 4 pods request is 3 times the 1 of a unit."},
		// 10 % of 30 CPU are 3 CPU: 2 units of 2. 10 % of 100Gi are 10Gi: 5 units of 2Gi.
		"the resource that needs most units decides": {
			10, quantities("cpu", "30", "memory", "100Gi"), quantities("cpu", "2", "memory", "2Gi"), 5,
			"10 % of the 100Gi memory that 4 pods request is 5 times the 2Gi of a unit.",
		},
		"a part is rounded up": {
			10, quantities("cpu", "30"), quantities("cpu", "2"), 2, "10 % of the 30 cpu that 4 pods request is 1.50 times the 2 of a unit, rounded up to 2.",
		},
		"what pods do not request needs none": {
			10, quantities("cpu", "30"), quantities("memory", "1Gi"), 0, "10 % of the 0 memory that 4 pods request is 0 times the 1Gi of a unit.",
		},
		"a unit of nothing": {10, quantities("cpu", "30"), quantities("cpu", "0"), 0, "A unit requests nothing, so that no number of them holds what the pods request."},
		"absurd sizes end at a billion": {
			1000, quantities("memory", "9E"), quantities("memory", "1"), 1_000_000_000,
			"1000 % of the 9E memory that 4 pods request is 90000000000000000000 times the 1 of a unit.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			units, message := OfRequests(tc.percent, 4, "pods", tc.total, tc.unit)
			require.Equal(t, tc.want, units)
			require.Equal(t, tc.message, message)
		})
	}
}

func TestUpToMaxReplicas(t *testing.T) {
	units, message := UpTo(40, 14, 12, "HorizontalPodAutoscaler web", "Deployment web")
	require.Equal(t, 26, units, "40 without the 14 that it is to have")
	require.Equal(t, "HorizontalPodAutoscaler web allows 40 replicas, and Deployment web is to have 14 and has 12 bound pods, so it may still add 26.", message)

	units, _ = UpTo(40, 14, 20, "", "")
	require.Equal(t, 20, units, "40 without the 20 that are bound, while it shrinks")
	units, _ = UpTo(10, 14, 0, "", "")
	require.Zero(t, units, "somebody scaled it beyond its maximum")
	units, _ = UpTo(10, 0, 0, "", "")
	require.Equal(t, 10, units, "scaled to zero")
}

func TestHowManyUnitsFitIntoALimit(t *testing.T) {
	for name, tc := range map[string]struct {
		limit, unit list
		want        int
		message     string
	}{
		"rounded down":          {quantities("cpu", "60"), quantities("cpu", "7"), 8, "maxResources of 60 cpu holds 8 units of 7"},
		"the scarcest decides":  {quantities("cpu", "60", "memory", "2Gi"), quantities("cpu", "1", "memory", "2Gi"), 1, "maxResources of 2Gi memory holds 1 unit of 2Gi"},
		"less than one":         {quantities("cpu", "1"), quantities("cpu", "2"), 0, "maxResources of 1 cpu holds 0 units of 2"},
		"no resource of a unit": {quantities("cpu", "1"), quantities("memory", "2Gi"), -1, ""},
		"a unit of no CPU":      {quantities("cpu", "1"), quantities("cpu", "0"), -1, ""},
		"less than none":        {quantities("cpu", "-4"), quantities("cpu", "2"), 0, "maxResources of -4 cpu holds 0 units of 2"},
		"of a device":           {quantities("example.com/gpu", "7"), quantities("example.com/gpu", "2"), 3, "maxResources of 7 example.com/gpu holds 3 units of 2"},
		"absurd":                {quantities("memory", "9E"), quantities("memory", "1"), MaxUnits, "maxResources of 9E memory holds 10000 units of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			units, message := Fit(tc.limit, tc.unit)
			require.Equal(t, tc.want, units)
			require.Equal(t, tc.message, message)
		})
	}
}

// TestOfResourcesThatDecideAlikeTheFirstByNameIsTold: the message stays the same from one time to the next.
func TestOfResourcesThatDecideAlikeTheFirstByNameIsTold(t *testing.T) {
	unit, total := quantities("cpu", "1", "memory", "1Gi", "pods", "1"), quantities("cpu", "9", "memory", "9Gi", "pods", "9")
	for range 50 {
		_, message := OfRequests(100, 4, "pods", total, unit)
		require.Contains(t, message, " cpu that ")
		_, message = Fit(total, unit)
		require.Contains(t, message, " cpu holds ")
	}
}

// More pods, a larger percentage or a larger maximum never make a smaller number, and more replicas never a larger one.
func TestSizesThatEndAreNotRoundedUp(t *testing.T) {
	units, _ := OfRequests(2, 4, "pods", quantities("cpu", "50000000025"), quantities("cpu", "1"))
	require.Equal(t, 1_000_000_000, units)
}

func TestArithmeticIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		percent, count := rapid.IntRange(1, 1000).Draw(t, "percent"), rapid.IntRange(0, 200_000).Draw(t, "count")
		few, _ := OfPods(percent, count, "")
		more, _ := OfPods(percent, count+rapid.IntRange(0, 1000).Draw(t, "more"), "")
		larger, _ := OfPods(percent+1, count, "")
		require.LessOrEqual(t, few, more)
		require.LessOrEqual(t, few, larger)
		require.GreaterOrEqual(t, few*100, percent*count)
		require.Less(t, (few-1)*100, max(1, percent*count), "not one more than needed")

		cpu := func(label string) resource.Quantity {
			return *resource.NewMilliQuantity(rapid.Int64Range(1, 1<<40).Draw(t, label), resource.DecimalSI)
		}
		total, unit, extra := cpu("total"), cpu("unit"), cpu("extra")
		ofTotal, _ := OfRequests(percent, count, "", list{"cpu": total}, list{"cpu": unit})
		total.Add(extra)
		ofMore, _ := OfRequests(percent, count, "", list{"cpu": total}, list{"cpu": unit})
		require.LessOrEqual(t, ofTotal, ofMore)

		maximum, replicas := rapid.IntRange(0, 10000).Draw(t, "max"), rapid.IntRange(0, 10000).Draw(t, "replicas")
		room, _ := UpTo(maximum, replicas, 0, "", "")
		less, _ := UpTo(maximum, replicas+1, 0, "", "")
		require.LessOrEqual(t, less, room)
		require.GreaterOrEqual(t, less, 0)
	})
}
