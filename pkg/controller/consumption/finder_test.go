package consumption

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/pkg/account"
)

// emptyNodes has no pods, and of the nodes those that are named.
type emptyNodes map[string]bool

func (emptyNodes) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

func (e emptyNodes) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	if e[key.Name] {
		return nil
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, key.Name)
}

func TestAPlaceholderThatNoPodTookWentWithItsNodeIfThatIsGone(t *testing.T) {
	for name, tc := range map[string]struct {
		nodes emptyNodes
		want  account.Loss
	}{
		"the node is gone":  {want: account.LossNode},
		"the node is there": {nodes: emptyNodes{"node-1": true}, want: account.LossAbandoned},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			finder := &Finder{Live: tc.nodes, Cache: tc.nodes, Ledger: s.Ledger, Clock: s.clock}
			s.departs("a", func(pod *corev1.Pod) { pod.Spec.NodeName = "node-1" })
			s.clock.Step(account.Patience)
			require.NoError(t, finder.look(t.Context(), "node-1"))
			require.Equal(t, []account.Loss{tc.want}, s.lost)
		})
	}
}
