package eviction

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

var web = types.NamespacedName{Namespace: "shop", Name: "web"}

// unitOf is a placeholder of a Headroom.
func unitOf(headroom types.NamespacedName) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: headroom.Namespace, Name: "v", UID: "v", Labels: map[string]string{v1alpha1.LabelHeadroom: headroom.Name},
	}}
}

// answering is refusals whose time a test moves, and the Headrooms that are tried again.
type answering struct {
	*Refusals
	clock *testingclock.FakeClock
	again []types.NamespacedName
}

func newAnswering() *answering {
	a := &answering{clock: testingclock.NewFakeClock(time.Unix(1, 0))}
	a.Refusals = NewRefusals(a.clock, func(headroom types.NamespacedName) { a.again = append(a.again, headroom) })
	return a
}

// answer has the API server answer after a while.
func (a *answering) answer(after time.Duration, err error) {
	a.clock.Step(after)
	a.Answered(unitOf(web), err)
}

func no() error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "v", errors.New("no"))
}

func TestNothingIsTakenForAWhileOfAHeadroomWhosePlaceholdersMayNotBeDeleted(t *testing.T) {
	a := newAnswering()
	a.answer(0, no())
	a.answer(refusedBefore-1, no())
	require.False(t, a.Refused(web), "an API server that starts says no for a moment")
	a.answer(1, no())
	for _, rest := range []time.Duration{5, 10, 20, 40, 60, 60, 60, 60, 60} { // for longer than refusedOnce
		require.True(t, a.Refused(web))
		require.Equal(t, []string{"shop/web"}, a.List())
		require.False(t, a.Refused(types.NamespacedName{Namespace: "shop", Name: "other"}))
		a.answer(rest*time.Second-1, no())
		require.True(t, a.Refused(web), "one that was under way changes nothing")
		require.Empty(t, a.again)
		a.clock.Step(1)
		require.False(t, a.Refused(web))
		require.Empty(t, a.List())
		require.Equal(t, []types.NamespacedName{web}, a.again, "pods that wait are tried again")
		a.again = nil
		a.answer(0, no())
	}
	a.answer(0, nil)
	require.False(t, a.Refused(web), "one was deleted")
	a.answer(0, no())
	a.answer(refusedBefore, no())
	require.True(t, a.Refused(web))
	a.clock.Step(firstRest)
	require.False(t, a.Refused(web), "it began anew")
}

func TestRefusedHeadroomsAreListedInTheOrderOfTheirNames(t *testing.T) {
	a := newAnswering()
	names := []string{"shop/a", "shop/b", "shop/c", "shop/d", "shop/e", "shop/f"}
	for _, after := range []time.Duration{0, refusedBefore} {
		a.clock.Step(after)
		for _, name := range slices.Backward(names) {
			namespace, own, _ := strings.Cut(name, "/")
			a.Answered(unitOf(types.NamespacedName{Namespace: namespace, Name: own}), no())
		}
	}
	require.Equal(t, names, a.List())
}

func TestRefusalsLongApartAreTwoMatters(t *testing.T) {
	a := newAnswering()
	a.answer(0, no())
	a.answer(refusedOnce+1, no())
	require.False(t, a.Refused(web))
}

// TestARefusalLongAfterTheLastRestBeginsAnew: what was refused for long once is no reason to rest for long now.
func TestARefusalLongAfterTheLastRestBeginsAnew(t *testing.T) {
	a := newAnswering()
	a.answer(0, no())
	for _, rest := range []time.Duration{refusedBefore, firstRest, 2 * firstRest} {
		a.answer(rest, no())
		require.True(t, a.Refused(web))
	}
	a.answer(refusedOnce+1, no())
	require.False(t, a.Refused(web))
	a.answer(refusedBefore, no())
	require.True(t, a.Refused(web))
	a.clock.Step(firstRest)
	require.False(t, a.Refused(web))
}

// TestWhatIsNeitherARefusalNorADeletionSaysNothing of whether placeholders may be deleted.
func TestWhatIsNeitherARefusalNorADeletionSaysNothing(t *testing.T) {
	for name, other := range map[string]error{
		"the API server is busy": apierrors.NewTooManyRequests("later", 1), "the answer got lost": errors.New("reset"),
		"the API server fails": apierrors.NewInternalError(errors.New("etcd")),
	} {
		t.Run(name, func(t *testing.T) {
			a := newAnswering()
			a.answer(0, no())
			a.answer(time.Second, other)
			a.answer(refusedBefore-time.Second, no())
			require.True(t, a.Refused(web))
			a.answer(time.Second, other)
			require.True(t, a.Refused(web))
		})
	}
}

func TestWhichAnswersAreRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"missing rights, or a policy":             {no(), true},
		"a webhook with a code of its own":        {&apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusTeapot}}, true},
		"that it was asked for something odd":     {apierrors.NewBadRequest("grace period"), true},
		"nor that it took too long":               {apierrors.NewTimeoutError("later", 1), false},
		"nor that it waited too long itself":      {&apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusRequestTimeout}}, false},
		"not that it has too much to do":          {apierrors.NewTooManyRequests("later", 1), false},
		"nor that the name is another pod's":      {apierrors.NewConflict(schema.GroupResource{Resource: "pods"}, "v", errors.New("UID")), false},
		"nor that a webhook cannot be reached":    {apierrors.NewInternalError(errors.New("failed calling webhook")), false},
		"nor that the answer did not come":        {errors.New("connection reset"), false},
		"nor that the placeholder is gone by now": {apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "v"), false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAnswering()
			a.answer(0, tc.err)
			a.answer(refusedBefore, tc.err)
			require.Equal(t, tc.want, a.Refused(web))
		})
	}
	var none *Refusals
	none.Answered(unitOf(web), no())
	require.False(t, none.Refused(web))
}

func TestAnEvictionTellsWhetherItWasRefused(t *testing.T) {
	unit, clock := unitOf(web), testingclock.NewFakeClock(time.Unix(1, 0))
	s := newScene(t, unit)
	s.Refusals = NewRefusals(clock, func(types.NamespacedName) {})
	s.answer("delete", no(), unit.Name)
	for range 2 {
		_, err := s.Evict(t.Context(), victims("c")[0], []*corev1.Pod{unit})
		require.ErrorIs(t, err, ErrRefused)
		clock.Step(refusedBefore)
	}
	require.True(t, s.Refusals.Refused(web))
	s.answer("delete", nil, unit.Name)
	_, err := s.Evict(t.Context(), victims("c")[0], []*corev1.Pod{unit})
	require.NoError(t, err)
	require.False(t, s.Refusals.Refused(web))
}

// TestWhatIsOfNoHeadroomKeepsNobodyFromOne: a placeholder may lose its label at any time.
func TestWhatIsOfNoHeadroomKeepsNobodyFromOne(t *testing.T) {
	a, none := newAnswering(), unitOf(web)
	none.Labels = nil
	for range 2 {
		a.Answered(none, no())
		a.clock.Step(refusedBefore)
	}
	require.Empty(t, a.List())
	require.Empty(t, a.headrooms)
	require.Empty(t, (*Refusals)(nil).List())
}
