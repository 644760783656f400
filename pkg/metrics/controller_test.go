package metrics

import (
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/account"
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
	for _, stage := range []string{StageGather, StageApply, StageStatus} {
		c.ReconcileErrors.WithLabelValues(stage).Inc()
		require.Contains(t, string(page), "`"+stage+"`")
	}
	registry.MustRegister(StateCollector{List: func() []HeadroomState { return make([]HeadroomState, 1) }})
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 12)
	for _, family := range families {
		require.Contains(t, string(page), "`"+family.GetName()+"`")
	}
}

func TestStateMetricsAreThoseOfTheMoment(t *testing.T) {
	states := []HeadroomState{{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "web"}, Desired: 5, Bound: 3, Pending: 2}}
	collector := StateCollector{List: func() []HeadroomState { return states }}
	require.NoError(t, testutil.CollectAndCompare(collector, strings.NewReader(`
# HELP headroom_desired Placeholders that should exist, by Headroom.
# TYPE headroom_desired gauge
headroom_desired{headroom="web",namespace="shop"} 5
# HELP headroom_placeholders Placeholders that exist, by Headroom and state (bound, pending).
# TYPE headroom_placeholders gauge
headroom_placeholders{headroom="web",namespace="shop",state="bound"} 3
headroom_placeholders{headroom="web",namespace="shop",state="pending"} 2
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
