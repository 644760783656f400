// Package nearness measures how far a node is from what a consumer wants to be near to. It is pure: it knows labels and
// topology keys, and talks to no API server.
package nearness

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// Anchors are the topology domains that a consumer wants to be near to. The zero value has none.
type Anchors struct {
	keys    []string
	domains []map[string]struct{}
	some    bool
}

// New returns no anchors yet, for distances by the given topology keys, nearest first.
func New(keys []string) *Anchors {
	return &Anchors{keys: keys, domains: make([]map[string]struct{}, len(keys))}
}

// AddNode makes all domains of a node, given by its labels, anchors.
func (a *Anchors) AddNode(nodeLabels map[string]string) {
	a.some = true
	for i, key := range a.keys {
		if value, ok := nodeLabels[key]; ok {
			a.add(i, value)
		}
	}
}

// AddPreferred makes the domains that the preferred node affinity of a pod names anchors: those in expressions `In` on one of
// the topology keys, of the terms with the highest weight among the terms that have such an expression.
func (a *Anchors) AddPreferred(terms []corev1.PreferredSchedulingTerm) {
	highest := int32(0)
	for i := range terms {
		if a.names(&terms[i]) {
			highest = max(highest, terms[i].Weight)
		}
	}
	for i := range terms {
		if terms[i].Weight == highest {
			a.addTerm(&terms[i])
		}
	}
}

func (a *Anchors) names(term *corev1.PreferredSchedulingTerm) bool {
	for _, expression := range term.Preference.MatchExpressions {
		if expression.Operator == corev1.NodeSelectorOpIn && a.index(expression.Key) >= 0 {
			return true
		}
	}
	return false
}

func (a *Anchors) addTerm(term *corev1.PreferredSchedulingTerm) {
	for _, expression := range term.Preference.MatchExpressions {
		i := a.index(expression.Key)
		if expression.Operator != corev1.NodeSelectorOpIn || i < 0 {
			continue
		}
		for _, value := range expression.Values {
			a.add(i, value)
			a.some = true
		}
	}
}

func (a *Anchors) index(key string) int {
	for i := range a.keys {
		if a.keys[i] == key {
			return i
		}
	}
	return -1
}

func (a *Anchors) add(key int, value string) {
	if a.domains[key] == nil {
		a.domains[key] = map[string]struct{}{}
	}
	a.domains[key][value] = struct{}{}
}

// None says that there are no anchors: all nodes are equally near.
func (a *Anchors) None() bool {
	return a == nil || !a.some
}

// Distance of a node, given by its labels: the index of the first topology key whose domain it shares with an anchor, and the
// number of keys if there is none. Without anchors it is 0.
func (a *Anchors) Distance(nodeLabels map[string]string) int {
	if a.None() {
		return 0
	}
	for i, key := range a.keys {
		if len(a.domains[i]) == 0 {
			continue
		}
		if value, ok := nodeLabels[key]; ok {
			if _, shared := a.domains[i][value]; shared {
				return i
			}
		}
	}
	return len(a.keys)
}

// Near returns the selector in a consumer's headroom.dev/near annotation, nil if it has none. It fails if the annotation is
// not a label selector.
func Near(pod *corev1.Pod) (labels.Selector, error) {
	value, ok := pod.Annotations[v1alpha1.AnnotationNear]
	if !ok {
		return nil, nil
	}
	selector, err := labels.Parse(value)
	if err != nil {
		return nil, fmt.Errorf("annotation %s is no label selector: %w", v1alpha1.AnnotationNear, err)
	}
	return selector, nil
}
