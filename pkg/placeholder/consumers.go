package placeholder

import (
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// ValidateConsumers returns an error if no pod can ever be a consumer, because a selector is malformed or contradicts itself.
// The API server lets such selectors through. The error is one sentence with the path of the field.
func ValidateConsumers(consumers *v1alpha1.Consumers) error {
	if consumers == nil {
		return nil
	}
	if err := validateSelector(consumers.PodSelector); err != nil {
		return fmt.Errorf("spec.consumers.podSelector %w", err)
	}
	if err := validateSelector(consumers.NamespaceSelector); err != nil {
		return fmt.Errorf("spec.consumers.namespaceSelector %w", err)
	}
	return nil
}

func validateSelector(selector *metav1.LabelSelector) error {
	if _, err := metav1.LabelSelectorAsSelector(selector); err != nil {
		return fmt.Errorf("is malformed: %w", err)
	}
	if selector == nil {
		return nil
	}
	wanted := map[string]*value{}
	of := func(key string) *value {
		if wanted[key] == nil {
			wanted[key] = &value{}
		}
		return wanted[key]
	}
	for key, v := range selector.MatchLabels {
		of(key).in([]string{v})
	}
	for _, e := range selector.MatchExpressions {
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			of(e.Key).in(e.Values)
		case metav1.LabelSelectorOpNotIn:
			of(e.Key).notIn = append(of(e.Key).notIn, e.Values...)
		case metav1.LabelSelectorOpExists:
			of(e.Key).exists = true
		case metav1.LabelSelectorOpDoesNotExist:
			of(e.Key).absent = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		if !wanted[key].possible() {
			return fmt.Errorf("can match nothing: its requirements on the label %s contradict each other", key)
		}
	}
	return nil
}

// value is what a selector requires of one label.
type value struct {
	exists, absent bool
	among          []string // nil: any
	notIn          []string
}

func (v *value) in(values []string) {
	v.exists = true
	if v.among == nil {
		v.among = slices.Clone(values)
		return
	}
	v.among = slices.DeleteFunc(v.among, func(s string) bool { return !slices.Contains(values, s) })
}

// possible reports whether a label, or its absence, can meet all requirements. Values without number are left whatever notIn
// excludes.
func (v *value) possible() bool {
	if v.exists && v.absent {
		return false
	}
	if v.among == nil {
		return true
	}
	return slices.ContainsFunc(v.among, func(s string) bool { return !slices.Contains(v.notIn, s) })
}
