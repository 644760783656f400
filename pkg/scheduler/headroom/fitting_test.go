package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestWhatNodeResourcesFitIsToldToIgnoreIsIgnored(t *testing.T) {
	const device = "example.com/device"
	needs := func() *corev1.Pod {
		return builders.Consumer("consumer", builders.Resources{"cpu": "1", device: "1"}).Namespace("default").UID("consumer").Obj()
	}
	for name, tc := range map[string]struct {
		told  []string
		args  []string
		want  bool
		swaps bool
	}{
		"by nobody":                              {},
		"as by an extender that manages it":      {told: []string{device}, want: true, swaps: true},
		"by the plugin's arguments":              {args: []string{device}, want: true, swaps: true},
		"by either where they differ":            {told: []string{device}, args: []string{"example.com/other"}, want: true, swaps: true},
		"but not another resource":               {told: []string{"example.com/other"}},
		"nor another one by the other arguments": {args: []string{"example.com/other"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster{
				nodes:   []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()},
				change:  func(args *config.HeadroomArgs) { args.IgnoredResources = tc.args },
				ignored: tc.told,
			}
			f := newFixture(t, c)
			state := framework.NewCycleState()
			_, status, _ := f.framework.RunPreFilterPlugins(t.Context(), state, needs())
			require.True(t, status.IsSuccess())
			require.Equal(t, tc.want, f.framework.RunFilterPlugins(t.Context(), state, needs(), f.nodes[0]).IsSuccess())
			require.Equal(t, tc.want, f.fitting.Ignores(device))
			require.False(t, f.fitting.Ignores("example.com/more"))

			c.pods = []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj()}
			full := newFixture(t, c)
			decided, _ := full.decided(t, needs())
			require.Equal(t, tc.swaps, decided.swap != nil)
		})
	}
}
