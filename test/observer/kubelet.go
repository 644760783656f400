package observer

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// rejected returns why the kubelet of the node would not admit the pod beside the others, by the kubelet's own predicate, and ""
// if it would.
func rejected(ctx context.Context, pod *corev1.Pod, others []*corev1.Pod, node *corev1.Node) string {
	handler := lifecycle.NewPredicateAdmitHandler(
		// The kubelet writes a label into the node it is given.
		func(context.Context, bool) (*corev1.Node, error) { return node.DeepCopy(), nil },
		// A kubelet that evicts nobody to admit a critical pod.
		lifecycle.NewAdmissionFailureHandlerStub(),
		func(*framework.NodeInfo, *lifecycle.PodAdmitAttributes) error { return nil },
	)
	result := handler.Admit(ctx, &lifecycle.PodAdmitAttributes{Pod: pod, OtherPods: others})
	if result.Admit {
		return ""
	}
	return fmt.Sprintf("%s: %s", result.Reason, result.Message)
}

func name(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }

func names(pods []*corev1.Pod) string {
	all := make([]string, 0, len(pods))
	for _, pod := range pods {
		all = append(all, name(pod))
	}
	return strings.Join(all, ", ")
}

func byName(a, b *corev1.Pod) int { return cmp.Compare(name(a), name(b)) }
