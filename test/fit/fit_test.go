package fit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/fit"
)

func pod(name, node, cpu string) *st.PodWrapper {
	return builders.Consumer(name, builders.Resources{"cpu": cpu}).Namespace("shop").UID(name).Node(node).Label("app", "web")
}

func TestNodes(t *testing.T) {
	app := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	nodes := []*corev1.Node{
		builders.Node("one", "z-1", builders.Resources{"cpu": "2", "pods": "3"}).Obj(),
		builders.Node("two", "z-2", builders.Resources{"cpu": "4"}).Obj(),
		builders.Node("cordoned", "z-2", builders.Resources{"cpu": "8"}).Unschedulable(true).Obj(),
		builders.Node("tainted", "z-2", builders.Resources{"cpu": "8"}).Taints([]corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoSchedule}}).Obj(),
	}
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		pods []*corev1.Pod
		out  func(*corev1.Pod) bool
		want []string
	}{
		"every node with room":               {pod: pod("new", "", "1").Obj(), want: []string{"one", "two"}},
		"only the larger one":                {pod: pod("new", "", "3").Obj(), want: []string{"two"}},
		"none where others take the room":    {pod: pod("new", "", "2").Obj(), pods: []*corev1.Pod{pod("a", "one", "1").Obj(), pod("b", "two", "3").Obj()}},
		"a pod that is bound is not its own": {pod: pod("a", "one", "2").Obj(), pods: []*corev1.Pod{pod("a", "one", "2").Obj(), pod("b", "two", "3").Obj()}, want: []string{"one"}},
		"the number of pods counts":          {pod: pod("new", "", "100m").Obj(), pods: []*corev1.Pod{pod("a", "one", "1m").Obj(), pod("b", "one", "1m").Obj(), pod("c", "one", "1m").Obj()}, want: []string{"two"}},
		"a node selector":                    {pod: pod("new", "", "1").NodeSelector(map[string]string{corev1.LabelTopologyZone: "z-1"}).Obj(), want: []string{"one"}},
		"anti-affinity":                      {pod: pod("new", "", "1").PodAntiAffinity(corev1.LabelHostname, app, st.PodAntiAffinityWithRequiredReq).Obj(), pods: []*corev1.Pod{pod("a", "one", "1").Obj()}, want: []string{"two"}},
		"spread":                             {pod: pod("new", "", "1").SpreadConstraint(1, corev1.LabelTopologyZone, corev1.DoNotSchedule, app, nil, nil, nil, nil).Obj(), pods: []*corev1.Pod{pod("a", "two", "1").Obj()}, want: []string{"one"}},
		"a pod whose node is gone": {
			pod:  pod("new", "", "1").SpreadConstraint(1, corev1.LabelTopologyZone, corev1.DoNotSchedule, app, nil, nil, nil, nil).Obj(),
			pods: []*corev1.Pod{pod("a", "gone", "1").Obj()}, want: []string{"one", "two"},
		},
		"pods that are taken out make a place": {
			pod: pod("new", "", "4").Obj(), pods: []*corev1.Pod{pod("a", "two", "3").Obj()},
			out: func(p *corev1.Pod) bool { return p.UID == types.UID("a") }, want: []string{"two"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			oracle, err := fit.New(t.Context())
			require.NoError(t, err)
			got, err := oracle.Nodes(t.Context(), tc.pod, fit.Cluster{Nodes: nodes, Pods: tc.pods}, tc.out)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}
