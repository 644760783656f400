package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/topup"
)

func TestStateOf(t *testing.T) {
	at := func(node string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{Spec: corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{Phase: phase}}
	}
	going := at("n", corev1.PodRunning)
	going.DeletionTimestamp = ptr.To(metav1.NewTime(epoch))
	tests := map[string]struct {
		pod                       *corev1.Pod
		foreign, deleting, orphan bool
		want                      topup.State
	}{
		"it waits for room":                {pod: at("", corev1.PodPending), want: topup.Pending},
		"it is on a node and not yet runs": {pod: at("n", corev1.PodPending), want: topup.Bound},
		"it runs":                          {pod: at("n", corev1.PodRunning), want: topup.Bound},
		"it was rejected by the kubelet":   {pod: at("n", corev1.PodFailed), want: topup.Lost},
		"it ended":                         {pod: at("n", corev1.PodSucceeded), want: topup.Lost},
		"its node is gone":                 {pod: at("n", corev1.PodRunning), orphan: true, want: topup.Lost},
		"it is being deleted":              {pod: going, want: topup.Terminating},
		"its deletion was just asked for":  {pod: at("n", corev1.PodFailed), deleting: true, want: topup.Terminating},
		"it is somebody else's":            {pod: going, foreign: true, want: topup.Foreign},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, stateOf(tc.pod, !tc.foreign, tc.deleting, tc.orphan))
		})
	}
}

func TestAPodDressedUpAsAPlaceholderIsNone(t *testing.T) {
	limits := priority.Limits{Min: -10, Max: -1}
	h := headroomOf(1)
	h.Spec.PriorityClassName = "headroom"
	for name, tc := range map[string]struct {
		priority *int32
		class    string
		want     bool
	}{
		"the priority of a placeholder":                      {ptr.To[int32](-10), "headroom", true},
		"one of another class of placeholders":               {ptr.To[int32](-1), "spare", true},
		"one that the operator has forbidden since":          {ptr.To[int32](-11), "headroom", true},
		"that of reserved units, of this or an earlier spec": {ptr.To[int32](1_000_000), "headroom-reserved", true},
		"the priority of an ordinary pod":                    {nil, "", false},
		"a priority above":                                   {ptr.To[int32](0), "web", false},
		"a priority below, of a class of other pods":         {ptr.To[int32](-100), "batch", false},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{Priority: tc.priority, PriorityClassName: tc.class}}
			require.Equal(t, tc.want, hasPriorityOfAPlaceholder(pod, h, limits))
		})
	}
}

func TestUnitOf(t *testing.T) {
	zoned := map[string]string{corev1.LabelTopologyZone: "a", corev1.LabelHostname: "n"}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-headroom-7", UID: "uid", CreationTimestamp: metav1.NewTime(epoch)}}
	pod.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(epoch.Add(time.Minute)),
	}}
	h := headroomOf(1)
	u := unitOf(h, pod, topup.Bound, zoned)
	require.Equal(t, 7, u.Ordinal)
	require.Equal(t, []string{"a", "n"}, u.Domains)
	require.Equal(t, epoch.Add(time.Minute), u.BoundAt)
	require.Empty(t, unitOf(h, pod, topup.Pending, nil).Domains)
	pod.Status.Conditions[0].Status = corev1.ConditionFalse
	require.Equal(t, epoch, unitOf(h, pod, topup.Bound, zoned).BoundAt, "nobody says when; not before it was created")

	h.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: "rack"}, {TopologyKey: corev1.LabelHostname}}
	require.Equal(t, []string{"", "n"}, unitOf(h, pod, topup.Bound, zoned).Domains, "a node without the label is in the domain of none")
	pod.Name = "web-headroom-x"
	require.Negative(t, unitOf(h, pod, topup.Bound, zoned).Ordinal)
}
