package consumption

import (
	"cmp"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

var (
	epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	web   = types.NamespacedName{Namespace: "shop", Name: "web"}
)

func placeholderPod(name string, change func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name)},
		Spec:       corev1.PodSpec{NodeName: "node-1"},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	if change != nil {
		change(pod)
	}
	return pod
}

func disrupted(reason string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason}}
	}
}

func TestCauseOf(t *testing.T) {
	failed := func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }
	succeeded := func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }
	marked := func(reason string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			disrupted(reason)(p)
			p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(epoch)
		}
	}
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want Cause
	}{
		"nothing is known":         {placeholderPod("a", nil), Cause{}},
		"preempted by a scheduler": {placeholderPod("a", disrupted(corev1.PodReasonPreemptionByScheduler)), Cause{Preempted: true}},
		"yielded to a DaemonSet":   {placeholderPod("a", disrupted("YieldedToDaemonSet")), Cause{Lost: account.LossYielded}},
		"drained":                  {placeholderPod("a", disrupted("EvictionByEvictionAPI")), Cause{Lost: account.LossDrained}},
		"tainted away":             {placeholderPod("a", disrupted("DeletionByTaintManager")), Cause{Lost: account.LossNode}},
		"its node is gone":         {placeholderPod("a", disrupted("DeletionByPodGC")), Cause{Lost: account.LossNode}},
		"a reason that is new":     {placeholderPod("a", disrupted("Whatever")), Cause{Lost: account.LossOther}},
		"failed before":            {placeholderPod("a", failed), Cause{Lost: account.LossFailed}},
		"ended well before":        {placeholderPod("a", succeeded), Cause{Lost: account.LossFailed}},
		"ended well, then preempted": {placeholderPod("a", func(p *corev1.Pod) {
			disrupted(corev1.PodReasonPreemptionByScheduler)(p)
			succeeded(p)
		}), Cause{Lost: account.LossFailed}},
		"drained, and ended by that": {placeholderPod("a", func(p *corev1.Pod) {
			disrupted("EvictionByEvictionAPI")(p)
			failed(p)
		}), Cause{Lost: account.LossDrained}},
		"ended for a reason that is new": {placeholderPod("a", func(p *corev1.Pod) {
			disrupted("Whatever")(p)
			failed(p)
		}), Cause{Lost: account.LossOther}},
		"preempted at a known time": {
			placeholderPod("a", marked(corev1.PodReasonPreemptionByScheduler)), Cause{Preempted: true, Marked: epoch},
		},
		"drained at a known time": {
			placeholderPod("a", marked("EvictionByEvictionAPI")), Cause{Lost: account.LossDrained, Marked: epoch},
		},
		"a reason that is new at a known time": {placeholderPod("a", marked("Whatever")), Cause{Lost: account.LossOther, Marked: epoch}},
		"ended by the kubelet":                 {placeholderPod("a", disrupted("TerminationByKubelet")), Cause{Lost: account.LossFailed}},
		"its node has become too small": {
			placeholderPod("a", disrupted(swapevent.ReasonOvercommitted)), Cause{Lost: account.LossOvercommitted},
		},
		"failed, then preempted": {placeholderPod("a", func(p *corev1.Pod) {
			disrupted(corev1.PodReasonPreemptionByScheduler)(p)
			failed(p)
		}), Cause{Lost: account.LossFailed}},
		"a condition that does not hold": {placeholderPod("a", func(p *corev1.Pod) {
			disrupted(corev1.PodReasonPreemptionByScheduler)(p)
			p.Status.Conditions[0].Status = corev1.ConditionFalse
		}), Cause{}},
		"another condition with the reason of a preemption": {placeholderPod("a", func(p *corev1.Pod) {
			disrupted(corev1.PodReasonPreemptionByScheduler)(p)
			p.Status.Conditions[0].Type = "example.com/Preempted"
		}), Cause{}},
		"preempted while it was ready": {placeholderPod("a", func(p *corev1.Pod) {
			disrupted(corev1.PodReasonPreemptionByScheduler)(p)
			ready := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue}
			p.Status.Conditions = append([]corev1.PodCondition{ready}, p.Status.Conditions...)
		}), Cause{Preempted: true}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, CauseOf(tc.pod)) })
	}
}

// book is a Book of names and reasons.
type book struct {
	taken map[types.UID]account.Take
	lost  []account.Loss
	// lostAt is when those that were lost went, in the same order.
	lostAt []time.Time
}

func (b *book) Took(_ types.NamespacedName, take account.Take) {
	if _, twice := b.taken[take.UID]; twice {
		panic("taken twice: " + take.UID) //nolint:forbidigo // the interface has no error, and the test must end
	}
	b.taken[take.UID] = take
}

func (b *book) Lost(_ types.NamespacedName, why account.Loss, at time.Time) {
	b.lost, b.lostAt = append(b.lost, why), append(b.lostAt, at)
}

// story is a ledger with a clock, its book, and the Headrooms it called for.
type story struct {
	*Ledger
	*book
	clock  *testingclock.FakeClock
	called []types.NamespacedName
}

func newStory() *story {
	s := &story{clock: testingclock.NewFakeClock(epoch), book: &book{taken: map[types.UID]account.Take{}}}
	s.Ledger = NewLedger(s.clock, s.book, func(headroom types.NamespacedName) { s.called = append(s.called, headroom) })
	return s
}

func (s *story) departs(name string, change func(*corev1.Pod)) {
	s.Departed(web, placeholderPod(name, change), account.LossAbandoned)
}

// sees has the finder look at a node.
func (s *story) sees(node string, pods ...Bound) { s.Looked(node, s.clock.Now(), pods, false) }

// victim is what an event says of a placeholder of the namespace shop.
func victim(name string) Victim {
	return Victim{NamespacedName: types.NamespacedName{Namespace: "shop", Name: name}, UID: types.UID("uid-" + name)}
}

func consumer(name string, took ...types.UID) Bound {
	return Bound{
		Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: "shop", Name: name}, UID: types.UID("uid-" + name)},
		Took:     swapevent.Took{Placeholders: took},
	}
}

func TestAnAnnotationExplainsADeletionWhicheverIsSeenFirst(t *testing.T) {
	for name, order := range map[string][]func(s *story){
		"the deletion": {func(s *story) { s.departs("a", nil) }, func(s *story) { s.sees("node-1", consumer("api-1", "uid-a")) }},
		"the pod":      {func(s *story) { s.sees("node-1", consumer("api-1", "uid-a")) }, func(s *story) { s.departs("a", nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			for _, step := range order {
				step(s)
				s.clock.Step(20 * time.Second)
			}
			require.Equal(t, "shop/api-1", s.taken["uid-a"].Consumer.String())
			require.Equal(t, account.BySwap, s.taken["uid-a"].How)
			require.Equal(t, []types.NamespacedName{web}, s.called)
			require.Len(t, s.Report(web), 1)
			require.Empty(t, s.Report(web), "it is reported once")
			s.sees("node-1", consumer("api-1", "uid-a"))
			s.departs("a", nil)
			require.Len(t, s.taken, 1, "and written down once")
		})
	}
}

func TestAPodOnAnotherNodeTookNothing(t *testing.T) {
	s := newStory()
	s.departs("a", nil)
	s.sees("node-2", consumer("liar", "uid-a"))
	s.clock.Step(account.Patience)
	s.sees("node-1")
	require.Empty(t, s.taken)
	require.Equal(t, []account.Loss{account.LossAbandoned}, s.lost)
}

func TestAPodOnAnotherNodeTookNothingEitherIfItWasSeenFirst(t *testing.T) {
	s := newStory()
	s.sees("node-2", consumer("liar", "uid-a", "uid-b"))
	s.departs("a", nil)
	s.departs("b", disrupted(corev1.PodReasonPreemptionByScheduler))
	require.Empty(t, s.taken)
	s.Preempted(victim("b"), consumer("api-1").Consumer)
	require.Equal(t, "api-1", s.taken["uid-b"].Consumer.Name, "the pod for which it was preempted did")
}

func TestADeletionThatNothingExplainsIsAbandonedAfterAMinute(t *testing.T) {
	s := newStory()
	s.departs("a", nil)
	s.clock.Step(account.Patience - time.Second)
	s.sees("node-1", consumer("other", "uid-b"))
	require.Empty(t, s.lost)
	s.clock.Step(time.Hour)
	require.Empty(t, s.lost, "not without a look at the node")
	s.sees("node-1")
	require.Equal(t, []account.Loss{account.LossAbandoned}, s.lost)
	s.sees("node-1", consumer("late", "uid-a"))
	require.Empty(t, s.taken, "a decision stands")
}

func TestADeletionWithTheNodeIsNoAbandonment(t *testing.T) {
	s := newStory()
	s.departs("a", nil)
	s.clock.Step(account.Patience)
	s.Looked("node-1", s.clock.Now(), nil, true)
	require.Equal(t, []account.Loss{account.LossNode}, s.lost)
}

func TestWhatThePodItselfTellsIsBelievedAtOnce(t *testing.T) {
	s := newStory()
	s.departs("a", disrupted("EvictionByEvictionAPI"))
	require.Equal(t, []account.Loss{account.LossDrained}, s.lost)
	s.Ledger.Lost(web, "uid-b", account.LossScaledDown)
	s.Ledger.Lost(web, "uid-b", account.LossScaledDown)
	require.Equal(t, []account.Loss{account.LossDrained, account.LossScaledDown}, s.lost)
}

// markedAgo is how a placeholder looks that somebody began to disrupt that long before the story.
func markedAgo(reason string, ago time.Duration) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		disrupted(reason)(pod)
		pod.Status.Conditions[0].LastTransitionTime = metav1.NewTime(epoch.Add(-ago))
	}
}

// TestAMarkOfLongAgoDoesNotHideWhoTookAPlaceholder has an eviction that the API server refused after it had marked the placeholder, as it
// does where a webhook forbids the deletion.
func TestAMarkOfLongAgoDoesNotHideWhoTookAPlaceholder(t *testing.T) {
	const drained = "EvictionByEvictionAPI"
	s := newStory()
	s.departs("a", markedAgo(drained, markLasts))
	require.Equal(t, []account.Loss{account.LossDrained}, s.lost, "just now")
	s.departs("b", markedAgo(drained, markLasts+time.Second))
	s.departs("c", markedAgo(drained, time.Hour))
	s.sees("node-1", consumer("api-1", "uid-b"))
	require.Contains(t, s.taken, types.UID("uid-b"))
	require.Len(t, s.lost, 1)
	s.clock.Step(account.Patience)
	s.sees("node-1")
	require.Equal(t, []account.Loss{account.LossDrained, account.LossDrained}, s.lost, "nobody took it")
	require.Len(t, s.taken, 1)
}

// TestAPreemptionThatWasRefusedLongAgoIsNone: its mark stays, and only an event says that a scheduler tried again and that it went by that.
func TestAPreemptionThatWasRefusedLongAgoIsNone(t *testing.T) {
	const preempted = corev1.PodReasonPreemptionByScheduler
	nothing := func(*story) {}
	told := func(s *story, name string) { s.Preempted(victim(name), account.Consumer{UID: "uid-big"}) }
	longAgo, abandoned := markedAgo(preempted, time.Hour), []account.Loss{account.LossAbandoned}
	for name, tc := range map[string]struct {
		departs func(*corev1.Pod)
		told    func(s *story)
		taken   int
		lost    []account.Loss
	}{
		"a mark of the last minute":             {markedAgo(preempted, markLasts), nothing, 1, nil},
		"a mark of before":                      {markedAgo(preempted, markLasts+time.Second), nothing, 0, abandoned},
		"an event of its preemption":            {longAgo, func(s *story) { told(s, "a") }, 1, nil},
		"an event of another one":               {longAgo, func(s *story) { told(s, "b") }, 0, abandoned},
		"a pod that swapped it out":             {longAgo, func(s *story) { s.sees("node-1", consumer("api-1", "uid-a")) }, 1, nil},
		"a deletion of then, that took a while": {slowlyDeleted(longAgo, time.Hour-time.Second), nothing, 1, nil},
		"a deletion of long after the mark":     {slowlyDeleted(longAgo, time.Minute), nothing, 0, abandoned},
	} {
		for when, before := range map[string]bool{"told before it went": true, "told after it went": false} {
			t.Run(name+", "+when, func(t *testing.T) {
				s := newStory()
				if before {
					tc.told(s)
				}
				s.departs("a", tc.departs)
				if !before {
					tc.told(s)
				}
				s.clock.Step(account.Patience)
				s.sees("node-1")
				require.Len(t, s.taken, tc.taken)
				require.Equal(t, tc.lost, s.lost)
			})
		}
	}
}

// slowlyDeleted is how a pod looks whose deletion was asked for that long before the story, with half a minute of grace.
func slowlyDeleted(change func(*corev1.Pod), ago time.Duration) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		change(pod)
		grace := 30 * time.Second
		pod.DeletionTimestamp = ptr.To(metav1.NewTime(epoch.Add(grace - ago)))
		pod.DeletionGracePeriodSeconds = ptr.To(int64(grace / time.Second))
	}
}

func TestAPreemptionWaitsForTheNameOfThePreemptorButNotForLong(t *testing.T) {
	s := newStory()
	s.departs("a", disrupted(corev1.PodReasonPreemptionByScheduler))
	s.departs("b", disrupted(corev1.PodReasonPreemptionByScheduler))
	s.clock.Step(namePatience - time.Millisecond)
	s.sees("node-1", consumer("other"))
	require.Empty(t, s.taken, "the event of the preemption may still come")
	s.Preempted(victim("a"), consumer("api").Consumer)
	require.Equal(t, consumer("api").Consumer, s.taken["uid-a"].Consumer)
	require.Len(t, s.taken, 1)
	s.clock.Step(time.Millisecond)
	s.sees("node-1", consumer("other"))
	require.Contains(t, s.taken, types.UID("uid-b"))
	require.Empty(t, s.taken["uid-b"].Consumer.Name)
}

func TestADeletionThatWaitsForADecisionIsNotCountedBesideIt(t *testing.T) {
	s := newStory()
	s.departs("a", nil)
	s.Ledger.Lost(web, "uid-a", account.LossScaledDown)
	require.Empty(t, s.lost, "a pod may have taken it")
	s.sees("node-1", consumer("api-1", "uid-a"))
	require.Len(t, s.taken, 1)
	require.Empty(t, s.lost)
}

// TestADeletionThatTurnsOutToBeTheControllersDecidesAtOnce, unless a pod has said that it took the unit.
func TestADeletionThatTurnsOutToBeTheControllersDecidesAtOnce(t *testing.T) {
	s := newStory()
	s.departs("a", nil)
	s.departs("b", nil)
	s.sees("node-1", consumer("api-1", "uid-b"))
	for _, uid := range []types.UID{"uid-a", "uid-a", "uid-b", "uid-unknown"} {
		s.Deleted(uid, account.LossScaledDown)
	}
	require.Equal(t, []account.Loss{account.LossScaledDown}, s.lost)
	require.Len(t, s.taken, 1)
	s.sees("node-1", consumer("api-2", "uid-a"))
	require.Len(t, s.taken, 1)
}

func TestAPreemptionCountsByItsConditionAndIsNamedByItsEvent(t *testing.T) {
	preempted := disrupted(corev1.PodReasonPreemptionByScheduler)
	preemptor := account.Consumer{UID: "uid-api-1"}
	t.Run("the event names the UID, and the pod is bound later", func(t *testing.T) {
		s := newStory()
		s.departs("a", preempted)
		s.Preempted(victim("a"), preemptor)
		require.Empty(t, s.taken)
		nodes, _ := s.Due()
		require.Equal(t, []string{"node-1"}, nodes, "where the pod may be found is looked at")
		s.sees("node-1", consumer("api-1"))
		require.Equal(t, "shop/api-1", s.taken["uid-a"].Consumer.String())
		require.Equal(t, account.ByPreemption, s.taken["uid-a"].How)
	})
	t.Run("the event comes before the deletion", func(t *testing.T) {
		s := newStory()
		s.Preempted(victim("a"), consumer("api-1").Consumer)
		s.departs("a", preempted)
		require.Equal(t, "shop/api-1", s.taken["uid-a"].Consumer.String())
		require.Equal(t, account.ByPreemption, s.taken["uid-a"].How)
	})
	t.Run("the pod is never found", func(t *testing.T) {
		s := newStory()
		s.departs("a", preempted)
		s.Preempted(victim("a"), preemptor)
		s.clock.Step(namePatience)
		s.sees("node-1")
		require.Equal(t, preemptor, s.taken["uid-a"].Consumer)
	})
	t.Run("the event is lost", func(t *testing.T) {
		s := newStory()
		s.departs("a", preempted)
		s.clock.Step(namePatience)
		s.sees("node-1")
		require.Equal(t, account.Consumer{}, s.taken["uid-a"].Consumer)
	})
	t.Run("an event that has the UID and another name is about something else, whenever it comes", func(t *testing.T) {
		elsewhere := victim("a")
		elsewhere.Namespace = "elsewhere" // where the liar may write events
		s := newStory()
		s.Preempted(victim("a"), preemptor)
		s.Preempted(elsewhere, consumer("liar").Consumer)
		s.departs("a", preempted)
		s.Preempted(elsewhere, consumer("liar").Consumer)
		require.Empty(t, s.taken)
		s.sees("node-1", consumer("liar"), consumer("api-1"))
		require.Equal(t, "shop/api-1", s.taken["uid-a"].Consumer.String())
	})
	t.Run("an event about a pod that was not preempted is no evidence", func(t *testing.T) {
		s := newStory()
		s.Preempted(victim("a"), consumer("liar").Consumer)
		s.departs("a", nil)
		s.Preempted(victim("a"), consumer("liar").Consumer)
		s.clock.Step(account.Patience)
		s.sees("node-1")
		require.Empty(t, s.taken)
		require.Equal(t, []account.Loss{account.LossAbandoned}, s.lost)
	})
}

func TestPlaceholdersThatAnAnnotationOnlyCountsAreCreditedToo(t *testing.T) {
	s := newStory()
	for _, name := range []string{"a", "b", "c", "d"} {
		s.departs(name, nil)
	}
	big := consumer("big", "uid-a")
	big.Took.Unnamed = 2
	s.sees("node-1", big)
	s.clock.Step(account.Patience)
	s.sees("node-1", big)
	require.Len(t, s.taken, 3)
	require.Equal(t, []account.Loss{account.LossAbandoned}, s.lost)

	s.clock.Step(memory + time.Second)
	s.departs("late", nil)
	s.sees("node-1", big)
	s.clock.Step(account.Patience)
	s.sees("node-1", big)
	require.Len(t, s.taken, 3, "those that it counts went long ago")
	require.Len(t, s.lost, 2)
}

func TestConsumptionThatCouldNotBeReportedIsReportedLater(t *testing.T) {
	s := newStory()
	s.departs("a", nil)
	s.sees("node-1", consumer("api-1", "uid-a"))
	ready := s.Report(web)
	s.Restore(web, ready)
	s.clock.Step(10 * memory)
	require.Equal(t, ready, s.Report(web))
}

func TestAnotherProcessTakesUpWhatWasNotDecided(t *testing.T) {
	first := newStory()
	first.departs("a", nil)
	first.departs("b", disrupted(corev1.PodReasonPreemptionByScheduler))
	var open []Departure
	first.Snapshot(web, func(o []Departure) { open = o })
	require.Len(t, open, 2)

	second := newStory()
	second.Resume(web, open)
	second.departs("a", nil)
	second.sees("node-1", consumer("api-1", "uid-a"))
	second.clock.Step(account.Patience)
	second.sees("node-1")
	require.Len(t, second.taken, 2)
	require.Empty(t, second.lost)
}

func TestNodesAreLookedAtAtOnceThenLessOften(t *testing.T) {
	s := newStory()
	nodes, again := s.Due()
	require.Empty(t, nodes)
	require.Zero(t, again, "there is nothing to look for")
	s.departs("a", nil)
	looked := []time.Duration{}
	for s.clock.Since(epoch) <= account.Patience+lookAgain {
		nodes, again := s.Due()
		if len(nodes) > 0 {
			require.Equal(t, []string{"node-1"}, nodes)
			looked = append(looked, s.clock.Since(epoch))
		}
		require.Positive(t, again)
		s.clock.Step(again)
	}
	require.Equal(t, append(looks, account.Patience+lookAgain), looked, "the last look is tried again if it fails")
	s.Hint("node-1")
	s.Hint("node-9")
	nodes, _ = s.Due()
	require.Equal(t, []string{"node-1"}, nodes, "an event about a node from which nothing went asks for no look")
	nodes, _ = s.Due()
	require.Empty(t, nodes, "one look for each event")
}

func TestTakesAreToldInTheOrderInWhichTheUnitsWent(t *testing.T) {
	s := newStory()
	for _, name := range []string{"a", "b", "c"} {
		s.departs(name, nil)
		s.clock.Step(time.Second)
	}
	s.sees("node-1", consumer("api-1", "uid-b", "uid-c", "uid-a"))
	var names []string
	for _, c := range s.Report(web) {
		names = append(names, c.Placeholder.Name)
	}
	require.Equal(t, []string{"a", "b", "c"}, names)
}

func TestNoMoreUnitsAreCreditedThanAnAnnotationCountsAndNoneOfAnotherNode(t *testing.T) {
	s := newStory()
	big := consumer("big")
	big.Took.Unnamed = 1
	s.departs("elsewhere", func(pod *corev1.Pod) { pod.Spec.NodeName = "node-2" })
	s.departs("a", nil)
	s.sees("node-1", big)
	s.clock.Step(account.Patience)
	s.sees("node-2")
	require.Empty(t, s.taken)
	s.sees("node-1", big)
	require.Contains(t, s.taken, types.UID("uid-a"))
	s.departs("b", nil)
	s.sees("node-1", big)
	s.clock.Step(account.Patience)
	s.sees("node-1", big)
	require.Len(t, s.taken, 1, "it counts one, however often it is seen")
	require.Equal(t, []account.Loss{account.LossAbandoned, account.LossAbandoned}, s.lost)
}

func TestLedgerForgets(t *testing.T) {
	s := newStory()
	for i := range 2000 {
		counts := consumer(fmt.Sprint("counts-", i))
		counts.Took.Unnamed = 1
		s.sees("node-1", consumer("api", types.UID(fmt.Sprint("never-", i))), counts)
		s.Preempted(victim(fmt.Sprint("never-", i)), consumer("api").Consumer)
		s.departs(fmt.Sprint("b-", i), disrupted("EvictionByEvictionAPI"))
		s.clock.Step(time.Second)
	}
	require.LessOrEqual(t, len(s.evidence), 700)
	require.LessOrEqual(t, len(s.preemptors), 700)
	require.LessOrEqual(t, len(s.decided), 700)
	require.LessOrEqual(t, len(s.unnamed), 700)
	s.departs("c", nil)
	s.Forget(web)
	require.Empty(t, s.open)
}

func TestNoEvidenceIsKeptOfWhatIsDecided(t *testing.T) {
	s := newStory()
	tells := func() { // whatever there is to tell
		s.sees("node-1", consumer("api", "uid-a"), consumer("job", "uid-b"))
		s.Preempted(victim("a"), consumer("api").Consumer)
		s.Preempted(victim("b"), consumer("job").Consumer)
	}
	tells()
	s.departs("a", nil)
	s.departs("b", disrupted(corev1.PodReasonPreemptionByScheduler))
	require.Len(t, s.taken, 2)
	require.Empty(t, s.evidence)
	require.Empty(t, s.preemptors)
	tells()
	require.Empty(t, s.evidence, "nor of what is told again")
	require.Empty(t, s.preemptors)
}

// TestEachDeletionIsDecidedOnce draws histories of deletions, annotated pods, looks and repeated news: whatever the order, each placeholder
// that went is taken or lost exactly once, and those that a pod took are never lost.
func TestEachDeletionIsDecidedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStory()
		count := rapid.IntRange(1, 8).Draw(t, "placeholders")
		takers := map[types.UID]Bound{}
		var bound []Bound
		for i := range count {
			uid := types.UID(fmt.Sprintf("uid-%d", i))
			if rapid.Bool().Draw(t, "taken") {
				pod := consumer(fmt.Sprintf("api-%d", i), uid)
				takers[uid], bound = pod, append(bound, pod)
			}
		}
		gone := map[int]bool{}
		for range rapid.IntRange(0, 30).Draw(t, "news") {
			s.clock.Step(time.Duration(rapid.IntRange(0, 5).Draw(t, "seconds")) * time.Second)
			switch i := rapid.IntRange(-1, count-1).Draw(t, "which"); {
			case i < 0:
				s.sees("node-1", bound...)
			case gone[i] && rapid.Bool().Draw(t, "by the controller"):
				s.Ledger.Lost(web, types.UID(fmt.Sprintf("uid-%d", i)), account.LossScaledDown)
			default:
				s.departs(fmt.Sprint(i), nil)
				gone[i] = true
			}
		}
		for i := range count {
			s.departs(fmt.Sprint(i), nil)
		}
		s.clock.Step(account.Patience)
		s.sees("node-1", bound...)
		require.Equal(t, count, len(s.taken)+len(s.lost))
		require.Len(t, s.taken, len(takers))
		for uid, taker := range takers {
			require.Equal(t, taker.UID, s.taken[uid].Consumer.UID)
		}
	})
}

func TestPreemptionOf(t *testing.T) {
	const uid = "0d6ab9b6-5b4c-4a44-8a53-2f7f8f6c3f10"
	related := &corev1.ObjectReference{Namespace: "shop", Name: "api-1", UID: "uid-api-1"}
	for name, tc := range map[string]struct {
		note      string
		related   *corev1.ObjectReference
		namespace string
		want      types.UID
	}{
		"v1.37 names the UID alone":             {note: "Preempted by pod " + uid + " on node n", related: &corev1.ObjectReference{}, want: uid},
		"for a group":                           {note: "Preempted by podgroup g-1 on node n", want: "g-1"},
		"an older one says no kind":             {note: "Preempted by uid-api-1 on node n", related: related, want: "uid-api-1"},
		"the note goes before the pod":          {note: "Preempted by pod " + uid + " on node n", related: related, want: uid},
		"another note, beside the pod's UID":    {note: "hello", related: &corev1.ObjectReference{UID: "uid-api-1"}, want: "uid-api-1"},
		"another note, beside the pod":          {note: "hello", related: related, want: "uid-api-1"},
		"another note":                          {note: "hello"},
		"it is not in the namespace of the pod": {note: "Preempted by pod " + uid + " on node n", namespace: "elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			event := eventsv1.Event{
				ObjectMeta: metav1.ObjectMeta{Namespace: cmp.Or(tc.namespace, "shop")}, Note: tc.note, Related: tc.related,
				Regarding: corev1.ObjectReference{Namespace: "shop", Name: "a", UID: "uid-a"},
			}
			of, preemptor, ok := preemptionOf(&event)
			require.Equal(t, tc.want != "", ok)
			if ok {
				require.Equal(t, victim("a"), of)
				require.Equal(t, tc.want, preemptor)
			}
		})
	}
}

func TestASwapsEventOnlySaysWhereToLook(t *testing.T) {
	event := eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Reason: swapevent.Reason, Action: swapevent.Action,
		Regarding: corev1.ObjectReference{Namespace: "shop", Name: "api-1"}, Note: "Took shop/a on node node-1: spread",
	}
	node, ok := nodeOf(&event)
	require.True(t, ok)
	require.Equal(t, "node-1", node)
	event.Regarding.Namespace = "elsewhere"
	_, ok = nodeOf(&event)
	require.False(t, ok, "it has to come from the consumer's namespace")
}
