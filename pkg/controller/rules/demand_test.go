package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// Demand is what an account says that is read, and no demand at all without one.
func (c *cluster) Demand(_ types.NamespacedName, parked bool, use func(demand.History, time.Time)) bool {
	if c.unread {
		return false
	}
	a := c.account
	if a == nil {
		a = account.New(noon)
	}
	use(a.Demand(parked), a.Opened())
	return true
}

// quiet is an account of so long a time before noon, in which there always was a ready unit and nobody took any.
func quiet(long time.Duration) *account.Account {
	a := account.New(noon.Add(-long))
	for at := noon.Add(-long); !at.After(noon); at = at.Add(account.Slot) {
		a.Observe(at, 1)
	}
	return a
}

// took records that pods took units; those that went within the last refill time are missing.
func took(a *account.Account, units int, at time.Time) {
	for range units {
		a.Take(account.Take{Time: at})
		if noon.Sub(at) < demand.DefaultRefill {
			a.Went(at)
		}
	}
}

// learned is a Headroom that is sized by its demand, as the API server completes it.
func learned() *v1alpha1.Headroom {
	h := sizedBy(v1alpha1.SizingRule{Name: "learned", Demand: &v1alpha1.Demand{Served: "99.9", Season: v1alpha1.SeasonWeek, TimeZone: "Europe/Berlin"}})
	h.CreationTimestamp = metav1.NewTime(noon.AddDate(0, -2, 0))
	return h
}

// opened makes a Headroom as old as its account.
func opened(h *v1alpha1.Headroom, a *account.Account) {
	h.CreationTimestamp = metav1.NewTime(a.Opened())
}

const twoWeeks = 14 * 24 * time.Hour

func TestDemandIsThatOfTheSameHour(t *testing.T) {
	for name, tc := range map[string]struct {
		offset  time.Duration // of the batch of 12 pods, from now in earlier weeks
		want    int32
		message string
	}{
		"a batch that comes at this time each week": {
			4 * time.Minute, 15, "15 units: of 75 windows of 2m (a refill takes 2m), in the hour around Thu 13:04 CET of 2 earlier weeks and in the last half hour, " +
				"none asked for more than 12 units; so few cannot show what is rare, and for a chance of at most 0.1 % that one asks for more " +
				"it takes 15, not 14.",
		},
		"a batch at another time": {
			9 * time.Hour, 1, "1 unit: of 75 windows of 2m (a refill takes 2m), in the hour around Thu 13:04 CET of 2 earlier weeks and in the last half hour, " +
				"none asked for more than 0 units; so few cannot show what is rare, and for a chance of at most 0.1 % that one asks for more it takes 1, not 0.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := quiet(twoWeeks + time.Hour)
			took(a, 12, noon.Add(tc.offset-7*24*time.Hour))
			took(a, 12, noon.Add(tc.offset-twoWeeks))
			out := Evaluate(learned(), 1, &cluster{account: a}, noon)
			require.Equal(t, tc.message, out.Status.Rules[0].Message)
			require.Equal(t, tc.want, out.Status.Rules[0].Replicas)
			require.EqualValues(t, tc.want, out.Replicas)
			require.Equal(t, v1alpha1.ReasonSized, out.Sized.Reason)
			require.Equal(t, 2*time.Minute, out.Recheck, "demand is looked at again although nothing happens")
		})
	}
}

func TestWhatARuleOfDemandLeavesOutIsAsTheAPISays(t *testing.T) {
	h := sizedBy(v1alpha1.SizingRule{Name: "learned", Demand: &v1alpha1.Demand{}})
	options, problem := evaluation{headroom: h}.demandOptions(h.Spec.Sizing.Rules[0].Demand)
	require.Nil(t, problem)
	require.Equal(t, demand.Options{Season: demand.Week, Max: 100}, options, "the maximum is that of the Headroom")

	rule := &v1alpha1.Demand{
		Served: "99.5", Season: v1alpha1.SeasonNone, TimeZone: "Europe/Berlin", History: &metav1.Duration{Duration: 24 * time.Hour},
	}
	options, problem = evaluation{headroom: h}.demandOptions(rule)
	require.Nil(t, problem)
	require.Equal(t, demand.None, options.Season)
	require.InDelta(t, 0.995, options.Served, 1e-9)
	require.Equal(t, "Europe/Berlin", options.Location.String())
	require.Equal(t, 24*time.Hour, options.History)
}

func TestUnitsThatAreParkedDoNotLengthenARefill(t *testing.T) {
	a := quiet(twoWeeks + time.Hour)
	a.Went(noon.Add(-20 * time.Minute))
	h := learned()
	waiting := Evaluate(h, 1, &cluster{account: a}, noon).Status.Rules[0].Message
	require.NotContains(t, waiting, "a refill takes 2m")
	h.Status.ParkedReplicas = 1
	parked := Evaluate(h, 1, &cluster{account: a}, noon).Status.Rules[0].Message
	require.Contains(t, parked, "a refill takes 2m")
}

func TestABurstRaisesTheNumberAtOnce(t *testing.T) {
	h, a := learned(), quiet(time.Hour)
	opened(h, a)
	out := Evaluate(h, 1, &cluster{account: a}, noon)
	require.Equal(t, 1, out.Replicas)
	require.Contains(t, out.Status.Rules[0].Message, "0 units: no demand is known yet: ")

	took(a, 5, noon.Add(-time.Minute))
	a.Miss(account.MissNoneReady, 3, noon.Add(-30*time.Second))
	out = Evaluate(h, 1, &cluster{account: a}, noon)
	require.Equal(t, 16, out.Replicas, "as many again as the 5 that were taken and the 3 that were lacking")
	require.Equal(t, "16 units: a burst is under way: in the last 2m pods took or lacked 8 units that have not come back; 16 cover as many again.",
		out.Status.Rules[0].Message)
	require.Equal(t, "16 units: rule learned asks for 16 and no rule for more. "+out.Status.Rules[0].Message, out.Status.Message)
}

func TestOneJobOfThousandsCountsAtMostTheLimit(t *testing.T) {
	h, a := learned(), quiet(time.Hour)
	opened(h, a)
	a.Miss(account.MissNoneReady, 10_000, noon.Add(-30*time.Minute))
	h.Spec.Sizing.Max = ptr.To[int32](20)
	out := Evaluate(h, 1, &cluster{account: a}, noon)
	require.Equal(t, 20, out.Replicas)
	require.Contains(t, out.Status.Rules[0].Message, "a window counts at most the maximum of 20")

	h.Spec.Sizing.MaxResources = corev1.ResourceList{"cpu": resource.MustParse("40")} // units of 4
	out = Evaluate(h, 1, &cluster{account: a}, noon)
	require.Equal(t, 10, out.Replicas)
	require.Contains(t, out.Status.Rules[0].Message, "a window counts at most the maximum of 10")

	a.Miss(account.MissNoneReady, 10_000, noon) // is under way
	out = Evaluate(h, 1, &cluster{account: a}, noon)
	require.Equal(t, 10, out.Replicas)
	require.Equal(t, v1alpha1.LimitedByMaxResources, out.Status.LimitedBy)
}

func TestAnAccountThatIsNotReadOrWasLostMakesNothingSmaller(t *testing.T) {
	h, c := learned(), &cluster{unread: true}
	out := Evaluate(h, 3, c, noon)
	require.Equal(t, 3, out.Replicas)
	require.Equal(t, v1alpha1.ReasonReading, out.Sized.Reason)
	require.Contains(t, out.Sized.Message, "Rule learned: the account of the Headroom is not read yet.")
	require.Equal(t, 5*time.Second, out.Recheck, "nothing tells when it is read")

	h.Status.Sizing = &v1alpha1.SizingStatus{Rules: []v1alpha1.SizingRuleStatus{{Name: "learned", Replicas: 14, Message: "14 units: because."}}}
	out = Evaluate(h, 3, c, noon)
	require.Equal(t, 14, out.Replicas)
	require.Equal(t, "14 units: because.", out.Status.Rules[0].Message)

	// The Headroom is two months old, and its account is of an hour.
	c = &cluster{account: quiet(time.Hour)}
	out = Evaluate(h, 3, c, noon)
	require.Equal(t, 14, out.Replicas)
	require.Contains(t, out.Status.Rules[0].Message,
		"It keeps the 14 units that it came to last, because the account is kept only since 2026-11-26T11:00:00Z: no demand is known yet: ")
	require.Equal(t, v1alpha1.ReasonSized, out.Sized.Reason)

	// What is known counts again when it is enough for an estimate, and at once if the Headroom is as young.
	out = Evaluate(h, 3, &cluster{account: quiet(3 * time.Hour)}, noon)
	require.EqualValues(t, 1, out.Status.Rules[0].Replicas)
	require.Contains(t, out.Status.Rules[0].Message, "of all 91 windows of 2m")
	opened(h, c.account)
	out = Evaluate(h, 3, c, noon)
	require.Zero(t, out.Status.Rules[0].Replicas)
}

func TestBadDemandRulesKeepTheirNumber(t *testing.T) {
	for name, tc := range map[string]struct {
		rule         v1alpha1.Demand
		reason, text string
	}{
		"an unknown time zone": {v1alpha1.Demand{TimeZone: "Europe/Atlantis"}, v1alpha1.ReasonUnknownTimeZone, `time zone "Europe/Atlantis" is none of`},
		"a share that is none": {v1alpha1.Demand{Served: "most"}, v1alpha1.ReasonInvalidRule, `demand.served: "most" is no share in percent, such as 99.9`},
	} {
		t.Run(name, func(t *testing.T) {
			h := sizedBy(v1alpha1.SizingRule{Name: "learned", Demand: &tc.rule})
			h.Status.Sizing = &v1alpha1.SizingStatus{Rules: []v1alpha1.SizingRuleStatus{{Name: "learned", Replicas: 14}}}
			out := Evaluate(h, 3, &cluster{account: quiet(time.Hour)}, noon)
			require.Equal(t, 14, out.Replicas)
			require.Contains(t, out.Status.Rules[0].Message, "It keeps the 14 units that it came to last: "+tc.text)
			require.Equal(t, tc.reason, out.Sized.Reason)
		})
	}
}

// Whatever happened, the number is within the bounds, the same for the same evidence, explained, and not smaller for more demand.
func TestDemandIsBoundedAndMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		long := time.Duration(rapid.IntRange(1, 15*24).Draw(t, "hours")) * time.Hour
		h := learned()
		rule := h.Spec.Sizing.Rules[0].Demand
		rule.Season = rapid.SampledFrom([]v1alpha1.DemandSeason{v1alpha1.SeasonWeek, v1alpha1.SeasonDay, v1alpha1.SeasonNone}).Draw(t, "season")
		rule.Served = fmt.Sprintf("%d.%d", rapid.IntRange(50, 99).Draw(t, "served"), rapid.IntRange(0, 999).Draw(t, "decimals"))
		most, floor := rapid.IntRange(0, 60).Draw(t, "max"), rapid.IntRange(0, 70).Draw(t, "floor")
		h.Spec.Sizing.Max = ptr.To(int32(most)) //nolint:gosec // at most 60
		a := quiet(min(long, 2*time.Hour))      // two hours in each slot, and the rest unseen
		for range rapid.IntRange(0, 10).Draw(t, "batches") {
			at := noon.Add(-time.Duration(rapid.Int64Range(0, int64(long/time.Second)).Draw(t, "ago")) * time.Second)
			took(a, rapid.IntRange(1, 40).Draw(t, "units"), at)
		}
		c := &cluster{account: a}
		out := Evaluate(h, floor, c, noon)
		require.LessOrEqual(t, out.Replicas, most)
		require.GreaterOrEqual(t, out.Replicas, min(floor, most))
		require.NotEmpty(t, out.Status.Rules[0].Message)
		require.Equal(t, out, Evaluate(h, floor, c, noon))

		a.Miss(account.MissNoneReady, rapid.IntRange(1, 30).Draw(t, "more"), noon.Add(-time.Minute))
		require.GreaterOrEqual(t, Evaluate(h, floor, c, noon).Replicas, out.Replicas)
	})
}
