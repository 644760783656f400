package headroom

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/promised"
)

func TestThePodsOfFiftyNodesAreReadAtMostForPodsThatWait(t *testing.T) {
	s := newScene(t)
	read := 0
	s.Live = interceptor.NewClient(s.api, interceptor.Funcs{
		List: func(ctx context.Context, api client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			read++
			return api.List(ctx, list, options...)
		},
	})
	nodes := map[string]*corev1.Node{"a-node-nobody-waits-for": readyNode("a-node-nobody-waits-for")}
	for i := range 60 {
		name := fmt.Sprint("node-", i)
		nodes[name] = readyNode(name)
		require.NoError(t, s.api.Create(t.Context(), nodes[name].DeepCopy()))
		pod := waits(name)
		pod.UID = types.UID(name)
		s.nominations.Saw(pod)
	}
	s.clock.Step(promised.Settle)
	_, _, err := s.promisedUnits(t.Context(), nodes)
	require.NoError(t, err)
	require.Equal(t, 50, read)
}

// TestConsumersMatterOfReservedUnitsAlone: every other pod yields by its priority.
func TestConsumersMatterOfReservedUnitsAlone(t *testing.T) {
	h := webOf(1)
	h.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	s := newScene(t, h)
	reserved := func(pod *corev1.Pod) { pod.Spec.PriorityClassName = v1alpha1.ReservedPriorityClassName }
	for name, tc := range map[string]struct {
		change          func(*corev1.Pod)
		unit, consumers bool
	}{
		"of a reserved unit": {change: reserved, unit: true, consumers: true},
		"not of another":     {unit: true},
		"nor of a pod that only carries its label": {change: func(pod *corev1.Pod) {
			reserved(pod)
			pod.OwnerReferences = nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.promisable(t.Context(), placeholderOf(h, 0, tc.change))
			require.Equal(t, tc.unit, got.Unit)
			require.Equal(t, tc.consumers, got.Consumers != nil)
		})
	}
}
