package chaos

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/test/chaos/plan"
)

// grow has the running pods of a burst ask for another size. First it has them say what they have, as a kubelet does.
func (r *run) grow(ctx context.Context, g plan.Grow) error {
	return r.each(g.Burst, 0, g.Burst.Count, func(pod *corev1.Pod) error {
		if err := r.admin.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		if pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil || len(pod.Status.ContainerStatuses) != 1 {
			return nil
		}
		r.resizing.Store(true)
		if pod.Status.ContainerStatuses[0].AllocatedResources == nil {
			if err := r.allocate(ctx, pod, pod.Spec.Containers[0].Resources.Requests); err != nil {
				return err
			}
		}
		data, err := json.Marshal(map[string]any{"spec": map[string]any{"containers": []any{map[string]any{
			"name": pod.Spec.Containers[0].Name, "resources": map[string]any{"requests": map[string]any{"cpu": fmt.Sprintf("%dm", g.CPU)}},
		}}}})
		if err != nil {
			return err
		}
		err = r.admin.SubResource("resize").Patch(ctx, pod, client.RawPatch(types.StrategicMergePatchType, data))
		if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) {
			r.count("resizes refused", 1)
			return nil
		}
		if err == nil {
			r.count("resizes", 1)
		}
		return err
	})
}

// allocate writes what a kubelet writes that gives a pod what it asks for.
func (r *run) allocate(ctx context.Context, pod *corev1.Pod, what corev1.ResourceList) error {
	status := pod.Status.ContainerStatuses[0].DeepCopy()
	status.AllocatedResources, status.Resources = what, &corev1.ResourceRequirements{Requests: what}
	return r.patchStatus(ctx, pod, map[string]any{
		"containerStatuses": []any{status}, "conditions": []any{map[string]any{"$patch": "delete", "type": corev1.PodResizePending}},
	})
}

// postpone writes what a kubelet writes that has no room for what a pod asks for.
func (r *run) postpone(ctx context.Context, pod *corev1.Pod) error {
	return r.patchStatus(ctx, pod, map[string]any{"conditions": []any{map[string]any{
		"type": corev1.PodResizePending, "status": corev1.ConditionTrue, "reason": corev1.PodReasonDeferred, "observedGeneration": pod.Generation,
		"message": "Node didn't have enough resource", "lastTransitionTime": metav1.Now(),
	}}})
}

func (r *run) patchStatus(ctx context.Context, pod *corev1.Pod, status map[string]any) error {
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		return err
	}
	return r.admin.Status().Patch(ctx, pod.DeepCopy(), client.RawPatch(types.StrategicMergePatchType, data))
}

// kubelets play, until the context ends, the part of the kubelets in resizes: KWOK has none.
func (r *run) kubelets(ctx context.Context) {
	tick := time.NewTicker(400 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !r.resizing.Swap(false) {
			continue
		}
		pending, err := r.resize(ctx)
		if err != nil && ctx.Err() == nil {
			r.giveUp(fmt.Errorf("playing kubelets: %w", err))
			return
		}
		if pending {
			r.resizing.Store(true)
		}
	}
}

// resize decides about all resizes once, and reports whether some are left.
func (r *run) resize(ctx context.Context) (pending bool, err error) {
	var nodes corev1.NodeList
	var pods corev1.PodList
	if err := r.admin.List(ctx, &nodes); err != nil {
		return true, fmt.Errorf("listing nodes: %w", err)
	}
	if err := r.admin.List(ctx, &pods); err != nil {
		return true, fmt.Errorf("listing pods: %w", err)
	}
	for i := range nodes.Items {
		for _, v := range decide(&nodes.Items[i], on(nodes.Items[i].Name, pods.Items)) {
			switch {
			case v.granted:
				r.count("resizes granted", 1)
				err = r.allocate(ctx, v.pod, v.pod.Spec.Containers[0].Resources.Requests)
			case deferral(v.pod) == nil:
				r.count("resizes deferred", 1)
				err = r.postpone(ctx, v.pod)
			}
			if err != nil && !tolerable(err) {
				return true, fmt.Errorf("deciding about the resize of pod %s: %w", v.pod.Name, err)
			}
			pending = pending || !v.granted
		}
	}
	return pending, nil
}

// on are the pods that hold room of a node.
func on(node string, pods []corev1.Pod) []*corev1.Pod {
	var there []*corev1.Pod
	for i := range pods {
		if pods[i].Spec.NodeName == node && pods[i].Status.Phase != corev1.PodFailed && pods[i].Status.Phase != corev1.PodSucceeded {
			there = append(there, &pods[i])
		}
	}
	return there
}

// verdict is what becomes of a resize.
type verdict struct {
	pod     *corev1.Pod
	granted bool
}

// decide is what a kubelet decides about the resizes of its pods: those of higher priority first, each as far as there is room.
func decide(node *corev1.Node, pods []*corev1.Pod) []verdict {
	var asking []*corev1.Pod
	for _, pod := range pods {
		if asksForMoreOrLess(pod) {
			asking = append(asking, pod)
		}
	}
	slices.SortFunc(asking, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(priorityOf(b), priorityOf(a)), strings.Compare(a.Name, b.Name))
	})
	var verdicts []verdict
	grown := map[types.UID]bool{}
	for _, pod := range asking {
		v := verdict{pod: pod}
		if v.granted = lacking(node, pods, pod, grown, nil) == ""; v.granted {
			grown[pod.UID] = true
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// lacking names a resource of which a node has too little for a pod to have what it asks for, beside the other pods: those have what is
// allocated to them or, if they are grown, what they ask for, and those that are out have nothing. It is empty if there is enough.
func lacking(
	node *corev1.Node, pods []*corev1.Pod, asking *corev1.Pod, grown map[types.UID]bool, out func(*corev1.Pod) bool,
) corev1.ResourceName {
	sum := corev1.ResourceList{}
	for _, pod := range pods {
		has := allocatedTo(pod)
		if pod.UID == asking.UID || grown[pod.UID] {
			has = resource.PodRequests(pod, resource.PodResourcesOptions{})
		} else if out != nil && out(pod) {
			continue
		}
		for name, quantity := range has {
			total := sum[name]
			total.Add(quantity)
			sum[name] = total
		}
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if total := sum[name]; total.Cmp(node.Status.Allocatable[name]) > 0 {
			return name
		}
	}
	return ""
}

// asksForMoreOrLess reports whether a running pod asks for another size than it has.
func asksForMoreOrLess(pod *corev1.Pod) bool {
	if len(pod.Status.ContainerStatuses) != 1 || pod.Status.ContainerStatuses[0].AllocatedResources == nil {
		return false
	}
	has, asks := pod.Status.ContainerStatuses[0].AllocatedResources, pod.Spec.Containers[0].Resources.Requests
	for name, quantity := range asks {
		if got := has[name]; got.Cmp(quantity) != 0 {
			return true
		}
	}
	return false
}

// allocatedTo is what a pod has of its node: what a kubelet says that it has, else what it asks for.
func allocatedTo(pod *corev1.Pod) corev1.ResourceList {
	if len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].AllocatedResources != nil {
		return pod.Status.ContainerStatuses[0].AllocatedResources
	}
	return resource.PodRequests(pod, resource.PodResourcesOptions{})
}

// deferral is what a kubelet says of a resize that waits, nil if it says nothing of what the pod asks for now.
func deferral(pod *corev1.Pod) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		c := &pod.Status.Conditions[i]
		if c.Type == corev1.PodResizePending && c.Reason == corev1.PodReasonDeferred && c.ObservedGeneration == pod.Generation {
			return c
		}
	}
	return nil
}

// ungrown are the pods that could grow where they run in the room of units that they may take.
func (r *run) ungrown(s *scene) []doubt {
	var doubts []doubt
	nodes := map[string]*corev1.Node{}
	there := map[string][]*corev1.Pod{}
	for _, node := range s.nodes {
		nodes[node.Name] = node
	}
	for _, pod := range s.pods {
		if pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded {
			there[pod.Spec.NodeName] = append(there[pod.Spec.NodeName], pod)
		}
	}
	for _, pod := range s.pods {
		node := nodes[pod.Spec.NodeName]
		if node == nil || deferral(pod) == nil || pod.DeletionTimestamp != nil || pod.Spec.SchedulerName != plan.HeadroomScheduler ||
			!asksForMoreOrLess(pod) {
			continue
		}
		out := func(other *corev1.Pod) bool { return r.isPlaceholder(other) && r.mayReplace(s, pod, other) }
		if lacking(node, there[node.Name], pod, nil, out) == "" {
			doubts = append(doubts, doubt{
				property: Wait, patience: longestWait, about: []string{pod.Name, node.Name},
				message: fmt.Sprintf("pod %s/%s cannot grow, although units that it may take hold enough room of node %s", pod.Namespace,
					pod.Name, node.Name),
			})
		}
	}
	return doubts
}
