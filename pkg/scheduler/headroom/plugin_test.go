package headroom

import (
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
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

// TestWhatThePluginsArgumentsSayIsWhatItGoesBy where nothing but a field of another package tells.
func TestWhatThePluginsArgumentsSayIsWhatItGoesBy(t *testing.T) {
	f := newFixture(t, cluster{change: func(args *config.HeadroomArgs) { args.VictimWaitSeconds, args.EvictionParallelism = 7, 3 }})
	require.Equal(t, 7*time.Second, f.evictor.Wait)
	require.Equal(t, 3, f.evictor.Parallelism)
}

// TestAPluginIsNotMadeOfWhatItCannotGoBy: the scheduler says at its start what is wrong.
func TestAPluginIsNotMadeOfWhatItCannotGoBy(t *testing.T) {
	f := newFixture(t, cluster{})
	valid := f.args.DeepCopy()
	invalid := f.args.DeepCopy()
	invalid.EvictionParallelism = -1
	for name, tc := range map[string]struct {
		args   runtime.Object
		handle fwk.Handle
		want   string
	}{
		"the arguments of another plugin": {args: &schedulerconfig.DefaultPreemptionArgs{}, handle: f.framework, want: "api/config/scheme"},
		"none, as their kind is unknown":  {handle: f.framework, want: "api/config/scheme"},
		"arguments that are invalid":      {args: invalid, handle: f.framework, want: "evictionParallelism"},
		"what is no framework":            {args: valid, handle: struct{ fwk.Handle }{f.framework}, want: "needs the framework of a scheduler"},
	} {
		t.Run(name, func(t *testing.T) {
			plugin, err := New(t.Context(), tc.args, tc.handle)
			require.ErrorContains(t, err, tc.want)
			require.Nil(t, plugin)
		})
	}
}

// TestAnOperatorIsToldWhatToChangeBeforeAProfileSwaps, once, with the first pod.
func TestAnOperatorIsToldWhatToChangeBeforeAProfileSwaps(t *testing.T) {
	for name, tc := range map[string]struct {
		arrange func(*schedulerconfig.Plugins)
		want    string
	}{
		"nothing": {arrange: func(*schedulerconfig.Plugins) {}},
		"to disable the Filter that its own replaces": {
			arrange: func(p *schedulerconfig.Plugins) { p.Filter.Disabled = nil }, want: "disable the Filter of NodeResourcesFit",
		},
		"to let it bind first": {
			arrange: func(p *schedulerconfig.Plugins) { p.Bind = schedulerconfig.PluginSet{} }, want: "enable Headroom under bind",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var logged []string
			ctx := klog.NewContext(t.Context(), funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{}))
			f := newFixture(t, cluster{arrange: tc.arrange})
			for range 2 {
				require.Equal(t, tc.want == "", f.swapsHere(ctx))
			}
			if tc.want == "" {
				require.Empty(t, logged)
				return
			}
			require.Len(t, logged, 1)
			require.Contains(t, logged[0], tc.want)
		})
	}
}
