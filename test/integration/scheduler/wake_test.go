package scheduler

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/test/builders"
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
