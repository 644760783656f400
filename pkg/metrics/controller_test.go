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

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/topup"
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
	c.Refused.WithLabelValues("QuotaExceeded").Inc()
	for _, reason := range []topup.Reason{
		topup.ReasonSurplus, topup.ReasonLost, topup.ReasonOutdated, topup.ReasonNonconforming, topup.ReasonGivenBack, topup.ReasonHeldBack,
	} {
		c.Deleted.WithLabelValues(string(reason)).Inc()
		require.Contains(t, string(page), "`"+string(reason)+"`")
	}
	for _, stage := range []string{StageGather, StageApply, StageStatus} {
		c.ReconcileErrors.WithLabelValues(stage).Inc()
		require.Contains(t, string(page), "`"+stage+"`")
	}
	registry.MustRegister(StateCollector{List: func() []HeadroomState { return []HeadroomState{{Conditions: []metav1.Condition{{Type: "Ready"}}}} }})
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 15)
	for _, family := range families {
		require.Contains(t, string(page), "`"+family.GetName()+"`")
	}
}

func TestStateMetricsAreThoseOfTheMoment(t *testing.T) {
	states := []HeadroomState{{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "web"}, Desired: 5, Bound: 2, Unavailable: 1, Pending: 2, Outdated: 1,
		Conditions: []metav1.Condition{{Type: "Filled", Status: "False", Reason: "Unavailable"}}}}
	collector := StateCollector{List: func() []HeadroomState { return states }}
	require.NoError(t, testutil.CollectAndCompare(collector, strings.NewReader(`
# HELP headroom_condition Conditions of each Headroom, with status (True, False, Unknown) and reason; always 1.
# TYPE headroom_condition gauge
headroom_condition{headroom="web",namespace="shop",reason="Unavailable",status="False",type="Filled"} 1
# HELP headroom_desired Placeholders that should exist, by Headroom.
# TYPE headroom_desired gauge
headroom_desired{headroom="web",namespace="shop"} 5
# HELP headroom_placeholders Placeholders that exist, by Headroom and state (bound, unavailable, pending).
# TYPE headroom_placeholders gauge
headroom_placeholders{headroom="web",namespace="shop",state="bound"} 2
headroom_placeholders{headroom="web",namespace="shop",state="pending"} 2
headroom_placeholders{headroom="web",namespace="shop",state="unavailable"} 1
# HELP headroom_outdated Bound placeholders that are not what spec and PriorityClass say, by Headroom.
# TYPE headroom_outdated gauge
headroom_outdated{headroom="web",namespace="shop"} 1
`)))
	states = nil
	require.Zero(t, testutil.CollectAndCount(collector), "a Headroom that is gone leaves nothing behind")
}

func TestForgottenHeadroomLeavesNoCounter(t *testing.T) {
	c := NewController(prometheus.NewRegistry())
	c.Consumed.WithLabelValues("shop", "web").Inc()
	c.Forget(types.NamespacedName{Namespace: "shop", Name: "web"})
	require.Zero(t, testutil.CollectAndCount(c.Consumed))
}
