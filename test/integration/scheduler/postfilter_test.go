package scheduler

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// avoidingPlaceholders builds a consumer of one core that must not be on a node with placeholders of the Headroom spare.
func avoidingPlaceholders(name string) *corev1.Pod {
	placeholders := &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelHeadroom: "spare"}}
	return consumer(name, cpu("1")).PodAntiAffinity(corev1.LabelHostname, placeholders, st.PodAntiAffinityWithRequiredReq).Obj()
}

func TestAPlaceholderThatBlocksByAffinityIsPreempted(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("4"), "a")
	units := w.hold(t, "n0")
	bystander := w.place(t, ordinary("bystander", "n0", "1", -100))
	w.startPlugin(t)
	w.CreatePods(t, avoidingPlaceholders("web"))

	require.Equal(t, "n0", w.WaitBound(t, "web")["web"])
	require.Empty(t, w.remaining(t, units))
	require.Equal(t, []string{bystander}, w.remaining(t, []string{bystander}))
}

func TestAPlaceholderThatBlocksByAffinityStaysIfTheConsumerMayNotTakeIt(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("4"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Consumers(onlyFor("db")).Obj())
	units := w.fill(t, spare, "n0")
	w.startPlugin(t)
	w.CreatePods(t, avoidingPlaceholders("web"))

	w.WaitUnschedulable(t, "web")
	require.Empty(t, w.Pod(t, "web").Status.NominatedNodeName, "DefaultPreemption, which has its turn, finds nothing to take, either")
	require.Equal(t, units, w.remaining(t, units))
}

// unitWithAGracePeriod puts a placeholder on n0 that is older, made by hand or by another version, and returns its name.
func (w *world) unitWithAGracePeriod(t *testing.T) string {
	t.Helper()
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	return w.place(t, builders.Placeholder(spare, 0).Node("n0").TerminationGracePeriodSeconds(30))
}

func TestAPlaceholderWithAGracePeriodGoesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	unit := w.unitWithAGracePeriod(t)
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	require.Equal(t, "n0", w.WaitBound(t, "web")["web"])
	require.Nil(t, w.Pod(t, unit))
	w.requireOneAttempt(t, "web")
}

func TestAPlaceholderThatIsLeavingIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	unit := w.unitWithAGracePeriod(t)
	// Somebody else deletes it. Its API object stays until the kubelet is done with it.
	require.NoError(t, w.Client.CoreV1().Pods(w.Namespace).Delete(t.Context(), unit, metav1.DeleteOptions{}))
	faults := schedulerharness.NewFaults()
	scheduler := w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	w.Eventually(t, "waiting for the scheduler to choose the node", func(context.Context) string {
		if len(scheduler.Cache.Dump().AssumedPods) == 0 {
			return "it has not yet"
		}
		return ""
	})
	require.NotNil(t, w.Pod(t, unit))
	require.Empty(t, w.Pod(t, "web").Spec.NodeName, "not bound while the room is held")
	w.remove(t, unit)
	require.Equal(t, "n0", w.WaitBound(t, "web")["web"])
	require.Empty(t, evictionsOf(faults), "its grace period is not cut short")
	w.requireOneAttempt(t, "web")
}

func TestAStaleNominationIsCleared(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("4"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	unit := w.place(t, builders.Placeholder(spare, 0).Node("n0").TerminationGracePeriodSeconds(30))
	scheduler := w.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)
	w.CreatePods(t, avoidingPlaceholders("web"))
	w.waitNominated(t, "web", "n0")

	// Nothing can come of it: the node is cordoned before the placeholder has left. An autoscaler leaves a pod with a nomination alone.
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n0"}}
	clustertest.Change(t, w.Headrooms, node, func(n *corev1.Node) { n.Spec.Unschedulable = true })
	w.Eventually(t, "waiting for the scheduler to see the cordon", func(context.Context) string {
		if scheduler.Cache.Dump().Nodes["n0"].Node().Spec.Unschedulable {
			return ""
		}
		return "it does not yet"
	})
	w.remove(t, unit)

	w.waitNominated(t, "web", "")
	require.Empty(t, w.Pod(t, "web").Spec.NodeName)
}

func TestWithSwapsOffPlaceholdersArePreempted(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a", "a", "b")
	units := w.hold(t, "n0", "n1", "n2")
	cfg := schedulerharness.SecondScheduler(t)
	for _, plugin := range cfg.Profiles[0].PluginConfig {
		if args, ok := plugin.Args.(*config.HeadroomArgs); ok {
			args.Swap = false
		}
	}
	w.StartHeadroom(t, cfg, nil)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	require.Equal(t, "n0", w.WaitBound(t, "web")["web"], "by the same rules: zone a has two units, and n0 comes before n1")
	require.Equal(t, units[1:], w.remaining(t, units))
	require.True(t, w.everUnschedulable(t, "web"), "it takes a second attempt")
}

func TestAPlaceholderOfADaemonSetIsTaken(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	reserve := builders.Headroom("reserve", cpu("1")).Obj()
	reserve.Spec.Placement, reserve.Spec.Replicas = v1alpha1.PlacementPerNode, nil
	w.CreateHeadroom(t, reserve)
	labels := map[string]string{v1alpha1.LabelHeadroom: reserve.Name}
	set := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: reserve.Name, Labels: labels, OwnerReferences: []metav1.OwnerReference{
			*metav1.NewControllerRef(reserve, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom)),
		}},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: builders.Placeholder(reserve, 0).Obj().Spec},
		},
	}
	set, err := w.Client.AppsV1().DaemonSets(w.Namespace).Create(t.Context(), set, metav1.CreateOptions{})
	require.NoError(t, err)
	unit := builders.Placeholder(reserve, 0).Node("n0")
	unit.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	name := w.place(t, unit)
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	w.WaitBound(t, "web")
	require.Empty(t, w.remaining(t, []string{name}))
	w.requireOneAttempt(t, "web")
}

func TestAPlaceholderNeverTakesAnother(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	vip := w.CreateHeadroom(t, builders.Headroom("vip", cpu("1")).Obj())
	units := w.fill(t, spare, "n0")
	w.StartHeadroom(t, withoutDefaultPreemption(schedulerharness.SecondScheduler(t)), nil)
	pending := builders.Placeholder(vip, 0).Priority(-1).SchedulerName(schedulerharness.HeadroomScheduler).Obj()
	w.CreatePods(t, pending)

	w.WaitUnschedulable(t, pending.Name)
	require.Equal(t, units, w.remaining(t, units))
}

func TestAnUnparsableNearAnnotationSchedulesThePodAllTheSame(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	w.hold(t, "n0")
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("1")).Annotations(map[string]string{v1alpha1.AnnotationNear: "app in (("}).Obj())

	require.Equal(t, "n0", w.WaitBound(t, "web")["web"])
	w.Eventually(t, "waiting for the warning", func(ctx context.Context) string {
		events, err := w.Client.EventsV1().Events(w.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err.Error()
		}
		for _, event := range events.Items {
			if event.Type == corev1.EventTypeWarning && event.Regarding.Name == "web" {
				return ""
			}
		}
		return "there is no warning about the pod"
	})
}
