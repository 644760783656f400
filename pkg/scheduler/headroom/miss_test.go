package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestAMissIsTooSmallOnlyIfNoNodeHoldsEnough(t *testing.T) {
	open := hr("open", "1")
	for name, tc := range map[string]struct {
		swap     bool
		consumer *corev1.Pod
		want     metrics.MissReason
	}{
		"too small":                   {swap: true, consumer: wants("2").Obj(), want: metrics.MissTooSmall},
		"too small, without swaps":    {consumer: wants("2").Obj(), want: metrics.MissTooSmall},
		"large enough":                {swap: true, consumer: wants("1").NodeSelector(map[string]string{"disk": "ssd"}).Obj(), want: metrics.MissFiltered},
		"large enough, without swaps": {consumer: wants("1").NodeSelector(map[string]string{"disk": "ssd"}).Obj(), want: metrics.MissFiltered},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(open, 0, "a").Obj()},
				change: func(args *config.HeadroomArgs) { args.Swap = tc.swap },
			})
			c, _ := f.decided(t, tc.consumer)
			reason, _ := f.selector.Miss(tc.consumer, func() int { return f.candidates(c) }, func() selection.Objections { return nil })
			require.Equal(t, tc.want, reason)
		})
	}
}

func TestAMissIsCountedOnceHoweverOftenThePodIsTried(t *testing.T) {
	pod := wants("2").Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj()},
		pending: []*corev1.Pod{pod},
	})
	tooSmall := func() float64 { return counts(t, "headroom_scheduler_misses_total")[string(metrics.MissTooSmall)] }
	before := tooSmall()
	for range 3 {
		require.NotEmpty(t, f.missed(t, pod))
	}
	require.InDelta(t, before+1, tooSmall(), 0)
}

func TestNothingIsKeptOfAPodOnceItIsForgotten(t *testing.T) {
	pod := wants("1").Label("app", "db").Obj()
	f := newFixture(t, waitingFor(pod))
	f.fail(t, pod, func() {})
	require.False(t, f.shared.waiting.CountOnce(pod.UID), "its miss was counted")
	f.shared.forget(pod.UID)
	require.True(t, f.shared.waiting.CountOnce(pod.UID))
}

// TestWhatProfilesShareEndsWithTheirScheduler: tests, and whoever embeds a scheduler, make more than one in a process.
func TestWhatProfilesShareEndsWithTheirScheduler(t *testing.T) {
	var factory informers.SharedInformerFactory
	known := func() bool {
		sharedMu.Lock()
		defer sharedMu.Unlock()
		profilesMu.Lock()
		defer profilesMu.Unlock()
		return sharedUnder[factory] != nil || profilesOf[factory] != nil
	}
	t.Run("a scheduler", func(t *testing.T) {
		factory = newFixture(t, cluster{}).factory
		require.True(t, known())
	})
	require.Eventually(t, func() bool { return !known() }, patience, glance)
}

func TestAPodThatHasItsNodeIsNotKeptAmongThoseThatWait(t *testing.T) {
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want bool
	}{
		"one that waits is":                        {pod: wants("1").Obj(), want: true},
		"one that is here to grow where it is":     {pod: on("a", "consumer", "1")},
		"a placeholder, for which nothing is held": {pod: pending(0)},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{})
			f.Plugin.missed(t.Context(), &cycle{}, tc.pod, metrics.MissTooSmall)
			require.Equal(t, tc.want, !f.shared.waiting.CountOnce(tc.pod.UID), "whether it was counted")
		})
	}
}

func TestAResizeInPlaceIsNoMiss(t *testing.T) {
	open := hr("open", "1")
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(open, 0, "a").Obj()},
	})
	f.shared.refresh(f.nodes, false)
	reason, message := f.selector.Miss(on("a", "x", "2"), nil, nil)
	require.Empty(t, reason)
	require.Empty(t, message)
}
