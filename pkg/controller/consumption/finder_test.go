package consumption

import (
	"context"
	"testing"
	"time"

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

// slow is an API server that takes a while to list, and notes what it is asked for.
type slow struct {
	emptyNodes
	lists   func()
	options *client.ListOptions
}

func (s slow) List(_ context.Context, _ client.ObjectList, options ...client.ListOption) error {
	s.options.ApplyOptions(options)
	s.lists()
	return nil
}

func TestALookDecidesByWhenItBegan(t *testing.T) {
	s := newStory()
	s.departs("a", nil)
	s.clock.Step(account.Patience - time.Second)
	live := slow{lists: func() { s.clock.Step(time.Minute) }, options: &client.ListOptions{}}
	finder := &Finder{Live: live, Cache: emptyNodes{"node-1": true}, Ledger: s.Ledger, Clock: s.clock}
	require.NoError(t, finder.look(t.Context(), "node-1"))
	require.Empty(t, s.lost, "a pod may have been bound since the list was made")
	require.Equal(t, "spec.nodeName=node-1", live.options.FieldSelector.String())
	require.NoError(t, finder.look(t.Context(), "node-1"))
	require.Equal(t, []account.Loss{account.LossAbandoned}, s.lost)
}
