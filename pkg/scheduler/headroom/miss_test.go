package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

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
