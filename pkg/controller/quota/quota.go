// Package quota tells whether the ResourceQuotas that count the units of a Headroom leave enough for their consumers. It talks to no API
// server.
package quota

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// Shortage is a quota that leaves less than one more pod asks for.
type Shortage struct {
	// Quota is the name of the ResourceQuota.
	Quota string
	// Resource is what is short, as the quota names it: "requests.cpu", "pods", ...
	Resource corev1.ResourceName
	// Left is what the quota leaves, Needed what the pod asks for.
	Left, Needed resource.Quantity
}

// String says it in one clause.
func (s *Shortage) String() string {
	return fmt.Sprintf("ResourceQuota %s leaves %s of %s, less than the %s of one unit",
		s.Quota, s.Left.String(), s.Resource, s.Needed.String())
}

// Short returns the first shortage, by the name of the quota and then of the resource, that a consumer as large as this unit would meet
// while the unit is there; nil if there is none. Quotas that do not count the unit, by their scopes, do not matter, nor those that count
// only pods of its PriorityClass: no consumer is of that class, since its priority is above the unit's.
func Short(quotas []corev1.ResourceQuota, pod *corev1.Pod) *Shortage {
	quotas = slices.Clone(quotas)
	slices.SortFunc(quotas, func(a, b corev1.ResourceQuota) int { return strings.Compare(a.Name, b.Name) })
	needs := needsOf(pod)
	for i := range quotas {
		if !counts(&quotas[i], pod) || onlyOfClass(&quotas[i], pod.Spec.PriorityClassName) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(quotas[i].Status.Hard)) {
			needed, asked := needs[name]
			if !asked || needed.IsZero() {
				continue
			}
			left := quotas[i].Status.Hard[name].DeepCopy()
			left.Sub(quotas[i].Status.Used[name])
			if left.Cmp(needed) < 0 {
				return &Shortage{Quota: quotas[i].Name, Resource: name, Left: left, Needed: needed}
			}
		}
	}
	return nil
}

// needsOf is what a pod uses of a quota, by every name that a quota can have for it.
func needsOf(pod *corev1.Pod) corev1.ResourceList {
	one := resource.MustParse("1")
	needs := corev1.ResourceList{corev1.ResourcePods: one, "count/pods": one}
	add := func(name corev1.ResourceName, quantity resource.Quantity) {
		sum := needs[name]
		sum.Add(quantity)
		needs[name] = sum
	}
	for i := range pod.Spec.Containers {
		for name, quantity := range pod.Spec.Containers[i].Resources.Requests {
			add(corev1.DefaultResourceRequestsPrefix+name, quantity)
			if !strings.Contains(string(name), "/") {
				add(name, quantity)
			}
		}
		for name, quantity := range pod.Spec.Containers[i].Resources.Limits {
			add("limits."+name, quantity)
		}
	}
	return needs
}

// counts reports whether all scopes of a quota are about the pod.
func counts(quota *corev1.ResourceQuota, pod *corev1.Pod) bool {
	for _, scope := range quota.Spec.Scopes {
		if !inScope(corev1.ScopedResourceSelectorRequirement{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists}, pod) {
			return false
		}
	}
	if quota.Spec.ScopeSelector == nil {
		return true
	}
	return !slices.ContainsFunc(quota.Spec.ScopeSelector.MatchExpressions, func(r corev1.ScopedResourceSelectorRequirement) bool {
		return !inScope(r, pod)
	})
}

// onlyOfClass reports whether a quota counts pods of a unit's PriorityClass, and no others but those of classes that are for units only.
func onlyOfClass(quota *corev1.ResourceQuota, class string) bool {
	if quota.Spec.ScopeSelector == nil {
		return false
	}
	return slices.ContainsFunc(quota.Spec.ScopeSelector.MatchExpressions, func(r corev1.ScopedResourceSelectorRequirement) bool {
		another := func(value string) bool {
			return value != class && value != v1alpha1.DefaultPriorityClassName && value != v1alpha1.ReservedPriorityClassName &&
				!v1alpha1.IsLadderPriorityClass(value)
		}
		return r.ScopeName == corev1.ResourceQuotaScopePriorityClass && r.Operator == corev1.ScopeSelectorOpIn &&
			!slices.ContainsFunc(r.Values, another)
	})
}

// inScope reports whether a scope is about the pod. A scope that is about pods in ways that placeholders never are is not.
func inScope(r corev1.ScopedResourceSelectorRequirement, pod *corev1.Pod) bool {
	switch r.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return pod.Spec.ActiveDeadlineSeconds != nil
	case corev1.ResourceQuotaScopeNotTerminating:
		return pod.Spec.ActiveDeadlineSeconds == nil
	case corev1.ResourceQuotaScopeBestEffort:
		return bestEffort(pod)
	case corev1.ResourceQuotaScopeNotBestEffort:
		return !bestEffort(pod)
	case corev1.ResourceQuotaScopePriorityClass:
		return ofClass(r, pod.Spec.PriorityClassName)
	default:
		return false
	}
}

func ofClass(r corev1.ScopedResourceSelectorRequirement, class string) bool {
	switch r.Operator {
	case corev1.ScopeSelectorOpIn:
		return slices.Contains(r.Values, class)
	case corev1.ScopeSelectorOpNotIn:
		return !slices.Contains(r.Values, class)
	case corev1.ScopeSelectorOpDoesNotExist:
		return class == ""
	default:
		return class != ""
	}
}

// bestEffort reports whether the pod asks for neither CPU nor memory.
func bestEffort(pod *corev1.Pod) bool {
	for i := range pod.Spec.Containers {
		for _, list := range []corev1.ResourceList{pod.Spec.Containers[i].Resources.Requests, pod.Spec.Containers[i].Resources.Limits} {
			if !list.Cpu().IsZero() || !list.Memory().IsZero() {
				return false
			}
		}
	}
	return true
}
