package consumption

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// preemption is kube-scheduler's event about a placeholder, written at a time.
func preemption(placeholder string, at time.Time) *eventsv1.Event {
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop"},
		Reason:     swapevent.ReasonPreempted, EventTime: metav1.NewMicroTime(at), Note: "Preempted by pod uid-api-1 on node node-1",
		Regarding: corev1.ObjectReference{Namespace: "shop", Name: placeholder, UID: types.UID("uid-" + placeholder)},
		Related:   &corev1.ObjectReference{Namespace: "shop", Name: "api-1", UID: "uid-api-1"},
	}
}

// waitsAs returns a pod that waits by its UID.
func waitsAs(waits account.Consumer) func(types.UID) (account.Consumer, bool) {
	return func(uid types.UID) (account.Consumer, bool) { return waits, uid == waits.UID }
}

// TestAnEventThatWasThereBeforeTheWatchExplainsNothingIfItIsOld: names of pods come again, and an event lives for an hour.
func TestAnEventThatWasThereBeforeTheWatchExplainsNothingIfItIsOld(t *testing.T) {
	legacy := func(placeholder string, at time.Time) *eventsv1.Event {
		event := preemption(placeholder, time.Time{})
		event.EventTime, event.CreationTimestamp = metav1.MicroTime{}, metav1.NewTime(at)
		return event
	}
	for name, tc := range map[string]struct {
		event *eventsv1.Event
		taken bool
	}{
		"a recent one":                      {preemption("a", epoch.Add(-memory)), true},
		"an old one":                        {preemption("a", epoch.Add(-memory-time.Second)), false},
		"a recent one without a time of it": {legacy("a", epoch.Add(-memory)), true},
		"an old one without a time of it":   {legacy("a", epoch.Add(-memory-time.Second)), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			s.departs("a", disrupted(corev1.PodReasonPreemptionByScheduler))
			watcher := sink{&Watcher{Ledger: s.Ledger, Clock: s.clock, Waiting: waitsAs(consumer("api-1").Consumer)}}
			require.NoError(t, watcher.Replace([]any{tc.event}, ""))
			require.Equal(t, tc.taken, s.taken["uid-a"].Consumer.Name == "api-1")
		})
	}
}

func TestAPreemptorIsFoundByItsUIDAmongThoseThatWait(t *testing.T) {
	s := newStory()
	s.departs("a", disrupted(corev1.PodReasonPreemptionByScheduler))
	waits := consumer("api-1").Consumer
	waits.Owner = "ReplicaSet/api"
	watcher := sink{&Watcher{Ledger: s.Ledger, Clock: s.clock, Waiting: waitsAs(waits)}}
	event := preemption("a", epoch)
	event.Related = &corev1.ObjectReference{}
	require.NoError(t, watcher.Add(event))
	require.Equal(t, waits, s.taken["uid-a"].Consumer)
}

// TestANameThatAnEventGivesThePreemptorIsNotTaken: whoever may write events could write any.
func TestANameThatAnEventGivesThePreemptorIsNotTaken(t *testing.T) {
	s := newStory()
	s.departs("a", disrupted(corev1.PodReasonPreemptionByScheduler))
	watcher := sink{&Watcher{Ledger: s.Ledger, Clock: s.clock, Waiting: waitsAs(consumer("another").Consumer)}}
	event := preemption("a", epoch)
	event.Related.Name = "liar"
	require.NoError(t, watcher.Add(event))
	require.Empty(t, s.taken, "the pod of that UID has to be found first")
	s.sees("node-1", consumer("api-1"))
	require.Equal(t, "shop/api-1", s.taken["uid-a"].Consumer.String())
}

// TestWhichEventsAreListedAndWatched has an API server that only lists and watches: a cluster has many events of other reasons, each of
// which would be sent.
func TestWhichEventsAreListedAndWatched(t *testing.T) {
	for name, tc := range map[string]struct{ namespaces, want []string }{
		"of all namespaces, if none are named": {want: []string{metav1.NamespaceAll}},
		"of those that are named":              {namespaces: []string{"a", "b"}, want: []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan string, 1000)
			clients := fake.NewClientset()
			clients.PrependReactor("list", "events", func(action clienttesting.Action) (bool, runtime.Object, error) {
				asked <- fmt.Sprintf("list %q %s", action.GetNamespace(), action.(clienttesting.ListAction).GetListRestrictions().Fields)
				return false, nil, nil
			})
			clients.PrependWatchReactor("events", func(action clienttesting.Action) (bool, watch.Interface, error) {
				watched := action.(clienttesting.WatchActionImpl)
				if watched.ListOptions.SendInitialEvents != nil {
					return true, nil, apierrors.NewInvalid(eventsv1.SchemeGroupVersion.WithKind("Event").GroupKind(), "", nil)
				}
				asked <- fmt.Sprintf("watch %q %s", action.GetNamespace(), watched.WatchRestrictions.Fields)
				return false, nil, nil
			})
			s := newStory()
			watcher := &Watcher{Client: clients.EventsV1(), Namespaces: tc.namespaces, Ledger: s.Ledger, Clock: s.clock}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- watcher.Start(ctx) }()
			var want []string
			for _, namespace := range tc.want {
				for _, reason := range []string{swapevent.Reason, swapevent.ReasonPreempted} {
					want = append(want, fmt.Sprintf("list %q reason=%s", namespace, reason), fmt.Sprintf("watch %q reason=%s", namespace, reason))
				}
			}
			seen := map[string]bool{}
			for len(seen) < len(want) {
				request := <-asked
				require.Contains(t, want, request)
				seen[request] = true
			}
			stop()
			require.NoError(t, <-ended)
		})
	}
}

func TestTheNextLookIsAtTheNodeThatIsDueFirst(t *testing.T) {
	s := newStory()
	var due []time.Time
	for i := range 20 {
		name := fmt.Sprint("p-", i)
		s.Departed(web, placeholderPod(name, func(pod *corev1.Pod) { pod.Spec.NodeName = "node-" + name }), "")
		due = append(due, s.clock.Now().Add(looks[0]))
		s.clock.Step(time.Millisecond)
	}
	nodes, again := s.Due()
	require.Empty(t, nodes)
	require.Equal(t, slices.MinFunc(due, time.Time.Compare).Sub(s.clock.Now()), again)
	s.clock.Step(again)
	nodes, again = s.Due()
	require.Equal(t, []string{"node-p-0"}, nodes)
	require.Equal(t, time.Millisecond, again, "the next of them")
}

func TestAnOldEventDoesNotKeepLaterOnesOfTheListFromBeingRead(t *testing.T) {
	s := newStory()
	for _, name := range []string{"a", "b", "c"} {
		s.departs(name, disrupted(corev1.PodReasonPreemptionByScheduler))
	}
	watcher := sink{&Watcher{Ledger: s.Ledger, Clock: s.clock, Waiting: waitsAs(consumer("api-1").Consumer)}}
	require.NoError(t, watcher.Replace([]any{preemption("a", epoch), preemption("b", epoch.Add(-memory-time.Second)), preemption("c", epoch)}, ""))
	taken := map[types.UID]string{}
	for uid, take := range s.taken {
		taken[uid] = take.Consumer.Name
	}
	require.Equal(t, map[types.UID]string{"uid-a": "api-1", "uid-c": "api-1"}, taken)
}

// TestAnEventOfAnotherNamespaceExplainsNothing: whoever may write events there could name any pod of this one. Nor does one for nobody.
func TestAnEventOfAnotherNamespaceExplainsNothing(t *testing.T) {
	for name, change := range map[string]func(*eventsv1.Event){
		"it is in another namespace than the placeholder": func(event *eventsv1.Event) { event.Namespace = "elsewhere" },
		"it names nobody": func(event *eventsv1.Event) { event.Note, event.Related = "Preempted", nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			s.departs("a", disrupted(corev1.PodReasonPreemptionByScheduler))
			s.Preempted(victim("a"), account.Consumer{UID: "uid-api-2"})
			nodes, _ := s.Due()
			require.Equal(t, []string{"node-1"}, nodes)
			watcher := sink{&Watcher{Ledger: s.Ledger, Clock: s.clock, Waiting: waitsAs(consumer("api-1").Consumer)}}
			event := preemption("a", epoch)
			change(event)
			require.NoError(t, watcher.Add(event))
			require.Empty(t, s.taken)
			nodes, _ = s.Due()
			require.Empty(t, nodes, "there is nothing to look for")
			s.sees("node-1", consumer("api-1"), consumer("api-2"))
			require.Equal(t, "api-2", s.taken["uid-a"].Consumer.Name, "by the event that is true")
		})
	}
}

func TestALookThatComesLateStandsForThoseBeforeIt(t *testing.T) {
	s := newStory()
	s.departs("a", nil)
	nodes, again := s.Due()
	require.Empty(t, nodes)
	require.Equal(t, looks[0], again)
	s.clock.Step(20 * time.Second)
	nodes, again = s.Due()
	require.Equal(t, []string{"node-1"}, nodes)
	require.Equal(t, 10*time.Second, again, "half a minute after it went")
	nodes, _ = s.Due()
	require.Empty(t, nodes)
}
