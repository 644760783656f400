// Package entitlement reports whether a pod may take the room of a Headroom, and if not, why not. It is pure: it knows what the
// Headroom asks for and what the pod is, and talks to no API server.
package entitlement

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// Consumer is what a Headroom may ask about a pod that wants its room.
type Consumer struct {
	// Namespace of the pod.
	Namespace string
	// NamespaceLabels are the labels of that namespace; nil if it is not known.
	NamespaceLabels labels.Set
	// Labels of the pod.
	Labels labels.Set
	// Priority of the pod.
	Priority int32
	// NonPreempting says that the pod's preemptionPolicy is Never.
	NonPreempting bool
}

// ConsumerOf returns what a Headroom may ask about a pod. namespace looks up the pod's namespace; if it fails, its labels are not known.
func ConsumerOf(pod *corev1.Pod, namespace func(name string) (*corev1.Namespace, error)) Consumer {
	c := Consumer{
		Namespace: pod.Namespace, Labels: pod.Labels, Priority: corev1helpers.PodPriority(pod), NonPreempting: NonPreempting(pod),
	}
	if found, err := namespace(pod.Namespace); err == nil {
		c.NamespaceLabels = found.Labels
	}
	return c
}

// NonPreempting reports whether a pod's preemptionPolicy is Never.
func NonPreempting(pod *corev1.Pod) bool {
	return pod.Spec.PreemptionPolicy != nil && *pod.Spec.PreemptionPolicy == corev1.PreemptNever
}

// Rule is the `consumers` of one Headroom, ready to be asked about many pods. The zero value entitles every pod that may
// preempt.
type Rule struct {
	headroom          types.NamespacedName
	named             bool
	podSelector       labels.Selector
	namespaceSelector labels.Selector
	ownNamespace      bool
	minPriority       *int32
	nonPreempting     bool
}

// Compile returns the rule of a Headroom. It fails on a selector that does not parse, which the API server does not let pass;
// the rule that it returns then entitles no pod.
func Compile(headroom types.NamespacedName, consumers *v1alpha1.Consumers) (*Rule, error) {
	rule := &Rule{headroom: headroom}
	if consumers == nil {
		return rule, nil
	}
	rule.named = consumers.PodSelector != nil || consumers.NamespaceSelector != nil
	rule.minPriority = consumers.MinPriority
	rule.nonPreempting = consumers.NonPreempting == v1alpha1.NonPreemptingAllow
	rule.ownNamespace = consumers.NamespaceSelector == nil && consumers.PodSelector != nil
	var err error
	if rule.podSelector, err = compile(consumers.PodSelector); err != nil {
		rule.podSelector = labels.Nothing()
		return rule, fmt.Errorf("parsing consumers.podSelector of Headroom %s: %w", headroom, err)
	}
	if rule.namespaceSelector, err = compile(consumers.NamespaceSelector); err != nil {
		rule.namespaceSelector = labels.Nothing()
		return rule, fmt.Errorf("parsing consumers.namespaceSelector of Headroom %s: %w", headroom, err)
	}
	return rule, nil
}

// compile returns nil, which is not asked, for an absent selector.
func compile(selector *metav1.LabelSelector) (labels.Selector, error) {
	if selector == nil {
		return nil, nil
	}
	return metav1.LabelSelectorAsSelector(selector)
}

// Named reports whether the Headroom's `consumers` have a selector: a pod that is entitled is then one that they name. Without one
// the headroom is open to all, from minPriority on.
func (r *Rule) Named() bool {
	return r.named
}

// AllowsNonPreempting reports whether pods whose preemptionPolicy is Never may take the Headroom's room, if the rest of the rule lets them.
func (r *Rule) AllowsNonPreempting() bool {
	return r.nonPreempting
}

// Entitles reports whether the pod may take the Headroom's room.
func (r *Rule) Entitles(c *Consumer) bool {
	return r.obstacle(c) == none
}

// WhyNot says in one clause why the pod may not take the Headroom's room; it is empty if it may.
func (r *Rule) WhyNot(c *Consumer) string {
	switch r.obstacle(c) {
	case neverPreempts:
		return fmt.Sprintf("%s is not for pods whose preemptionPolicy is Never", r.headroom)
	case priorityTooLow:
		return fmt.Sprintf("priority %d is below consumers.minPriority %d of %s", c.Priority, *r.minPriority, r.headroom)
	case otherNamespace:
		return fmt.Sprintf("%s is for pods of its own namespace", r.headroom)
	case podLabels:
		return fmt.Sprintf("consumers.podSelector of %s does not match", r.headroom)
	case namespaceLabels:
		return fmt.Sprintf("consumers.namespaceSelector of %s does not match namespace %s", r.headroom, c.Namespace)
	default:
		return ""
	}
}

// obstacle is the first requirement of a rule that a pod does not meet.
type obstacle int

const (
	none obstacle = iota
	neverPreempts
	priorityTooLow
	otherNamespace
	podLabels
	namespaceLabels
)

func (r *Rule) obstacle(c *Consumer) obstacle {
	switch {
	case c.NonPreempting && !r.nonPreempting:
		return neverPreempts
	case r.minPriority != nil && c.Priority < *r.minPriority:
		return priorityTooLow
	case r.ownNamespace && c.Namespace != r.headroom.Namespace:
		return otherNamespace
	case r.podSelector != nil && !r.podSelector.Matches(c.Labels):
		return podLabels
	case r.namespaceSelector != nil && !r.namespaceSelector.Matches(c.NamespaceLabels):
		return namespaceLabels
	default:
		return none
	}
}
