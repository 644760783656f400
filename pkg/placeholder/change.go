package placeholder

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// Change is what admission made different about a placeholder on its way into the API server.
type Change struct {
	// Field is the path of the first field that is not as it was asked for.
	Field string
	// How says what became of it: "was taken away", "was added", "is 100m in place of 1".
	How string
	// Unrecognizable says that the controller does not know the pod by it as a unit of the spec any more.
	Unrecognizable bool
}

// String says it in one clause.
func (c *Change) String() string { return c.Field + " " + c.How }

// ChangeOf compares a placeholder as the API server has it with the one that Build made. It returns nil if admission left alone what the
// unit is known by, what it holds, and where it may go. What admission adds on top is no change: defaults, tolerations, labels, limits.
// Nor is another image, since clusters with a registry of their own put its name in.
func ChangeOf(want, got *corev1.Pod) *Change {
	if c := markChange(want, got); c != nil {
		c.Unrecognizable = true
		return c
	}
	if c := sizeChange(want, got); c != nil {
		return c
	}
	return specChange(want, got)
}

// markChange looks at what a unit is recognized by.
func markChange(want, got *corev1.Pod) *Change {
	if c := entryChange("metadata.labels", v1alpha1.LabelHeadroom, want.Labels, got.Labels); c != nil {
		return c
	}
	owner, kept := metav1.GetControllerOfNoCopy(want), metav1.GetControllerOfNoCopy(got)
	if owner != nil && (kept == nil || kept.UID != owner.UID) {
		return &Change{Field: "metadata.ownerReferences", How: "lost the Headroom as controller"}
	}
	return entryChange("metadata.annotations", v1alpha1.AnnotationTemplateHash, want.Annotations, got.Annotations)
}

// sizeChange looks at what a unit holds.
func sizeChange(want, got *corev1.Pod) *Change {
	for i := range want.Spec.Containers {
		path := fmt.Sprintf("spec.containers[%s]", want.Spec.Containers[i].Name)
		at := slices.IndexFunc(got.Spec.Containers, func(c corev1.Container) bool { return c.Name == want.Spec.Containers[i].Name })
		if at < 0 {
			return &Change{Field: path, How: "was taken away"}
		}
		asked, given := want.Spec.Containers[i].Resources, got.Spec.Containers[at].Resources
		if c := amountChange(path+".resources.requests", asked.Requests, given.Requests); c != nil {
			return c
		}
		if c := amountChange(path+".resources.limits", asked.Limits, given.Limits); c != nil {
			return c
		}
	}
	if r := got.Spec.Resources; r != nil && len(r.Requests) > 0 && want.Spec.Resources == nil {
		return &Change{Field: "spec.resources.requests", How: "was added"} // of the whole pod, which count in the place of the containers'
	}
	if c := added("spec.initContainers", want.Spec.InitContainers, got.Spec.InitContainers); c != nil {
		return c
	}
	return added("spec.containers", want.Spec.Containers, got.Spec.Containers)
}

// specChange looks at where a unit may go, and how it goes.
func specChange(want, got *corev1.Pod) *Change {
	if c := entryChange("metadata.annotations", AnnotationSafeToEvict, want.Annotations, got.Annotations); c != nil {
		return c
	}
	scheduler := firstNonEmpty(want.Spec.SchedulerName, corev1.DefaultSchedulerName)
	for _, f := range []struct{ field, want, got string }{
		{"spec.schedulerName", scheduler, firstNonEmpty(got.Spec.SchedulerName, corev1.DefaultSchedulerName)},
		{"spec.priorityClassName", want.Spec.PriorityClassName, got.Spec.PriorityClassName},
	} {
		if f.want != f.got {
			return replaced(f.field, f.got, f.want)
		}
	}
	if grace := got.Spec.TerminationGracePeriodSeconds; grace == nil || *grace != *want.Spec.TerminationGracePeriodSeconds {
		return &Change{Field: "spec.terminationGracePeriodSeconds", How: "is not 0 any more"}
	}
	for _, key := range slices.Sorted(maps.Keys(want.Spec.NodeSelector)) {
		if c := entryChange("spec.nodeSelector", key, want.Spec.NodeSelector, got.Spec.NodeSelector); c != nil {
			return c
		}
	}
	for _, t := range want.Spec.Tolerations {
		if !slices.ContainsFunc(got.Spec.Tolerations, func(other corev1.Toleration) bool { return other.MatchToleration(&t) }) {
			return &Change{Field: fmt.Sprintf("spec.tolerations[%s]", t.Key), How: "was taken away"}
		}
	}
	if !equality.Semantic.DeepDerivative(want.Spec.Affinity, got.Spec.Affinity) {
		return &Change{Field: "spec.affinity", How: "was changed"}
	}
	if !equality.Semantic.DeepDerivative(want.Spec.TopologySpreadConstraints, got.Spec.TopologySpreadConstraints) {
		return &Change{Field: "spec.topologySpreadConstraints", How: "was changed"}
	}
	return nil
}

func entryChange(path, key string, want, got map[string]string) *Change {
	value, kept := got[key]
	field := fmt.Sprintf("%s[%s]", path, key)
	switch {
	case !kept:
		return &Change{Field: field, How: "was taken away"}
	case value != want[key]:
		return replaced(field, value, want[key])
	}
	return nil
}

func amountChange(path string, want, got corev1.ResourceList) *Change {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		asked, given := want[name], got[name]
		if asked.Cmp(given) != 0 {
			return replaced(fmt.Sprintf("%s[%s]", path, name), given.String(), asked.String())
		}
	}
	return nil
}

func added(path string, want, got []corev1.Container) *Change {
	for i := range got {
		if !slices.ContainsFunc(want, func(c corev1.Container) bool { return c.Name == got[i].Name }) {
			return &Change{Field: fmt.Sprintf("%s[%s]", path, got[i].Name), How: "was added"}
		}
	}
	return nil
}

func replaced(field, got, want string) *Change {
	return &Change{Field: field, How: fmt.Sprintf("is %q in place of %q", got, want)}
}
