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
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/message"
)

// Pod is a pod that waits for a node.
type Pod struct {
	account.Consumer
	// Identity is what a Headroom's consumers may ask about it.
	Identity entitlement.Consumer
	// Requests are what it asks for; Bare are the same without the overhead of its RuntimeClass, of that name.
	Requests, Bare corev1.ResourceList
	RuntimeClass   string
	// Place is where it may go.
	Place
	// Told is when a scheduler said that there is no room, in these words; the zero time if none did.
	Told    time.Time
	Message string
	// Nominated says that a scheduler preempts pods for it.
	Nominated bool
}

// Headroom is what could have served a pod.
type Headroom struct {
	types.NamespacedName
	// Rule says which pods may take its units.
	Rule *entitlement.Rule
	// Priority is that of its placeholders. Reserved says that pods which its consumers name may take them whatever their own priority is.
	Priority int32
	Reserved bool
	// Unit is what one unit holds, without the overhead of its RuntimeClass, of that name.
	Unit         corev1.ResourceList
	RuntimeClass string
	// Place is where they are.
	Place
}

// asked is what a pod requests of a unit. Where both have the same RuntimeClass, both have its overhead beside that.
func (h *Headroom) asked(pod *Pod) corev1.ResourceList {
	if h.RuntimeClass != "" && h.RuntimeClass == pod.RuntimeClass {
		return pod.Bare
	}
	return pod.Requests
}

// Miss says that no unit of a Headroom served a pod that it entitles.
type Miss struct {
	Headroom types.NamespacedName
	// Why it did not.
	Why account.Miss
	// Units is how many the pod lacked; zero where more of them would not have helped.
	Units int
}

// Of returns the miss of a pod, of the Headroom that would have served it first. It reports false if the pod does not wait for resources,
// or no Headroom entitles it that has units of its kind. ready tells how many units of a Headroom can be taken.
func Of(pod *Pod, headrooms []Headroom, ready func(headroom types.NamespacedName) int) (miss Miss, ok bool) {
	if pod.Told.IsZero() || !isShort(pod.Message) {
		return Miss{}, false
	}
	if h, _ := first(pod, headrooms, false); h != nil {
		miss = Miss{Headroom: h.NamespacedName, Why: account.MissPriority}
	}
	if h, units := first(pod, headrooms, true); h != nil {
		miss = Miss{Headroom: h.NamespacedName, Why: pod.why(ready(h.NamespacedName)), Units: units}
		if miss.Why == account.MissFiltered {
			miss.Units = 0
		}
	}
	return miss, miss.Why != ""
}

// first returns the Headroom that would serve the pod first, and with how many units, among those whose units are of a priority below the
// pod's or among the others; nil if there is none.
func first(pod *Pod, headrooms []Headroom, below bool) (serves *Headroom, units int) {
	for i := range headrooms {
		h := &headrooms[i]
		n := unitsFor(h.asked(pod), h.Unit)
		if n == 0 || h.below(pod.Identity.Priority) != below || !pod.meets(&h.Place) ||
			!h.Rule.Entitles(&pod.Identity) {
			continue
		}
		if serves == nil || cmp.Or(compareBool(h.Rule.Named(), serves.Rule.Named()), cmp.Compare(units, n),
			cmp.Compare(serves.Namespace, h.Namespace), cmp.Compare(serves.Name, h.Name)) > 0 {
			serves, units = h, n
		}
	}
	return serves, units
}

// why says why no unit served the pod of a Headroom of which so many were ready.
func (p *Pod) why(ready int) account.Miss {
	switch {
	case strings.Contains(p.Message, message.DoesNotSuit):
		return account.MissFiltered
	case p.Nominated:
		return account.MissPreemption
	case ready == 0:
		return account.MissNoneReady
	case strings.Contains(p.Message, message.NoneLargeEnough):
		return account.MissTooSmall
	default:
		return account.MissOther
	}
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

// isShort reports whether a scheduler's message is about a lack of resources.
func isShort(said string) bool {
	return strings.Contains(said, "Insufficient ") || strings.Contains(said, "Too many pods")
}

// wantsRoom reports whether a scheduler's message is about a lack of resources that a unit would have made good. headroom-scheduler says of
// some pods that nodes hold enough headroom, but do not suit them for other reasons.
func wantsRoom(said string) bool {
	return isShort(said) && !strings.Contains(said, message.DoesNotSuit)
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
		units = max(units, (w-1)/h+1) // the usual (w+h-1)/h overflows for large numbers
	}
	return int(min(units, maxUnits))
}

const (
	maxMilli = 1 << 53
	// maxUnits bounds what one pod lacks.
	maxUnits = 1000
)

// podOf keeps of a waiting pod what the decision needs. namespaceLabels are those of its namespace.
func podOf(pod *corev1.Pod, consumer account.Consumer, namespaceLabels map[string]string) *Pod {
	p := &Pod{
		Consumer: consumer, Place: placeOf(pod.Spec.NodeSelector, pod.Spec.Affinity), RuntimeClass: ptr.Deref(pod.Spec.RuntimeClassName, ""),
		Requests: resource.PodRequests(pod, resource.PodResourcesOptions{}),
		Bare:     resource.PodRequests(pod, resource.PodResourcesOptions{ExcludeOverhead: true}),
		Identity: entitlement.Consumer{
			Namespace: pod.Namespace, NamespaceLabels: namespaceLabels, Labels: maps.Clone(pod.Labels),
			NonPreempting: entitlement.NonPreempting(pod),
		},
	}
	if pod.Spec.Priority != nil {
		p.Identity.Priority = *pod.Spec.Priority
	}
	p.Told, p.Message = told(pod)
	p.Nominated = pod.Status.NominatedNodeName != ""
	return p
}

// told is when a scheduler said that there is no room for a pod, and in which words; the zero time if none did.
func told(pod *corev1.Pod) (at time.Time, said string) {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
	})
	if i < 0 {
		return time.Time{}, ""
	}
	return pod.Status.Conditions[i].LastTransitionTime.Time, pod.Status.Conditions[i].Message
}
