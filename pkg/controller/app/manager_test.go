package app

import (
	"os"
	"testing"
	"testing/fstest"

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
	c.Namespaces, c.HideNamesOfOtherNamespaces = []string{"shop"}, true
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
	}, configured(c, "one"))
}

func TestAnInstallationIsNamedByItsLeaseUnlessTheOptionSaysOtherwise(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	inPod := fstest.MapFS{"namespace": {Data: []byte("headroom-system\n")}}
	for name, tc := range map[string]struct {
		account                  fstest.MapFS
		leaseNamespace, identity string
		want                     string
	}{
		"a pod, and a lease of its namespace": {account: inPod, want: "headroom-system/lease"},
		"a pod, and a lease elsewhere":        {account: inPod, leaseNamespace: "leases", want: "leases/lease"},
		"no pod, and a lease somewhere":       {leaseNamespace: "leases", want: "leases/lease"},
		"no pod, and no namespace":            {want: host + "/lease"},
		"a name of its own":                   {account: inPod, leaseNamespace: "leases", identity: "one", want: "one"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config.Default()
			c.LeaderElection.LeaseNamespace, c.LeaderElection.LeaseName, c.Identity = tc.leaseNamespace, "lease", tc.identity
			require.Equal(t, tc.want, installation(c, tc.account))
		})
	}
}

func TestOnlyTheLeaderHasStateMetrics(t *testing.T) {
	web := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	elected := make(chan struct{})
	list := states(t.Context(), elected, fake.NewClientBuilder().WithScheme(Scheme()).WithObjects(web).Build())
	require.Empty(t, list())
	close(elected)
	require.Len(t, list(), 1)
}
