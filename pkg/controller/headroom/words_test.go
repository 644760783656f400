package headroom

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// saysOfItsSize checks the sentences of the size and of its first rule, and how often the status was written.
func (s *scene) saysOfItsSize(t *testing.T, text string, writes int) {
	t.Helper()
	sized := s.headroom().Status.Sizing
	require.Contains(t, sized.Message, text)
	require.Contains(t, sized.Rules[0].Message, text)
	require.Len(t, s.patches, writes)
}

func TestSentencesOfASizeAloneAreWrittenWhenTheyLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, sizedWeb(0))
		pods := s.follow(t)
		close(pods.listed)
		s.reconcile()
		require.Equal(t, web, <-s.wake)
		s.reconcile()
		s.saysOfItsSize(t, "3 bound pods", 1)

		pods.come(3, 4)
		require.Equal(t, web, <-s.wake)
		require.Equal(t, wordsAfter, s.reconcile())
		s.clock.Step(wordsAfter / 2)
		require.Equal(t, wordsAfter/2, s.reconcile())
		s.saysOfItsSize(t, "3 bound pods", 1)
		s.clock.Step(wordsAfter / 2)
		s.reconcile()
		s.saysOfItsSize(t, "4 bound pods", 2)

		pods.leave(3)
		require.Equal(t, web, <-s.wake)
		require.Equal(t, wordsAfter, s.reconcile())
		pods.come(3, 4)
		require.Equal(t, web, <-s.wake)
		s.clock.Step(wordsAfter)
		s.reconcile()
		s.saysOfItsSize(t, "4 bound pods", 2)
		pods.leave(3)
		require.Equal(t, web, <-s.wake)
		require.Equal(t, wordsAfter, s.reconcile(), "in between it was as it was told")
		pods.come(3, 4)
		require.Equal(t, web, <-s.wake)
		s.reconcile()
		s.saysOfItsSize(t, "4 bound pods", 2)

		pods.come(4, 5)
		require.Equal(t, web, <-s.wake)
		s.all(bind)
		s.reconcile()
		s.saysOfItsSize(t, "5 bound pods", 3)
		require.EqualValues(t, 1, s.headroom().Status.ReadyReplicas, "with what else changed")

		pods.come(5, 11)
		require.Equal(t, web, <-s.wake)
		s.reconcile()
		s.saysOfItsSize(t, "11 bound pods", 4)
		require.EqualValues(t, 2, s.headroom().Status.Sizing.Replicas)
	})
}

// TestSentencesInWhichARuleOfDemandCountsMoreAreWrittenWhenTheStatusIsOld: there is a window more in each slot.
func TestSentencesInWhichARuleOfDemandCountsMoreAreWrittenWhenTheStatusIsOld(t *testing.T) {
	h := webOf(1)
	h.Spec.Sizing = &v1alpha1.Sizing{Max: ptr.To[int32](5), Rules: []v1alpha1.SizingRule{{Name: "learned", Demand: &v1alpha1.Demand{}}}}
	s := newScene(t, h)
	s.Accounts = &knownAccounts{Accounts: s.Accounts, complete: true, stored: true}
	s.settle()
	s.clock.Step(demand.Slot)
	s.all(bind)
	s.settle()
	writes := len(s.patches)
	s.saysOfItsSize(t, "the history has 1", writes)
	for range learnedAfter/demand.Slot - 1 {
		s.clock.Step(demand.Slot)
		require.LessOrEqual(t, s.reconcile(), demand.Slot)
		s.saysOfItsSize(t, "the history has 1", writes)
	}
	s.clock.Step(demand.Slot)
	s.reconcile()
	s.saysOfItsSize(t, "the history has 6", writes+1)
	s.clock.Step(demand.Slot)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](2) })
	s.settle()
	s.saysOfItsSize(t, "the history has 7", len(s.patches))
}

func TestOnlyNumbersOfARuleOfDemandAreLearned(t *testing.T) {
	spec := &v1alpha1.Sizing{Rules: []v1alpha1.SizingRule{{Demand: &v1alpha1.Demand{}}, {PercentOf: &v1alpha1.PercentOf{}}}}
	says := func(message, learned, counted string) *v1alpha1.SizingStatus {
		return &v1alpha1.SizingStatus{Message: message, Rules: []v1alpha1.SizingRuleStatus{{Message: learned}, {Message: counted}}}
	}
	before := says("1 unit: 3 windows", "3 windows", "1 % of 2 pods")
	for what, c := range map[string]struct {
		after *v1alpha1.SizingStatus
		want  bool
	}{
		"a window more":              {says("1 unit: 4 windows", "4 windows", "1 % of 2 pods"), true},
		"a number with more digits":  {says("1 unit: 10 windows", "10 windows", "1 % of 2 pods"), true},
		"other words":                {says("1 unit: 3 windows", "a burst", "1 % of 2 pods"), false},
		"other words of the outcome": {says("1 unit: a burst", "4 windows", "1 % of 2 pods"), false},
		"a pod more":                 {says("1 unit: 4 windows", "4 windows", "1 % of 3 pods"), false},
		"no size":                    {nil, false},
	} {
		require.Equal(t, c.want, onlyLearned(spec, before, c.after), what)
		require.False(t, onlyLearned(nil, before, c.after), what)
		require.False(t, onlyLearned(spec, nil, c.after), what)
	}
}

func TestAStatusThatAWrongClockWroteIsOld(t *testing.T) {
	require.Zero(t, untilOld(nil, epoch))
	for age, wait := range map[time.Duration]time.Duration{
		-time.Second: 0, 0: learnedAfter, learnedAfter - time.Second: time.Second, learnedAfter: 0, 2 * learnedAfter: 0,
	} {
		require.Equal(t, wait, untilOld(&metav1.Time{Time: epoch.Add(-age)}, epoch), age)
	}
}
