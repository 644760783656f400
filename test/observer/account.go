package observer

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// tookAnnotation is what a consumer carries from its binding: the UIDs of the placeholders that were evicted for it. docs/reference/events.md
// has the contract; the observer reads it by itself.
const tookAnnotation = "headroom.dev/took"

// takingAnnotation is what a running pod carries that is about to take placeholders to grow: their UIDs.
const takingAnnotation = "headroom.dev/taking"

// taking is what is known of one placeholder that was evicted, or said to be.
type taking struct {
	placeholder *corev1.Pod
	gone        time.Time
	revision    uint64
	// explained says that the placeholder's own last state tells why it went: another decision than that of a pod to take it.
	explained bool
	by        []string // the pods that took it, by their own word
}

// credit takes note of what a pod says that it took, when it is bound and when it grew in place.
func (r *Replay) credit(e Event) {
	pod := e.Pod
	value, _, _ := strings.Cut(pod.Annotations[tookAnnotation], "+")
	for uid := range strings.SplitSeq(value, ",") {
		if uid == "" {
			continue
		}
		t := r.taking(types.UID(uid))
		if !slices.Contains(t.by, name(pod)) {
			t.by = append(t.by, name(pod))
		}
		if victim := t.placeholder; victim != nil && priority(victim) >= priority(pod) && !r.isReservedFor(victim, pod) {
			r.report("P1", pod, e.Revision, "pod %s of priority %d took placeholder %s, whose priority %d is not lower",
				name(pod), priority(pod), name(victim), priority(victim))
		}
	}
}

func (r *Replay) taking(uid types.UID) *taking {
	if r.takings[uid] == nil {
		r.takings[uid] = &taking{}
	}
	return r.takings[uid]
}

// evicted takes note of a placeholder that a scheduler has deleted from its node. Its label is enough: the Headroom that it belonged to,
// or the DaemonSet, may be gone by now.
func (r *Replay) evicted(e Event) {
	if e.Pod.Labels[v1alpha1.LabelHeadroom] != "" && ask(r.rules.Evicted, e.Pod) {
		t := r.taking(e.Pod.UID)
		t.placeholder, t.gone, t.revision, t.explained = e.Pod, e.At, e.Revision, t.explained || disrupted(e.Pod)
	}
}

// disrupted reports whether a pod says why it goes: because of a preemption, or because its node has less than is bound to it. Pods may
// still have taken it, where two decided at the same time.
func disrupted(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue
	})
}

// Account judges at the end whether each placeholder that was evicted is credited to exactly one pod (P13), and returns what it finds.
// abandoned reports whether the scheduler had a reason to leave a pod unbound for which it had evicted a placeholder at that time; nil:
// it never had.
func (r *Replay) Account(abandoned func(at time.Time) bool) []Violation {
	known := len(r.violations)
	for _, uid := range sortedKeys(r.takings) {
		t := r.takings[uid]
		switch {
		case t.placeholder == nil && len(t.by) > 0:
			r.reportAt("P13", t, "%s say that they took placeholder %s, which no scheduler has evicted", strings.Join(t.by, ", "), uid)
		case len(t.by) > 1:
			r.reportAt("P13", t, "placeholder %s is credited to %d pods: %s", t.placeholder.Name, len(t.by), strings.Join(t.by, ", "))
		case len(t.by) == 0 && !t.explained && (abandoned == nil || !abandoned(t.gone)):
			r.reportAt("P13", t, "placeholder %s on node %s was evicted, and no pod says that it took it", t.placeholder.Name,
				t.placeholder.Spec.NodeName)
		}
	}
	return slices.Clone(r.violations[known:])
}

func (r *Replay) reportAt(property string, t *taking, format string, args ...any) {
	pod := t.placeholder
	if pod == nil {
		pod = &corev1.Pod{}
	}
	r.report(property, pod, t.revision, format, args...)
	r.violations[len(r.violations)-1].At = t.gone
}

func sortedKeys(takings map[types.UID]*taking) []types.UID {
	keys := make([]types.UID, 0, len(takings))
	for uid := range takings {
		keys = append(keys, uid)
	}
	slices.SortFunc(keys, func(a, b types.UID) int {
		if ra, rb := takings[a].revision, takings[b].revision; ra != rb {
			return int(ra) - int(rb) //nolint:gosec // far below the largest int
		}
		return strings.Compare(string(a), string(b))
	})
	return keys
}
