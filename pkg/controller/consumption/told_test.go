package consumption

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/account"
)

func TestWhatIsWrittenDownOfATake(t *testing.T) {
	s := newStory()
	s.departs("a", nil)
	s.clock.Step(time.Second)
	s.sees("node-1", consumer("api-1", "uid-a"))
	require.Equal(t, account.Take{
		Time: epoch, Placeholder: "a", UID: "uid-a", Node: "node-1", Consumer: consumer("api-1").Consumer, How: account.BySwap,
	}, s.taken["uid-a"])
	require.Equal(t, []Consumption{{
		Placeholder: types.NamespacedName{Namespace: "shop", Name: "a"}, Node: "node-1", Consumer: consumer("api-1").Consumer, Time: epoch,
	}}, s.Report(web))
}

// TestEachTakeHasItsHeadroomReported whatever explains it, and what is no take does not.
func TestEachTakeHasItsHeadroomReported(t *testing.T) {
	preempted := disrupted(corev1.PodReasonPreemptionByScheduler)
	counts := consumer("big")
	counts.Took.Unnamed = 1
	for name, tc := range map[string]struct {
		departs func(*corev1.Pod)
		told    func(s *story)
		want    []types.NamespacedName
	}{
		"an event that names the pod": {preempted, func(s *story) { s.Preempted(victim("a"), consumer("api-1").Consumer) }, []types.NamespacedName{web}},
		"an event that does not":      {preempted, func(s *story) { s.Preempted(victim("a"), account.Consumer{UID: "uid-api-1"}) }, nil},
		"the pod of a preemption": {preempted, func(s *story) {
			s.Preempted(victim("a"), account.Consumer{UID: "uid-api-1"})
			s.sees("node-1", consumer("api-1"))
		}, []types.NamespacedName{web}},
		"nothing, for long":              {preempted, func(s *story) { s.sees("node-1") }, []types.NamespacedName{web}},
		"an annotation that only counts": {nil, func(s *story) { s.sees("node-1", counts) }, []types.NamespacedName{web}},
		"nobody took it":                 {nil, func(s *story) { s.sees("node-1") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			s.departs("a", tc.departs)
			s.clock.Step(account.Patience)
			tc.told(s)
			require.Equal(t, tc.want, s.called)
			for _, take := range s.taken {
				require.Equal(t, "node-1", take.Node)
			}
		})
	}
}

func TestThatAPlaceholderWentIsNewsOnce(t *testing.T) {
	s := newStory()
	woken := 0
	s.SetWake(func() { woken++ })
	at, news := s.Departed(web, placeholderPod("a", nil), account.LossAbandoned)
	require.True(t, news)
	require.Equal(t, epoch, at)
	_, news = s.Departed(web, placeholderPod("a", nil), account.LossAbandoned)
	require.False(t, news, "it is open")
	s.sees("node-1", consumer("api-1", "uid-a"))
	_, news = s.Departed(web, placeholderPod("a", nil), account.LossAbandoned)
	require.False(t, news, "it is decided")
	require.Equal(t, 1, woken)
	_, news = s.Departed(web, placeholderPod("b", disrupted("EvictionByEvictionAPI")), account.LossAbandoned)
	require.True(t, news, "also where nobody is looked for")
	require.Equal(t, 1, woken)

	s.departs("c", nil)
	s.Hint("node-1")
	s.Hint("node-1")
	require.Equal(t, 3, woken, "by the one that went, and once by what is told of its node")
}

// TestALossIsOfTheTimeAtWhichTheUnitWent, whenever it is decided.
func TestALossIsOfTheTimeAtWhichTheUnitWent(t *testing.T) {
	s := newStory()
	s.departs("a", nil)
	s.clock.Step(time.Second)
	s.departs("b", disrupted("EvictionByEvictionAPI"))
	s.Ledger.Lost(web, "uid-c", account.LossScaledDown)
	s.clock.Step(account.Patience)
	s.sees("node-1")
	require.Equal(t, []account.Loss{account.LossDrained, account.LossScaledDown, account.LossAbandoned}, s.lost)
	require.Equal(t, []time.Time{epoch.Add(time.Second), epoch.Add(time.Second), epoch}, s.lostAt)
}

// TestWhatCouldNotBeReportedComesWithWhatCameSince, in order of time.
func TestWhatCouldNotBeReportedComesWithWhatCameSince(t *testing.T) {
	s := newStory()
	s.departs("a", nil)
	s.clock.Step(time.Second)
	s.departs("b", nil)
	s.sees("node-1", consumer("api-1", "uid-a"))
	failed := s.Report(web)
	s.sees("node-1", consumer("api-2", "uid-b"))
	s.Restore(web, failed)
	var names []string
	for _, c := range s.Report(web) {
		names = append(names, c.Placeholder.Name)
	}
	require.Equal(t, []string{"a", "b"}, names)
}

// TestWhatIsOpenIsInOrderOfTime, so that a stored account does not change while nothing does.
func TestWhatIsOpenIsInOrderOfTime(t *testing.T) {
	s := newStory()
	want := []string{"e", "a", "d", "b", "c"}
	for _, name := range want {
		s.departs(name, nil)
		s.clock.Step(time.Second)
	}
	s.Snapshot(web, func(open []Departure) {
		var names []string
		for _, d := range open {
			names = append(names, d.Placeholder.Name)
		}
		require.Equal(t, want, names)
	})
}

// TestEachHeadroomOfWhichAPodTookIsTold has one pod take of three Headrooms, one of them twice.
func TestEachHeadroomOfWhichAPodTookIsTold(t *testing.T) {
	s := newStory()
	var want []types.NamespacedName
	var took []types.UID
	for _, name := range []string{"db", "web", "queue"} {
		headroom := types.NamespacedName{Namespace: "shop", Name: name}
		for _, unit := range []string{name + "-0", name + "-1"} {
			s.Departed(headroom, placeholderPod(unit, nil), account.LossAbandoned)
			took = append(took, types.UID("uid-"+unit))
		}
		want = append(want, headroom)
	}
	s.sees("node-1", consumer("big", took[:5]...))
	require.ElementsMatch(t, want, s.called, "each once")
	require.Len(t, s.Report(want[0]), 2)
	require.Len(t, s.Report(want[2]), 1)
}

// TestWhatWentLongAgoIsDecidedOnceToo: a decision is remembered from when it was made, and not from when the placeholder went.
func TestWhatWentLongAgoIsDecidedOnceToo(t *testing.T) {
	s := newStory()
	s.Resume(web, []Departure{{
		Placeholder: victim("a").NamespacedName, UID: "uid-a", Node: "node-1", Time: epoch.Add(-time.Hour), Otherwise: account.LossAbandoned,
	}})
	s.sees("node-1")
	require.Equal(t, []account.Loss{account.LossAbandoned}, s.lost)
	s.clock.Step(memory)
	_, news := s.Departed(web, placeholderPod("a", nil), account.LossAbandoned)
	require.False(t, news)
	s.Ledger.Lost(web, "uid-a", account.LossScaledDown)
	s.clock.Step(account.Patience)
	s.sees("node-1")
	require.Len(t, s.lost, 1)
}
