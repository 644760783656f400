package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	// windowUnits is how many units the Headroom has: many, and less than may wait at a time.
	windowUnits = 200
	// pause is what lies between orders of two rounds of Karpenter at least, and never between those of one.
	pause = 3 * time.Second
)

// filling is what it took to fill the Headroom.
type filling struct {
	cpu    int64
	rounds int
	took   time.Duration
}

// TestTheWindowOfPendingUnitsCostsAHeadroomAloneNothing fills 200 units by the bound on units that wait (--max-pending-units), and again
// without it: Karpenter orders the same nodes. How long each takes, and in how many rounds, is in the log: one round, unless the machine is so
// busy that the pods come more slowly than Karpenter waits for more.
func TestTheWindowOfPendingUnitsCostsAHeadroomAloneNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	with := w.fill(t)
	w.programs[0].Stop()
	w.waitGone(t)
	controller, err := w.cluster.RunController(t.Context(), "--placeholder-scheduler-name=headroom-scheduler", "--max-pending-units=0")
	require.NoError(t, err)
	w.programs = append(w.programs, controller)
	without := w.fill(t)
	t.Logf("with the window: %+v, without it: %+v", with, without)
	t.Logf("%v", w.claims)
	require.InDelta(t, without.cpu, with.cpu, float64(without.cpu)/10)
	require.Empty(t, w.forbidden(t))
}

// fill makes the Headroom and waits until it is filled.
func (w *world) fill(t *testing.T) filling {
	t.Helper()
	mark, started := w.claims.ordered(), time.Now()
	h := &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: headroomName},
		Spec: v1alpha1.HeadroomSpec{Replicas: ptr.To[int32](windowUnits), Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("128Mi"),
		}},
	}
	require.NoError(t, w.client.Create(w.ctx, h))
	w.eventually(t, func(collect *assert.CollectT) {
		require.NoError(collect, w.client.Get(w.ctx, client.ObjectKeyFromObject(h), h))
		require.EqualValues(collect, windowUnits, h.Status.ReadyReplicas)
	}, "the Headroom is filled")
	return filling{cpu: w.waitOrderedCPU(t, mark), rounds: w.claims.rounds(mark), took: time.Since(started).Round(time.Second)}
}

// waitGone deletes the Headroom and its units, and waits until Karpenter has taken the nodes away. No controller runs.
func (w *world) waitGone(t *testing.T) {
	t.Helper()
	h := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: headroomName}}
	require.NoError(t, w.client.Delete(w.ctx, h))
	require.NoError(t, w.client.DeleteAllOf(w.ctx, &corev1.Pod{}, client.InNamespace(w.namespace), client.GracePeriodSeconds(0)))
	w.eventually(t, func(collect *assert.CollectT) { require.Empty(collect, w.nodesByName(collect)) }, "the nodes go")
}

// rounds returns in how many rounds the nodes since a mark were ordered.
func (n *nodeClaims) rounds(since int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	var times []time.Time
	for _, claim := range n.claims[since:] {
		times = append(times, claim.GetCreationTimestamp().Time)
	}
	slices.SortFunc(times, time.Time.Compare)
	rounds := min(1, len(times))
	for i := 1; i < len(times); i++ {
		if times[i].Sub(times[i-1]) >= pause {
			rounds++
		}
	}
	return rounds
}
