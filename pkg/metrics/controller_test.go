package metrics

import (
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/buildinfo"
)

func TestEveryMetricOfTheControllerIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/metrics.md")
	require.NoError(t, err)
	registry := prometheus.NewPedanticRegistry()
	c := NewController(registry)
	c.Consumed.WithLabelValues("shop", "web").Inc()
	c.Lacked.WithLabelValues("shop", "web").Inc()
	for _, why := range account.Losses() {
		c.Lost.WithLabelValues("shop", "web", string(why)).Inc()
		require.Contains(t, string(page), "`"+string(why)+"`")
	}
	for _, why := range account.Misses() {
		c.CountMiss(types.NamespacedName{Namespace: "shop", Name: "web"}, why, 1)
		require.Contains(t, string(page), "`"+string(why)+"`")
	}
	c.Refused.WithLabelValues("QuotaExceeded").Inc()
	for _, reason := range deletionReasons() {
		require.Contains(t, string(page), "`"+string(reason)+"`")
	}
	for _, stage := range []string{StageGather, StageApply, StageStatus} {
		c.ReconcileErrors.WithLabelValues(stage).Inc()
		require.Contains(t, string(page), "`"+stage+"`")
	}
	registry.MustRegister(StateCollector{List: func() []HeadroomState {
		return []HeadroomState{{Conditions: []metav1.Condition{{Type: "Ready"}}, Domains: map[string]int32{"a": 1}, Usage: v1alpha1.UsageStatus{
			LowestReadyReplicas: ptr.To[int32](0), UnusedReplicas: ptr.To[int32](0), RefillSecondsP90: ptr.To[int64](0), EstimatedSecondsSaved: ptr.To[int64](0),
			Cost: &v1alpha1.UsageCost{UnitPerHour: "0.1", HeldPerHour: "0.2", UnusedPerWeek: "0"},
		}}}
	}})
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 26)
	for _, family := range families {
		require.Contains(t, string(page), "`"+family.GetName()+"`")
	}
}

func TestStateMetricsAreThoseOfTheMoment(t *testing.T) {
	states := []HeadroomState{{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "web"}, Desired: 9, Bound: 2, Unavailable: 1, Pending: 4, Outdated: 3,
		Parked:  5,
		Domains: map[string]int32{"eu-1a": 2},
		Usage: v1alpha1.UsageStatus{
			LowestReadyReplicas: ptr.To[int32](0), UnusedReplicas: ptr.To[int32](0), RefillSecondsP90: ptr.To[int64](45),
			EstimatedSecondsSaved: ptr.To[int64](120),
			Cost:                  &v1alpha1.UsageCost{UnitPerHour: "0.1", HeldPerHour: "0.25", UnpricedReplicas: 1}, // what is not known is absent
		},
		Conditions: []metav1.Condition{{Type: "Filled", Status: "False", Reason: "Unavailable"}}}}
	collector := StateCollector{List: func() []HeadroomState { return states }}
	require.NoError(t, testutil.CollectAndCompare(collector, strings.NewReader(`
# HELP headroom_condition Conditions of each Headroom, with status (True, False, Unknown) and reason; always 1.
# TYPE headroom_condition gauge
headroom_condition{headroom="web",namespace="shop",reason="Unavailable",status="False",type="Filled"} 1
# HELP headroom_desired Placeholders that should exist, by Headroom.
# TYPE headroom_desired gauge
headroom_desired{headroom="web",namespace="shop"} 9
# HELP headroom_parked Units that are not made for now, because no room came for those that waited, by Headroom.
# TYPE headroom_parked gauge
headroom_parked{headroom="web",namespace="shop"} 5
# HELP headroom_placeholders Placeholders that exist, by Headroom and state (bound, unavailable, pending).
# TYPE headroom_placeholders gauge
headroom_placeholders{headroom="web",namespace="shop",state="bound"} 2
headroom_placeholders{headroom="web",namespace="shop",state="pending"} 4
headroom_placeholders{headroom="web",namespace="shop",state="unavailable"} 1
# HELP headroom_domain_ready_placeholders Placeholders that can be taken, by Headroom and topology domain, as a rule the zone.
# TYPE headroom_domain_ready_placeholders gauge
headroom_domain_ready_placeholders{domain="eu-1a",headroom="web",namespace="shop"} 2
# HELP headroom_lowest_ready_placeholders Smallest number of placeholders that could be taken at any time of the last seven days, by Headroom.
# TYPE headroom_lowest_ready_placeholders gauge
headroom_lowest_ready_placeholders{headroom="web",namespace="shop"} 0
# HELP headroom_unused_units Units that could be taken at all times of the last seven days, by Headroom; absent until its account covers these.
# TYPE headroom_unused_units gauge
headroom_unused_units{headroom="web",namespace="shop"} 0
# HELP headroom_refill_p90_seconds Time within which nine of ten units that went in the last seven days were replaced, by Headroom; absent if none was.
# TYPE headroom_refill_p90_seconds gauge
headroom_refill_p90_seconds{headroom="web",namespace="shop"} 45
# HELP headroom_estimated_saved_seconds Estimate of how long pods would have waited for nodes in the last seven days without headroom, by Headroom; absent without evidence.
# TYPE headroom_estimated_saved_seconds gauge
headroom_estimated_saved_seconds{headroom="web",namespace="shop"} 120
# HELP headroom_unit_hourly_cost What a unit costs an hour on the average of those that are held on nodes with a price, by Headroom, in the operator's currency; absent if no price is known.
# TYPE headroom_unit_hourly_cost gauge
headroom_unit_hourly_cost{headroom="web",namespace="shop"} 0.1
# HELP headroom_held_hourly_cost What the units cost an hour together that are held on nodes with a price, by Headroom, in the operator's currency; absent without prices.
# TYPE headroom_held_hourly_cost gauge
headroom_held_hourly_cost{headroom="web",namespace="shop"} 0.25
# HELP headroom_unpriced_units Units that are held on nodes without a price, which the costs leave out, by Headroom; absent without prices.
# TYPE headroom_unpriced_units gauge
headroom_unpriced_units{headroom="web",namespace="shop"} 1
# HELP headroom_outdated Bound placeholders that are not what spec and PriorityClass say, by Headroom.
# TYPE headroom_outdated gauge
headroom_outdated{headroom="web",namespace="shop"} 3
`)))
	states = nil
	require.Zero(t, testutil.CollectAndCount(collector), "a Headroom that is gone leaves nothing behind")
}

func TestWhatIsCountedShowsFromZero(t *testing.T) {
	c := NewController(prometheus.NewRegistry())
	c.Show(types.NamespacedName{Namespace: "shop", Name: "web"})
	for name, count := range map[string]int{"taken": testutil.CollectAndCount(c.Consumed), "lacked": testutil.CollectAndCount(c.Lacked)} {
		require.Equal(t, 1, count, name)
	}
	require.Equal(t, len(account.Losses()), testutil.CollectAndCount(c.Lost))
	require.Equal(t, len(account.Misses()), testutil.CollectAndCount(c.Missed))
	require.Equal(t, 3, testutil.CollectAndCount(c.ReconcileErrors))
	require.Equal(t, len(deletionReasons()), testutil.CollectAndCount(c.Deleted))
	c.Forget(types.NamespacedName{Namespace: "shop", Name: "web"})
	require.Zero(t, testutil.CollectAndCount(c.Lost))
	require.Zero(t, testutil.CollectAndCount(c.Missed))
}

func TestForgottenHeadroomLeavesNoCounter(t *testing.T) {
	c := NewController(prometheus.NewRegistry())
	c.Consumed.WithLabelValues("shop", "web").Inc()
	c.Forget(types.NamespacedName{Namespace: "shop", Name: "web"})
	require.Zero(t, testutil.CollectAndCount(c.Consumed))
}

func TestAHeadroomIsForgottenAloneAndWholly(t *testing.T) {
	c := NewController(prometheus.NewRegistry())
	web := types.NamespacedName{Namespace: "shop", Name: "web"}
	for _, headroom := range []types.NamespacedName{web, {Namespace: "shop", Name: "api"}, {Namespace: "search", Name: "web"}} {
		c.Show(headroom)
	}
	c.Forget(web)
	require.Equal(t, 2, testutil.CollectAndCount(c.Consumed))
	require.Equal(t, 2, testutil.CollectAndCount(c.Lacked))
	require.Equal(t, 2*len(account.Losses()), testutil.CollectAndCount(c.Lost))
	require.Equal(t, 2*len(account.Misses()), testutil.CollectAndCount(c.Missed))
}

func TestTheBuildIsTold(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	NewController(registry)
	RegisterScheduler()
	for component, gatherer := range map[string]prometheus.Gatherer{"controller": registry, "scheduler": legacyregistry.DefaultGatherer} {
		families, err := gatherer.Gather()
		require.NoError(t, err)
		labels := map[string]string{}
		for _, family := range families {
			if family.GetName() == "headroom_build_info" {
				require.InDelta(t, 1, family.GetMetric()[0].GetGauge().GetValue(), 0)
				for _, label := range family.GetMetric()[0].GetLabel() {
					labels[label.GetName()] = label.GetValue()
				}
			}
		}
		info := buildinfo.Get()
		require.Equal(t, map[string]string{
			"component": component, "version": info.Version, "commit": info.Commit, "build_date": info.BuildDate, "go_version": info.GoVersion,
			"platform": info.Platform,
		}, labels)
	}
}

func TestEachCostIsToldAsFarAsItIsKnown(t *testing.T) {
	names := []string{"headroom_unit_hourly_cost", "headroom_held_hourly_cost", "headroom_unused_weekly_cost"}
	for i, cost := range []v1alpha1.UsageCost{{UnitPerHour: "0.5"}, {HeldPerHour: "0.5"}, {UnusedPerWeek: "0.5"}} {
		collector := StateCollector{List: func() []HeadroomState { return []HeadroomState{{Usage: v1alpha1.UsageStatus{Cost: &cost}}} }}
		for j, name := range names {
			require.Equal(t, i == j, testutil.CollectAndCount(collector, name) == 1, name)
		}
	}
}

// TestTheStateOfEveryHeadroomIsTold: of each its own, with all of its domains and conditions.
func TestTheStateOfEveryHeadroomIsTold(t *testing.T) {
	state := func(namespace string, first, second int32) HeadroomState {
		return HeadroomState{
			NamespacedName: types.NamespacedName{Namespace: namespace, Name: "web"}, Desired: first + second, Bound: first + second,
			Domains: map[string]int32{"a": first, "b": second},
			Conditions: []metav1.Condition{
				{Type: "Ready", Status: "True", Reason: "Made"}, {Type: "Filled", Status: "False", Reason: "Waits"},
			},
		}
	}
	collector := StateCollector{List: func() []HeadroomState { return []HeadroomState{state("shop", 1, 2), state("search", 3, 0)} }}
	require.NoError(t, testutil.CollectAndCompare(collector, strings.NewReader(`
# HELP headroom_condition Conditions of each Headroom, with status (True, False, Unknown) and reason; always 1.
# TYPE headroom_condition gauge
headroom_condition{headroom="web",namespace="search",reason="Made",status="True",type="Ready"} 1
headroom_condition{headroom="web",namespace="search",reason="Waits",status="False",type="Filled"} 1
headroom_condition{headroom="web",namespace="shop",reason="Made",status="True",type="Ready"} 1
headroom_condition{headroom="web",namespace="shop",reason="Waits",status="False",type="Filled"} 1
# HELP headroom_desired Placeholders that should exist, by Headroom.
# TYPE headroom_desired gauge
headroom_desired{headroom="web",namespace="search"} 3
headroom_desired{headroom="web",namespace="shop"} 3
# HELP headroom_domain_ready_placeholders Placeholders that can be taken, by Headroom and topology domain, as a rule the zone.
# TYPE headroom_domain_ready_placeholders gauge
headroom_domain_ready_placeholders{domain="a",headroom="web",namespace="search"} 3
headroom_domain_ready_placeholders{domain="a",headroom="web",namespace="shop"} 1
headroom_domain_ready_placeholders{domain="b",headroom="web",namespace="search"} 0
headroom_domain_ready_placeholders{domain="b",headroom="web",namespace="shop"} 2
`), "headroom_condition", "headroom_desired", "headroom_domain_ready_placeholders"))
}

func TestWhatIsNotKnownIsAbsent(t *testing.T) {
	collector := StateCollector{List: func() []HeadroomState { return make([]HeadroomState, 1) }}
	require.Equal(t, 6, testutil.CollectAndCount(collector), "desired, outdated, parked, and placeholders by state")
	require.Equal(t, 6, testutil.CollectAndCount(collector, "headroom_desired", "headroom_outdated", "headroom_parked", "headroom_placeholders"))
}

func TestAMissIsOnePodAndTheUnitsThatItLacked(t *testing.T) {
	c, web := NewController(prometheus.NewRegistry()), types.NamespacedName{Namespace: "shop", Name: "web"}
	c.CountMiss(web, account.MissNoneReady, 3)
	c.CountMiss(web, account.MissTooSmall, 0)
	require.InDelta(t, 3, testutil.ToFloat64(c.Lacked), 0)
	require.InDelta(t, 3, testutil.ToFloat64(c.Lacked.WithLabelValues("shop", "web")), 0)
	for why, pods := range map[account.Miss]float64{account.MissNoneReady: 1, account.MissTooSmall: 1, account.MissFiltered: 0} {
		require.InDelta(t, pods, testutil.ToFloat64(c.Missed.WithLabelValues("shop", "web", string(why))), 0, why)
	}
}
