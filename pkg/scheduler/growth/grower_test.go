package growth

import (
	"context"
	"errors"
	"slices"
	"strings"
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
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
)

// growing is a Grower for the node n of four cores, on which the pod web has two and asks for four, and a unit has the other two.
type growing struct {
	*Grower
	scenery
	client *fake.Clientset
	events *events.FakeRecorder
}

// scenery is what a test may change before the Grower begins.
type scenery struct {
	web     *corev1.Pod
	profile Profile
	// units are those of the Headroom spare.
	units []*corev1.Pod
	// others are more pods of the node.
	others    []*corev1.Pod
	consumers *v1alpha1.Consumers
	leads     func() bool
	onRequest bool
}

// spare is a unit of the Headroom spare on the node.
func spare(uid, cpu string, ordinal int) *corev1.Pod {
	h := builders.Headroom("spare", builders.Resources{corev1.ResourceCPU: cpu}).Namespace("default").UID("h").Obj()
	unit := builders.Placeholder(h, ordinal).UID(uid).Node("n").Obj()
	unit.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	return unit
}

func newGrowing(ctx context.Context, t *testing.T, change func(s *scenery)) *growing {
	t.Helper()
	recorder := events.NewFakeRecorder(10)
	recorder.Verbose = true // it names the kind of the object that an event is about beside its pod
	s := scenery{
		web: resized("web", "4"), units: []*corev1.Pod{spare("unit", "2", 0)}, profile: Profile{Recorder: recorder},
		leads: func() bool { return true },
	}
	s.web.Namespace = "default"
	change(&s)
	rule, err := entitlement.Compile(types.NamespacedName{Namespace: "default", Name: "spare"}, s.consumers)
	require.NoError(t, err)
	node, all := builders.Node("n", "", builders.Resources{"cpu": "4"}).Obj(), slices.Concat([]*corev1.Pod{s.web}, s.units, s.others)
	client := fake.NewClientset(node)
	for _, pod := range all {
		require.NoError(t, client.Tracker().Add(pod))
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	pods, nodes := factory.Core().V1().Pods(), factory.Core().V1().Nodes()
	reservations, credits := eviction.NewReservations(func(string) {}), eviction.NewCredits(clock.RealClock{})
	g, err := New(ctx, Options{
		Knowledge: Knowledge{
			OwnerOf: func(pod *corev1.Pod) (placeholder.Owner, bool) { return placeholder.OwnerOf(pod, nil) },
			Rule:    func(placeholder.Owner) *entitlement.Rule { return rule },
			Identity: func(pod *corev1.Pod) entitlement.Consumer {
				return entitlement.ConsumerOf(pod, func(string) (*corev1.Namespace, error) { return &corev1.Namespace{}, nil })
			},
			Reserved: reservations.Reserved, Stays: reservations.Stays,
		},
		Client: client, Pods: pods.Informer(), Nodes: nodes.Lister(), OnNode: func(string) []*corev1.Pod { return all },
		Reservations: reservations, Credits: credits, Clock: clock.RealClock{}, Leads: s.leads, OnRequest: s.onRequest,
	})
	require.NoError(t, err)
	require.NoError(t, nodes.Informer().GetStore().Add(node))
	for _, pod := range all {
		require.NoError(t, pods.Informer().GetStore().Add(pod))
	}
	s.profile.Evictor = &eviction.Evictor{
		Client: client, Pods: pods.Lister(), Reservations: reservations, Credits: credits, Wait: time.Minute, Parallelism: 1,
	}
	g.Serve("ours", s.profile)
	return &growing{g, s, client, recorder}
}

// annotations are those of the pod web, as the API server has it.
func (g *growing) annotations(t *testing.T) map[string]string {
	t.Helper()
	return g.annotationsOf(t, g.web)
}

func (g *growing) annotationsOf(t *testing.T, pod *corev1.Pod) map[string]string {
	t.Helper()
	is, err := g.client.CoreV1().Pods(pod.Namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
	require.NoError(t, err)
	return is.Annotations
}

// bubble runs a test of a Grower on a fake clock, until all is settled that it began.
func bubble(t *testing.T, change func(s *scenery), test func(t *testing.T, g *growing)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		test(t, newGrowing(ctx, t, change))
	})
}

// passes lets time pass, and everything take its course.
func passes(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the clock is synctest's
	synctest.Wait()
}

func TestAPodThatGrowsOnceMoreKeepsWhatItTookBefore(t *testing.T) {
	for name, tc := range map[string]struct{ before, want string }{
		"the first time": {want: "unit"},
		"once more":      {before: "earlier,first", want: "earlier,first,unit"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *scenery) {
				if tc.before != "" {
					s.web.Annotations = map[string]string{v1alpha1.AnnotationTook: tc.before}
				}
			}, func(t *testing.T, g *growing) {
				g.Look("n")
				synctest.Wait()
				require.Equal(t, map[string]string{v1alpha1.AnnotationTook: tc.want}, g.annotations(t), "and it is about to take nothing more")
			})
		})
	}
}

func TestWhatAPodTakesIsWrittenOnNoOtherPodOfItsName(t *testing.T) {
	bubble(t, func(s *scenery) { s.web.ResourceVersion = "7" }, func(t *testing.T, g *growing) {
		g.Look("n")
		synctest.Wait()
		var unchanged []bool
		for _, action := range g.client.Actions() {
			if patch, ok := action.(clienttesting.PatchActionImpl); ok {
				require.Equal(t, "status", patch.GetSubresource(), "the scheduler may write no more")
				require.Contains(t, string(patch.Patch), `"uid":"web"`)
				unchanged = append(unchanged, strings.Contains(string(patch.Patch), `"resourceVersion":"7"`))
			}
		}
		require.Equal(t, []bool{true, false}, unchanged, "what it is about to take only if it asks for that still, what it took in any case")
	})
}

func TestAChangedHeadroomHasItsUnitsTaken(t *testing.T) {
	metrics.RegisterScheduler()
	before := counted(t, "headroom_scheduler_growth_evictions_total")
	bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
		g.LookEverywhere()
		synctest.Wait()
		require.Equal(t, "unit", g.annotations(t)[v1alpha1.AnnotationTook])
	})
	require.InDelta(t, before+1, counted(t, "headroom_scheduler_growth_evictions_total"), 0)
}

func TestAUnitThatWentForAResizeIsReservedUntilTheSchedulersCacheHasLostIt(t *testing.T) {
	bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
		g.Look("n")
		synctest.Wait()
		require.True(t, g.Reservations.Reserved("unit"))
		g.Reservations.ObserveNode("n", func(types.UID) bool { return false })
		require.False(t, g.Reservations.Reserved("unit"))
	})
}

func TestAResizeIsLeftToDefaultPreemptionUnlessUnitsGoForIt(t *testing.T) {
	for name, tc := range map[string]struct {
		desired string
		want    bool
	}{
		"units go":             {desired: "4", want: true},
		"units are too small":  {desired: "9"},
		"the kubelet grows it": {desired: "2"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *scenery) {
				s.web = resized("web", tc.desired)
				s.web.Namespace = "default"
			}, func(t *testing.T, g *growing) {
				require.Equal(t, tc.want, g.Request(g.web))
				stranger := g.web.DeepCopy()
				stranger.Spec.SchedulerName = "another"
				require.False(t, g.Request(stranger), "nobody serves it")
			})
		})
	}
}

func TestTheEventOfAGrowthLeavesOutUnitsOfOtherNamespacesIfWanted(t *testing.T) {
	for name, tc := range map[string]struct {
		hide      bool
		namespace string
		named     bool
	}{
		"all are named by default":   {namespace: "shop", named: true},
		"those of other namespaces":  {hide: true, namespace: "shop"},
		"not those of the pod's own": {hide: true, namespace: "default", named: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *scenery) { s.web.Namespace, s.profile.HideNames = tc.namespace, tc.hide }, func(t *testing.T, g *growing) {
				g.Look("n")
				event := <-g.events.Events
				require.Contains(t, event, swapevent.Reason+" "+swapevent.ActionGrow)
				require.Equal(t, tc.named, strings.Contains(event, "spare-headroom-0"), event)
				require.Equal(t, tc.named, strings.Contains(event, "{kind=Pod"), "whom the event relates to is a name, too: %s", event)
			})
		})
	}
}

// TestANodeOnWhichResizesFailIsTriedEverLater: whoever refuses what the scheduler writes is not asked all the time.
func TestANodeOnWhichResizesFailIsTriedEverLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		g := newGrowing(ctx, t, func(*scenery) {})
		var tried atomic.Int64
		var works atomic.Bool
		g.client.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			if tried.Add(1) == 1000 {
				cancel() // without a brake no time would pass
			}
			return !works.Load(), nil, apierrors.NewInternalError(errors.New("etcd"))
		})
		g.Look("n")
		passes(time.Minute)
		require.InDelta(t, 12, tried.Load(), 1, "20 ms, 40 ms, 80 ms, ...")

		works.Store(true)
		passes(lastRetry)
		require.Equal(t, "unit", g.annotations(t)[v1alpha1.AnnotationTook])
		require.Zero(t, g.queue.NumRequeues("n"), "the next failure is retried as soon as the first one was")
	})
}

func TestOnlyTheReplicaThatLeadsTakesAnything(t *testing.T) {
	var leads atomic.Bool
	bubble(t, func(s *scenery) { s.leads = leads.Load }, func(t *testing.T, g *growing) {
		g.Look("n")
		passes(time.Minute)
		require.Empty(t, g.annotations(t))
		leads.Store(true)
		passes(standbyFor)
		require.Equal(t, "unit", g.annotations(t)[v1alpha1.AnnotationTook])
	})
}

// TestWhatAKilledSchedulerLeftIsWrittenDown has a pod that was about to take placeholders, of which nobody knows whether it did.
func TestWhatAKilledSchedulerLeftIsWrittenDown(t *testing.T) {
	took := func(name, what string) *corev1.Pod {
		pod := resized(name, "2")
		pod.Namespace, pod.Annotations = "default", map[string]string{v1alpha1.AnnotationTook: what}
		return pod
	}
	for name, tc := range map[string]struct {
		taking, before string
		others         []*corev1.Pod
		want           string
	}{
		"a unit that is gone was taken":             {taking: "gone", want: "gone"},
		"one that is there was not":                 {taking: "unit"},
		"of several those that are gone":            {taking: "gone,unit,lost", want: "gone,lost"},
		"beside those that it took before":          {taking: "gone", before: "earlier", want: "earlier,gone"},
		"but for those that another pod took":       {taking: "gone,lost", others: []*corev1.Pod{took("db", "other,gone")}, want: "lost"},
		"and another pod may have taken other ones": {taking: "gone", others: []*corev1.Pod{took("db", "other")}, want: "gone"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *scenery) {
				s.others, s.web.Annotations = tc.others, map[string]string{v1alpha1.AnnotationTaking: tc.taking}
				if tc.before != "" {
					s.web.Annotations[v1alpha1.AnnotationTook] = tc.before
				}
			}, func(t *testing.T, g *growing) {
				g.Look("n")
				passes(settleAfter - time.Nanosecond)
				require.Equal(t, tc.taking, g.annotations(t)[v1alpha1.AnnotationTaking], "a request of the one that was killed may be under way")
				passes(time.Nanosecond)
				want := map[string]string{}
				if tc.want != "" {
					want[v1alpha1.AnnotationTook] = tc.want
				}
				require.Equal(t, want, g.annotations(t))
				require.Empty(t, g.left, "it is settled")
			})
		})
	}
}

func TestEachResizeThatIsLeftHasAnAgeOfItsOwn(t *testing.T) {
	bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
		require.Equal(t, settleAfter, g.leftFor("web", "unit"))
		passes(settleAfter / 2)
		require.Equal(t, settleAfter/2, g.leftFor("web", "unit"))
		require.Equal(t, settleAfter, g.leftFor("web", "another"), "a request for this one may be under way")
		require.Equal(t, settleAfter, g.leftFor("db", "another"))
	})
}

func TestNothingIsWrittenDownOfAPodThatIsBeingDeleted(t *testing.T) {
	bubble(t, func(s *scenery) {
		s.web.Annotations = map[string]string{v1alpha1.AnnotationTaking: "gone"}
		s.web.DeletionTimestamp, s.web.Finalizers = &metav1.Time{Time: builders.Epoch()}, []string{"example.com/hold"}
	}, func(t *testing.T, g *growing) {
		g.Look("n")
		passes(time.Minute)
		require.Equal(t, map[string]string{v1alpha1.AnnotationTaking: "gone"}, g.annotations(t))
	})
}

func TestAResizeIsNotServedByUnitsThatGoForAPodOfTheSameNameElsewhere(t *testing.T) {
	twin := resized("web", "9")
	twin.Namespace, twin.UID = "other", "twin"
	has := &twin.Status.ContainerStatuses[0]
	has.AllocatedResources, has.Resources.Requests = quantities("0"), quantities("0")
	bubble(t, func(s *scenery) { s.others = []*corev1.Pod{twin} }, func(t *testing.T, g *growing) {
		require.True(t, g.Request(g.web))
		require.False(t, g.Request(twin), "for which they are too small")
	})
}
