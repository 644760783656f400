package gangs

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// TestP11AGroupTakesReservedUnitsForAllOrNone, of members of lower priority than the units, beside a pod of another scheduler that waits for the
// same room. The members are bound one after the other, each behind a guard of its node.
func TestP11AGroupTakesReservedUnitsForAllOrNone(t *testing.T) {
	w := newWorld(t)
	consumers := v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	h := w.CreateHeadroom(t, builders.Headroom("reserve", oneCPU).Consumers(consumers).Reserved().Obj())
	unit := func(i int, node string) string {
		return w.CreatePods(t, builders.ReservedUnit(h, i).Node(node).Obj())[0].Name
	}
	units := []string{unit(0, "n0"), unit(1, "n1")}
	w.CreateNodes(t, builders.Node("n0", "a", oneCPU).Obj(), builders.Node("n1", "a", oneCPU).Obj())
	cfg := schedulerharness.SecondScheduler(t)
	for i := range cfg.Profiles[0].PluginConfig {
		if args, ok := cfg.Profiles[0].PluginConfig[i].Args.(*config.HeadroomArgs); ok {
			args.GuardNamespace = w.CreateNamespace(t, nil)
		}
	}
	w.StartHeadroom(t, cfg, nil)
	w.StartScheduler(t, schedulerharness.SchedulerOptions{})
	w.CreatePods(t, builders.Consumer("stock", oneCPU).Obj())
	w.WaitUnschedulable(t, "stock")
	w.group(t, "web", 3)
	names := namesOf("web", 3)
	for _, name := range names {
		w.CreatePods(t, memberOf("web", name).Label("app", "web").Obj())
	}
	for _, name := range names {
		w.waitUnschedulable(t, name, "there is none for 1 of them: missing cpu 1")
	}
	require.Equal(t, units, w.remaining(t, units), "none goes for a part of the group")

	units = append(units, unit(2, "n2"))
	for _, scheduler := range []string{corev1.DefaultSchedulerName, schedulerharness.HeadroomScheduler} {
		w.seen(t, scheduler)
	}
	w.CreateNodes(t, builders.Node("n2", "a", oneCPU).Obj())

	w.WaitBound(t, names...)
	w.WaitGone(t, units...)
	require.Empty(t, w.Pod(t, "stock").Spec.NodeName)
	require.Equal(t, corev1.PodPending, w.Pod(t, "stock").Status.Phase)
}
