package consumption

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
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

// TestEveryPodOfANodeIsFound by what it is, in whatever order they are listed: what its annotation says is another matter.
func TestEveryPodOfANodeIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := []metav1.PartialObjectMetadata{
			took("api-1", swapevent.Annotation([]types.UID{"uid-a"}, nil)), took("preempts", ""), took("liar", "no annotation of a scheduler"),
			took("api-2", swapevent.Annotation([]types.UID{"uid-d"}, nil)),
		}
		for range pods {
			pods = append(pods[1:], pods[0])
			s := newStory()
			for name, preemptor := range map[string]types.UID{"b": "uid-preempts", "c": "uid-liar"} {
				s.departs(name, disrupted(corev1.PodReasonPreemptionByScheduler))
				s.Preempted(victim(name), account.Consumer{UID: preemptor})
			}
			s.departs("a", nil)
			s.departs("d", nil)
			live := &listed{pods: pods}
			finder := &Finder{Live: live, Cache: live, Ledger: s.Ledger, Clock: s.clock}
			require.NoError(t, finder.look(t.Context(), "node-1"))
			takers := map[types.UID]string{}
			for uid, take := range s.taken {
				takers[uid] = take.Consumer.Name
				require.Equal(t, "ReplicaSet/api", take.Consumer.Owner)
			}
			require.Equal(t, map[types.UID]string{"uid-a": "api-1", "uid-b": "preempts", "uid-c": "liar", "uid-d": "api-2"}, takers)
		}
	})
}

// TestNodesAreLookedAtToTheEnd before it is asked which ones are due next: a node is not looked at twice at a time.
func TestNodesAreLookedAtToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, live, began := newStory(), &listed{hold: 10 * time.Millisecond}, time.Now()
		finder := &Finder{Live: live, Cache: live, Ledger: s.Ledger, Clock: s.clock}
		var nodes []string
		for i := range 2*atOnce + 1 {
			nodes = append(nodes, fmt.Sprint("node-", i))
		}
		finder.lookAt(t.Context(), nodes)
		require.Equal(t, 3*live.hold, time.Since(began))
		require.Zero(t, live.running.Load())
		require.Len(t, live.asked, len(nodes))
	})
}
