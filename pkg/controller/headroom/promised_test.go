package headroom

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

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
