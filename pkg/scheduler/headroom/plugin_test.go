package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestSwapsCanBeTurnedOff(t *testing.T) {
	for name, swap := range map[string]bool{"on": true, "off": false} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj()},
				change: func(args *config.HeadroomArgs) { args.Swap = swap },
			})
			c, _ := f.decided(t, wants("1").Obj())
			require.Equal(t, swap, c.swap != nil)
		})
	}
}

func TestNoSwapsInAProfileThatMisplacesThePlugin(t *testing.T) {
	open := hr("open", "1")
	only := []schedulerconfig.Plugin{{Name: Name}}
	binder := []schedulerconfig.Plugin{{Name: "DefaultBinder"}}
	for name, tc := range map[string]struct {
		arrange func(*schedulerconfig.Plugins)
		want    bool
	}{
		"a profile as shipped swaps": {arrange: func(*schedulerconfig.Plugins) {}, want: true},
		"one with the Filter of NodeResourcesFit does not": {arrange: func(p *schedulerconfig.Plugins) {
			p.Filter.Disabled = nil
		}},
		"one that names the plugin under multiPoint alone would bind without evicting": {arrange: func(p *schedulerconfig.Plugins) {
			p.Bind = schedulerconfig.PluginSet{}
		}},
		"nor does one that names it after another Bind plugin": {arrange: func(p *schedulerconfig.Plugins) {
			p.Bind = schedulerconfig.PluginSet{Enabled: append(binder, only...), Disabled: append(binder, only...)}
		}},
		"nor one that keeps it from binding": {arrange: func(p *schedulerconfig.Plugins) {
			p.Bind = schedulerconfig.PluginSet{Disabled: only}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(open, 0, "a").Obj()}, arrange: tc.arrange,
			})
			c, _ := f.decided(t, wants("1").Obj())
			require.Equal(t, tc.want, c.swap != nil)
		})
	}
}
