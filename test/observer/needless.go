package observer

import (
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// unsure is how far what a scheduler knew when it decided may lie from what the history shows at that moment.
const unsure = 2 * time.Second

// blindest is how long a pod that is gone is remembered: a scheduler whose watches are cut sees its end no later.
const blindest = 30 * time.Second

// preemption is a running pod that was preempted and of which it is not yet known whether that was needed.
type preemption struct {
	victim   *corev1.Pod
	at       time.Time
	revision uint64
}

// departure is a pod that is gone: from its node, or while it waited for one.
type departure struct {
	pod *corev1.Pod
	at  time.Time
	// nominated is when it was nominated to a node, if it waited.
	nominated time.Time
}

// told takes note of who preempted whom: kube-scheduler tells in an event.
func (r *Replay) told(e Event) {
	if e.Type != watch.Added || e.Report.Reason != "Preempted" {
		return
	}
	if _, rest, ok := strings.Cut(e.Report.Note, "Preempted by "); ok {
		for _, word := range strings.Fields(rest) {
			if strings.Count(word, "-") == 4 {
				r.preemptors[e.Report.Regarding.UID] = types.UID(word)
			}
		}
	}
}

// judgePreemptions judges the preemptions that are old enough to know all that belongs to them.
func (r *Replay) judgePreemptions(now time.Time) {
	for len(r.preemptions) > 0 && now.Sub(r.preemptions[0].at) > unsure {
		if r.rules.Places != nil {
			r.judgePreemption(r.preemptions[0])
		}
		r.preemptions = r.preemptions[1:]
	}
	for len(r.gone) > 0 && now.Sub(r.gone[0].at) > blindest {
		r.gone = r.gone[1:]
	}
	maps.DeleteFunc(r.shrunk, func(_ types.UID, s shrinkage) bool { return now.Sub(s.at) > blindest })
	for len(r.waited) > 0 && now.Sub(r.waited[0].at) > 4*unsure {
		r.waited = r.waited[1:]
	}
}

// judgePreemption reports a running pod that died although the eviction of placeholders would have done (P12). It counts only room that was
// there all the time from a little before the decision until a little after it: placeholders that stayed, and no pod that came, went or was
// made smaller, be it only nominated, as far as the scheduler can have seen. A node counts if it suits the preemptor both with the pods that
// came meanwhile and without them, since they can make it suitable: by what they add to another domain of a spread constraint, for example.
// The same holds for pods that are only nominated, which kube-scheduler counts nowhere but on their own node.
// Reserved units stay, whatever else goes.
func (r *Replay) judgePreemption(p preemption) {
	preemptor := r.lookUp(r.preemptors[p.victim.UID])
	if preemptor == nil {
		return
	}
	known := func(at time.Time) bool { return r.seenBy(at).Before(p.at.Add(-unsure)) }
	preemptor = r.beforeItShrank(preemptor, known)
	var there []*corev1.Pod
	onlyNominated := map[types.UID]bool{}
	take := func(pod *corev1.Pod) {
		pod = r.beforeItShrank(pod, known)
		switch {
		case pod.UID == preemptor.UID || r.rejected[pod.UID]:
		case holdsRoom(pod):
			there = append(there, pod)
		case pod.Status.NominatedNodeName != "" && pod.Spec.NodeName == "" && priority(pod) >= priority(preemptor):
			nominated := pod.DeepCopy()
			nominated.Spec.NodeName = pod.Status.NominatedNodeName
			there, onlyNominated[pod.UID] = append(there, nominated), true
		}
	}
	for _, pod := range r.pods {
		take(pod)
	}
	for _, d := range slices.Concat(r.gone, r.waited) {
		if !known(d.at) && d.pod.UID != preemptor.UID {
			take(d.pod)
		}
	}
	var nodes []*corev1.Node
	for name, node := range r.nodes {
		if known(r.nodeSince[name]) {
			nodes = append(nodes, node)
		}
	}
	asked := preemptor.DeepCopy()
	asked.Spec.NodeName, asked.Status.NominatedNodeName = "", ""
	below := priority(preemptor)
	if r.rules.Stock != nil && r.rules.Stock(preemptor.Spec.SchedulerName) {
		below = min(below, priority(p.victim))
	}
	spare := func(other *corev1.Pod) bool {
		return r.pods[other.UID] == other && r.isPlaceholder(other) && !placeholder.IsReserved(other) && priority(other) < below &&
			other.DeletionTimestamp == nil && known(r.boundAt[other.UID])
	}
	places, err := r.rules.Places(r.ctx, asked, nodes, there, spare)
	if err != nil || len(places) == 0 {
		return
	}
	before := slices.DeleteFunc(there, func(pod *corev1.Pod) bool { return onlyNominated[pod.UID] || !known(r.boundAt[pod.UID]) })
	then, err := r.rules.Places(r.ctx, asked, nodes, before, spare)
	places = slices.DeleteFunc(places, func(node string) bool { return !slices.Contains(then, node) })
	if err != nil || len(places) == 0 {
		return
	}
	r.report("P12", p.victim, p.revision, "pod %s of %s preempted pod %s on node %s, although to evict placeholders would have done on %s",
		name(preemptor), preemptor.Spec.SchedulerName, name(p.victim), p.victim.Spec.NodeName, strings.Join(places, ", "))
}

// lookUp returns a pod that exists or has just gone, nil if there is none.
func (r *Replay) lookUp(uid types.UID) *corev1.Pod {
	if pod := r.pods[uid]; pod != nil {
		return pod
	}
	for _, d := range r.gone {
		if d.pod.UID == uid {
			return d.pod
		}
	}
	return nil
}
