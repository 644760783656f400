package headroom

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/guard"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
	"github.com/headroom-dev/headroom/test/builders"
)

// guardWorld is a swap that takes one unit of reserved headroom, beside a pod of another scheduler.
type guardWorld struct {
	*fixture
	pod   *corev1.Pod
	state *framework.CycleState
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
	return &guardWorld{f, pod, state}, c.swap
}

// bind ends the swap.
func (w *guardWorld) bind(t *testing.T) {
	t.Helper()
	require.True(t, w.Bind(t.Context(), w.state, w.pod, "a").IsSuccess())
	w.PostBind(t.Context(), w.state, w.pod, "a")
}

// deletedGuards is how many guards the API server was asked to delete.
func (w *guardWorld) deletedGuards() (gone int) {
	for _, action := range w.client.Actions() {
		if action.GetVerb() == "delete" && action.GetNamespace() == guards {
			gone++
		}
	}
	return gone
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
			w.bind(t)
			require.Equal(t, tc.want, w.steps())
			require.Nil(t, s.unguard)
			require.Eventually(t, func() bool { return w.deletedGuards() == len(tc.want)-len(plain) }, patience, glance)
		})
	}
}

// standingClock has guards that do not end by themselves.
func (w *guardWorld) standingClock() {
	w.shared.guards = guard.New(guard.Options{
		Client: w.client, Pods: w.shared.pods, Namespace: guards, Leads: func() bool { return true },
		Clock: testingclock.NewFakeClock(builders.Epoch()),
	})
}

func TestTheGuardOfASwapThatComesToNothingGoes(t *testing.T) {
	w, s := newGuardWorld(t, true, true, func(args *config.HeadroomArgs) { args.GuardHoles = config.GuardReserved })
	w.standingClock()
	w.client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return action.GetSubresource() == "binding", nil, apierrors.NewInternalError(errors.New("etcd"))
	})
	require.Equal(t, fwk.Error, w.Bind(t.Context(), w.state, w.pod, "a").Code())
	require.NotNil(t, s.unguard)
	w.Unreserve(t.Context(), w.state, w.pod, "a")
	require.Eventually(t, func() bool { return w.deletedGuards() == 1 }, patience, glance)
}

// TestASwapThatEvictsForDevicesHasOneGuardUntilTheBind: it evicts before the devices are allocated, and looks once more at the bind.
func TestASwapThatEvictsForDevicesHasOneGuardUntilTheBind(t *testing.T) {
	w, s := newGuardWorld(t, true, true, func(args *config.HeadroomArgs) { args.GuardHoles = config.GuardReserved })
	w.standingClock()
	s.Devices = &selection.Devices{}
	require.True(t, w.PreBind(t.Context(), w.state, w.pod, "a").IsSuccess())
	require.Equal(t, []string{"create " + guards + "/", "delete default/"}, w.steps())
	require.Zero(t, w.deletedGuards())
	w.bind(t)
	require.Equal(t, []string{"create " + guards + "/", "delete default/", "create default/binding"}, w.steps())
	require.Eventually(t, func() bool { return w.deletedGuards() == 1 }, patience, glance)
}
