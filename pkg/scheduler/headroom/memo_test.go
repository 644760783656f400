package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/headroom-dev/headroom/test/builders"
)

// keepsOff is a pod that wants none beside it from namespaces of a team.
func keepsOff(team, node string) *corev1.Pod {
	pod := on(node, "loner", "1")
	pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			LabelSelector:     &metav1.LabelSelector{},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": team}},
			TopologyKey:       corev1.LabelHostname,
		}},
	}}
	return pod
}

func TestAnswersAreNotReusedForANamespaceWithOtherLabels(t *testing.T) {
	for name, signed := range map[string]bool{"for pods with a signature": true, "for pods without": false} {
		t.Run(name, func(t *testing.T) {
			open := hr("open", "1")
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
			f := newFixture(t, cluster{
				nodes:  []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj(), builders.Node("b", "z-1", res("2")).Obj()},
				pods:   []*corev1.Pod{unit(open, 0, "a").Obj(), keepsOff("web", "a"), unit(open, 1, "b").Obj(), on("b", "y", "1")},
				others: []runtime.Object{namespace}, signed: signed,
			})
			c, _ := f.decided(t, wants("1").Obj())
			require.Equal(t, "a", c.swap.node)

			labelled := namespace.DeepCopy()
			labelled.Labels = map[string]string{"team": "web"}
			require.NoError(t, f.handle.SharedInformerFactory().Core().V1().Namespaces().Informer().GetStore().Update(labelled))

			c, _ = f.decided(t, wants("1").Obj())
			require.NotNil(t, c.swap)
			require.Equal(t, "b", c.swap.node)
		})
	}
}
