package placeholder_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// nodeWith is a node that is ready, changed.
func nodeWith(change func(*corev1.Node)) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	node.Status.Conditions = []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse}, {Type: corev1.NodeReady, Status: corev1.ConditionTrue},
	}
	change(node)
	return node
}

func tainted(key, value string, effect corev1.TaintEffect) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Value: value, Effect: effect})
	}
}

func TestUnavailable(t *testing.T) {
	gpu := []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpEqual, Value: "a", Effect: corev1.TaintEffectNoSchedule}}
	everything := []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	ready := func(status corev1.ConditionStatus) func(*corev1.Node) {
		return func(n *corev1.Node) { n.Status.Conditions[1].Status = status }
	}
	cordoned := func(n *corev1.Node) { n.Spec.Unschedulable = true }
	tests := map[string]struct {
		node        func(*corev1.Node)
		tolerations []corev1.Toleration
		want        string
		wantLeaving bool
	}{
		"a node like any other":                  {node: func(*corev1.Node) {}},
		"a node that is being deleted":           {node: func(n *corev1.Node) { n.DeletionTimestamp = ptr.To(metav1.Now()) }, want: "node n is being deleted", wantLeaving: true},
		"a node that is not ready":               {node: ready(corev1.ConditionFalse), want: "node n is not ready"},
		"a node that is lost":                    {node: ready(corev1.ConditionUnknown), tolerations: everything, want: "node n is not ready"},
		"a node that never was ready":            {node: func(n *corev1.Node) { n.Status.Conditions = nil }, want: "node n is not ready"},
		"a cordoned node":                        {node: cordoned, want: "node n is unschedulable"},
		"a cordoned node for those that may":     {node: cordoned, tolerations: everything},
		"a taint that is not tolerated":          {node: tainted("gpu", "b", corev1.TaintEffectNoSchedule), tolerations: gpu, want: "node n has the taint gpu=b:NoSchedule"},
		"a taint that is tolerated":              {node: tainted("gpu", "a", corev1.TaintEffectNoSchedule), tolerations: gpu},
		"one that evicts as well":                {node: tainted("gpu", "a", corev1.TaintEffectNoExecute), tolerations: gpu, want: "node n has the taint gpu=a:NoExecute"},
		"a taint that is a preference":           {node: tainted("gpu", "b", corev1.TaintEffectPreferNoSchedule)},
		"a node that Karpenter takes away":       {node: tainted("karpenter.sh/disrupted", "", corev1.TaintEffectNoSchedule), want: "node n has the taint karpenter.sh/disrupted:NoSchedule", wantLeaving: true},
		"one that Cluster Autoscaler takes away": {node: tainted("ToBeDeletedByClusterAutoscaler", "1", corev1.TaintEffectNoSchedule), want: "node n has the taint ToBeDeletedByClusterAutoscaler=1:NoSchedule", wantLeaving: true},
		"one that Cluster Autoscaler may take":   {node: tainted("DeletionCandidateOfClusterAutoscaler", "1", corev1.TaintEffectPreferNoSchedule)},
		"the taint of a node that is not ready":  {node: tainted(corev1.TaintNodeNotReady, "", corev1.TaintEffectNoExecute), want: "node n has the taint node.kubernetes.io/not-ready:NoExecute"},
		"the second taint is as bad as the first": {node: func(n *corev1.Node) {
			tainted("gpu", "a", corev1.TaintEffectNoSchedule)(n)
			tainted("x", "", corev1.TaintEffectNoSchedule)(n)
		}, tolerations: gpu, want: "node n has the taint x:NoSchedule"},
		"a mark that keeps nothing away": {
			node: tainted("karpenter.sh/disrupted", "", corev1.TaintEffectPreferNoSchedule), wantLeaving: true,
		},
		"a mark that evicts all": {
			node: tainted("karpenter.sh/disrupted", "", corev1.TaintEffectNoExecute), tolerations: everything, wantLeaving: true,
		},
		"one that is deleted and gone": {node: func(n *corev1.Node) {
			n.DeletionTimestamp, n.Status.Conditions, n.Spec.Unschedulable = ptr.To(metav1.Now()), nil, true
		}, want: "node n is being deleted", wantLeaving: true},
		"a node that is taken away, behind another taint": {node: func(n *corev1.Node) {
			tainted("gpu", "a", corev1.TaintEffectNoSchedule)(n)
			tainted("karpenter.sh/disrupted", "", corev1.TaintEffectNoSchedule)(n)
		}, tolerations: everything, wantLeaving: true},
		"one that evicts those that tolerate new ones only": {node: func(n *corev1.Node) {
			tainted("gpu", "a", corev1.TaintEffectPreferNoSchedule)(n)
			tainted("gpu", "a", corev1.TaintEffectNoSchedule)(n)
			tainted("gpu", "a", corev1.TaintEffectNoExecute)(n)
		}, tolerations: gpu, want: "node n has the taint gpu=a:NoExecute"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, placeholder.Unavailable(nodeWith(tc.node), tc.tolerations))
			require.Equal(t, tc.wantLeaving, placeholder.NodeLeaving(nodeWith(tc.node)))
		})
	}
}
