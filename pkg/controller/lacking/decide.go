// Package lacking finds out which pods that wait for a node lack units of a Headroom. docs/reference/account.md has the rules. What a pod
// lacks is decided by pure functions; the Watcher gathers the pods, and keeps of them what the decision needs.
package lacking

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/resource"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/entitlement"
)

// Pod is a pod that waits for a node.
type Pod struct {
	account.Consumer
	// Identity is what a Headroom's consumers may ask about it.
	Identity entitlement.Consumer
	// Requests are what it asks for, NodeSelector where it may go.
	Requests     corev1.ResourceList
	NodeSelector map[string]string
	// Told is when a scheduler said that there is no room, in these words; the zero time if none did.
	Told    time.Time
	Message string
}

// Headroom is what could have served a pod.
type Headroom struct {
	types.NamespacedName
	// Rule says which pods may take its units.
	Rule *entitlement.Rule
	// Priority is that of its placeholders. Reserved says that pods which its consumers name may take them whatever their own priority is.
	Priority int32
	Reserved bool
	// Unit is what one unit holds, NodeSelector where they are.
	Unit         corev1.ResourceList
	NodeSelector map[string]string
}

// Of returns the Headroom of which the pod lacks units, and how many; zero if it lacks none.
func Of(pod *Pod, headrooms []Headroom) (lacks types.NamespacedName, units int) {
	if pod.Told.IsZero() || !wantsRoom(pod.Message) {
		return types.NamespacedName{}, 0
	}
	named := false
	for i := range headrooms {
		h := &headrooms[i]
		n := unitsFor(pod.Requests, h.Unit)
		if n == 0 || !h.below(pod.Identity.Priority) || !compatible(pod.NodeSelector, h.NodeSelector) || !h.Rule.Entitles(&pod.Identity) {
			continue
		}
		better := cmp.Or(compareBool(h.Rule.Named(), named), cmp.Compare(units, n),
			cmp.Compare(lacks.Namespace, h.Namespace), cmp.Compare(lacks.Name, h.Name))
		if units == 0 || better > 0 {
			lacks, units, named = h.NamespacedName, n, h.Rule.Named()
		}
	}
	return lacks, units
}

// below reports whether a pod of this priority may take the Headroom's units, as far as the priority goes.
func (h *Headroom) below(priority int32) bool {
	return h.Priority < priority || h.Reserved && h.Rule.Named()
}

// compareBool is positive if only the first is true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// wantsRoom reports whether a scheduler's message is about a lack of resources that a unit would have made good. headroom-scheduler says of
// some pods that nodes hold enough headroom, but do not suit them for other reasons.
func wantsRoom(message string) bool {
	short := strings.Contains(message, "Insufficient ") || strings.Contains(message, "Too many pods")
	return short && !strings.Contains(message, "would have the room, but ")
}

// unitsFor is how many units hold what a pod requests; zero if no number of them does.
func unitsFor(requests, unit corev1.ResourceList) int {
	units := int64(1)
	for name, wanted := range requests {
		if wanted.IsZero() {
			continue
		}
		held, ok := unit[name]
		if !ok || held.IsZero() {
			return 0
		}
		// MilliValue of what is below 2^63 / 1000, else Value: the ratio is what counts.
		w, h := wanted.MilliValue(), held.MilliValue()
		if w <= 0 || h <= 0 || wanted.Value() > maxMilli || held.Value() > maxMilli {
			w, h = wanted.Value(), held.Value()
		}
		units = max(units, (w+h-1)/h)
	}
	return int(min(units, maxUnits))
}

const (
	maxMilli = 1 << 53
	// maxUnits bounds what one pod lacks.
	maxUnits = 1000
)

// compatible reports whether no label contradicts.
func compatible(a, b map[string]string) bool {
	for key, value := range a {
		if other, ok := b[key]; ok && other != value {
			return false
		}
	}
	return true
}

// podOf keeps of a waiting pod what the decision needs. namespaceLabels are those of its namespace.
func podOf(pod *corev1.Pod, consumer account.Consumer, namespaceLabels map[string]string) *Pod {
	p := &Pod{
		Consumer: consumer, NodeSelector: pod.Spec.NodeSelector,
		Requests: resource.PodRequests(pod, resource.PodResourcesOptions{}),
		Identity: entitlement.Consumer{
			Namespace: pod.Namespace, NamespaceLabels: namespaceLabels, Labels: maps.Clone(pod.Labels),
			NonPreempting: entitlement.NonPreempting(pod),
		},
	}
	if pod.Spec.Priority != nil {
		p.Identity.Priority = *pod.Spec.Priority
	}
	p.Told, p.Message = told(pod)
	return p
}

// told is when a scheduler said that there is no room for a pod, and in which words; the zero time if none did.
func told(pod *corev1.Pod) (at time.Time, message string) {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
	})
	if i < 0 {
		return time.Time{}, ""
	}
	return pod.Status.Conditions[i].LastTransitionTime.Time, pod.Status.Conditions[i].Message
}
