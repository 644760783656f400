package controller

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// node changes the spec of a node.
func (e *environment) node(name string, change func(*corev1.NodeSpec)) {
	e.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	clustertest.Rewrite(e.T, e.client, node, func(n *corev1.Node) { change(&n.Spec) })
}

// waitCounts waits until the status has these counts.
func (e *environment) waitCounts(name string, replicas, ready, unavailable int32) *v1alpha1.Headroom {
	e.Helper()
	var h *v1alpha1.Headroom
	e.eventually(fmt.Sprintf("%d units of %s exist, %d can be taken, %d not", replicas, name, ready, unavailable), func() error {
		h = e.get(name)
		if s := h.Status; s.Replicas != replicas || s.ReadyReplicas != ready || s.UnavailableReplicas != unavailable {
			return fmt.Errorf("%d, %d and %d", s.Replicas, s.ReadyReplicas, s.UnavailableReplicas)
		}
		return nil
	})
	return h
}

func TestUnitsOnNodesThatTakeNoPodsAreNotReady(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	nodes := e.nodes("a", "b", "c")
	next := 0
	e.bindBy(func(*corev1.Pod) string {
		next++
		return nodes[min(next-1, 2)] // one on each, then all on the last
	})
	e.startController()
	e.headroom("web", replicas(3))
	e.waitFilled("web", 3)

	e.node(nodes[0], func(spec *corev1.NodeSpec) { spec.Unschedulable = true })
	h := e.waitCounts("web", 3, 2, 1)
	require.Equal(t, v1alpha1.ReasonUnavailable, reasonOf(h, v1alpha1.ConditionFilled))
	require.Contains(t, messageOf(h, v1alpha1.ConditionFilled), "node "+nodes[0])
	require.Equal(t, v1alpha1.ReasonValid, reasonOf(h, v1alpha1.ConditionReady))

	taint := corev1.Taint{Key: "dedicated", Value: "other", Effect: corev1.TaintEffectNoSchedule}
	e.node(nodes[1], func(spec *corev1.NodeSpec) { spec.Taints = append(spec.Taints, taint) })
	e.waitCounts("web", 3, 1, 2)

	e.node(nodes[1], func(spec *corev1.NodeSpec) { spec.Taints = nil })
	// Another unit is made for the one that stays away, and no more than that.
	h = e.waitCounts("web", 4, 3, 1)
	require.Equal(t, v1alpha1.ReasonFilled, reasonOf(h, v1alpha1.ConditionFilled))
	require.EqualValues(t, 3, h.Status.ScaleReplicas)
}

func TestPerNodeDaemonSetThatWasEditedByHandIsPutRight(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.nodes("a")
	e.bindDaemons()
	e.startController()
	e.headroom("reserve", e.perNode)
	e.waitFilled("reserve", 1)
	key := client.ObjectKey{Namespace: e.namespace, Name: placeholder.DaemonSetName("reserve")}
	wanted := &appsv1.DaemonSet{}
	require.NoError(t, e.client.Get(t.Context(), key, wanted))

	for name, change := range map[string]func(*appsv1.DaemonSetSpec){
		"requests": func(s *appsv1.DaemonSetSpec) {
			s.Template.Spec.Containers[0].Resources.Requests["cpu"] = resource.MustParse("1m")
		},
		"image": func(s *appsv1.DaemonSetSpec) { s.Template.Spec.Containers[0].Image = "example.org/other:1" },
		"strategy": func(s *appsv1.DaemonSetSpec) {
			s.UpdateStrategy = appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}
		},
		"node selector": func(s *appsv1.DaemonSetSpec) { s.Template.Spec.NodeSelector["more"] = "x" },
		"toleration": func(s *appsv1.DaemonSetSpec) {
			s.Template.Spec.Tolerations = []corev1.Toleration{{Key: "x", Operator: corev1.TolerationOpExists}}
		},
		"container": func(s *appsv1.DaemonSetSpec) {
			s.Template.Spec.Containers = append(s.Template.Spec.Containers, corev1.Container{Name: "x", Image: "example.org/x:1"})
		},
	} {
		set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		clustertest.Rewrite(t, e.client, set, func(s *appsv1.DaemonSet) { change(&s.Spec) })
		edited := set.Generation
		e.eventually("the "+name+" is put right", func() error {
			set := &appsv1.DaemonSet{}
			if err := e.client.Get(t.Context(), key, set); err != nil {
				return err
			}
			if set.Generation <= edited || !equality.Semantic.DeepEqual(wanted.Spec, set.Spec) {
				return errors.New("not yet")
			}
			return nil
		})
	}
	e.waitFilled("reserve", 1)
}
