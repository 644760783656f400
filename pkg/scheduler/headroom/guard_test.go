package headroom

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// guardWorld is a swap that takes one unit of reserved headroom, beside a pod of another scheduler.
type guardWorld struct {
	*fixture
	pod *corev1.Pod
}

const guards = "headroom-system"

func newGuardWorld(t *testing.T, reserved, others bool, change func(*config.HeadroomArgs)) (*guardWorld, *swap) {
	t.Helper()
	h := reservedFor("web")
	held := reservedUnit(h, 0, "a").Obj()
	if !reserved {
		h = forApp("web")
		held = unit(h, 0, "a").Obj()
	}
	pod := wants("1").Label("app", "web").Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{held}, pending: []*corev1.Pod{pod},
		headrooms: []*v1alpha1.Headroom{h}, change: func(args *config.HeadroomArgs) {
			args.GuardNamespace = guards
			if change != nil {
				change(args)
			}
		},
	})
	for _, pod := range []*corev1.Pod{held, pod} {
		require.NoError(t, f.client.Tracker().Add(pod))
	}
	if others {
		f.shared.holes.PodChanged(nil, builders.Consumer("stock", res("1")).Namespace("default").UID("stock").SchedulerName("stock").Obj())
	}
	c, state := f.decided(t, pod)
	require.NotNil(t, c.swap)
	require.True(t, f.Reserve(t.Context(), state, pod, "a").IsSuccess())
	w := &guardWorld{f, pod}
	require.True(t, f.Bind(t.Context(), state, pod, "a").IsSuccess())
	f.PostBind(t.Context(), state, pod, "a")
	return w, c.swap
}

// steps are what the API server was asked to do to pods, in order. A deletion of a guard is not waited for.
func (w *guardWorld) steps() (steps []string) {
	for _, action := range w.client.Actions() {
		if action.GetResource().Resource != "pods" || action.GetVerb() == "list" || action.GetVerb() == "watch" {
			continue
		}
		if action.GetVerb() == "delete" && action.GetNamespace() == guards {
			continue
		}
		steps = append(steps, fmt.Sprint(action.GetVerb(), " ", action.GetNamespace(), "/", action.GetSubresource()))
	}
	return steps
}

func TestAGuardIsThereBeforeTheEvictionAndUntilTheBind(t *testing.T) {
	plain := []string{"delete default/", "create default/binding"}
	guarded := append([]string{"create " + guards + "/"}, plain...)
	for name, tc := range map[string]struct {
		ordinary, alone bool
		holes           config.GuardHoles
		want            []string
	}{
		"of a reserved unit":                 {holes: config.GuardReserved, want: guarded},
		"not where there is no other":        {holes: config.GuardReserved, alone: true, want: plain},
		"not of an ordinary unit":            {holes: config.GuardReserved, ordinary: true, want: plain},
		"of an ordinary unit, if told so":    {holes: config.GuardAll, ordinary: true, want: guarded},
		"not of a reserved unit, if told so": {holes: config.GuardNever, want: plain},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := newGuardWorld(t, !tc.ordinary, !tc.alone, func(args *config.HeadroomArgs) { args.GuardHoles = tc.holes })
			require.Equal(t, tc.want, w.steps())
			require.Nil(t, s.unguard)
			require.Eventually(t, func() bool {
				gone := 0
				for _, action := range w.client.Actions() {
					if action.GetVerb() == "delete" && action.GetNamespace() == guards {
						gone++
					}
				}
				return gone == len(tc.want)-len(plain)
			}, patience, glance)
		})
	}
}
