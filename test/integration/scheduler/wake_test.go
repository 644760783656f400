package scheduler

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// Pods that wait are tried again as soon as they may take headroom that they could not take before. Otherwise they would wait for
// some other event, or five minutes.

// patchPod merges something into a pod of the test's namespace.
func (w *world) patchPod(t *testing.T, name, patch string) {
	t.Helper()
	_, err := w.Client.CoreV1().Pods(w.Namespace).Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(t, err)
}

// waitMessage waits until the last attempt to schedule a pod has failed with a message that contains the text.
func (w *world) waitMessage(t *testing.T, pod, text string) {
	t.Helper()
	w.Eventually(t, "waiting for another attempt", func(context.Context) string {
		if message := w.WaitUnschedulable(t, pod); !strings.Contains(message, text) {
			return fmt.Sprintf("the last one says %q", message)
		}
		return ""
	})
}

func TestAWaitingPodIsWokenByLabelsThatEntitleIt(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Consumers(onlyFor("web")).Obj())
	units := w.fill(t, spare, "n0")
	w.startPlugin(t)
	w.CreatePods(t, consumer("late", cpu("1")).Label("app", "db").Obj())
	w.waitMessage(t, "late", "consumers.podSelector")

	w.patchPod(t, "late", `{"metadata":{"labels":{"app":"web"}}}`)

	w.WaitBound(t, "late")
	require.Empty(t, w.remaining(t, units))
}

func TestAWaitingPodIsWokenByANewPlaceholderThatItMayTake(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("2"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Consumers(onlyFor("web")).Obj())
	w.place(t, ordinary("other", "n0", "1", 1000))
	w.startPlugin(t)
	w.CreatePods(t, consumer("late", cpu("2")).Label("app", "web").Obj())
	require.NotContains(t, w.WaitUnschedulable(t, "late"), "hold headroom")

	w.fill(t, spare, "n0")

	// It is too small. But that is for another attempt to find out, which then says so.
	w.waitMessage(t, "late", "1 of 1 nodes hold headroom, none for this pod: no node holds enough for it")
}

func TestAWaitingPodIsWokenByLabelsOfItsNamespace(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	team := v1alpha1.Consumers{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "web"}}}
	units := w.fill(t, w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Consumers(team).Obj()), "n0")
	w.startPlugin(t)
	w.CreatePods(t, consumer("late", cpu("1")).Obj())
	w.waitMessage(t, "late", "consumers.namespaceSelector")

	_, err := w.Client.CoreV1().Namespaces().Patch(
		t.Context(), w.Namespace, types.MergePatchType, []byte(`{"metadata":{"labels":{"team":"web"}}}`), metav1.PatchOptions{})
	require.NoError(t, err)

	w.WaitBound(t, "late")
	require.Empty(t, w.remaining(t, units))
}

func TestAWaitingPodIsWokenWhenADaemonSetTurnsOutToHoldHeadroom(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	labels := map[string]string{v1alpha1.LabelHeadroom: spare.Name}
	set, err := w.Client.AppsV1().DaemonSets(w.Namespace).Create(t.Context(), &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "spare-headroom", Labels: labels},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: builders.Placeholder(spare, 0).Obj().Spec},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	unit := builders.Placeholder(spare, 0).Node("n0")
	unit.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	name := w.place(t, unit)
	w.StartHeadroom(t, withoutDefaultPreemption(schedulerharness.SecondScheduler(t)), nil)
	w.CreatePods(t, consumer("late", cpu("1")).Obj())
	w.WaitUnschedulable(t, "late")

	clustertest.Change(t, w.Headrooms, set, func(s *appsv1.DaemonSet) {
		s.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(spare, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))}
	})

	w.WaitBound(t, "late")
	require.Empty(t, w.remaining(t, []string{name}))
}
