package guard

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
)

func forbidden() error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no"))
}

// guardsCounted is how many swaps had each thing become of their wish for a guard, in the whole process.
func guardsCounted(t *testing.T) map[metrics.GuardResult]float64 {
	t.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	require.NoError(t, err)
	counted := map[metrics.GuardResult]float64{}
	for _, family := range families {
		if family.GetName() == "headroom_scheduler_guards_total" {
			for _, sample := range family.GetMetric() {
				counted[metrics.GuardResult(sample.GetLabel()[0].GetValue())] = sample.GetCounter().GetValue()
			}
		}
	}
	return counted
}

func TestEachSwapIsCountedByWhatBecameOfItsGuard(t *testing.T) {
	metrics.RegisterScheduler()
	node := roomy("a")
	for name, tc := range map[string]struct {
		nodes  []Node
		answer error
		change func(*corev1.Pod)
		want   map[metrics.GuardResult]float64
	}{
		"one is made":                      {nodes: []Node{node}, want: map[metrics.GuardResult]float64{metrics.GuardMade: 1}},
		"another swap on the node has one": {nodes: []Node{node, node}, want: map[metrics.GuardResult]float64{metrics.GuardMade: 1, metrics.GuardShared: 1}},
		"it is refused, and none is asked for the next": {
			nodes: []Node{node, node}, answer: forbidden(), want: map[metrics.GuardResult]float64{metrics.GuardRefused: 2},
		},
		"it is made into something else": {
			nodes: []Node{node}, change: func(pod *corev1.Pod) { pod.Spec.Affinity = nil },
			want: map[metrics.GuardResult]float64{metrics.GuardRefused: 1},
		},
		"the API server fails": {nodes: []Node{node}, answer: errors.New("reset"), want: map[metrics.GuardResult]float64{metrics.GuardFailed: 1}},
		"the node has too few slots": {
			nodes: []Node{{Name: "a", Hostname: true}}, want: map[metrics.GuardResult]float64{metrics.GuardNoSlot: 1},
		},
		"the node has no name as a host": {
			nodes: []Node{{Name: "a", Slots: spareSlots}}, want: map[metrics.GuardResult]float64{metrics.GuardNoHostname: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, before := newScene(), guardsCounted(t)
				s.answer, s.change = tc.answer, tc.change
				for _, node := range tc.nodes {
					defer s.Hold(t.Context(), node, image)()
				}
				for result, count := range guardsCounted(t) {
					require.InDelta(t, tc.want[result], count-before[result], 0, result)
				}
			})
		})
	}
}

func TestASwapWhoseGuardFailedKeepsNoOtherFromOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.answer = errors.New("connection reset")
		first := s.Hold(t.Context(), roomy("a"), image)
		s.answer = nil
		second := s.Hold(t.Context(), roomy("a"), image)
		require.Len(t, s.left(), 1, "the first one still goes on")
		first()
		require.Len(t, s.left(), 1, "it is the second one's")
		second()
		require.Empty(t, s.left())
	})
}

func TestAfterARefusalNoGuardIsAskedForForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.answer = forbidden()
		s.Hold(t.Context(), roomy("a"), image)()
		s.answer = nil
		time.Sleep(restsFor - time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		s.Hold(t.Context(), roomy("b"), image)()
		require.Zero(t, s.made)
		time.Sleep(time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		s.Hold(t.Context(), roomy("b"), image)()
		require.Equal(t, 1, s.made)
	})
}

// slow is an API server that answers once it is released, if ever.
type slow struct {
	kubernetes.Interface
	corev1client.CoreV1Interface
	corev1client.PodInterface
	release chan struct{}
}

func (s *slow) CoreV1() corev1client.CoreV1Interface { return s }

func (s *slow) Pods(namespace string) corev1client.PodInterface {
	at := *s
	at.PodInterface = s.Interface.CoreV1().Pods(namespace)
	return &at
}

func (s *slow) answers(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.release:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slow) Create(ctx context.Context, pod *corev1.Pod, options metav1.CreateOptions) (*corev1.Pod, error) {
	if err := s.answers(ctx); err != nil {
		return nil, err
	}
	return s.PodInterface.Create(ctx, pod, options)
}

func (s *slow) Delete(ctx context.Context, name string, options metav1.DeleteOptions) error {
	if err := s.answers(ctx); err != nil {
		return err
	}
	return s.PodInterface.Delete(ctx, name, options)
}

func TestAnAPIServerThatDoesNotAnswerHoldsASwapUpForTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := newScene(), time.Now()
		s.Client = &slow{Interface: s.client}
		done := s.Hold(t.Context(), roomy("a"), image)
		require.Equal(t, 2*time.Second, time.Since(began))
		s.Client = s.client
		again := s.Hold(t.Context(), roomy("a"), image)
		require.Len(t, s.left(), 1, "it may answer the next time")
		done()
		again()
	})
}

func TestADeletionThatIsNotAnsweredEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := newScene(), time.Now()
		s.Client = &slow{Interface: s.client}
		s.remove(t.Context(), Build(system, "a", image, ""))
		require.Equal(t, deletedWithin, time.Since(began))
	})
}

// TestASwapReliesOnTheGuardOfAnotherOnceThatIsThere: before, others may take the room that its eviction would free.
func TestASwapReliesOnTheGuardOfAnotherOnceThatIsThere(t *testing.T) {
	for name, canceled := range map[string]bool{"it waits for the answer": false, "unless it is canceled": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, api := newScene(), &slow{release: make(chan struct{})}
				api.Interface, s.Client = s.client, api
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				held := make(chan func(), 2)
				go func() { held <- s.Hold(t.Context(), roomy("a"), image) }()
				synctest.Wait()
				go func() { held <- s.Hold(ctx, roomy("a"), image) }()
				synctest.Wait()
				require.Empty(t, held)
				if canceled {
					cancel()
					synctest.Wait()
					require.Len(t, held, 1)
					(<-held)()
				}
				close(api.release)
				synctest.Wait()
				require.Len(t, s.left(), 1)
				for len(held) > 0 {
					(<-held)()
				}
				require.Empty(t, s.left())
			})
		})
	}
}

func TestAGuardIsMadeOnTheNodeOfItsSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.Identity = "scheduler-0"
		defer s.Hold(t.Context(), roomy("a"), image)()
		pods := s.known.List()
		require.Len(t, pods, 1)
		made := pods[0].(*corev1.Pod)
		require.Equal(t, Build(system, "a", image, "scheduler-0").Spec, made.Spec)
		require.Equal(t, "a", made.Spec.NodeName)
		require.Equal(t, image, made.Spec.Containers[0].Image)
		require.Equal(t, system, made.Namespace)
		require.Equal(t, "scheduler-0", made.Annotations[v1alpha1.AnnotationGuardOf])
	})
}

func TestAGuardWhoseDeletionFailedIsDeletedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, fails := newScene(), true
		s.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			return fails, nil, apierrors.NewInternalError(errors.New("etcd"))
		})
		s.Hold(t.Context(), roomy("a"), image)()
		require.Len(t, s.left(), 1)
		fails = false
		s.Sweep(t.Context())
		require.Len(t, s.left(), 1, "it may still go by the first request")
		time.Sleep(leftAfter - time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		s.Sweep(t.Context())
		require.Len(t, s.left(), 1)
		time.Sleep(time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		s.Sweep(t.Context())
		require.Empty(t, s.left())
		require.Empty(t, s.live)
		s.Sweep(t.Context())
		require.Empty(t, s.leftovers.known, "nothing is kept of a guard that is gone")
	})
}

func TestGuardsThatTheKubeletEndedAreLookedForNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		lists := 0
		s.client.PrependReactor("list", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
			require.Equal(t, system, action.GetNamespace())
			listed, ok := action.(clienttesting.ListActionImpl)
			require.True(t, ok)
			require.EqualValues(t, finishedAtOnce, listed.ListOptions.Limit, "whatever their number")
			lists++
			ended := Build(system, "a", image, "")
			ended.Name, ended.UID, ended.Status.Phase = "ended", "ended", corev1.PodSucceeded
			return true, &corev1.PodList{Items: []corev1.Pod{*ended}}, nil
		})
		const halfHours = 4
		for range halfHours * 30 * time.Minute / SweepEvery {
			s.Sweep(t.Context())
			time.Sleep(SweepEvery) //nolint:forbidigo // the clock is synctest's
		}
		require.Equal(t, halfHours*3, lists, "every ten minutes, first after half a minute")
		require.Len(t, s.client.Actions(), 2*lists, "and what has ended is deleted, however it ended")
	})
}

// TestWhatWasLeftGoesInWhicheverWayItIsFound has a guard that the informer knows and one that a kubelet ended fall due at one time.
func TestWhatWasLeftGoesInWhicheverWayItIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		ended, left := Build(system, "a", image, ""), Build(system, "b", image, "")
		ended.Name, ended.UID, ended.Status.Phase = "ended", "ended", corev1.PodFailed
		left.Name, left.UID = "left", "left"
		require.NoError(t, s.client.Tracker().Add(ended))
		time.Sleep(finishedFirst - leftAfter) //nolint:forbidigo // the clock is synctest's
		require.NoError(t, s.known.Add(left))
		s.there["ended"], s.there["left"] = true, true
		s.Sweep(t.Context())
		time.Sleep(leftAfter) //nolint:forbidigo // the clock is synctest's
		require.Len(t, s.left(), 2)
		s.Sweep(t.Context())
		require.Empty(t, s.left())
	})
}

// TestOnlyADeletionThatDidNotHappenIsSaid: a guard that is gone, or whose name another pod has, needs none.
func TestOnlyADeletionThatDidNotHappenIsSaid(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for name, tc := range map[string]struct {
		answer error
		said   int
	}{
		"it is deleted":          {},
		"it is gone":             {answer: apierrors.NewNotFound(pods, "guard")},
		"its name is another's":  {answer: apierrors.NewConflict(pods, "guard", errors.New("UID"))},
		"it may not be deleted":  {answer: forbidden(), said: 1},
		"the API server fails":   {answer: apierrors.NewInternalError(errors.New("etcd")), said: 1},
		"the answer got lost":    {answer: errors.New("reset"), said: 1},
		"the API server is busy": {answer: apierrors.NewTooManyRequestsError("later"), said: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, said := newScene(), 0
			s.client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, tc.answer })
			guard := Build(system, "a", image, "")
			guard.Name, guard.UID = "guard", "guard"
			s.remove(klog.NewContext(t.Context(), funcr.New(func(_, _ string) { said++ }, funcr.Options{})), guard)
			require.Equal(t, tc.said, said)
		})
	}
}
