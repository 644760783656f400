package growth

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
)

// refusal is an answer of the API server that refuses a request.
func refusal(code int32, reason metav1.StatusReason) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason}}
}

// answers has requests for pods answered with an error, as long as there is one, and counts them.
func (g *growing) answers(verb string, answer func(name string) error) (requests *atomic.Int64) {
	requests = &atomic.Int64{}
	g.client.PrependReactor(verb, "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		requests.Add(1)
		err := answer(action.(interface{ GetName() string }).GetName())
		return err != nil, nil, err
	})
	return requests
}

// follows has the pods of the node be those that the API server has.
func (g *growing) follows(t *testing.T) {
	g.OnNode = func(string) (pods []*corev1.Pod) {
		list, _ := g.client.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}) // it answers
		for i := range list.Items {
			pods = append(pods, &list.Items[i])
		}
		return pods
	}
}

func always(err error) func(string) error { return func(string) error { return err } }

// small are two units of one core each.
func small(s *scenery) { s.units = []*corev1.Pod{spare("unit", "1", 0), spare("second", "1", 1)} }

// growths is what was counted of takes since begin was called, without those results that there was none of.
func growths(t *testing.T) (since func() map[string]float64) {
	t.Helper()
	metrics.RegisterScheduler()
	const name = "headroom_scheduler_growths_total"
	before := countedBy(t, name)
	return func() map[string]float64 {
		counts := countedBy(t, name)
		for result, count := range counts {
			if counts[result] = count - before[result]; counts[result] == 0 {
				delete(counts, result)
			}
		}
		return counts
	}
}

func TestAResizeTakesAllUnitsThatItNeeds(t *testing.T) {
	since := growths(t)
	bubble(t, small, func(t *testing.T, g *growing) {
		var reserved []bool
		g.answers("delete", func(string) error {
			reserved = append(reserved, g.Reservations.Reserved("unit"), g.Reservations.Reserved("second"))
			return nil
		})
		g.Look("n")
		synctest.Wait()
		require.Contains(t, []string{"unit,second", "second,unit"}, g.annotations(t)[v1alpha1.AnnotationTook])
		require.Equal(t, []bool{true, true, true, true}, reserved, "both are kept from others as long as one is to go")
		_, known := g.Credits.To("unit")
		require.False(t, known, "it is written down whose it was")
		event := <-g.events.Events
		require.Contains(t, event, "on node n: to grow in place, for which it lacked 2 of cpu")
		require.Contains(t, event, g.units[0].Name)
		require.Contains(t, event, g.units[1].Name)
		require.Zero(t, g.queue.NumRequeues("n"))
	})
	require.Equal(t, map[string]float64{string(metrics.GrowthTook): 1}, since())
}

// TestOfUnitsThatCannotAllBeHadThoseCountThatWent: the pod is not grown, and still they went for it.
func TestOfUnitsThatCannotAllBeHadThoseCountThatWent(t *testing.T) {
	metrics.RegisterScheduler()
	before, since := counted(t, "headroom_scheduler_growth_evictions_total"), growths(t)
	bubble(t, small, func(t *testing.T, g *growing) {
		went := ""
		g.answers("delete", func(name string) error {
			if went == "" {
				went = name
				return nil
			}
			return refusal(http.StatusForbidden, metav1.StatusReasonForbidden)
		})
		g.Look("n")
		synctest.Wait()
		first, other := g.units[0], g.units[1]
		if went == other.Name {
			first, other = other, first
		}
		require.Equal(t, map[string]string{v1alpha1.AnnotationTook: string(first.UID)}, g.annotations(t))
		event := <-g.events.Events
		require.Contains(t, event, first.Name)
		require.NotContains(t, event, other.Name)
		require.True(t, g.Reservations.Reserved(first.UID))
		require.False(t, g.Reservations.Reserved(other.UID), "others may have what stays")
		require.Positive(t, g.queue.NumRequeues("n"), "it is tried again")
	})
	require.Equal(t, map[string]float64{string(metrics.SwapEvictionRefused): 1}, since())
	require.InDelta(t, before+1, counted(t, "headroom_scheduler_growth_evictions_total"), 0)
}

// TestAUnitOfWhichNobodyKnowsWhetherItWentIsThePodsOnceItIsGone: the answer of the API server to the deletion was lost.
func TestAUnitOfWhichNobodyKnowsWhetherItWentIsThePodsOnceItIsGone(t *testing.T) {
	for name, tc := range map[string]struct {
		then func(g *growing, unit *corev1.Pod) error
		took string
	}{
		"it is there still": {then: func(*growing, *corev1.Pod) error { return nil }},
		"it is gone":        {then: func(g *growing, unit *corev1.Pod) error { return g.Pods.GetStore().Delete(unit) }, took: "unit"},
		"another has its name": {then: func(g *growing, unit *corev1.Pod) error {
			namesake := unit.DeepCopy()
			namesake.UID = "namesake"
			return g.Pods.GetStore().Update(namesake)
		}, took: "unit"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
				g.answers("delete", func(string) error { return errors.Join(tc.then(g, g.units[0]), errors.New("connection reset")) })
				g.Look("n")
				synctest.Wait()
				require.Equal(t, tc.took, g.annotations(t)[v1alpha1.AnnotationTook])
				require.Equal(t, tc.took != "", len(g.events.Events) > 0)
				require.NotContains(t, g.annotations(t), v1alpha1.AnnotationTaking)
			})
		})
	}
}

func TestNothingGoesForAResizeThatCannotBeWrittenDown(t *testing.T) {
	for name, tc := range map[string]struct {
		answer error
		again  bool
		want   map[string]float64
	}{
		"the pod is gone": {answer: refusal(http.StatusNotFound, metav1.StatusReasonNotFound), want: map[string]float64{}},
		"the pod has changed": {
			answer: refusal(http.StatusConflict, metav1.StatusReasonConflict), again: true,
			want: map[string]float64{string(metrics.SwapUndone): 1},
		},
		"the API server is not well": {
			answer: refusal(http.StatusInternalServerError, metav1.StatusReasonInternalError), again: true,
			want: map[string]float64{string(metrics.SwapUndone): 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			since := growths(t)
			bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
				g.answers("patch", always(tc.answer))
				deletions := g.answers("delete", always(nil))
				g.Look("n")
				synctest.Wait()
				require.Equal(t, tc.again, g.queue.NumRequeues("n") > 0)
				require.Zero(t, deletions.Load())
				require.False(t, g.Reservations.Reserved("unit"))
				require.Empty(t, g.events.Events)
			})
			require.Equal(t, tc.want, since())
		})
	}
}

func TestWhatAPodTookIsWrittenDownWhenThatFailedAtFirst(t *testing.T) {
	bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
		g.follows(t)
		var patches int
		g.answers("patch", func(string) error {
			if patches++; patches == 2 {
				return refusal(http.StatusInternalServerError, metav1.StatusReasonInternalError)
			}
			return nil
		})
		g.Look("n")
		synctest.Wait()
		require.Equal(t, map[string]string{v1alpha1.AnnotationTaking: "unit"}, g.annotations(t))
		require.Empty(t, g.events.Events, "it is told when it is written down")
		consumer, known := g.Credits.To("unit")
		require.True(t, known)
		require.Equal(t, g.web.UID, consumer)
		passes(time.Minute)
		require.Equal(t, map[string]string{v1alpha1.AnnotationTook: "unit"}, g.annotations(t))
	})
}

func TestAResizeThatFailsIsTriedAgainEvenIfTheNextOneDoesNot(t *testing.T) {
	bubble(t, func(s *scenery) {
		small(s)
		s.web = resized("web", "3")
		s.web.Namespace = "default"
		s.others = []*corev1.Pod{beginner("db", "1")}
	}, func(t *testing.T, g *growing) {
		g.answers("patch", func(name string) error {
			if name == "db" {
				return refusal(http.StatusInternalServerError, metav1.StatusReasonInternalError)
			}
			return nil
		})
		g.Look("n") // once: a second look would find that a unit goes anyway
		synctest.Wait()
		require.NotEmpty(t, g.annotations(t)[v1alpha1.AnnotationTook])
		require.Empty(t, g.annotationsOf(t, g.others[0]))
		require.Positive(t, g.queue.NumRequeues("n"))
	})
}

func TestEachOfSeveralPodsThatUnitsGoForIsTold(t *testing.T) {
	bubble(t, func(s *scenery) {
		small(s)
		s.web = resized("web", "3")
		s.web.Namespace = "default"
		s.others = []*corev1.Pod{beginner("db", "1")}
		s.leads = func() bool { return false } // so that nothing goes meanwhile
	}, func(t *testing.T, g *growing) {
		require.True(t, g.Request(g.others[0]))
		require.True(t, g.Request(g.web))
	})
}

// beginner is a pod that has nothing yet.
func beginner(name, desired string) *corev1.Pod {
	pod := resized(name, desired)
	pod.Namespace = "default"
	has := &pod.Status.ContainerStatuses[0]
	has.AllocatedResources, has.Resources.Requests = quantities("0"), quantities("0")
	return pod
}

// TestAUnitWhoseDeletionWasBrokenOffGoesForAResizeUnlessAnotherPodHasIt: nobody else may be about to end the deletion.
func TestAUnitWhoseDeletionWasBrokenOffGoesForAResizeUnlessAnotherPodHasIt(t *testing.T) {
	for name, tc := range map[string]struct {
		reserved bool
		want     int64
	}{
		"nobody has it":       {want: 1},
		"another pod does so": {reserved: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *scenery) {
				s.units[0].DeletionTimestamp, s.units[0].DeletionGracePeriodSeconds = &metav1.Time{Time: time.Now()}, new(int64)
			}, func(t *testing.T, g *growing) {
				if tc.reserved {
					g.Reservations.Reserve("db", g.units)
				}
				deletions := g.answers("delete", always(nil))
				g.Look("n")
				synctest.Wait()
				require.Equal(t, tc.want, deletions.Load())
			})
		})
	}
}

func TestOnRequestUnitsGoOnlyForWhomTheyAreAskedFor(t *testing.T) {
	onRequest := func(s *scenery) { s.onRequest = true }
	bubble(t, onRequest, func(t *testing.T, g *growing) {
		g.Look("n")
		g.LookEverywhere()
		passes(time.Minute)
		require.Empty(t, g.annotations(t))
		require.True(t, g.Request(g.web))
		passes(time.Minute)
		require.Equal(t, "unit", g.annotations(t)[v1alpha1.AnnotationTook])
	})
	bubble(t, func(s *scenery) {
		onRequest(s)
		s.web.Annotations = map[string]string{v1alpha1.AnnotationTaking: "gone"}
	}, func(t *testing.T, g *growing) {
		g.Look("n")
		passes(settleAfter)
		require.Equal(t, map[string]string{v1alpha1.AnnotationTook: "gone"}, g.annotations(t), "what is left is written down in any case")
	})
}

func TestEachProfileIsServedFromWhenItIsMade(t *testing.T) {
	bubble(t, func(s *scenery) { s.web.Spec.SchedulerName = "theirs" }, func(t *testing.T, g *growing) {
		require.False(t, g.Request(g.web))
		g.Look("n")
		synctest.Wait()
		require.Empty(t, g.annotations(t))
		profile, ok := g.Grower.profile("ours")
		require.True(t, ok)
		g.Serve("theirs", profile)
		require.True(t, g.serves("ours"), "still")
		require.True(t, g.Request(g.web))
		synctest.Wait()
		require.Equal(t, "unit", g.annotations(t)[v1alpha1.AnnotationTook])
	})
}

func TestNothingIsTakenOnANodeThatIsGone(t *testing.T) {
	bubble(t, func(s *scenery) { s.web.Spec.NodeName = "m" }, func(t *testing.T, g *growing) {
		require.False(t, g.Request(g.web))
		g.Look("m")
		passes(time.Minute)
		require.Empty(t, g.annotations(t))
		require.Zero(t, g.queue.NumRequeues("m"), "its pods will be gone as well")
	})
}

func TestAGrowerThatThereIsNotDoesNothing(t *testing.T) {
	var none *Grower
	none.Serve("ours", Profile{})
	none.Look("n")
	none.LookEverywhere()
	require.False(t, none.Request(resized("web", "4")))
}

func TestHowATakeEndedIsCountedByWhyItFailed(t *testing.T) {
	for want, failure := range map[metrics.SwapResult]error{
		metrics.GrowthTook:          nil,
		metrics.SwapVictimStayed:    fmt.Errorf("%w default/unit", eviction.ErrStayed),
		metrics.SwapEvictionRefused: fmt.Errorf("%w default/unit", eviction.ErrRefused),
		metrics.SwapUndone:          errors.New("the pod was deleted"),
	} {
		require.Equal(t, want, resultOf(failure))
	}
}

func TestOnlyWhatTheInformerHasIsThere(t *testing.T) {
	bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
		for name, tc := range map[string]struct {
			uid  types.UID
			gone bool
		}{"unit": {"unit", false}, "namesake": {"unit-before", true}} {
			pod := g.units[0].DeepCopy()
			pod.UID = tc.uid
			require.Equal(t, tc.gone, g.isGone(pod), name)
			pod.Namespace = "other"
			require.True(t, g.isGone(pod), "nor is one of its name in another namespace")
		}
	})
}
