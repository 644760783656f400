package eviction

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/ptr"
)

// patience is how long an Evictor of these tests waits for one victim, by the fake clock of a synctest bubble.
const patience = time.Minute

// begin evicts the victims for a consumer in a goroutine. The answer comes through the channel.
func (s *scene) begin(ctx context.Context, consumer string, pods []*corev1.Pod) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		deleted, err := s.Evict(ctx, victims(consumer)[0], pods)
		done <- answer{deleted, err}
	}()
	return done
}

type answer struct {
	deleted []*corev1.Pod
	err     error
}

// held is a victim that finalizers keep after its deletion.
func held() *corev1.Pod {
	pod := victims("v")[0]
	pod.Finalizers = []string{"example.com/hold"}
	return pod
}

// successor is a pod of another UID that has the name.
func successor(pod *corev1.Pod) *corev1.Pod {
	pod.UID = "successor"
	return pod
}

func TestAVictimThatFinalizersKeepIsWaitedForUntilItIsGone(t *testing.T) {
	for name, tc := range map[string]struct {
		victim, cached *corev1.Pod
		waits          bool
	}{
		"one without finalizers is gone at once":     {victim: victims("v")[0], cached: victims("v")[0]},
		"one that has had them all along":            {victim: held(), cached: held(), waits: true},
		"one of which only the informer knows so":    {victim: victims("v")[0], cached: held(), waits: true},
		"one whose finalizer the informer saw going": {victim: held(), cached: victims("v")[0], waits: true},
		"one after which a pod of its name has some": {victim: victims("v")[0], cached: successor(held())},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, tc.victim)
				require.NoError(t, s.cached.Update(tc.cached))
				done := s.begin(t.Context(), "c", []*corev1.Pod{tc.victim})
				synctest.Wait()
				require.Len(t, s.deletions(), 1)
				require.Equal(t, tc.waits, len(done) == 0, "whether the room is not free yet")

				time.Sleep(patience - time.Second) //nolint:forbidigo // moves the fake clock of the bubble
				synctest.Wait()
				require.Equal(t, tc.waits, len(done) == 0)
				s.Reservations.Gone("v")
				synctest.Wait()
				got := <-done
				require.NoError(t, got.err)
				require.Equal(t, []*corev1.Pod{tc.victim}, got.deleted)
				require.False(t, s.Reservations.Stays("v"))
			})
		})
	}
}

func TestAVictimThatNeverGoesIsWaitedForAsLongAsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lookedAt []string
		s := newScene(t, held())
		s.Reservations.changed = func(node string) { lookedAt = append(lookedAt, node) }
		done := s.begin(t.Context(), "c", []*corev1.Pod{held()})

		time.Sleep(patience) //nolint:forbidigo // moves the fake clock of the bubble
		synctest.Wait()

		require.Len(t, done, 1)
		got := <-done
		require.ErrorIs(t, got.err, ErrStayed)
		require.Len(t, got.deleted, 1, "it was deleted all the same, and counts as that")
		require.True(t, s.Reservations.Stays("v"))
		require.Equal(t, []string{"n"}, lookedAt, "its room must not be offered to the next pod")
	})
}

func TestAVictimIsGoneWhenAnotherPodHasItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaving, successor := held(), victims("v")[0]
		leaving.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		successor.UID = "successor"
		s := newScene(t, leaving)
		require.NoError(t, s.cached.Update(successor))
		done := s.begin(t.Context(), "c", []*corev1.Pod{leaving})
		synctest.Wait()
		require.Len(t, done, 1)
		require.NoError(t, (<-done).err)
		require.Empty(t, s.deletions())
	})
}

func TestAConsumerThatGivesUpWaitsNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, held())
		ctx, cancel := context.WithCancel(t.Context())
		done := s.begin(ctx, "c", []*corev1.Pod{held()})
		synctest.Wait()
		cancel()
		synctest.Wait()
		require.Len(t, done, 1)
		require.ErrorIs(t, (<-done).err, context.Canceled)
		require.False(t, s.Reservations.Stays("v"), "it was not given the time")
	})
}

// TestAVictimThatIsOnItsWayAlreadyIsGoneWhenItIsSeenToGo: nobody asks for its deletion, and the answer to none says so.
func TestAVictimThatIsOnItsWayAlreadyIsGoneWhenItIsSeenToGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaving := victims("v")[0]
		leaving.DeletionTimestamp, leaving.DeletionGracePeriodSeconds = &metav1.Time{Time: time.Now()}, ptr.To[int64](30)
		s := newScene(t, leaving)
		done := s.begin(t.Context(), "c", []*corev1.Pod{leaving})
		synctest.Wait()
		require.Empty(t, done)
		s.Reservations.Gone("v")
		synctest.Wait()
		require.Len(t, done, 1)
		got := <-done
		require.NoError(t, got.err)
		require.Empty(t, got.deleted, "by another's hand")
		require.Empty(t, s.deletions())
	})
}

// TestARefusalEndsTheWaitForTheOtherVictims: the consumer will not be bound.
func TestARefusalEndsTheWaitForTheOtherVictims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := append([]*corev1.Pod{held()}, victims("w")...)
		s := newScene(t, pods...)
		s.Parallelism = 2
		s.answer("delete", no(), "w")
		done := s.begin(t.Context(), "c", pods)
		synctest.Wait()
		require.Len(t, done, 1)
		got := <-done
		require.ErrorIs(t, got.err, ErrRefused)
		require.False(t, s.Reservations.Stays("v"))
	})
}

// TestAConsumerThatGivesUpDoesNotWaitForItsTurn, and says what it waited for.
func TestAConsumerThatGivesUpDoesNotWaitForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := victims("v")
		s := newScene(t, pods...)
		require.NoError(t, s.cached.Add(victims("d")[0]))
		s.Reservations.Reserve("d", pods)
		api := &slow{Interface: s.server, asked: make(chan string, 2), release: make(chan struct{})}
		s.Client = api
		first := s.begin(t.Context(), "c", pods)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		second := s.begin(ctx, "d", pods)
		cancel()
		synctest.Wait()
		require.Len(t, second, 1)
		got := <-second
		require.ErrorIs(t, got.err, context.Canceled)
		require.ErrorContains(t, got.err, "which another pod takes too")
		require.Empty(t, got.deleted)
		close(api.release)
		require.NoError(t, (<-first).err)
	})
}

// slow is an API server that holds each deletion of a pod back until it is let go.
type slow struct {
	kubernetes.Interface
	corev1client.CoreV1Interface
	corev1client.PodInterface
	asked   chan string
	release chan struct{}
}

func (s *slow) CoreV1() corev1client.CoreV1Interface { return s }

func (s *slow) Pods(namespace string) corev1client.PodInterface {
	at := *s
	at.PodInterface = s.Interface.CoreV1().Pods(namespace)
	return &at
}

func (s *slow) Delete(ctx context.Context, name string, options metav1.DeleteOptions) error {
	s.asked <- name
	<-s.release
	return s.PodInterface.Delete(ctx, name, options)
}

func TestAVictimOfTwoConsumersIsDeletedOnceAndByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := victims("v")
		s := newScene(t, pods...)
		require.NoError(t, s.cached.Add(victims("d")[0]))
		s.Reservations.Reserve("d", pods)
		api := &slow{Interface: s.server, asked: make(chan string, 2), release: make(chan struct{})}
		s.Client = api
		first := s.begin(t.Context(), "c", pods)
		synctest.Wait()
		second := s.begin(t.Context(), "d", pods)
		synctest.Wait()
		require.Len(t, api.asked, 1, "the second waits for what comes of the first one's request")
		require.Empty(t, second)

		close(api.release)
		synctest.Wait()
		one, other := <-first, <-second
		require.NoError(t, one.err)
		require.NoError(t, other.err)
		require.Len(t, one.deleted, 1)
		require.Empty(t, other.deleted)
		require.Len(t, api.asked, 1)
	})
}

// TestNoMoreVictimsAreDeletedAtATimeThanTold, and all of them in the end.
func TestNoMoreVictimsAreDeletedAtATimeThanTold(t *testing.T) {
	for _, parallelism := range []int{1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			pods := victims("u", "v", "w", "x", "y")
			s := newScene(t, pods...)
			s.Parallelism = parallelism
			api := &slow{Interface: s.server, asked: make(chan string, len(pods)), release: make(chan struct{})}
			s.Client = api
			done := s.begin(t.Context(), "c", pods)
			synctest.Wait()
			require.Len(t, api.asked, parallelism)
			close(api.release)
			got := <-done
			require.NoError(t, got.err)
			require.Equal(t, pods, got.deleted)
		})
	}
}
