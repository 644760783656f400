package observer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/observer"
)

// story tells a history step by step.
type story struct{ history observer.History }

func (s *story) next() uint64 { return uint64(len(s.history) + 1) }

func (s *story) node(node *corev1.Node) *story {
	s.history = append(s.history, observer.Event{Revision: s.next(), Type: watch.Added, Node: node})
	return s
}

func (s *story) pod(kind watch.EventType, pod *corev1.Pod) *story {
	pod = pod.DeepCopy()
	pod.UID = types.UID(pod.Name)
	s.history = append(s.history, observer.Event{Revision: s.next(), Type: kind, Pod: pod})
	return s
}

func small() *corev1.Node {
	return builders.Node("small", "a", builders.Resources{"cpu": "2", "memory": "4Gi", "pods": "3"}).Obj()
}

func web(name, node, cpu string) *corev1.Pod {
	return builders.Consumer(name, builders.Resources{"cpu": cpu}).Namespace("shop").Node(node).Obj()
}

func placeholder(node string) *corev1.Pod {
	headroom := builders.Headroom("spare", builders.Resources{"cpu": "1"}).Namespace("shop").UID("spare").Obj()
	return builders.Placeholder(headroom, 0).Node(node).Obj()
}

func withCondition(pod *corev1.Pod, reason string) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason})
	return pod
}

func withPhase(pod *corev1.Pod, phase corev1.PodPhase) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Status.Phase = phase
	return pod
}

func TestCheck(t *testing.T) {
	cases := []struct {
		name  string
		story *story
		rules observer.Rules
		want  []string // property of each violation
	}{
		{
			name: "a swap in the right order is fine",
			story: new(story).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Added, placeholder("small")).
				pod(watch.Added, web("b", "", "1")).pod(watch.Deleted, placeholder("small")).pod(watch.Modified, web("b", "small", "1")),
		},
		{
			name: "a bind before the eviction overcommits the node, and the kubelet would reject it",
			story: new(story).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Added, placeholder("small")).
				pod(watch.Modified, web("b", "small", "1")).pod(watch.Deleted, placeholder("small")),
			want: []string{"P5", "kubelet"},
		},
		{
			name: "a placeholder that is being deleted holds its room until it is gone",
			story: new(story).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Added, placeholder("small")).
				pod(watch.Modified, terminating(placeholder("small"))).pod(watch.Modified, web("b", "small", "1")),
			want: []string{"P5", "kubelet"},
		},
		{
			name: "a placeholder of no lower priority than the pod's must not make room for it",
			story: new(story).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Added, important(placeholder("small"))).
				pod(watch.Deleted, important(placeholder("small"))).pod(watch.Modified, web("b", "small", "1")),
			want: []string{"P1"},
		},
		{
			name: "a placeholder of no lower priority than the pod's may leave a node that has the room anyway",
			story: new(story).node(small()).pod(watch.Added, important(placeholder("small"))).
				pod(watch.Deleted, important(placeholder("small"))).pod(watch.Modified, web("b", "small", "1")),
		},
		{
			name: "a placeholder is held against the first pod after it alone",
			story: new(story).node(small()).pod(watch.Added, important(placeholder("small"))).
				pod(watch.Deleted, important(placeholder("small"))).pod(watch.Modified, web("b", "small", "1")).
				pod(watch.Modified, web("c", "small", "1")),
		},
		{
			name: "a pod that the kubelet rejects is not held against the next one",
			story: new(story).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Added, web("b", "small", "2")).
				pod(watch.Modified, web("c", "small", "1")),
			want: []string{"P5", "kubelet"},
		},
		{
			name: "one pod too many overcommits the node",
			story: new(story).node(small()).pod(watch.Added, web("a", "small", "100m")).pod(watch.Added, web("b", "small", "100m")).
				pod(watch.Added, web("c", "small", "100m")).pod(watch.Modified, web("d", "small", "100m")),
			want: []string{"P5", "kubelet"},
		},
		{
			name: "a pod that has ended holds no room",
			story: new(story).node(small()).pod(watch.Added, web("a", "small", "2")).
				pod(watch.Modified, withPhase(web("a", "small", "2"), corev1.PodSucceeded)).pod(watch.Modified, web("b", "small", "2")),
		},
		{
			name:  "a pod that vanishes from its node was evicted by somebody",
			story: new(story).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Deleted, web("a", "small", "1")),
			want:  []string{"P1"},
		},
		{
			name:  "a pod that the test itself deletes was not",
			story: new(story).node(small()).pod(watch.Added, web("a", "small", "1")).pod(watch.Deleted, web("a", "small", "1")),
			rules: observer.Rules{MayVanish: func(*corev1.Pod) bool { return true }},
		},
		{
			name: "a preempted pod that is no placeholder counts once, not again when it is gone",
			story: new(story).node(small()).pod(watch.Added, web("a", "small", "1")).
				pod(watch.Modified, withCondition(web("a", "small", "1"), corev1.PodReasonPreemptionByScheduler)).
				pod(watch.Deleted, withCondition(web("a", "small", "1"), corev1.PodReasonPreemptionByScheduler)),
			want: []string{"P1"},
		},
		{
			name: "a preempted placeholder is fine",
			story: new(story).node(small()).pod(watch.Added, placeholder("small")).
				pod(watch.Modified, withCondition(placeholder("small"), corev1.PodReasonPreemptionByScheduler)).
				pod(watch.Deleted, placeholder("small")),
		},
		{
			name:  "a label alone makes no placeholder",
			story: new(story).node(small()).pod(watch.Added, stray()).pod(watch.Deleted, stray()),
			want:  []string{"P1"},
		},
		{
			name:  "the kubelet rejects a pod whose node selector does not match",
			story: new(story).node(small()).pod(watch.Modified, picky()),
			want:  []string{"kubelet"},
		},
		{
			name:  "a bind to a node that does not exist",
			story: new(story).pod(watch.Modified, web("a", "gone", "1")),
			want:  []string{"kubelet"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, violation := range observer.Check(t.Context(), c.story.history, c.rules) {
				t.Log(violation)
				got = append(got, violation.Property)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestCheckReplaysInTheOrderOfRevisions(t *testing.T) {
	s := new(story).node(small()).pod(watch.Added, placeholder("small")).pod(watch.Added, web("a", "small", "1")).
		pod(watch.Deleted, placeholder("small")).pod(watch.Modified, web("b", "small", "1"))
	require.Empty(t, observer.Check(t.Context(), s.history, observer.Rules{}))

	s.history[3], s.history[4] = s.history[4], s.history[3]
	require.Empty(t, observer.Check(t.Context(), s.history, observer.Rules{}), "the order of arrival does not matter")

	s.history[3].Revision, s.history[4].Revision = s.history[4].Revision, s.history[3].Revision
	require.NotEmpty(t, observer.Check(t.Context(), s.history, observer.Rules{}), "the order of revisions does")
}

func terminating(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	now := builders.Epoch()
	pod.DeletionTimestamp = &metav1.Time{Time: now}
	return pod
}

func important(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Spec.Priority = new(int32)
	return pod
}

func stray() *corev1.Pod {
	pod := placeholder("small")
	pod.OwnerReferences = nil
	return pod
}

func picky() *corev1.Pod {
	pod := web("a", "small", "1")
	pod.Spec.NodeSelector = map[string]string{"disk": "ssd"}
	return pod
}
