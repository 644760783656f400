package chaos

import (
	"context"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/chaos/plan"
	"github.com/headroom-dev/headroom/test/fit"
)

// critical is the priority from which on a pod may have the room of any placeholder (P12).
const critical int32 = 2_000_000_000

// places are the nodes on which the scheduler of a waiting pod should find a place for it: as they are, or without pods that it may take
// the place of.
func (r *run) places(ctx context.Context, s *scene, pod *corev1.Pod, mayReplace func(s *scene, pod, other *corev1.Pod) bool) ([]string, error) {
	taken := fit.Cluster{Nodes: s.nodes}
	for _, other := range s.pods {
		switch {
		case other.UID == pod.UID || other.Status.Phase == corev1.PodFailed || other.Status.Phase == corev1.PodSucceeded:
		case other.Spec.NodeName != "":
			taken.Pods = append(taken.Pods, other)
		case other.Status.NominatedNodeName != "" && priorityOf(other) >= priorityOf(pod):
			// Room that was made for it.
			there := other.DeepCopy()
			there.Spec.NodeName = other.Status.NominatedNodeName
			taken.Pods = append(taken.Pods, there)
		}
	}
	return r.oracle.Nodes(ctx, pod, taken, func(other *corev1.Pod) bool { return mayReplace(s, pod, other) })
}

// mayReplaceCritical is mayReplace for a critical pod.
func mayReplaceCritical(_ *scene, pod, other *corev1.Pod) bool {
	return priorityOf(other) < priorityOf(pod)
}

// mayReplace reports whether a pod may take the place of another on its node.
func (r *run) mayReplace(s *scene, pod, other *corev1.Pod) bool {
	if r.isPlaceholder(pod) || ptr.Deref(pod.Spec.PreemptionPolicy, corev1.PreemptLowerPriority) == corev1.PreemptNever {
		return false
	}
	key, ok := placeholder.HeadroomOf(other, r.observer.HeadroomOfDaemonSet)
	if !ok || pod.Spec.SchedulerName != plan.HeadroomScheduler {
		return priorityOf(other) < priorityOf(pod)
	}
	for _, h := range s.headrooms {
		if h.Namespace != key.Namespace || h.Name != key.Name {
			continue
		}
		if placeholder.IsReserved(other) { // whatever the priorities are
			return names(h) && entitled(s, pod, h)
		}
		return priorityOf(other) < priorityOf(pod) && entitled(s, pod, h)
	}
	return false
}

// names reports whether the consumers of a Headroom say which pods they are.
func names(h *v1alpha1.Headroom) bool {
	c := h.Spec.Consumers
	return c != nil && (c.PodSelector != nil || c.NamespaceSelector != nil)
}

func priorityOf(pod *corev1.Pod) int32 { return ptr.Deref(pod.Spec.Priority, 0) }

// entitled reports whether a Headroom's consumers admit a pod, as the API's documentation has it.
func entitled(s *scene, pod *corev1.Pod, h *v1alpha1.Headroom) bool {
	c := h.Spec.Consumers
	if c == nil {
		return true
	}
	if c.MinPriority != nil && priorityOf(pod) < *c.MinPriority {
		return false
	}
	if c.PodSelector != nil && !selects(c.PodSelector, pod.Labels) {
		return false
	}
	switch {
	case c.NamespaceSelector != nil:
		return selects(c.NamespaceSelector, s.namespaces[pod.Namespace])
	case c.PodSelector != nil:
		return pod.Namespace == h.Namespace
	default:
		return true
	}
}

func selects(selector *metav1.LabelSelector, of map[string]string) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(labels.Set(of))
}

// errorIsAbout reports whether the error of a program that ended names a component.
func errorIsAbout(err error, name plan.Component) bool {
	return err != nil && !errors.Is(err, context.Canceled) && strings.HasPrefix(err.Error(), string(name)+" ")
}
