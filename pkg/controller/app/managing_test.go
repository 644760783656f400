package app

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/pkg/controller/config"
	"github.com/headroom-dev/headroom/pkg/price"
)

func TestTheManagerIsToldWhatTheConfigurationSays(t *testing.T) {
	c := config.Default()
	c.LeaderElection = config.LeaderElection{Enabled: true, LeaseName: "lease", LeaseNamespace: "headroom-system"}
	c.MetricsBindAddress, c.MetricsCertDir, c.HealthProbeBindAddress = ":1", "/certs", ":2"
	c.Namespaces = []string{"shop"}
	ctx, stop := context.WithCancel(t.Context())
	options := managerOptions(ctx, c)
	require.True(t, options.LeaderElection)
	require.Equal(t, []string{"lease", "headroom-system", ":2"}, []string{
		options.LeaderElectionID, options.LeaderElectionNamespace, options.HealthProbeBindAddress})
	require.True(t, options.LeaderElectionReleaseOnCancel, "another one works at once")
	require.Contains(t, options.Cache.DefaultNamespaces, "shop")
	require.Equal(t, 20*time.Second, *options.GracefulShutdownTimeout)
	stop()
	require.NoError(t, options.BaseContext().Err(), "what has begun is ended after a signal")

	require.Equal(t, []string{":1", "/certs"}, []string{options.Metrics.BindAddress, options.Metrics.CertDir})
	require.True(t, options.Metrics.SecureServing)
	require.NotNil(t, options.Metrics.FilterProvider, "who may not read metrics does not")
	served := &tls.Config{NextProtos: []string{"h2", "http/1.1"}} //nolint:gosec // nothing is served by it
	for _, change := range options.Metrics.TLSOpts {
		change(served)
	}
	require.Equal(t, []string{"http/1.1"}, served.NextProtos)

	c.LeaderElection.Enabled = false
	require.False(t, managerOptions(ctx, c).LeaderElection)
}

func TestThePricesReachTheReconcilerAndTheCache(t *testing.T) {
	c := config.Default()
	c.Prices = config.Prices{Node: 0.4, Label: "example.com/price"}
	require.Equal(t, price.Prices{Node: 0.4, Label: "example.com/price"}, configured(c, "one").Prices)
}
