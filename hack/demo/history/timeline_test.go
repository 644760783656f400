package history_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/hack/demo/history"
)

func at(second int) time.Time {
	return time.Date(2026, time.January, 1, 0, 0, second, 0, time.UTC)
}

// pod is a pod of the burst in the state that change makes: refused, bound or running; pending if it is nil.
func pod(name string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, UID: types.UID(name), Labels: map[string]string{history.BurstLabel: "web"},
	}}
	if change != nil {
		change(p)
	}
	return p
}

func refused(p *corev1.Pod) {
	p.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "no room",
	}}
}

func bound(p *corev1.Pod) {
	p.Spec.NodeName = "node-1"
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
}

func running(p *corev1.Pod) {
	bound(p)
	p.Status.Phase = corev1.PodRunning
}

func see(changes ...history.Change) history.Record {
	var t history.Timeline
	for _, c := range changes {
		t.See(c)
	}
	return t.Record(at(9))
}

func TestARecordedPodHasTheFirstTimeOfEachState(t *testing.T) {
	got := see(
		history.Change{At: at(1), Type: watch.Added, Pod: pod("web-1", nil)},
		history.Change{At: at(2), Type: watch.Modified, Pod: pod("web-1", refused)},
		history.Change{At: at(3), Type: watch.Modified, Pod: pod("web-1", refused)},
		history.Change{At: at(4), Type: watch.Modified, Pod: pod("web-1", bound)},
		history.Change{At: at(5), Type: watch.Modified, Pod: pod("web-1", running)},
		history.Change{At: at(6), Type: watch.Modified, Pod: pod("web-1", running)},
		history.Change{At: at(7), Type: watch.Deleted, Pod: pod("web-1", running)},
	)
	require.Equal(t, history.Record{
		Burst: []history.Pod{{
			Name: "web-1", Node: "node-1", Created: at(1), Refused: at(2), Why: "no room", Bound: at(4), Running: at(5), Gone: at(7),
		}},
		Placeholders: []history.Pod{}, Nodes: []history.Node{}, Changed: at(7), Until: at(9),
	}, got)
}

func TestPlaceholdersAreToldApartFromTheBurstAndFromOtherPods(t *testing.T) {
	controller := true
	unit := func(p *corev1.Pod) {
		p.Labels = map[string]string{v1alpha1.LabelHeadroom: "web"}
		p.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindHeadroom, Name: "web", Controller: &controller,
		}}
	}
	got := see(
		history.Change{At: at(1), Type: watch.Added, Pod: pod("web-headroom-0", unit)},
		history.Change{At: at(1), Type: watch.Added, Pod: pod("load", func(p *corev1.Pod) { p.Labels = nil })},
		history.Change{At: at(1), Type: watch.Added, Pod: pod("stray", func(p *corev1.Pod) {
			p.Labels = map[string]string{v1alpha1.LabelHeadroom: "web"}
		})},
	)
	require.Empty(t, got.Burst)
	require.Len(t, got.Placeholders, 1)
	require.Equal(t, "web-headroom-0", got.Placeholders[0].Name)
}

func TestAPlaceholderThatComesBackUnderItsNameIsAnotherOne(t *testing.T) {
	again := pod("web-1", bound)
	again.UID = "another"
	got := see(
		history.Change{At: at(1), Type: watch.Added, Pod: pod("web-1", bound)},
		history.Change{At: at(2), Type: watch.Deleted, Pod: pod("web-1", bound)},
		history.Change{At: at(3), Type: watch.Added, Pod: again},
	)
	require.Len(t, got.Burst, 2)
	require.Equal(t, at(2), got.Burst[0].Gone)
	require.Zero(t, got.Burst[1].Gone)
}

func TestANodeIsReadyWhenPodsCanRunThere(t *testing.T) {
	node := func(ready bool, taints ...corev1.Taint) *corev1.Node {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name: "node-1", UID: "1", Labels: map[string]string{corev1.LabelTopologyZone: "zone-a"},
		}}
		n.Spec.Taints = taints
		if ready {
			n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		}
		return n
	}
	notReady := corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}
	unregistered := corev1.Taint{Key: "karpenter.sh/unregistered", Effect: corev1.TaintEffectNoExecute}
	got := see(
		history.Change{At: at(1), Type: watch.Added, Node: node(false)},
		history.Change{At: at(2), Type: watch.Modified, Node: node(true, notReady)},
		history.Change{At: at(3), Type: watch.Modified, Node: node(true, unregistered)},
		history.Change{At: at(4), Type: watch.Modified, Node: node(true)},
		history.Change{At: at(5), Type: watch.Deleted, Node: node(true)},
	)
	require.Equal(t, []history.Node{{Name: "node-1", Zone: "zone-a", Created: at(1), Ready: at(4), Gone: at(5)}}, got.Nodes)
}

func TestRecordsAreInOrderOfCreationAndThenOfName(t *testing.T) {
	var names []string
	for _, p := range see(
		history.Change{At: at(2), Type: watch.Added, Pod: pod("b", nil)},
		history.Change{At: at(2), Type: watch.Added, Pod: pod("a", nil)},
		history.Change{At: at(3), Type: watch.Added, Pod: pod("0", nil)},
	).Burst {
		names = append(names, p.Name)
	}
	require.Equal(t, []string{"a", "b", "0"}, names)
}
