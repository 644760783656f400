package lacking

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Place is on which nodes a pod may be, as far as its own labels of nodes say: which nodes there are is not looked at.
type Place struct {
	// NodeSelector is that of the pod.
	NodeSelector map[string]string
	// Terms are its required node affinity, one of which has to match.
	Terms []corev1.NodeSelectorTerm
}

func placeOf(nodeSelector map[string]string, affinity *corev1.Affinity) Place {
	place := Place{NodeSelector: nodeSelector}
	if affinity == nil || affinity.NodeAffinity == nil {
		return place
	}
	if required := affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
		place.Terms = required.NodeSelectorTerms
	}
	return place
}

// meets reports whether two pods may be on the same node: whether nothing that the one says of a label contradicts the other. Of two
// affinities it does not find out.
func (p *Place) meets(other *Place) bool {
	return compatible(p.NodeSelector, other.NodeSelector) && p.allows(other.NodeSelector) && other.allows(p.NodeSelector)
}

// compatible reports whether no label contradicts.
func compatible(a, b map[string]string) bool {
	for key, value := range a {
		if other, ok := b[key]; ok && other != value {
			return false
		}
	}
	return true
}

// allows reports whether the terms may match a node that has these labels and others.
func (p *Place) allows(labels map[string]string) bool {
	return len(p.Terms) == 0 || slices.ContainsFunc(p.Terms, func(term corev1.NodeSelectorTerm) bool {
		return !slices.ContainsFunc(term.MatchExpressions, func(r corev1.NodeSelectorRequirement) bool { return contradicts(&r, labels) })
	})
}

// contradicts reports whether a requirement matches no node with these labels. Numbers are not compared.
func contradicts(r *corev1.NodeSelectorRequirement, labels map[string]string) bool {
	value, known := labels[r.Key]
	if !known {
		return false
	}
	switch r.Operator {
	case corev1.NodeSelectorOpIn:
		return !slices.Contains(r.Values, value)
	case corev1.NodeSelectorOpNotIn:
		return slices.Contains(r.Values, value)
	case corev1.NodeSelectorOpDoesNotExist:
		return true
	case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
	}
	return false
}
