package app

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/allotment"
	"github.com/headroom-dev/headroom/pkg/controller/config"
	"github.com/headroom-dev/headroom/pkg/controller/headroom"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func TestEachOptionOfTheConfigurationReachesTheReconciler(t *testing.T) {
	c := config.Default()
	c.Identity, c.Namespaces, c.HideNamesOfOtherNamespaces = "one", []string{"shop"}, true
	c.Placeholders.DefaultImage, c.Placeholders.SchedulerName = "example.com/pause:1", "scheduler"
	c.Placeholders.MaxPriority, c.Placeholders.MinPriority, c.Placeholders.AllowPreemptingPriorityClass = -2, -9, true
	c.Placeholders.AllowReserved = true
	c.Placeholders.Ladder = true
	c.Units.MaxPerHeadroom, c.Units.MaxPerNamespace, c.Units.Max, c.Units.MaxPending = 1, 2, 3, 4

	require.Equal(t, headroom.Options{
		Identity: "one", Namespaces: []string{"shop"}, HideOthers: true,
		Defaults: placeholder.Defaults{Image: "example.com/pause:1", SchedulerName: "scheduler", Ladder: true},
		Limits:   priority.Limits{Max: -2, Min: -9, AllowPreempting: true, AllowReserved: true},
		Units:    allotment.Limits{PerHeadroom: 1, PerNamespace: 2, Total: 3, Pending: 4},
	}, configured(c))
}

func TestAnInstallationIsNamedByItsLeaseUnlessTheOptionSaysOtherwise(t *testing.T) {
	c := config.Default()
	c.LeaderElection.LeaseNamespace, c.LeaderElection.LeaseName = "headroom-system", "lease"
	require.Equal(t, "headroom-system/lease", installation(c))
	c.Identity = "one"
	require.Equal(t, "one", installation(c))
}

func TestOnlyTheLeaderHasStateMetrics(t *testing.T) {
	web := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	elected := make(chan struct{})
	list := states(t.Context(), elected, fake.NewClientBuilder().WithScheme(Scheme()).WithObjects(web).Build())
	require.Empty(t, list())
	close(elected)
	require.Len(t, list(), 1)
}
