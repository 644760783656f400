package account

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// TestP13StockPreemptionIsCreditedToThePreemptor has kube-scheduler without the plugin preempt units, and units that entitled pods lack
// counted. No event and no condition is written by the test.
func TestP13StockPreemptionIsCreditedToThePreemptor(t *testing.T) {
	t.Parallel() // with the others: most of it is waiting
	c := clustertest.Start(t, cluster.Options{})
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 1, CPU: resource.MustParse("3")}))
	cl, err := c.Client()
	require.NoError(t, err)
	namespace := clustertest.Namespace(t, c, nil)
	scheduler, err := cluster.FindProduct("headroom-scheduler")
	require.NoError(t, err)
	_, err = c.RunScheduler("kube-scheduler", scheduler) // without a configuration it is a plain kube-scheduler
	require.NoError(t, err)
	_, err = c.RunController(t.Context())
	require.NoError(t, err)
	headroom := builders.Headroom("web", cpu("1")).Namespace(namespace).Replicas(3).Obj()
	require.NoError(t, cl.Create(t.Context(), headroom))
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		require.NoError(collect, cl.Get(t.Context(), client.ObjectKeyFromObject(headroom), headroom))
		require.EqualValues(collect, 3, headroom.Status.ReadyReplicas)
	}, soon, glance)

	consumer := builders.Consumer("api-1", cpu("2")).Namespace(namespace).Obj()
	require.NoError(t, cl.Create(t.Context(), consumer))
	large := builders.Consumer("api-2", cpu("2")).Namespace(namespace).Obj() // for this one there is no room, whoever goes
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		require.NoError(collect, cl.Get(t.Context(), client.ObjectKeyFromObject(consumer), consumer))
		require.NotEmpty(collect, consumer.Spec.NodeName)
	}, soon, glance)
	require.NoError(t, cl.Create(t.Context(), large))

	record := &v1alpha1.HeadroomAccount{}
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		require.NoError(collect, cl.Get(t.Context(), client.ObjectKeyFromObject(headroom), record))
		require.EqualValues(collect, 2, record.Record.Taken)
		require.GreaterOrEqual(collect, record.Record.Lacked, int64(2), "what api-2 lacks")
		require.Contains(collect, record.Record.Missed, v1alpha1.MissedPods{Reason: "other", Pods: 1},
			"a unit is ready that is too small for api-2, which kube-scheduler does not say")
		require.Equal(collect, 4, demandOf(collect, record), "what api-1 took, whether it was told before that it lacks it or not, and what api-2 lacks")
	}, soon, glance)
	for _, take := range record.Record.Takes {
		require.Equal(t, "Preemption", take.How)
		require.Equal(t, string(consumer.UID), take.ConsumerUID)
		require.Equal(t, namespace+"/api-1", take.Consumer)
	}
	require.NoError(t, cl.Get(t.Context(), client.ObjectKeyFromObject(large), large))
	require.Equal(t, corev1.PodPending, large.Status.Phase)
}

// demandOf is how many units pods asked for by a stored account.
func demandOf(t require.TestingT, stored *v1alpha1.HeadroomAccount) int {
	decoded, err := account.Decode(&stored.Record)
	require.NoError(t, err)
	sum := 0
	for _, hour := range decoded.Demand(false).Hours {
		sum += hour.Taken + hour.Lacked - hour.Again
	}
	return sum
}
