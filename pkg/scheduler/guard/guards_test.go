package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"pgregory.net/rapid"
)

const (
	system = "headroom-system"
	image  = "registry.example/pause:1"
)

// scene is what guards work with. The API server of it keeps what it made in a cache that Guards look at, too.
type scene struct {
	*Guards
	client *fake.Clientset
	known  cache.Indexer
	leads  bool

	mu    sync.Mutex
	made  int
	there map[string]bool
	// answer is an error in place of the next guards; change is done to them.
	answer error
	change func(*corev1.Pod)
}

func newScene() *scene {
	s := &scene{client: fake.NewClientset(), leads: true, there: map[string]bool{}}
	s.known = cache.NewIndexer(cache.MetaNamespaceKeyFunc, Indexers(system)) // and no other index, as kube-scheduler's
	s.Guards = New(Options{
		Client: s.client, Pods: s.known, Namespace: system, Leads: func() bool { return s.leads }, Clock: clock.RealClock{},
	})
	s.client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		pod := action.(clienttesting.CreateAction).GetObject().(*corev1.Pod).DeepCopy()
		if s.answer != nil {
			return true, nil, s.answer
		}
		s.made++
		pod.Name = fmt.Sprintf("%s%d", pod.GenerateName, s.made)
		pod.UID = types.UID(pod.Name)
		if s.change != nil {
			s.change(pod)
		}
		s.there[pod.Name] = true
		return true, pod, s.known.Add(pod)
	})
	s.client.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		deletion := action.(clienttesting.DeleteActionImpl)
		options := deletion.DeleteOptions
		if options.GracePeriodSeconds == nil || *options.GracePeriodSeconds != 0 || string(*options.Preconditions.UID) != deletion.Name {
			return true, nil, errors.New("a guard goes at once, and no other pod in its place")
		}
		if deletion.Namespace != system {
			return true, nil, apierrors.NewNotFound(corev1.Resource("pods"), deletion.Name)
		}
		delete(s.there, deletion.Name)
		return true, nil, s.known.Delete(&corev1.Pod{ObjectMeta: named(deletion.Name)})
	})
	return s
}

// left are the guards that the API server has, once everything has settled.
func (s *scene) left() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.there {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func roomy(name string) Node { return Node{Name: name, Hostname: true, Slots: spareSlots} }

func TestAGuardIsThereUntilTheLastSwapOnItsNodeIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		first := s.Hold(t.Context(), roomy("a"), image)
		second := s.Hold(t.Context(), roomy("a"), image)
		other := s.Hold(t.Context(), roomy("b"), image)
		require.Len(t, s.left(), 2, "one for each node")
		first()
		first() // no harm
		require.Len(t, s.left(), 2)
		second()
		require.Len(t, s.left(), 1)
		other()
		require.Empty(t, s.left())
		next := s.Hold(t.Context(), roomy("a"), image)
		require.Len(t, s.left(), 1, "the next swap has a new one")
		next()
	})
}

// TestAGuardEndsWithTheSwapThatIsCanceled: its deletion is not part of the swap, and goes on when that has ended.
func TestAGuardEndsWithTheSwapThatIsCanceled(t *testing.T) {
	for name, ends := range map[string]func(cancel, done func()){
		"and then is done":      func(cancel, done func()) { cancel(); done() },
		"and was done":          func(cancel, done func()) { done(); cancel() },
		"and never says it was": func(cancel, _ func()) { cancel(); time.Sleep(holdsAtMost) }, //nolint:forbidigo // the clock is synctest's
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, api := newScene(), &slow{release: make(chan struct{})}
				api.Interface, s.Client = s.client, api
				close(api.release)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := s.Hold(ctx, roomy("a"), image)
				require.Len(t, s.left(), 1)
				ends(cancel, done)
				require.Empty(t, s.left())
			})
		})
	}
}

// TestAGuardOfNoUseGoesAlsoIfItsSwapIsCanceled as the API server has made it.
func TestAGuardOfNoUseGoesAlsoIfItsSwapIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, api := newScene(), &slow{release: make(chan struct{})}
		api.Interface, s.Client = s.client, api
		close(api.release)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.change = func(pod *corev1.Pod) {
			pod.Spec.Affinity = nil
			cancel()
		}
		s.Hold(ctx, roomy("a"), image)()
		require.Equal(t, 1, s.made)
		require.Empty(t, s.left())
	})
}

func TestASwapThatTakesLongGoesOnWithoutAGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		done := s.Hold(t.Context(), roomy("a"), image)
		time.Sleep(holdsAtMost - time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		later := s.Hold(t.Context(), roomy("a"), image)
		require.Len(t, s.left(), 1)
		time.Sleep(holdsAtMost - time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		require.Len(t, s.left(), 1, "another swap holds it")
		time.Sleep(time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		require.Empty(t, s.left())
		done()
		later()
		require.Empty(t, s.left())
	})
}

func TestAnOldGuardIsNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.Hold(t.Context(), roomy("a"), image)
		time.Sleep(holdsAtMost / 2) //nolint:forbidigo // the clock is synctest's
		s.Hold(t.Context(), roomy("a"), image)
		time.Sleep(holdsAtMost / 2) //nolint:forbidigo // the clock is synctest's
		done := s.Hold(t.Context(), roomy("a"), image)
		require.Len(t, s.left(), 2)
		done()
		require.Equal(t, []string{namePrefix + "1"}, s.left(), "each ends its own")
	})
}

// TestTheEndOfAnOldGuardLeavesTheOneThatCameAfterIt to the swaps that share it.
func TestTheEndOfAnOldGuardLeavesTheOneThatCameAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		first := s.Hold(t.Context(), roomy("a"), image)
		time.Sleep(holdsAtMost / 2) //nolint:forbidigo // the clock is synctest's
		second := s.Hold(t.Context(), roomy("a"), image)
		time.Sleep(holdsAtMost / 2) //nolint:forbidigo // the clock is synctest's
		third := s.Hold(t.Context(), roomy("a"), image)
		first()
		second()
		require.Equal(t, []string{namePrefix + "2"}, s.left())
		fourth := s.Hold(t.Context(), roomy("a"), image)
		require.Equal(t, 2, s.made, "it is there already")
		third()
		require.Len(t, s.left(), 1)
		fourth()
		require.Empty(t, s.left())
	})
}

func TestWithoutAGuardTheSwapGoesOn(t *testing.T) {
	for name, tc := range map[string]struct {
		node   Node
		answer error
		change func(*corev1.Pod)
		// again is whether the next swap, a moment later, has one.
		again bool
	}{
		"the API server says no":              {node: roomy("a"), answer: forbidden()},
		"it says no to everybody for a while": {node: roomy("a"), answer: apierrors.NewTooManyRequestsError("later"), again: true},
		"it fails":                            {node: roomy("a"), answer: apierrors.NewInternalError(errors.New("etcd")), again: true},
		"the answer is lost":                  {node: roomy("a"), answer: errors.New("connection reset"), again: true},
		"the namespace gives pods requests": {node: roomy("a"), change: func(pod *corev1.Pod) {
			pod.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("100m")
		}},
		"the namespace gives pods requests of disk": {node: roomy("a"), change: func(pod *corev1.Pod) {
			pod.Spec.Containers[0].Resources.Requests[corev1.ResourceEphemeralStorage] = resource.MustParse("1Mi")
		}},
		"a RuntimeClass gives it an overhead": {node: roomy("a"), change: func(pod *corev1.Pod) {
			pod.Spec.Overhead = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Mi")}
		}},
		"a webhook takes its affinity":      {node: roomy("a"), change: func(pod *corev1.Pod) { pod.Spec.Affinity = nil }},
		"a webhook takes its anti-affinity": {node: roomy("a"), change: func(pod *corev1.Pod) { pod.Spec.Affinity.PodAntiAffinity = nil }},
		"a webhook takes the terms of that": {node: roomy("a"), change: func(pod *corev1.Pod) {
			pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution = nil
		}},
		"the node may have few pods more": {node: Node{Name: "a", Hostname: true, Slots: spareSlots - 1}, again: true},
		"the node has no name as a host":  {node: Node{Name: "a", Slots: spareSlots}, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.answer, s.change = tc.answer, tc.change
				done := s.Hold(t.Context(), tc.node, image)
				require.Empty(t, s.left())
				done()
				s.answer, s.change = nil, nil
				done = s.Hold(t.Context(), roomy("a"), image)
				require.Equal(t, tc.again, len(s.left()) == 1)
				done()
				time.Sleep(restsFor) //nolint:forbidigo // the clock is synctest's
				done = s.Hold(t.Context(), roomy("a"), image)
				require.Len(t, s.left(), 1)
				done()
			})
		})
	}
	var none *Guards
	none.Hold(t.Context(), roomy("a"), image)()
}

func TestWhatASchedulerLeftIsRemovedByTheOneThatLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		left := Build(system, "a", image, "")
		left.Name, left.UID = "left", "left"
		tenants := left.DeepCopy()
		tenants.Namespace, tenants.Name, tenants.UID = "shop", "tenants", "tenants"
		for _, pod := range []*corev1.Pod{left, tenants} {
			require.NoError(t, s.known.Add(pod))
			s.there[pod.Name] = true
		}
		s.leads = false
		done := s.Hold(t.Context(), roomy("a"), image)
		for range 2 * leftAfter / SweepEvery {
			s.Sweep(t.Context())
			time.Sleep(SweepEvery) //nolint:forbidigo // the clock is synctest's
		}
		require.Contains(t, s.left(), "left", "the replica that leads looks after it")
		s.leads = true
		s.Sweep(t.Context())
		require.Equal(t, []string{"tenants"}, s.left(), "a label in another namespace means nothing")
		done()
	})
}

// TestAGuardThatSwapsShareIsNotLeftOver has a guard that lives for longer than one swap may hold it, and is looked for all the time.
func TestAGuardThatSwapsShareIsNotLeftOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		sweeps := func(n int) {
			for range n {
				s.Sweep(t.Context())
				time.Sleep(SweepEvery) //nolint:forbidigo // the clock is synctest's
			}
		}
		s.Hold(t.Context(), roomy("a"), image)
		sweeps(int(holdsAtMost/SweepEvery) - 1)
		done := s.Hold(t.Context(), roomy("a"), image)
		sweeps(int(holdsAtMost / SweepEvery))
		s.Sweep(t.Context())
		require.Empty(t, s.left(), "no swap holds it for longer")
		done()

		s.Hold(t.Context(), roomy("a"), image)
		sweeps(int(holdsAtMost/SweepEvery) - 1)
		done = s.Hold(t.Context(), roomy("a"), image)
		sweeps(int(holdsAtMost/SweepEvery) - 1)
		s.Sweep(t.Context())
		require.Len(t, s.left(), 1, "the second swap relies on it")
		done()
		require.Empty(t, s.left())
	})
}

func TestAGuardThatTheKubeletEndedIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		ended, running := Build(system, "a", image, ""), Build(system, "a", image, "")
		ended.Name, ended.UID, ended.Status.Phase = "ended", "ended", corev1.PodFailed
		running.Name, running.UID = "running", "running"
		tenants := ended.DeepCopy()
		tenants.Namespace, tenants.Name, tenants.UID = "shop", "tenants", "tenants"
		job := ended.DeepCopy()
		job.Name, job.UID, job.Labels = "job", "job", nil
		for _, pod := range []*corev1.Pod{ended, running, tenants, job} {
			require.NoError(t, s.client.Tracker().Add(pod))
			s.there[pod.Name] = true
		}
		s.Sweep(t.Context())
		require.Len(t, s.left(), 4)
		time.Sleep(finishedFirst) //nolint:forbidigo // the clock is synctest's
		s.Sweep(t.Context())
		require.Equal(t, []string{"job", "running", "tenants"}, s.left(), "a label in another namespace means nothing, and other pods are no guards")
	})
}

func TestItIsSeldomAskedWhetherAReplicaLeadsWhereNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asked := newScene(), 0
		s.Leads = func() bool {
			asked++
			return false
		}
		for range 10 * finishedFirst / SweepEvery {
			s.Sweep(t.Context())
			time.Sleep(SweepEvery) //nolint:forbidigo // the clock is synctest's
		}
		require.Equal(t, 9, asked, "twice a minute, after the first half")
	})
}

// TestEveryGuardGoes plays swaps of any length on some nodes, on an API server that refuses now and then.
func TestEveryGuardGoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		swaps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) [3]int {
			return [3]int{
				rapid.IntRange(0, 5000).Draw(rt, "begins"), rapid.IntRange(0, 5000).Draw(rt, "takes"), rapid.IntRange(0, 2).Draw(rt, "node"),
			}
		}), 1, 20).Draw(rt, "swaps")
		fails := rapid.IntRange(-1, 5000).Draw(rt, "fails at")
		var left []string
		synctest.Test(t, func(t *testing.T) {
			s := newScene()
			var running sync.WaitGroup
			for _, swap := range swaps {
				running.Go(func() {
					time.Sleep(time.Duration(swap[0]) * time.Millisecond) //nolint:forbidigo // the clock is synctest's
					s.mu.Lock()
					s.answer = nil
					if swap[0] == fails {
						s.answer = apierrors.NewInternalError(errors.New("etcd"))
					}
					s.mu.Unlock()
					done := s.Hold(t.Context(), roomy(fmt.Sprint(swap[2])), image)
					time.Sleep(time.Duration(swap[1]) * time.Millisecond) //nolint:forbidigo // the clock is synctest's
					done()
				})
			}
			running.Wait()
			left = s.left()
		})
		if len(left) > 0 {
			rt.Fatalf("%v stay", left)
		}
	})
}
