package placeholder

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const (
	// ladderTemplateClass stands in the hashed template for the PriorityClasses of all steps, so that the step makes no other template.
	ladderTemplateClass = "headroom-ladder"
	// pinWeight is the weight of the preference for the domain that a placeholder is meant for, the largest there is.
	pinWeight = 100
)

// OnLadder reports whether the units of a Headroom stand on steps of priority: as spec.ladder says or, where it is silent and the
// Headroom names no PriorityClass of its own, the operator. Those of a DaemonSet never do, nor do reserved ones.
func OnLadder(headroom *v1alpha1.Headroom, defaults Defaults) bool {
	spec := &headroom.Spec
	switch {
	case spec.Placement == v1alpha1.PlacementPerNode, spec.Reserved:
		return false
	case spec.Ladder != "":
		return spec.Ladder == v1alpha1.LadderEnabled
	default:
		return defaults.Ladder && spec.UnitPriorityClassName() == v1alpha1.DefaultPriorityClassName
	}
}

// PriorityClassNames are the PriorityClasses that the units of a Headroom may have: those of the ladder, the first to go first, or the one
// that all have.
func PriorityClassNames(headroom *v1alpha1.Headroom, defaults Defaults) []string {
	if OnLadder(headroom, defaults) {
		return v1alpha1.LadderPriorityClasses()
	}
	return []string{templateClass(headroom, defaults)}
}

// PriorityClassIn names the PriorityClasses that the units of a Headroom have in one word: the one that all have, or a pattern for those of
// the ladder.
func PriorityClassIn(headroom *v1alpha1.Headroom, defaults Defaults) string {
	if OnLadder(headroom, defaults) {
		return ladderTemplateClass + "-*"
	}
	return headroom.Spec.UnitPriorityClassName()
}

// templateClass is the PriorityClass in what is hashed.
func templateClass(headroom *v1alpha1.Headroom, defaults Defaults) string {
	if OnLadder(headroom, defaults) {
		return ladderTemplateClass
	}
	return headroom.Spec.UnitPriorityClassName()
}

// SpreadHard reports whether a constraint of the Headroom keeps its units apart over the domains of Spec.DomainKey, and no unit is bound
// against it.
func SpreadHard(headroom *v1alpha1.Headroom) bool {
	own := labels.Merge(headroom.Spec.PodLabels, labelsOf(headroom.Name))
	for i := range headroom.Spec.TopologySpreadConstraints {
		c := &headroom.Spec.TopologySpreadConstraints[i]
		if c.TopologyKey != headroom.Spec.DomainKey() || c.WhenUnsatisfiable != corev1.DoNotSchedule {
			continue
		}
		if selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector); err == nil && selector.Matches(own) {
			return true
		}
	}
	return false
}

// put makes a pod of the template one for this place. The domain is a preference and no demand: the spread constraints demand what has to
// be, and where the domain has no room and they let the unit go elsewhere, room there is better than none.
func (p Place) put(pod *corev1.Pod, domainKey string) {
	pod.Spec.PriorityClassName = firstNonEmpty(p.PriorityClassName, v1alpha1.LadderPriorityClasses()[0])
	if p.Domain == "" {
		return
	}
	pod.Annotations[v1alpha1.AnnotationDomain] = p.Domain
	if pod.Spec.Affinity == nil {
		pod.Spec.Affinity = &corev1.Affinity{}
	}
	if pod.Spec.Affinity.NodeAffinity == nil {
		pod.Spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
	}
	node := pod.Spec.Affinity.NodeAffinity
	node.PreferredDuringSchedulingIgnoredDuringExecution = append(node.PreferredDuringSchedulingIgnoredDuringExecution,
		corev1.PreferredSchedulingTerm{
			Weight: pinWeight,
			Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: domainKey, Operator: corev1.NodeSelectorOpIn, Values: []string{p.Domain}},
			}},
		})
}
