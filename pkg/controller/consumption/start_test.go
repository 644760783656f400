package consumption

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// listed is an API server with these pods on every node.
type listed struct {
	pods []metav1.PartialObjectMetadata
	// err is what it answers instead, and nodeErr what it answers when a node is read.
	err, nodeErr error
	// hold is how long it takes.
	hold time.Duration

	mu sync.Mutex
	// asked is what it was asked for, as "namespace node", and at is when.
	asked         []string
	at            []time.Time
	running, most atomic.Int32
}

// List answers as an API server does: of metadata alone nobody can tell of what kind it is, so a list of another one, or of none, fails.
func (l *listed) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	if kind := list.GetObjectKind().GroupVersionKind(); kind != corev1.SchemeGroupVersion.WithKind("PodList") {
		return fmt.Errorf("there are no %s with spec.nodeName", kind)
	}
	asked := (&client.ListOptions{}).ApplyOptions(options)
	l.mu.Lock()
	l.asked, l.at = append(l.asked, asked.Namespace+" "+asked.FieldSelector.String()), append(l.at, time.Now())
	l.most.Store(max(l.most.Load(), l.running.Add(1)))
	err := l.err
	l.mu.Unlock()
	time.Sleep(l.hold) //nolint:forbidigo // the clock is synctest's
	l.running.Add(-1)
	list.(*metav1.PartialObjectMetadataList).Items = l.pods //nolint:forcetypeassert // the finder asks for nothing else
	return err
}

func (l *listed) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return l.nodeErr
}

// finds is a ledger by the clock of a bubble of synctest, with a finder that runs until the test ends.
func finds(t *testing.T, live *listed, namespaces ...string) *story {
	t.Helper()
	s := &story{book: &book{taken: map[types.UID]account.Take{}}}
	s.Ledger = NewLedger(clock.RealClock{}, s.book, func(types.NamespacedName) {})
	finder := &Finder{Live: live, Cache: live, Namespaces: namespaces, Ledger: s.Ledger, Clock: clock.RealClock{}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- finder.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	synctest.Wait()
	return s
}

// passes has time pass.
func passes(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the clock is synctest's
	synctest.Wait()
}

func took(name, annotation string) metav1.PartialObjectMetadata {
	pod := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name)}}
	pod.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", Name: "other"}, {Kind: "ReplicaSet", Name: "api", Controller: ptr.To(true)}}
	if annotation != "" {
		pod.Annotations = map[string]string{v1alpha1.AnnotationTook: annotation}
	}
	return pod
}

func TestTheFinderFindsWhoTookAPlaceholderThatWentWhileItSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		annotation := swapevent.Annotation([]types.UID{"uid-a"}, nil)
		live := &listed{pods: []metav1.PartialObjectMetadata{took("other", ""), took("liar", "no annotation of a scheduler"), took("api-1", annotation)}}
		s := finds(t, live)
		passes(30 * time.Minute)
		require.Empty(t, live.asked, "nothing went")
		s.departs("a", nil)
		passes(looks[0])
		require.Equal(t, []string{" spec.nodeName=node-1"}, live.asked)
		require.Equal(t, account.Consumer{
			NamespacedName: types.NamespacedName{Namespace: "shop", Name: "api-1"}, UID: "uid-api-1", Owner: "ReplicaSet/api",
		}, s.taken["uid-a"].Consumer)
		passes(24 * time.Hour)
		require.Len(t, live.asked, 1, "there is nothing left to find")
	})
}

func TestTheFinderLooksAgainWhileItCannotTell(t *testing.T) {
	for name, live := range map[string]*listed{
		"as it cannot read pods": {err: context.DeadlineExceeded}, "as it cannot read the node": {nodeErr: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := finds(t, live)
				began := time.Now()
				s.departs("a", nil)
				passes(account.Patience + 2*lookAgain)
				var after []time.Duration
				for _, at := range live.at {
					after = append(after, at.Sub(began))
				}
				require.Equal(t, append(slices.Clone(looks), account.Patience+lookAgain, account.Patience+2*lookAgain), after)
				require.Empty(t, s.lost, "that nobody took it is not known")
				live.mu.Lock()
				live.err, live.nodeErr = nil, nil
				live.mu.Unlock()
				passes(lookAgain)
				require.Equal(t, []account.Loss{account.LossAbandoned}, s.lost)
			})
		})
	}
}

func TestTheFinderReadsThePodsOfItsNamespacesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := &listed{}
		s := finds(t, live, "shop", "bank")
		s.departs("a", nil)
		passes(looks[0])
		require.Equal(t, []string{"shop spec.nodeName=node-1", "bank spec.nodeName=node-1"}, live.asked)
	})
}

func TestTheFinderLooksAtSeveralNodesAtATimeAndNotAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := &listed{hold: 10 * time.Millisecond}
		s := finds(t, live)
		for i := range 3 * atOnce {
			s.departs("p", func(pod *corev1.Pod) {
				pod.UID, pod.Spec.NodeName = types.UID(rune('a'+i)), "node-"+string(rune('a'+i))
			})
		}
		passes(looks[0] + 3*live.hold)
		require.Len(t, live.asked, 3*atOnce)
		require.EqualValues(t, atOnce, live.most.Load())
	})
}

// TestTheEventOfASwapHasItsNodeLookedAtAtOnce: what a series adds to it tells nothing.
func TestTheEventOfASwapHasItsNodeLookedAtAtOnce(t *testing.T) {
	for _, action := range []string{swapevent.Action, swapevent.ActionGrow} {
		t.Run(action, func(t *testing.T) {
			s := newStory()
			s.departs("a", nil)
			event := &eventsv1.Event{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Reason: swapevent.Reason, Action: action,
				Regarding: corev1.ObjectReference{Namespace: "shop", Name: "api-1"}, Note: "Took shop/a on node node-1: spread",
			}
			watcher := sink{&Watcher{Ledger: s.Ledger, Clock: s.clock}}
			require.NoError(t, watcher.Update(event))
			nodes, _ := s.Due()
			require.Empty(t, nodes)
			require.NoError(t, watcher.Add(event))
			nodes, _ = s.Due()
			require.Equal(t, []string{"node-1"}, nodes)
		})
	}
}

func TestOnlyWhatIsOfTheHeadroomThatIsGoneIsForgotten(t *testing.T) {
	s := newStory()
	db := types.NamespacedName{Namespace: "shop", Name: "db"}
	s.departs("a", nil)
	s.Departed(db, placeholderPod("b", nil), account.LossAbandoned)
	s.departs("c", nil)
	s.sees("node-1", consumer("api-1", "uid-c"))
	s.Forget(web)
	require.Empty(t, s.Report(web))
	s.Snapshot(db, func(open []Departure) { require.Len(t, open, 1) })
	s.Snapshot(web, func(open []Departure) { require.Empty(t, open) })
}

// TestUnitsThatAnAnnotationOnlyCountsAreFoundToo: it has no room for the UIDs of all.
func TestUnitsThatAnAnnotationOnlyCountsAreFoundToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := &listed{pods: []metav1.PartialObjectMetadata{took("big", "uid-a+1")}}
		s := finds(t, live)
		for _, name := range []string{"a", "b", "c"} {
			s.departs(name, nil)
		}
		passes(account.Patience)
		require.Contains(t, s.taken, types.UID("uid-a"))
		require.Len(t, s.taken, 2)
		require.Equal(t, []account.Loss{account.LossAbandoned}, s.lost)
		for _, take := range s.taken {
			require.Equal(t, "ReplicaSet/api", take.Consumer.Owner)
		}
	})
}
